package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/pin"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// consumed is an image of a plan, for those who use it from where it is mirrored to.
type consumed struct {
	pin.Image
	name    string      // AS
	entries []plan.Copy // one a destination
}

// consumedImages gives the images of locked lists, in the plan's order, each once. What no lock and no pin says the digest of
// can't be used by it: that is an error.
func consumedImages(copies []plan.Copy) ([]consumed, error) {
	var all []consumed
	index := map[string]int{}
	var errs []error
	for _, c := range copies {
		if !c.Ready() {
			continue // skipped, or selected by a policy that isn't locked
		}
		source, destination, err := references(c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		i, seen := index[source.String()]
		if !seen {
			i = len(all)
			index[source.String()] = i
			all = append(all, consumed{Image: pin.Image{Source: source}})
		}
		image := &all[i]
		if image.name == "" {
			image.name = c.Name
		}
		for _, name := range spellings(c) {
			if !slices.Contains(image.Names, name) {
				image.Names = append(image.Names, name)
			}
		}
		image.Destinations = append(image.Destinations, destination)
		image.entries = append(image.entries, c)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("no image has a known digest: lock the lists first")
	}
	return all, nil
}

// references gives a copy's source and its destination, with the digest that it has there.
func references(c plan.Copy) (source, destination reference.Reference, err error) {
	fail := func(format string, args ...any) error {
		return &spec.Error{File: c.Origin, Msg: fmt.Sprintf(format, args...)}
	}
	if source, err = c.Source(); err != nil {
		return source, destination, fail("%s", err)
	}
	if destination, err = c.Destination(); err != nil {
		return source, destination, fail("%s", err)
	}
	destination.Digest = source.Digest
	switch {
	case !source.HasDigest():
		return source, destination, fail("%s is not locked: nobody knows which digest it will have", source)
	case c.Locked != nil && c.Locked.Expect != "":
		destination.Digest, err = v1.NewHash(c.Locked.Expect)
	case c.Transform != nil && len(c.Transform.LimitPlatforms) > 0 && !c.Sparse():
		return source, destination, fail("%s is limited to some platforms and not locked: nobody knows which digest it will have", source)
	}
	return source, destination, err
}

// consumers plans locked lists and gives their images.
func (l Lists) consumers(ctx context.Context, s Streams, settings plan.Settings, console *report.Console) ([]consumed, error) {
	files, err := l.read(ctx, s.In, console.Notice)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	locks, lockErr := l.locks(files, settings)
	copies, planErr := plan.MakeLocked(files, locks, settings)
	if err := errors.Join(err, lockErr, planErr); err != nil {
		return nil, err
	}
	return consumedImages(copies)
}

// Pin writes the digests of locked lists into files, and prints each line that changed. With check it writes nothing, and
// fails where it would have.
func Pin(ctx context.Context, s Streams, lists Lists, settings plan.Settings, files []string, check bool) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	images, err := lists.consumers(ctx, s, settings, console)
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	if err != nil {
		return say(console, err)
	}
	pinned := make([]PinnedFile, len(files))
	for i, file := range files {
		pinned[i] = PinnedFile{Path: file}
	}
	return pinFiles(s, console, pinSet(images), pinned, check)
}

func pinSet(images []consumed) *pin.Set {
	usable := make([]pin.Image, len(images))
	for i, image := range images {
		usable[i] = image.Image
	}
	return pin.NewSet(usable)
}

// pinLists pins what each list's targets want pinned to the lock that it has now.
func (s *session) pinLists(lists []*lockedList, check bool) Code {
	code := CodeDone
	for _, list := range lists {
		locked := list.next
		if check {
			locked = list.old
		}
		for i, files := range list.pins {
			if len(files) == 0 {
				continue
			}
			images, err := list.consumed(locked, list.settings[i])
			if err != nil {
				code = max(code, say(s.console, err))
				continue
			}
			code = max(code, pinFiles(s.Streams, s.console, pinSet(images), files, check))
		}
	}
	return code
}

// consumed plans the list as a lock has it. What its platforms are limited to is in the lock, whoever reads it again.
func (list *lockedList) consumed(locked *lock.File, settings plan.Settings) ([]consumed, error) {
	again, err := lock.Parse(locked.Name, lock.Format(locked)) // with the lines that entries have there
	if err != nil {
		return nil, err
	}
	images, problems := again.Apply(list.images)
	if len(problems) > 0 {
		return nil, problems[0] // of an image that could not be locked, which is said
	}
	copies, err := plan.Build(images, settings)
	if err != nil {
		return nil, err
	}
	return consumedImages(copies)
}

// pinFiles writes no file unless all of them can be pinned.
func pinFiles(s Streams, console *report.Console, set *pin.Set, files []PinnedFile, check bool) Code {
	results := make([]pin.Result, len(files))
	modes := make([]fs.FileMode, len(files))
	var errs []error
	for i, file := range files {
		name := cmp.Or(file.Name, file.Path)
		data, err := readFile(file.Path)
		if err != nil {
			errs = append(errs, fmt.Errorf("can't read the file to be pinned: %w", err))
			continue
		}
		if info, err := os.Stat(file.Path); err == nil {
			modes[i] = info.Mode().Perm()
		}
		results[i] = set.File(name, data)
		errs = append(errs, results[i].Errs...)
		if results[i].Pins == 0 && len(results[i].Errs) == 0 {
			errs = append(errs, &spec.Error{File: name, Msg: "has nothing to pin: no FROM line with a mirrored image, and no line marked `# docker-mirror: NAME`"})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return say(console, err)
	}
	code := CodeDone
	for i, file := range files {
		name := cmp.Or(file.Name, file.Path)
		for _, change := range results[i].Changes {
			line := fmt.Sprintf("%s:%d: %s → %s", name, change.Line, change.Old, change.New)
			if check {
				line = fmt.Sprintf("%s:%d: error: says %s, and the lock %s [pins]", name, change.Line, change.Old, change.New)
			}
			fmt.Fprintln(s.Out, report.Clean(line))
		}
		switch {
		case len(results[i].Changes) == 0:
		case check:
			code = CodeFailed
		default:
			err := report.WriteFileAtomic(file.Path, results[i].Data)
			if err == nil {
				err = os.Chmod(file.Path, modes[i]) // a script stays one
			}
			if err != nil {
				console.Error(fmt.Sprintf("writing %s: %s", name, report.Clean(err.Error())))
				code = CodeFailed
			}
		}
	}
	return code
}
