package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/spec"
)

// LockedList is a list to be locked.
type LockedList struct {
	List string // file
	Lock string // file; empty: beside the list
	// ListName and LockName are what messages call the files; empty: by their paths.
	ListName, LockName string
	// Target is who made the list, where it is no file of the repository.
	Target   string
	Settings plan.Settings
	// Pins are files that are pinned to the list once it is locked.
	Pins []PinnedFile
}

// UnlockedList is a list that is not to have a lock.
type UnlockedList struct {
	Name, Lock string // what messages call it; the file that would be its lock
}

// Locking says what is to be done with the locks of lists.
type Locking struct {
	Lists []LockedList
	// Unlocked are lists that are left out: one may have been locked at the base.
	Unlocked []UnlockedList
	Format   string // of all lists; empty: by each file's ending
	// UpgradeAll resolves everything again, Upgrade the images that it names.
	UpgradeAll bool
	Upgrade    []string
	Check      bool // compare, offline, and write nothing
	Online     bool // with Check: ask the sources, too

	// Observe notes what tags name now, and locks nothing.
	Observe bool
	// Now are images that are locked at once, whatever their rules say; Because is why.
	Now     []string
	Because string
	// Base is the revision of git that changes are judged by, Allow what may differ; empty: what is old enough.
	Base, Allow string
	// At is what counts as now; zero: now.
	At time.Time
}

// locked is a list on its way to its new lock.
type lockedList struct {
	LockedList
	settings []plan.Settings // of all targets that have the list
	pins     [][]PinnedFile  // of each of them
	old      *lock.File
	bytes    []byte // of the old one; nil where there is none
	images   []spec.Image

	selects []*selection
	wants   []*lock.Want
	next    *lock.File
	failed  []error         // images that could not be locked
	held    map[string]bool // sources that wait, and that a policy selects no longer
}

// Lock makes lists and their locks agree and prints what changed, an image a line. A list's lock is written whole or not at
// all, and an image that could not be locked keeps the entry that it had.
func Lock(ctx context.Context, s Settings, l Locking) Code {
	s.Concurrency = max(s.Concurrency, 1)
	session, err := s.open()
	return session.lock(ctx, l, errors.Join(err, s.Part.checkLocking(l)))
}

// lock is [Lock]; err is what is wrong with the settings.
func (s *session) lock(ctx context.Context, l Locking, err error) Code {
	defer s.console.Close()
	lists, listErr := l.read(ctx, s.Settings, s.console.Notice)
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	if err := errors.Join(err, listErr); err != nil {
		return say(s.console, err)
	}
	if l.Check {
		return s.checkLocks(ctx, lists, l)
	}
	if err := errors.Join(l.checkNames(lists), l.checkClock(lists)); err != nil {
		return say(s.console, err)
	}
	pool, err := registry.NewPool(s.poolOptions())
	if err != nil {
		return say(s.console, err)
	}
	defer pool.Close()
	judging, err := s.judgeBy(ctx, pool)
	if err != nil {
		return say(s.console, err)
	}
	defer judging.close()
	s.console.Follow()

	s.selectTags(ctx, pool, lists, l)
	if ctx.Err() != nil {
		return s.lockInterrupted()
	}
	if err := l.want(lists); err != nil {
		return say(s.console, err)
	}
	if err := s.checkExceptions(lists, l); err != nil {
		return say(s.console, err)
	}
	s.resolveLocks(ctx, pool, judging, lists, l)
	if ctx.Err() != nil {
		return s.lockInterrupted()
	}
	if err := s.dates.check(s.policy, l); err != nil {
		return say(s.console, err)
	}
	return max(s.writeLocks(lists), s.pinLists(lists, false))
}

func (s *session) lockInterrupted() Code {
	s.console.Notice("interrupted: no lock was changed")
	return CodeInterrupted
}

// read reads the lists and the locks that there are.
func (l Locking) read(ctx context.Context, s Settings, notice func(string)) ([]*lockedList, error) {
	var all []*lockedList
	var errs []error
	type file struct{ list, lock string }
	seen := map[file]*lockedList{}
	for _, listed := range l.Lists {
		if twice := seen[file{listed.List, listed.Lock}]; twice != nil { // another target may want other platforms
			twice.settings, twice.pins = append(twice.settings, listed.Settings), append(twice.pins, listed.Pins)
			continue
		}
		list, err := listed.read(ctx, s, l.Format, notice)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errs = append(errs, err); err == nil {
			seen[file{listed.List, listed.Lock}] = list
			all = append(all, list)
		}
	}
	return all, errors.Join(append(errs, oneLockEach(all))...)
}

