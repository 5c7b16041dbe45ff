package run

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/ecr"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// hint says what a user can do about a failure; empty where nobody knows. It follows from what was asked of whom, and
// why that was refused. Foreign tells that foreign layers were to be copied.
func hint(c engine.Copy, err error, foreign bool) string {
	var refused *registry.Error
	var mismatch *registry.DigestMismatchError
	var uncreated *registry.CreationError
	var immutable *registry.ImmutableTagError
	var damaged *registry.DamagedBlobError
	var paused *registry.PausedError
	switch {
	case connection(err) != "":
		return connection(err)
	case errors.As(err, &uncreated):
		return "create it, or give the identity that shall create it what it lacks"
	case errors.As(err, &damaged) && damaged.Kept:
		return "delete the blob at the registry, or have it collect what nothing refers to, and run again"
	case errors.As(err, new(*registry.KeptManifestError)):
		return "delete the manifest at the registry, or have it collect what nothing refers to, and run again"
	case ofEngine(c, err) != "":
		return ofEngine(c, err)
	case errors.As(err, &immutable):
		return "a tag that can't be moved: mirror the image under another tag, or remove the old one at the destination"
	case missingProject(err) != "" && errors.As(err, &refused) && refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository:
		return fmt.Sprintf("check the name of the image: %s has no project %s", refused.Host, missingProject(err))
	case missingProject(err) != "" && errors.As(err, &refused):
		return fmt.Sprintf("create the project %s at %s, or correct the destination's repository", missingProject(err), refused.Host)
	case errors.As(err, &paused):
		return fmt.Sprintf("run again later, after %s: what is done is kept", paused.Until.Format("15:04 on 2 January"))
	case errors.As(err, &refused) && refused.RetryAfter > time.Minute:
		return fmt.Sprintf("run again later, in %s at the soonest: what is done is kept", refused.RetryAfter.Round(time.Minute))
	case errors.As(err, &refused) && overQuota(refused):
		return fmt.Sprintf("%s has a quota for %s: have it raised, or delete what isn't needed there, and run again: what is done is kept", refused.Host, refused.Repository)
	case errors.As(err, &refused) && refused.StorageFull():
		return fmt.Sprintf("free space in the storage of %s, and run again: what is done is kept", refused.Host)
	case errors.Is(err, registry.ErrUploadLost) && errors.As(err, &refused):
		return fmt.Sprintf("%s loses uploads that it has begun: if several servers answer for it, they may not share their state (distribution: give all the same http.secret)", refused.Host)
	case registry.IsDenied(err) && errors.As(err, &refused):
		return denied(c, refused)
	case errors.As(err, &refused) && refusal(refused) != "":
		return refusal(refused)
	case errors.Is(err, registry.ErrNotFound) && errors.As(err, &refused):
		return missing(c, refused, foreign)
	case errors.As(err, &mismatch):
		return "the content is not what its digest says: the registry, or something on the way to it, is damaged"
	case registry.Unreachable(err):
		if through := atProxy(err); through != "" {
			return through
		}
		if cause, ok := registry.CauseOf(err); ok {
			return fmt.Sprintf("check that %s can be reached from here, and run again: what is done is kept", cause.Host)
		}
	case registry.Temporary(err):
		return "run again later: what is done is kept"
	}
	return ""
}

// ofEngine is the hint of what the engine itself found.
func ofEngine(c engine.Copy, err error) string {
	var missing *engine.MissingManifestsError
	var damaged *registry.DamagedBlobError
	switch {
	case errors.Is(err, engine.ErrInterrupted):
		return "the next run makes this copy"
	case errors.As(err, new(*engine.GoneError)) && c.Source.Tag != "":
		return fmt.Sprintf("lock --upgrade=%s:%s takes what the tag names now", c.Source.Name(), c.Source.Tag)
	case errors.Is(err, engine.ErrDrift) && errors.As(err, &damaged) && damaged.Got != (v1.Hash{}):
		return "run with --verify=deep --force to repair the destination: --force alone reads no blobs"
	case errors.Is(err, engine.ErrDrift):
		return "run with --force to repair the destination"
	case errors.As(err, &missing) && missing.Kept != "":
		return "the source has lost it, or never had it: name platforms that are there, or another tag, and lock that where the image is locked"
	case errors.As(err, &missing):
		return "the source has lost it, or never had it: name the platforms that are wanted, or let --missing=skip leave out what isn't there"
	case errors.Is(err, engine.ErrAttachmentsRequired):
		return "with referrers = \"all\" (--referrers=all) the image is copied without it, and that is reported"
	case errors.As(err, new(*engine.BlobsInIndexRefusedError)):
		return "have BuildKit export its cache as an image: --cache-to type=registry,image-manifest=true,oci-mediatypes=true"
	case errors.As(err, new(*engine.SparseRefusedError)):
		return "have the index rewritten to the platforms that are wanted (index = \"rewritten\", or --index=rewritten), copy all platforms, " +
			"or let the registry take sparse indexes, where it can be told to"
	}
	return ""
}

