package report

import (
	"iter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
)

// SchemaVersion is raised when a key of report.json changes its meaning or goes away; new keys don't raise it.
const SchemaVersion = 1

// Report is the content of report.json. It is written on every exit, also where nothing was sent.
type Report struct {
	SchemaVersion int    `json:"schema_version"`
	Version       string `json:"version"` // the program's
	Command       string `json:"command"`
	// Started and Finished are in UTC.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	ExitCode int       `json:"exit_code"`
	DryRun   bool      `json:"dry_run"`
	// Interrupted tells that a signal ended the run: what is not listed as copied or unchanged is left to the next run.
	Interrupted bool `json:"interrupted"`
	// Errors are those of the run itself (usage, input, set rules); a copy's own stands with the copy.
	Errors     []string            `json:"errors"`
	Totals     Totals              `json:"totals"`
	Shard      *Shard              `json:"shard,omitempty"`  // absent where the run had the whole plan
	Shards     []ShardRun          `json:"shards,omitempty"` // those that a merged report is of
	Targets    []Target            `json:"targets,omitempty"`
	Copies     []Copy              `json:"copies"`
	Registries map[string]Registry `json:"registries"`
	DockerHub  *DockerHub          `json:"docker_hub,omitempty"`
}

// Copy is one image copied to one place, whoever asked for it.
type Copy struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	// ReadFrom is what took the source's place: a pull-through cache, or another destination where the source has lost the digest.
	ReadFrom string        `json:"read_from,omitempty"`
	Status   engine.Status `json:"status"`
	// Reason says why a copy failed or was skipped.
	Reason string `json:"reason,omitempty"`
	// Cause is what it failed by, where that is not about this image alone: "registry.example: connection refused".
	Cause string `json:"cause,omitempty"`
	// Drift tells that --verify found it: the destination is there or was expected, and differs from the source.
	Drift bool `json:"drift,omitempty"`
	// Interrupted tells that a signal is the reason; the next run makes the copy.
	Interrupted bool `json:"interrupted,omitempty"`
	// Hint says what can be done about a failure.
	Hint string `json:"hint,omitempty"`
	// Digest is what the destination has (planned: would have); empty where it is not known.
	Digest string `json:"digest,omitempty"`
	// SourceDigest differs from Digest only where an index was cut down to some platforms.
	SourceDigest string   `json:"source_digest,omitempty"`
	Platforms    []string `json:"platforms,omitempty"` // the only ones wanted
	// Replaced is the other digest that the destination had under the tag before (planned: has).
	Replaced string `json:"replaced,omitempty"`
	// Lock says which entry of a lock has decided the digest; absent where none has.
	Lock *Lock `json:"lock,omitempty"`
	// Verification says how the image's signatures were judged; absent where no rule asks for any, and where the copy was unchanged.
	Verification *Verification `json:"verification,omitempty"`
	// MovedTo is what the source's tag names now, where that isn't what is locked: a digest, or "deleted". Only with --report-moved.
	MovedTo string `json:"moved_to,omitempty"`
	// Index says what is left out of an index because of Platforms, or as its source lacks it; absent where that is nothing.
	Index *Index `json:"index,omitempty"`
	// ForeignLayers is how many layers the image names that were left where their URLs say; absent where it was not looked into.
	ForeignLayers int `json:"foreign_layers_left,omitempty"`
	// Attached is the number of attachments (signatures, attestations, SBOMs) that were copied with it.
	Attached int `json:"attached,omitempty"`
	// AttachmentsMissed are attachments that don't come along, and questions after them that weren't answered.
	AttachmentsMissed []Missed     `json:"attachments_missed,omitempty"`
	Bytes             engine.Bytes `json:"bytes"`
	Asker
	// AlsoAskedBy are the others that want the same copy; it is made, and counted, once.
	AlsoAskedBy []Asker `json:"also_asked_by,omitempty"`
	// Entry is the place, from 1, in the whole plan. Only a shard's report has it.
	Entry int `json:"entry,omitempty"`
}

// Lock is an entry of a lock.
type Lock struct {
	File string    `json:"file"` // its place, file:line
	Seen time.Time `json:"seen"` // when the digest was first seen under the image's name
	// Because is why a rule was set aside for the digest.
	Because string `json:"because,omitempty"`
}

// Index tells what a destination has of an index.
type Index struct {
	// Kind is "rewritten" (it names no more than is there) or "sparse" (it is the source's, and names what is left out, too).
	Kind string `json:"kind"`
	// Manifests is how many the source's index names, attestations among them; Kept of them are wanted.
	Manifests int `json:"manifests"`
	Kept      int `json:"kept"`
	// LeftOut are the platforms that can't be pulled from the destination.
	LeftOut []string `json:"left_out"`
	// Missing is what the source's index names and the source doesn't have: a platform, or what it attests, and a digest.
	Missing []string `json:"missing,omitempty"`
}

// Missed is something that is attached to an image, or may be, and wasn't copied with it.
type Missed struct {
	What   string `json:"what"`           // of the image's repository
	More   int    `json:"more,omitempty"` // others of the same cause
	Reason string `json:"reason"`
}

func indexOf(s *engine.Subset) *Index {
	if s == nil {
		return nil
	}
	index := &Index{Kind: "rewritten", Manifests: s.Manifests, Kept: s.Kept, LeftOut: []string{}}
	if s.Sparse {
		index.Kind = "sparse"
	}
	for _, p := range s.LeftOut {
		index.LeftOut = append(index.LeftOut, Clean(p.String()))
	}
	for _, m := range s.Missing {
		index.Missing = append(index.Missing, Clean(m.String()))
	}
	return index
}

