package run

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/suggest"
)

// upgrades tells whether an image is to be resolved again.
func (l Locking) upgrades(image spec.Image) bool {
	return l.UpgradeAll || l.Observe || isNamed(image, l.Upgrade) || isNamed(image, l.Now)
}

// isNamed tells whether one of the names is an image's.
func isNamed(image spec.Image, names []string) bool {
	return slices.ContainsFunc(plan.Keys(image), func(key string) bool { return slices.Contains(names, key) })
}

// checkNames finds names of --upgrade that no image has, and what can't be locked.
func (l Locking) checkNames(lists []*lockedList) error {
	known := map[string]bool{}
	var errs []error
	for _, list := range lists {
		for _, image := range list.images {
			for _, key := range plan.Keys(image) {
				known[key] = true
			}
			if err := lock.Lockable(image); err != nil {
				errs = append(errs, &spec.Error{File: image.File, Line: image.Line, Msg: err.Error()})
			}
			if image.Select == nil {
				continue
			}
			for _, s := range list.old.Selects { // one of the tags that a policy has selected
				for _, tag := range s.Tags {
					if expanded, err := lock.WithTag(image, tag); err == nil && s.Source == image.Ref.Name() {
						for _, key := range plan.Keys(expanded) {
							known[key] = true
						}
					}
				}
			}
		}
	}
	errs = append(errs, checkKnown("--upgrade", l.Upgrade, known)...)
	errs = append(errs, checkKnown("--now", l.Now, known)...)
	return errors.Join(errs...)
}

func checkKnown(flag string, names []string, known map[string]bool) (errs []error) {
	for _, name := range names {
		if known[name] {
			continue
		}
		hint := ""
		if closest := suggest.Closest(name, slices.Collect(maps.Keys(known))); closest != "" {
			hint = fmt.Sprintf(": did you mean %q?", closest)
		}
		errs = append(errs, fmt.Errorf("%s=%s: no image has that name%s", flag, name, hint))
	}
	return errs
}
