package lock

import (
	"bytes"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// The rules of a lock's changes.
const (
	// Immature is a digest that is younger than its rule wants.
	Immature Rule = "lock-immature"
	// History is what changed though nothing may change it, or what claims an age that nobody can vouch for.
	History Rule = "lock-history"
	// Forbidden is a reason where the policy allows none.
	Forbidden Rule = "because"
	// Unsigned is a digest of which the lock doesn't say who has signed it, where its rule refuses what isn't signed.
	Unsigned Rule = "lock-unsigned"
	// NoRule is an image of which the policy says nothing.
	NoRule Rule = "no-rule"
)

// How far the first line about a digest may be from the clock of who checks it.
const (
	maxBackdated = 72 * time.Hour
	maxAhead     = 5 * time.Minute
)

// IsLock tells a lock from other files of that name.
func IsLock(data []byte) bool {
	return bytes.HasPrefix(data, []byte("# Written by `docker-mirror lock`"))
}

// Known is what the locks of a revision attest.
type Known struct {
	entries map[string][]*Image              // by source
	digests map[string]map[v1.Hash]time.Time // by repository: since when, at the latest
	next    map[string]map[v1.Hash][]time.Time
}

// NewKnown takes over what all locks of a revision say: what a lock is called, and which list an image is in, doesn't matter.
func NewKnown(files []*File) *Known {
	k := &Known{map[string][]*Image{}, map[string]map[v1.Hash]time.Time{}, map[string]map[v1.Hash][]time.Time{}}
	for _, f := range files {
		for i := range f.Images {
			image := &f.Images[i]
			ref, err := reference.Parse(image.Source)
			if err != nil || image.Edited {
				continue
			}
			k.entries[image.Source] = append(k.entries[image.Source], image)
			if !image.Waiting() {
				of := k.digests[ref.Name()]
				if of == nil {
					of = map[v1.Hash]time.Time{}
					k.digests[ref.Name()] = of
				}
				if first, twice := of[image.Digest]; !twice || image.Seen.Before(first) {
					of[image.Digest] = image.Seen
				}
			}
			for _, n := range image.Next {
				if k.next[image.Source] == nil {
					k.next[image.Source] = map[v1.Hash][]time.Time{}
				}
				k.next[image.Source][n.Digest] = append(k.next[image.Source][n.Digest], n.Seen)
			}
		}
	}
	return k
}

// Since is what a lock's changes are judged by.
type Since struct {
	Known  *Known
	Name   string // of the revision
	Policy *policy.Policy
	Now    time.Time
	// Adopts tells that the revision has the list, but no lock for it.
	Adopts bool
	// Made tells that the list is no file: a revision can't show that it had the list, which may be as new as its lock.
	Made bool
}

// Changed judges what is new in a lock since a revision: a digest must have been known there for its rule's cooldown, and what
// waits can't claim to have waited before. What passes once passes for ever.
func (f *File) Changed(s Since) []*Problem {
	var problems []*Problem
	for i := range f.Images {
		image := &f.Images[i]
		ref, err := reference.Parse(image.Source)
		if err != nil {
			continue // the reader has told
		}
		say := func(rule Rule, format string, args ...any) {
			problems = append(problems, &Problem{rule, &spec.Error{File: f.Name, Line: image.Line, Msg: image.Source + " " + fmt.Sprintf(format, args...)}})
		}
		rule, err := s.Policy.For(ref)
		if err != nil {
			say(NoRule, "is matched by no rule of %s at %s", s.Policy.Name, s.Name)
			continue
		}
		s.digest(image, ref, rule, say)
		s.next(image, rule, say)
	}
	return problems
}

type sayFunc func(rule Rule, format string, args ...any)

func (s *Since) digest(image *Image, ref reference.Reference, rule *policy.Rule, say sayFunc) {
	if image.Waiting() {
		return
	}
	if kept, times := s.kept(image); len(times) > 0 {
		if !kept {
			say(History, "has the digest that it has at %s, but says that it was seen at %s, not at %s: take the entry as it was", s.Name, formatTime(image.Seen), formatTime(times[0]))
		}
		return
	}
	if objection := image.LacksSigner(rule); objection != "" {
		say(Unsigned, "%s", objection)
	}
	switch {
	case image.Seen.After(s.Now.Add(maxAhead)):
		say(History, "was seen at %s, which is yet to come", formatTime(image.Seen))
	case rule.Cooldown == 0 || s.Adopts:
	case image.Because == Adopted && s.Made:
		say(Immature, "is locked as if its list had been there without a lock, and %s can't show that it was, as a target makes the list: have it wait first (lock --observe), or say --now and --because", s.Name)
	case image.Because == Adopted:
		say(Immature, "is locked as if its list had been there without a lock, which it wasn't at %s: have it wait first (lock --observe), or say --now and --because", s.Name)
	case image.Because != "" && !rule.Exceptions:
		say(Forbidden, "has a reason, and its rule allows no exceptions (%s)", rule.Place())
	case image.Because != "":
	default:
		s.age(image, ref, rule, say)
	}
}

// LacksSigner says what a rule has against a locked digest of which the lock doesn't say who has signed it; nothing where it has one,
// waits, or may be unsigned.
func (i *Image) LacksSigner(rule *policy.Rule) string {
	if i.Waiting() || i.Signed != "" || !rule.RefusesUnsigned() {
		return ""
	}
	return "doesn't say who has signed it, and " + rule.Place() + " refuses what isn't signed: docker-mirror lock verifies it"
}

// kept tells whether the revision has the digest under the name, with the same time, and with which times.
func (s *Since) kept(image *Image) (same bool, times []time.Time) {
	for _, entry := range s.Known.entries[image.Source] {
		if entry.Digest == image.Digest {
			times = append(times, entry.Seen)
			same = same || entry.Seen.Equal(image.Seen)
		}
	}
	return same, times
}

// age judges a digest that is new under its name: somebody else must have seen it before.
func (s *Since) age(image *Image, ref reference.Reference, rule *policy.Rule, say sayFunc) {
	cooldown := policy.FormatDuration(rule.Cooldown)
	if first, known := s.Known.digests[ref.Name()][image.Digest]; known {
		if ready := rule.Ripe(first); !image.Seen.Before(first) && !s.Now.Before(ready) {
			return
		}
	}
	times := s.Known.next[image.Source][image.Digest]
	for _, seen := range times {
		if seen.Equal(image.Seen) {
			if ready := rule.Ripe(seen); s.Now.Before(ready) {
				say(Immature, "was first seen at %s, and may be locked from %s on (cooldown = %q, %s)", formatTime(seen), formatTime(ready), cooldown, rule.Place())
			}
			return
		}
	}
	if len(times) > 0 {
		say(History, "says that its digest was seen at %s, and %s knows it since %s: take it as it was, and run lock --upgrade", formatTime(image.Seen), s.Name, formatTime(times[0]))
		return
	}
	say(Immature, "is locked to %s, which %s doesn't know: it must wait there for %s first (%s); run lock --observe, merge that, and lock --upgrade later",
		image.Digest, s.Name, cooldown, rule.Place())
}

// next judges what waits. A line that is new begins about now; a shorter cooldown leaves less to gain by dating it back.
func (s *Since) next(image *Image, rule *policy.Rule, say sayFunc) {
	window := maxBackdated
	if half := rule.Cooldown / 2; half > 0 && half < window {
		window = half
	}
next:
	for _, n := range image.Next {
		times := s.Known.next[image.Source][n.Digest]
		for _, seen := range times {
			if seen.Equal(n.Seen) {
				continue next
			}
		}
		switch {
		case len(times) > 0:
			say(History, "says that %s was seen at %s, and %s has it since %s: take the line as it was", n.Digest, formatTime(n.Seen), s.Name, formatTime(times[0]))
		case n.Seen.After(s.Now.Add(maxAhead)):
			say(History, "says that %s was seen at %s, which is yet to come", n.Digest, formatTime(n.Seen))
		case n.Seen.Before(s.Now.Add(-window)):
			say(History, "says that %s was seen at %s, which is too long ago for a line that %s doesn't have: take its lock as it is at %s, and run lock --observe again",
				n.Digest, formatTime(n.Seen), s.Name, s.Name)
		}
	}
}

// OnlyObserves tells what differs from an older lock besides what waits.
func (f *File) OnlyObserves(old *File) []*Problem {
	var problems []*Problem
	say := func(line int, format string, args ...any) {
		problems = append(problems, &Problem{History, &spec.Error{File: f.Name, Line: line, Msg: fmt.Sprintf(format, args...)}})
	}
	before, after := old.BySource(), f.BySource()
	for i := range f.Images {
		image := f.Images[i]
		was := before[image.Source]
		switch {
		case was == nil && (!image.Waiting() || image.Because != "" || image.Signed != ""):
			say(image.Line, "%s is new: that is no observation", image.Source)
		case was != nil:
			without := *was
			image.Next, without.Next = nil, nil
			if image.sum() != without.sum() {
				say(image.Line, "%s has changed in more than what waits: that is no observation", image.Source)
			}
		}
	}
	for source, was := range before {
		if after[source] == nil && !was.Waiting() {
			say(0, "%s is gone: that is no observation", source)
		}
	}
	for _, sel := range f.Selects {
		was := old.selected(sel.Source, sel.Policy)
		if was == nil {
			say(sel.Line, "the policy %q of %s is new: that is no observation", sel.Policy, sel.Source)
			continue
		}
		locked := map[string]bool{}
		for _, tag := range was.Tags {
			locked[tag] = true
		}
		for _, tag := range sel.Tags {
			if entry := after[sel.Source+":"+tag]; !locked[tag] && entry != nil && !entry.Waiting() {
				say(sel.Line, "%s is selected of %s: that is no observation", tag, sel.Source)
			}
		}
	}
	return problems
}
