package run

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/suggest"
)

// What becomes of the locks beside lists.
const (
	LockUse     = "use"     // where there is one
	LockRequire = "require" // a list without one is an error
	LockOff     = "off"     // as if there were none
)

// LockChoices are what Lists.Lock can be; empty is the first.
func LockChoices() []string { return []string{LockUse, LockRequire, LockOff} }

// locks reads the locks of lists, by the lists' names. Messages say how to lock them as settings have it.
func (l Lists) locks(files []spec.File, settings plan.Settings) (map[string]*lock.File, error) {
	choice := l.Lock
	if choice == "" {
		choice = LockUse
	}
	if !slices.Contains(LockChoices(), choice) {
		hint := "want one of " + strings.Join(LockChoices(), ", ")
		if closest := suggest.Closest(choice, LockChoices()); closest != "" {
			hint = fmt.Sprintf("did you mean %q?", closest)
		}
		return nil, fmt.Errorf("--lock %s: %s", choice, hint)
	}
	if choice == LockOff {
		return nil, nil
	}
	locks := map[string]*lock.File{}
	var errs []error
	for _, file := range files {
		if file.Name == spec.StandardInput {
			if choice == LockRequire {
				errs = append(errs, &spec.Error{File: file.Name, Msg: "can't have a lock, and --lock=require asks for one"})
			}
			continue
		}
		locked, err := readLock(cmp.Or(l.LockFiles[file.Name], lock.FileName(file.Name)))
		switch {
		case err != nil:
			errs = append(errs, err)
		case locked != nil:
			locks[file.Name] = locked
		case choice == LockRequire && !lockedBefore(file):
			errs = append(errs, &spec.Error{File: file.Name, Msg: "has no lock, and --lock=require asks for one: " + plan.LockCommand(file.Name, settings) + " writes it"})
		}
	}
	return locks, errors.Join(errs...)
}

// parseLocked reads lists and their locks, for lint.
func (l Lists) parseLocked(files []spec.File) ([]spec.Image, []lint.Locked, error) {
	locks, lockErr := l.locks(files, plan.Settings{})
	var all []spec.Image
	var locked []lint.Locked
	errs := []error{lockErr}
	for _, file := range files {
		images, err := spec.ParseAll([]spec.File{file}, true)
		errs = append(errs, err)
		all = append(all, images...)
		if err == nil && (lockErr == nil || locks[file.Name] != nil) {
			list := lint.Locked{List: file.Name, Lock: locks[file.Name]}
			if list.Lock != nil {
				_, list.Problems = list.Lock.Apply(images)
			}
			locked = append(locked, list)
		}
	}
	return all, locked, errors.Join(errs...)
}

// lockedBefore tells a plan that was made of locked lists.
func lockedBefore(file spec.File) bool {
	images, err := spec.ParseAll([]spec.File{file}, true)
	return err == nil && len(images) > 0 && !slices.ContainsFunc(images, func(image spec.Image) bool {
		return image.Locked == nil && image.Skip == nil
	})
}

// readLock gives nil where there is none.
func readLock(name string) (*lock.File, error) {
	data, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // nor beside the list of an archive
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("can't read the lock: %w", err)
	}
	return lock.Parse(name, data)
}

// lockEntry finds the entry that has decided a copy.
func lockEntry(c plan.Copy) (*lock.Image, error) {
	if c.Locked == nil {
		return nil, errNoLock(c)
	}
	name := c.Locked.File
	if colon := strings.LastIndexByte(name, ':'); colon > 0 {
		name = name[:colon]
	}
	locked, err := readLock(name)
	if err != nil {
		return nil, err
	}
	source, err := c.Source()
	if err != nil {
		return nil, err
	}
	if locked != nil {
		if entry := locked.BySource()[lock.Key(spec.Image{Ref: source})]; entry != nil && entry.Digest == source.Digest {
			return entry, nil
		}
	}
	return nil, errNoLock(c)
}

// errNoLock says that what an index has for its platforms isn't known.
func errNoLock(c plan.Copy) error {
	return &spec.Error{File: c.Origin, Msg: c.Src + " has no entry in a lock, which would say what its platforms are"}
}