// oneLockEach refuses lists that would write each other's lock, and of which one check would hold for the other.
func oneLockEach(lists []*lockedList) error {
	var errs []error
	first := map[string]*lockedList{}
	for _, list := range lists {
		if other := first[list.Lock]; other != nil {
			errs = append(errs, fmt.Errorf("%s would be the lock of %s and of %s: give each one of its own", list.LockName, other.called(), list.called()))
			continue
		}
		first[list.Lock] = list
	}
	return errors.Join(errs...)
}

// called is what messages call the list.
func (l LockedList) called() string { return cmp.Or(l.Target, l.ListName) }

func (l LockedList) read(ctx context.Context, s Settings, format string, notice func(string)) (*lockedList, error) {
	if l.List == spec.StandardInput {
		return nil, errors.New("standard input can't have a lock: name the list's file")
	}
	l.Lock = cmp.Or(l.Lock, lock.FileName(l.List))
	l.ListName = cmp.Or(l.ListName, l.List)
	l.LockName = cmp.Or(l.LockName, l.Lock)
	files, err := Lists{Files: []string{l.List}, Format: format}.read(ctx, s.In, notice)
	if err != nil {
		return nil, err
	}
	files[0].Name = l.ListName
	images, parseErr := spec.ParseAll(files, true)
	var at *spec.Error
	if l.Target != "" && errors.As(parseErr, &at) && at.File == l.ListName { // a list of a BUILD file is called by its target already
		parseErr = errors.Join(parseErr, fmt.Errorf("%s is the list of %s", l.ListName, l.Target))
	}
	list := &lockedList{LockedList: l, settings: []plan.Settings{l.Settings}, pins: [][]PinnedFile{l.Pins}, images: images, old: &lock.File{Name: l.LockName}, held: map[string]bool{}}
	list.bytes, err = readFile(l.Lock)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err != nil:
		err = fmt.Errorf("can't read the lock: %w", err)
	default:
		var old *lock.File
		if old, err = lock.Parse(l.LockName, list.bytes); err == nil {
			list.old = old
		}
	}
	return list, errors.Join(parseErr, err)
}

// want finds out what each list asks of its lock. Where a policy's tags could not be listed, those that it had stay.
func (l Locking) want(lists []*lockedList) error {
	var errs []error
	for _, list := range lists {
		images := list.expanded()
		var all []spec.Image
		var limits [][]v1.Platform
		for _, settings := range list.settings {
			limited, err := plan.Limits(images, settings)
			errs = append(errs, err)
			if err == nil {
				all, limits = append(all, images...), append(limits, limited...)
			}
		}
		var pinErrs []error
		list.wants, pinErrs = lock.Wants(all, limits, list.old, l.upgrades)
		errs = append(errs, pinErrs...)
		for _, w := range list.wants {
			if w.Old != nil && w.Old.Edited && !w.Upgrade {
				errs = append(errs, &spec.Error{File: list.LockName, Line: w.Old.Line, Msg: fmt.Sprintf(
					"the entry of %[1]s was edited, or merged from two sides: its sum doesn't fit; take the lock as it was before, or --upgrade=%[1]s", w.Key)})
			}
		}
	}
	return errors.Join(errs...)
}

// expanded gives the list's images, with what is selected in the place of policies.
func (list *lockedList) expanded() []spec.Image {
	var images []spec.Image
	next := 0
	for _, image := range list.images {
		switch {
		case image.Skip != nil || image.Locked != nil:
		case image.Select == nil:
			images = append(images, image)
		default:
			sel := list.selects[next]
			next++
			tags := sel.tags
			if sel.err != nil && sel.old != nil {
				tags = sel.old.Tags
			}
			if sel.err != nil {
				list.failed = append(list.failed, failedImage(image, sel.err))
			}
			tags = append(list.heldTags(sel), tags...)
			for _, tag := range tags {
				expanded, err := lock.WithTag(image, tag)
				if err != nil {
					list.failed = append(list.failed, failedImage(image, fmt.Errorf("tag %s of %s: %w", tag, image.Ref.Name(), err)))
					continue
				}
				images = append(images, expanded)
			}
		}
	}
	return images
}

func failedImage(image spec.Image, err error) error {
	return fmt.Errorf("%s: could not be locked: %w", image.Place(), err)
}
