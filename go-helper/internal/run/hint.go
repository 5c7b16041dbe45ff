package run

import (
	"errors"
	"fmt"
	"regexp"

	"docker-mirror/go-helper/internal/ecr"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// hint says what a user can do about a failure; empty where nobody knows.
func hint(c engine.Copy, err error) string {
	var refused *registry.Error
	var mismatch *registry.DigestMismatchError
	var uncreated *registry.CreationError
	var certificate *registry.CertificateError
	var immutable *registry.ImmutableTagError
	var damaged *registry.DamagedBlobError
	switch {
	case errors.As(err, &certificate) && certificate.Ours:
		return fmt.Sprintf("%[1]s wants to see a certificate that it trusts: client_certificate and client_key in [registries.%[1]q] of the file of --config", certificate.Host)
	case errors.As(err, &certificate):
		return fmt.Sprintf("if %[1]s has an authority of its own, name that: ca_file in [registries.%[1]q] of the file of --config", certificate.Host)
	case errors.As(err, &uncreated):
		return "create it, or give the identity that shall create it what it lacks"
	case errors.Is(err, engine.ErrInterrupted):
		return "the next run makes this copy"
	case errors.As(err, &damaged) && damaged.Kept:
		return "delete the blob at the registry, or have it collect what nothing refers to, and run again"
	case errors.Is(err, engine.ErrDrift):
		return "run with --force to repair the destination"
	case errors.Is(err, engine.ErrAttachmentsRequired):
		return "with referrers = \"all\" (--referrers=all) the image is copied without it, and that is reported"
	case errors.As(err, new(*engine.SparseRefusedError)):
		return "have the index rewritten to the platforms that are wanted (index = \"rewritten\", or --index=rewritten), copy all platforms, " +
			"or let the registry take sparse indexes, where it can be told to"
	case errors.As(err, &immutable):
		return "a tag that can't be moved: mirror the image under another tag, or remove the old one at the destination"
	case missingProject(err) != "" && errors.As(err, &refused) && refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository:
		return fmt.Sprintf("check the name of the image: %s has no project %s", refused.Host, missingProject(err))
	case missingProject(err) != "" && errors.As(err, &refused):
		return fmt.Sprintf("create the project %s at %s, or correct the destination's repository", missingProject(err), refused.Host)
	case registry.IsDenied(err) && errors.As(err, &refused):
		what := "write to " + c.Destination.Name()
		if refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository {
			what = "read " + c.Source.Name()
		}
		return fmt.Sprintf("log in to %s with an account that may %s; --verbose shows which credentials are used", refused.Host, what)
	case errors.Is(err, registry.ErrNotFound) && errors.As(err, &refused):
		if refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository {
			if refused.Op == "get blob" {
				return "the source has lost some of the image, or, with --foreign-layers=copy, never had it: skip leaves foreign layers where they are"
			}
			return "check the name and the tag of the image"
		}
		if _, isECR := ecr.ParseHost(c.Destination.Registry); isECR {
			return fmt.Sprintf("create repository %s, or have it created: [registries.%q.create_repositories] in the file of --config",
				c.Destination.Repository, c.Destination.Registry)
		}
		return fmt.Sprintf("%s may have to be created first", c.Destination.Name())
	case errors.As(err, &mismatch):
		return "the content is not what its digest says: the registry, or something on the way to it, is damaged"
	case registry.Unreachable(err):
		if cause, ok := registry.CauseOf(err); ok {
			return fmt.Sprintf("check that %s can be reached from here, and run again: what is done is kept", cause.Host)
		}
	case registry.Temporary(err):
		return "run again later: what is done is kept"
	}
	return ""
}

// projectNotFound is what Harbor says, mostly with a 401 (src/server/middleware/v2auth/auth.go, src/pkg/project/dao).
var projectNotFound = regexp.MustCompile(`\bproject "?([a-z0-9][a-z0-9._-]*)"? not found\b`)

// missingProject is the project that a registry says it doesn't have, or "".
func missingProject(err error) string {
	var refused *registry.Error
	if !errors.As(err, &refused) {
		return ""
	}
	for _, code := range refused.Codes {
		if m := projectNotFound.FindStringSubmatch(code.Message); m != nil {
			return m[1]
		}
	}
	return ""
}