// Asker is who wants a copy: a line of a spec file, and the target that owns the file.
type Asker struct {
	Origin string   `json:"origin,omitempty"` // file:line
	Target string   `json:"target,omitempty"` // its address
	Name   string   `json:"name,omitempty"`   // AS
	Labels []string `json:"labels,omitempty"`
}

// All are the copies.
func (r *Report) All() iter.Seq[*Copy] {
	return func(yield func(*Copy) bool) {
		for i := range r.Copies {
			if !yield(&r.Copies[i]) {
				return
			}
		}
	}
}

// Askers are all who want the copy.
func (c *Copy) Askers() []Asker {
	return append([]Asker{c.Asker}, c.AlsoAskedBy...)
}

// Target is how one target of a batch ended.
type Target struct {
	Address  string `json:"address"`
	ExitCode int    `json:"exit_code"`
	Totals   Totals `json:"totals"`
	// Causes are those of its failed copies.
	Causes []string `json:"causes,omitempty"`
	Errors []string `json:"errors,omitempty"`
}

// Totals counts copies by status, and their bytes.
type Totals struct {
	Copied    int `json:"copied"`
	Unchanged int `json:"unchanged"`
	Planned   int `json:"planned"`
	Skipped   int `json:"skipped"`
	Failed    int `json:"failed"`
	// Refused are those of the failed ones that the policy has refused.
	Refused int          `json:"refused,omitempty"`
	Bytes   engine.Bytes `json:"bytes"`
}

// AddCopy counts one copy, as it is reported.
func (t *Totals) AddCopy(c *Copy) {
	t.Add(c.Status, c.Bytes)
	if c.Status == engine.StatusFailed && c.Verification != nil && !c.Verification.Passed {
		t.Refused++
	}
}

// Add counts one copy.
func (t *Totals) Add(status engine.Status, bytes engine.Bytes) {
	switch status {
	case engine.StatusCopied:
		t.Copied++
	case engine.StatusUnchanged:
		t.Unchanged++
	case engine.StatusPlanned:
		t.Planned++
	case engine.StatusSkipped:
		t.Skipped++
	case engine.StatusFailed:
		t.Failed++
	}
	t.Bytes.Down += bytes.Down
	t.Bytes.Up += bytes.Up
	t.Bytes.Mounted += bytes.Mounted
}

// All is the number of copies counted.
func (t *Totals) All() int { return t.Copied + t.Unchanged + t.Planned + t.Skipped + t.Failed }

// Registry is what a run asked of one registry host.
type Registry struct {
	// Requests counts by kind, such as "manifest HEAD" or "upload POST mount"; retries count each time.
	Requests  map[string]int64 `json:"requests"`
	Retries   int64            `json:"retries"`
	Throttled int64            `json:"throttled"` // answers 429 and 503
	BytesDown int64            `json:"bytes_down"`
	BytesUp   int64            `json:"bytes_up"`
	RateLimit *RateLimit       `json:"rate_limit,omitempty"`
}

// RateLimit is what the registry's last RateLimit headers said.
type RateLimit struct {
	Limit         int64 `json:"limit"`
	Remaining     int64 `json:"remaining"`
	WindowSeconds int64 `json:"window_seconds,omitempty"`
}

// DockerHub accounts for Docker Hub's pull limit. A pull is a GET of a manifest; a HEAD costs none
// (https://docs.docker.com/docker-hub/usage/pulls/).
type DockerHub struct {
	PullsSpent int64 `json:"pulls_spent"`
	// PullsPlanned is how many the copies would spend that a dry run has planned: it reads what they will read.
	PullsPlanned *int64 `json:"pulls_planned,omitempty"`
	PullsLeft    *int64 `json:"pulls_left,omitempty"` // absent where Docker Hub did not say
	Limit        *int64 `json:"limit,omitempty"`
}

// SetResult puts into the copy how the engine ended it.
func (c *Copy) SetResult(r engine.Result) {
	c.Status = r.Status
	c.Digest = hashText(r.Digest)
	c.SourceDigest = hashText(r.SourceDigest)
	if r.Status == engine.StatusCopied || r.Status == engine.StatusPlanned {
		c.Replaced = hashText(r.Replaced)
	}
	c.Index = indexOf(r.Subset)
	c.Bytes = r.Bytes
	c.Attached = r.Attached
	c.ForeignLayers = r.Foreign
	c.AttachmentsMissed = nil
	for _, m := range r.Missed {
		c.AttachmentsMissed = append(c.AttachmentsMissed, Missed{What: Clean(m.What), More: m.More, Reason: Clean(m.Err.Error())})
	}
	if r.Err != nil {
		c.Reason = Clean(r.Err.Error())
	}
	if r.Status == engine.StatusSkipped && c.Reason == "" {
		c.Reason = "the run was interrupted before it started"
	}
}

func hashText(h v1.Hash) string {
	if h == (v1.Hash{}) {
		return ""
	}
	return h.String()
}

// Finish computes the totals from the copies and sets what comes last.
func (r *Report) Finish(now time.Time, exitCode int) {
	r.SchemaVersion = SchemaVersion
	r.Finished = now.UTC()
	r.Started = r.Started.UTC()
	r.ExitCode = exitCode
	r.Totals = Totals{}
	for i := range r.Copies {
		r.Totals.AddCopy(&r.Copies[i])
	}
	// Consumers iterate without a null check.
	if r.Errors == nil {
		r.Errors = []string{}
	}
	if r.Copies == nil {
		r.Copies = []Copy{}
	}
	if r.Registries == nil {
		r.Registries = map[string]Registry{}
	}
}
