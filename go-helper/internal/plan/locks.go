package plan

import (
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/spec"
)

// MakeLocked is [Make] with the locks of some of the files, by their names: what a lock says decides which digests are copied,
// and which tags a policy has selected. A lock that doesn't fit its list is an error, as half a lock is never used.
func MakeLocked(files []spec.File, locks map[string]*lock.File, s Settings) ([]Copy, error) {
	var images []spec.Image
	var parseErrs, lockErrs []error
	named := make([]spec.File, len(files)) // what is left of them once they are parsed: a list can be long
	for i, file := range files {
		named[i].Name = file.Name
		listed, err := spec.ParseAll([]spec.File{file}, s.AllowEmpty)
		parseErrs = append(parseErrs, flatten(err)...)
		if locked := locks[file.Name]; locked != nil && err == nil {
			var problems []*lock.Problem
			if listed, problems = locked.Apply(listed); len(problems) > 0 {
				lockErrs = append(lockErrs, disagreement(file.Name, locked, s, problems)...)
			}
		}
		if images == nil { // mostly there is one file, which can be long
			images = listed
			continue
		}
		images = append(images, listed...)
	}
	copies, buildErr := Build(images, s)
	all := resolveAll(copies)
	return merge(copies, all), inOrder(named, copies, errors.Join(parseErrs...), errors.Join(lockErrs...), buildErr, join(conflicts(copies, all)))
}

// disagreement says what is wrong between a list and its lock, and once what to do about it.
func disagreement(list string, locked *lock.File, s Settings, problems []*lock.Problem) []error {
	errs := []error{&spec.Error{File: list, Msg: fmt.Sprintf("%s doesn't fit this list, so nothing is planned: %s", locked.Name, remedy(list, s, problems))}}
	for _, problem := range problems {
		errs = append(errs, problem)
	}
	return errs
}

func remedy(list string, s Settings, problems []*lock.Problem) string {
	for _, problem := range problems {
		if problem.Rule == lock.Edited {
			return "take the lock as it was before, and then run " + LockCommand(list, s) + ", which keeps every digest"
		}
	}
	return LockCommand(list, s) + " makes them agree"
}

// LockCommand is what the user types.
func LockCommand(list string, s Settings) string {
	if s.Target != "" {
		return fmt.Sprintf("`pants lock %s`", s.Target)
	}
	return fmt.Sprintf("`docker-mirror lock %s`", list)
}

// add takes a copy into the plan, as the image's lock has it. An image that waits is one that is skipped.
func (b *builder) add(image spec.Image, c Copy, platforms []v1.Platform, index string) {
	c.Locked = nil
	switch locked := image.Locked; {
	case locked == nil || c.Skip != nil:
	case locked.Waiting != "":
		c.Skip, c.Dst = &spec.Skip{Destination: c.Dst, Reason: locked.Waiting}, ""
	default:
		own := *locked
		own.Limited, own.Single = nil, false
		if index != spec.IndexSparse {
			var err error
			if own.Expect, err = expected(image, platforms, b.settings); err != nil {
				b.fail(image, err)
			}
		}
		c.Locked = &own
	}
	b.copies = append(b.copies, c)
}

// expected is the digest that an image's index has once it is rewritten to the platforms, empty where it isn't.
func expected(image spec.Image, platforms []v1.Platform, s Settings) (string, error) {
	locked := image.Locked
	switch {
	case len(platforms) == 0:
		return "", nil
	case locked.Single:
		return image.Ref.Digest.String(), nil
	case locked.Limited == nil: // of a plan that was read back
		return locked.Expect, nil
	}
	subset := lock.Subset(platforms)
	if digest := locked.Limited[subset]; digest != "" {
		return digest, nil
	}
	command := LockCommand(image.File, s)
	if s.Target == "" && image.Platforms == nil {
		command = fmt.Sprintf("`docker-mirror lock --platform=%s %s`", strings.Join(s.Platforms, " --platform="), image.File)
	}
	return "", fmt.Errorf("%s is limited to %s, for which there is no digest at %s: %s adds it", lock.Key(image), subset, locked.File, command)
}

// CheckLimits tells which locked images are limited to platforms that their locks don't know; a *[lock.Problem] each.
func CheckLimits(images []spec.Image, s Settings) ([]error, error) {
	limits, err := Limits(images, s)
	if err != nil {
		return nil, err
	}
	var problems []error
	for i, image := range images {
		if image.Locked == nil || image.Locked.Waiting != "" {
			continue
		}
		if _, err := expected(image, limits[i], s); err != nil {
			problems = append(problems, &lock.Problem{Rule: lock.Stale, At: &spec.Error{File: image.File, Line: image.Line, Msg: err.Error()}})
		}
	}
	return problems, nil
}

// Limits tells to which platforms each image is limited by rewriting its index; nil where it isn't.
func Limits(images []spec.Image, s Settings) ([][]v1.Platform, error) {
	return platforms(images, s, func(index string) bool { return index != spec.IndexSparse })
}

// Platforms tells to which platforms each image is limited in any way; nil where all are wanted.
func Platforms(images []spec.Image, s Settings) ([][]v1.Platform, error) {
	return platforms(images, s, func(string) bool { return true })
}

func platforms(images []spec.Image, s Settings, counts func(index string) bool) ([][]v1.Platform, error) {
	b := &builder{settings: s, templates: map[string]parsed{}, reported: map[spec.Error]bool{}}
	if b.prepare(); len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	limits := make([][]v1.Platform, len(images))
	for i, image := range images {
		matches := b.match(image)
		index := firstOf(image.Index, s.Index)
		for _, m := range matches {
			index = firstOf(m.Index, index)
		}
		if counts(index) {
			limits[i] = b.platformsOf(image, matches)
		}
	}
	return limits, nil
}
