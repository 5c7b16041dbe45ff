package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
)

func TestHintsSayWhatToDo(t *testing.T) {
	t.Parallel()
	c := engine.Copy{
		Source:      reference.Reference{Registry: "src.example", Repository: "team/app", Tag: "1"},
		Destination: reference.Reference{Registry: "dst.example", Repository: "mirror/app", Tag: "1"},
	}
	at := func(status int, host, repository string) error {
		return fmt.Errorf("copying: %w", &registry.Error{Op: "get manifest", Host: host, Repository: repository, Status: status})
	}
	with := func(status int, login registry.Login) error {
		return &registry.Error{Op: "start upload of", Host: "dst.example", Repository: "mirror/app", Status: status, Login: login}
	}
	lost := slices.Grow(engine.MissingManifestsError{}.Missing, 1)[:1]
	lost[0].Err = registry.ErrNotFound
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"denied at the source", at(403, "src.example", "team/app"), "log in to src.example with an account that may read src.example/team/app; --verbose shows which credentials are used"},
		{"denied at the destination", at(401, "dst.example", "mirror/app"), "log in to dst.example with an account that may write to dst.example/mirror/app; --verbose shows which credentials are used"},
		{"not there at the source", at(404, "src.example", "team/app"), "check the name and the tag of the image"},
		{
			"a blob is gone", &registry.Error{Op: "get blob", Host: "src.example", Repository: "team/app", Status: 404},
			"the source has lost some of the image, or, with --foreign-layers=copy, never had it: skip leaves foreign layers where they are",
		},
		{"not there at the destination", at(404, "dst.example", "mirror/app"), "dst.example/mirror/app may have to be created first"},
		{
			"no project", fmt.Errorf("copying: %w", &registry.Error{Host: "dst.example", Repository: "mirror/app", Status: 401, Codes: []registry.Code{
				{Code: "UNAUTHORIZED", Message: "project mirror not found: project mirror not found"},
			}}), "create the project mirror at dst.example, or correct the destination's repository",
		},
		{
			"no project at the source", &registry.Error{Host: "src.example", Repository: "team/app", Status: 404, Codes: []registry.Code{{Message: "project team not found"}}},
			"check the name of the image: src.example has no project team",
		},
		{
			"a quota", &registry.Error{Op: "put manifest", Host: "dst.example", Repository: "mirror/app", Status: 403, Codes: []registry.Code{
				{Code: "DENIED", Message: "adding 1.2 MiB of storage resource, which when updated to current usage of 9.9 MiB will exceed the configured upper limit of 10.0 MiB."},
			}}, "dst.example has a quota for mirror/app: have it raised, or delete what isn't needed there, and run again: what is done is kept",
		},
		{
			"a quota by its code", &registry.Error{Op: "upload", Host: "dst.example", Repository: "mirror/app", Status: 403, Codes: []registry.Code{{Code: "QUOTA_EXCEEDED"}}},
			"dst.example has a quota for mirror/app: have it raised, or delete what isn't needed there, and run again: what is done is kept",
		},
		{"immutable", &registry.ImmutableTagError{Err: at(400, "dst.example", "mirror/app")}, "a tag that can't be moved: mirror the image under another tag, or remove the old one at the destination"},
		{"client certificate", &registry.CertificateError{Host: "src.example", Ours: true}, `src.example asks for a client certificate: set client_certificate and client_key in [registries."src.example"] of the --config file`},
		{"private authority", &registry.CertificateError{Host: "dst.example"}, `if dst.example has a private certificate authority, set ca_file in [registries."dst.example"] of the --config file`},
		{"not to be created", fmt.Errorf("copying: %w", &registry.CreationError{Err: errors.New("denied")}), "create it, or give the identity that shall create it what it lacks"},
		{"busy", at(503, "dst.example", "mirror/app"), "run again later: what is done is kept"},
		{"cut", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), "run again later: what is done is kept"},
		{"damaged", &registry.DigestMismatchError{}, "the content is not what its digest says: the registry, or something on the way to it, is damaged"},
		{"a damaged manifest is kept", fmt.Errorf("copying: %w", &registry.KeptManifestError{}), "delete the manifest at the registry, or have it collect what nothing refers to, and run again"},
		{"a damaged manifest at the destination", fmt.Errorf("%w: %w", engine.ErrDrift, &registry.DigestMismatchError{}), "run with --force to repair the destination"},
		{
			"damaged content at the destination", fmt.Errorf("%w: %w", engine.ErrDrift, &registry.DamagedBlobError{Size: 1, Want: 1, Got: v1.Hash{Algorithm: "sha256", Hex: "00"}}),
			"run with --verify=deep --force to repair the destination: --force alone reads no blobs",
		},
		{"a cut blob at the destination", fmt.Errorf("%w: %w", engine.ErrDrift, &registry.DamagedBlobError{Size: 1, Want: 2}), "run with --force to repair the destination"},
		{"drift", fmt.Errorf("%w: lacks a blob", engine.ErrDrift), "run with --force to repair the destination"},
		{
			"sparse", fmt.Errorf("copying: %w", &engine.SparseRefusedError{Err: at(404, "dst.example", "mirror/app")}),
			`have the index rewritten to the platforms that are wanted (index = "rewritten", or --index=rewritten), copy all platforms, ` +
				"or let the registry take sparse indexes, where it can be told to",
		},
		{
			"names what isn't there", fmt.Errorf("reading: %w", &engine.MissingManifestsError{Missing: lost}),
			"the source has lost it, or never had it: name the platforms that are wanted, or let --missing=skip leave out what isn't there",
		},
		{
			"names what isn't there, and skipping doesn't help", fmt.Errorf("reading: %w", &engine.MissingManifestsError{Missing: lost, Kept: "nothing is left"}),
			"the source has lost it, or never had it: name platforms that are there, or another tag, and lock that where the image is locked",
		},
		{"interrupted", fmt.Errorf("%w: %w", engine.ErrInterrupted, context.Canceled), "the next run makes this copy"},
		{
			"plain HTTP", fmt.Errorf("copying: %w", &registry.ProtocolError{Host: "dst.example", Err: errors.New("x")}),
			`if dst.example speaks plain HTTP, set plain_http = true in [registries."dst.example"] of the --config file`,
		},
		{"TLS", &registry.ProtocolError{Host: "dst.example", TLS: true}, `set plain_http = false in [registries."dst.example"] of the --config file, which is the default except on loopback`},
		{"a proxy's login", at(407, "dst.example", "mirror/app"), `a proxy before dst.example wants a login: put user name and password into its address, in HTTPS_PROXY or as proxy in [registries."dst.example"] of the --config file`},
		{"credentials are refused", with(401, registry.LoginSent), "log in to dst.example again, or with an account that may write to dst.example/mirror/app: these credentials are refused"},
		{"they don't allow it", with(403, registry.LoginSent), "log in to dst.example with an account that may write to dst.example/mirror/app; --verbose shows which credentials are used"},
		{"no login is asked for", with(403, registry.LoginUnwanted), "dst.example refuses without asking for a login: a rule about addresses or names, or a proxy in between, may be the reason"},
		{
			"a limit of bodies", &registry.Error{Op: "upload", Host: "dst.example", Status: 413},
			`dst.example, or a proxy in front of it, limits request bodies: set chunk_size in [registries."dst.example"] of the --config file below that limit, or raise the limit (nginx: client_max_body_size)`,
		},
		{
			"a limit of bodies, for a manifest", &registry.Error{Op: "put manifest", MediaType: "x", Host: "dst.example", Status: 413},
			"dst.example, or a proxy in front of it, refuses manifests of this size: raise its limit (nginx: client_max_body_size)",
		},
		{"a limit of bodies, where there are no chunks", &registry.Error{Op: "upload", Host: "ghcr.io", Status: 413}, "ghcr.io takes a layer in one piece only, and none so large"},
		{
			"Docker's media types", &registry.Error{Op: "put manifest", MediaType: "application/vnd.docker.distribution.manifest.v2+json", Host: "dst.example", Status: 415},
			`dst.example refuses Docker's media types, here application/vnd.docker.distribution.manifest.v2+json: allow them (zot: "compat": ["docker2s2"] under "http"), ` +
				"or mirror an OCI image; converted, the image would have another digest",
		},
		{"read-only", &registry.Error{Op: "start upload of", Host: "dst.example", Status: 405}, "dst.example refuses writes: it may be read-only at the moment, or a cache of another registry"},
		{"405 to what only reads", &registry.Error{Op: "list tags", Host: "dst.example", Status: 405}, ""},
		{"no room", &registry.Error{Op: "upload", Host: "dst.example", Status: 500, Said: "no space left on device"}, "free space in the storage of dst.example, and run again: what is done is kept"},
		{"an hour", &registry.Error{Host: "dst.example", Status: 429, RetryAfter: time.Hour}, "run again later, in 1h0m0s at the soonest: what is done is kept"},
		{
			"paused", fmt.Errorf("copying: %w", &registry.PausedError{Host: "dst.example", Until: time.Date(2026, 1, 2, 15, 4, 0, 0, time.UTC)}),
			"run again later, after 15:04 on 2 January: what is done is kept",
		},
		{"nobody knows", errors.New("something else"), ""},
	} {
		if got := hint(c, tt.err, true); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	gone := &registry.Error{Op: "get blob", Host: "src.example", Repository: "team/app", Status: 404}
	if got := hint(c, gone, false); strings.Contains(got, "foreign") || !strings.Contains(got, "lost") {
		t.Errorf("a blob is gone, foreign layers are left out: %q", got)
	}
	c.Destination.Registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	want := `create repository mirror/app, or have it created: [registries."123456789012.dkr.ecr.eu-west-1.amazonaws.com".create_repositories] in the --config file`
	if got := hint(c, at(404, c.Destination.Registry, "mirror/app"), false); got != want {
		t.Errorf("no repository at ECR: %q", got)
	}
}

func TestHintsOfProxies(t *testing.T) {
	t.Parallel()
	const named = `: HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names it, or proxy in [registries."r.example"] of the --config file`
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"not reached", &registry.ProxyError{}, "check the proxy's address, and that it can be reached from here" + named},
		{"wants a login", &registry.ProxyError{Status: 407}, "put user name and password into the proxy's address" + named},
		{"forbids", &registry.ProxyError{Status: 403}, "have the proxy let through what goes to r.example, or go past it with NO_PROXY" + named},
		{"doesn't reach it", &registry.ProxyError{Status: 502}, "check that r.example can be reached from the proxy, or go past it with NO_PROXY" + named},
		{"behind it", &registry.ProxyError{Through: true}, "check that r.example can be reached through the proxy http://p.example:3128, and run again: what is done is kept"},
		{"no proxy", errors.New("x"), ""},
	} {
		var proxy *registry.ProxyError
		if errors.As(tt.err, &proxy) {
			proxy.Host, proxy.Proxy = "r.example", "http://p.example:3128"
		}
		if got := atProxy(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