// connection is the hint where a connection couldn't be made as the configuration has it.
func connection(err error) string {
	var certificate *registry.CertificateError
	var protocol *registry.ProtocolError
	var proxy *registry.ProxyError
	switch {
	case errors.As(err, &proxy) && !proxy.Through:
		return atProxy(err)
	case errors.As(err, &protocol) && protocol.TLS:
		return fmt.Sprintf("set plain_http = false in [registries.%q] of the --config file, which is the default except on loopback", protocol.Host)
	case errors.As(err, &protocol):
		return fmt.Sprintf("if %[1]s speaks plain HTTP, set plain_http = true in [registries.%[1]q] of the --config file", protocol.Host)
	case errors.As(err, &certificate) && certificate.Ours:
		return fmt.Sprintf("%[1]s asks for a client certificate: set client_certificate and client_key in [registries.%[1]q] of the --config file", certificate.Host)
	case errors.As(err, &certificate):
		return fmt.Sprintf("if %[1]s has a private certificate authority, set ca_file in [registries.%[1]q] of the --config file", certificate.Host)
	}
	return ""
}

// missing is the hint of a 404.
func missing(c engine.Copy, refused *registry.Error, foreign bool) string {
	if refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository {
		switch {
		case refused.Op == "get blob" && foreign:
			return "the source has lost some of the image, or, with --foreign-layers=copy, never had it: skip leaves foreign layers where they are"
		case refused.Op == "get blob":
			return "the source has lost some of the image: push it there again, or name another one"
		}
		return "check the name and the tag of the image"
	}
	if _, isECR := ecr.ParseHost(c.Destination.Registry); isECR {
		return fmt.Sprintf("create repository %s, or have it created: [registries.%q.create_repositories] in the --config file",
			c.Destination.Repository, c.Destination.Registry)
	}
	return fmt.Sprintf("%s may have to be created first", c.Destination.Name())
}

// denied is the hint of a 401 or 403.
func denied(c engine.Copy, refused *registry.Error) string {
	what := "write to " + c.Destination.Name()
	if refused.Host == c.Source.Registry && refused.Repository == c.Source.Repository {
		what = "read " + c.Source.Name()
	}
	switch {
	case refused.Elsewhere():
		return fmt.Sprintf("the storage that %s points at refuses what it was sent: check for a proxy in between, and this machine's clock", refused.Host)
	case refused.Login == registry.LoginUnwanted && refused.Status == http.StatusForbidden:
		return fmt.Sprintf("%s refuses without asking for a login: a rule about addresses or names, or a proxy in between, may be the reason", refused.Host)
	case refused.Login == registry.LoginSent && refused.Status == http.StatusUnauthorized:
		return fmt.Sprintf("log in to %s again, or with an account that may %s: these credentials are refused", refused.Host, what)
	}
	return fmt.Sprintf("log in to %s with an account that may %s; --verbose shows which credentials are used", refused.Host, what)
}

// refusal is the hint of other refusals that say themselves what is wrong.
func refusal(refused *registry.Error) string {
	writes := refused.Op == "upload" || refused.Op == "start upload of" || refused.Op == "mount" || refused.MediaType != ""
	switch {
	case refused.Status == http.StatusProxyAuthRequired:
		return fmt.Sprintf("a proxy before %[1]s wants a login: put user name and password into its address, in HTTPS_PROXY or as proxy in [registries.%[1]q] of the --config file", refused.Host)
	case !writes:
	case refused.Status == http.StatusRequestEntityTooLarge && refused.MediaType != "":
		return fmt.Sprintf("%s, or a proxy in front of it, refuses manifests of this size: raise its limit (nginx: client_max_body_size)", refused.Host)
	case refused.Status == http.StatusRequestEntityTooLarge && refused.Host == "ghcr.io":
		return "ghcr.io takes a layer in one piece only, and none so large"
	case refused.Status == http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("%[1]s, or a proxy in front of it, limits request bodies: set chunk_size in [registries.%[1]q] of the --config file below that limit, or raise the limit (nginx: client_max_body_size)", refused.Host)
	case refused.Status == http.StatusUnsupportedMediaType && strings.Contains(refused.MediaType, "docker"):
		return fmt.Sprintf("%s refuses Docker's media types, here %s: allow them (zot: \"compat\": [\"docker2s2\"] under \"http\"), or mirror an OCI image; "+
			"converted, the image would have another digest", refused.Host, refused.MediaType)
	case refused.Status == http.StatusUnsupportedMediaType:
		return fmt.Sprintf("%s refuses manifests of type %s", refused.Host, refused.MediaType)
	case refused.Status == http.StatusMethodNotAllowed:
		return fmt.Sprintf("%s refuses writes: it may be read-only at the moment, or a cache of another registry", refused.Host)
	}
	return ""
}

// quota is what Harbor ("will exceed the configured upper limit of 10.0 GiB"), Quay and GitLab say with a 403, and others with a 4xx of
// their choice.
var quota = regexp.MustCompile(`(?i)\bquota\b.*\bexceeded\b|\bexceed(?:s|ed)?\b.*\b(?:quota|upper limit|storage limit)\b`)

func overQuota(refused *registry.Error) bool {
	return refused.Status/100 == 4 && slices.ContainsFunc(refused.Codes, func(c registry.Code) bool {
		return quota.MatchString(c.Message) || c.Code == "QUOTA_EXCEEDED"
	})
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
