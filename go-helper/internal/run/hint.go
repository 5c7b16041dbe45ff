package run

import (
	"errors"
	"fmt"

	"docker-mirror/go-helper/internal/ecr"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// hint says what a user can do about a failure; empty where nobody knows.
func hint(c engine.Copy, err error) string {
	var refused *registry.Error
	var mismatch *registry.DigestMismatchError
	var uncreated *registry.CreationError
	switch {
	case errors.As(err, &uncreated):
		return "create it, or give the identity that shall create it what it lacks"
	case errors.Is(err, engine.ErrInterrupted):
		return "the next run makes this copy"
	case errors.Is(err, engine.ErrDrift):
		return "run with --force to repair the destination"
	case registry.IsDenied(err) && errors.As(err, &refused):
		what := "write to " + c.Destination.Name()
		if refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository {
			what = "read " + c.Source.Name()
		}
		return fmt.Sprintf("log in to %s with an account that may %s; --verbose shows which credentials are used", refused.Host, what)
	case errors.Is(err, registry.ErrNotFound) && errors.As(err, &refused):
		if refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository {
			return "check the name and the tag of the image"
		}
		if _, isECR := ecr.ParseHost(c.Destination.Registry); isECR {
			return fmt.Sprintf("create repository %s, or have it created: [registries.%q.create_repositories] in the file of --config",
				c.Destination.Repository, c.Destination.Registry)
		}
		return fmt.Sprintf("%s may have to be created first", c.Destination.Name())
	case errors.As(err, &mismatch):
		return "the content is not what its digest says: the registry, or something on the way to it, is damaged"
	case registry.Temporary(err):
		return "run again later: what is done is kept"
	}
	return ""
}
