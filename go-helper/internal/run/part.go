package run

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/shard"
)

// Part is what a process takes of a set that several carry out. The zero value is all of it.
type Part struct {
	shard.Shard
	// AtOnce is how many of the shards run at the same time, and so share the limits of registries; 0: all of them.
	AtOnce int
	// Share is a folder, or oci:// and a repository, in which they tell each other what they have brought where; empty: none.
	Share string
}

func (p Part) check() error {
	switch {
	case p.AtOnce < 0:
		return errors.New("--shards-at-once must be at least 1")
	case p.AtOnce > 0 && p.Count == 0:
		return errors.New("--shards-at-once goes with --shard")
	case p.Share != "" && p.Count == 0:
		return errors.New("--share goes with --shard")
	}
	_, err := p.share()
	return err
}

// sharers is how many processes share a limit that is set for all of them.
func (p Part) sharers() int {
	switch {
	case p.Count == 0:
		return 1
	case p.AtOnce == 0:
		return p.Count
	}
	return min(p.AtOnce, p.Count)
}

// inRepository is what the name of a repository begins with where it could be taken for a folder.
const inRepository = "oci://"

// share is where the part exchanges advice with the others.
func (p Part) share() (engine.Share, error) {
	name, remote := strings.CutPrefix(p.Share, inRepository)
	s := engine.Share{Index: p.Index, Count: p.Count}
	if !remote {
		s.Folder = p.Share
		return s, nil
	}
	var err error
	if s.Repository, err = reference.Parse(name); err != nil {
		return s, fmt.Errorf("--share %s: %w", p.Share, err)
	}
	if s.Repository.Name() != name {
		return s, fmt.Errorf("--share %s: want a repository in full and without a tag, as in %sregistry.example/mirror/share", p.Share, inRepository)
	}
	return s, nil
}

// report is what the run's report says of the part before the plan is known.
func (p Part) report() *report.Shard {
	if p.Count == 0 {
		return nil
	}
	return &report.Shard{Index: p.Index, Count: p.Count}
}

// indexes gives those of the plan's copies that are in the part.
func (p Part) indexes(copies []plan.Copy) []int {
	var mine []int
	for i, shard := range shard.Assign(copies, p.Count) {
		if shard == p.Index {
			mine = append(mine, i)
		}
	}
	return mine
}

// of leaves the copies of the part.
func (p Part) of(copies []plan.Copy) []plan.Copy {
	var mine []plan.Copy
	for _, i := range p.indexes(copies) {
		mine = append(mine, copies[i])
	}
	return mine
}

// nothing says so where a part has no copies; empty if it has.
func (p Part) nothing(mine, all int, of string) string {
	if mine > 0 || p.Count == 0 {
		return ""
	}
	return fmt.Sprintf("shard %s has nothing to do: others have the %s of the %s", p, report.Plural(all, "image"), of)
}

// take leaves the entries of the session's part. The rules of the set have been applied to all of them.
func (s *session) take(entries []*entry) []*entry {
	if s.Part.Count == 0 {
		return entries
	}
	copies := make([]plan.Copy, len(entries))
	for i, e := range entries {
		copies[i] = e.Copy
	}
	digest := sha256.New()
	if err := plan.Write(digest, copies); err != nil { // a defect: it has been written or read before
		s.failed(err)
	}
	s.report.Shard.Plan = "sha256:" + hex.EncodeToString(digest.Sum(nil))
	var kept []*entry
	for _, i := range s.Part.indexes(copies) {
		entries[i].copy.Entry = i + 1
		kept = append(kept, entries[i])
	}
	if notice := s.Part.nothing(len(kept), len(entries), "plan"); notice != "" {
		s.console.Notice(notice)
	}
	return kept
}

// broken are the copies of targets that break a rule of the set. Every shard says why; one of them reports the copies.
func (s *session) broken(targets []*target) (copies []report.Copy) {
	for _, t := range targets {
		if s.Part.Index > 0 {
			t.copies = nil
		}
		for _, c := range t.copies {
			copies = append(copies, *c)
		}
	}
	return copies
}
