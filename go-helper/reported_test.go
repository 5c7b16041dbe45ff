package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/devregistry"
)

func is(kind devregistry.Kind) func(devregistry.Request) bool {
	return func(r devregistry.Request) bool { return r.Kind == kind }
}

// oncePer gives a fault to the first request of each blob or manifest.
func oncePer(kind devregistry.Kind, fault devregistry.Fault) func(devregistry.Request) *devregistry.Fault {
	var seen sync.Map
	return func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != kind {
			return nil
		}
		what := r.Repository + r.Reference
		if kind == devregistry.KindUploadPut {
			what = r.Repository + r.Digest.String() // not of each session
		}
		if _, twice := seen.LoadOrStore(what, true); twice {
			return nil
		}
		return &fault
	}
}

// reported is a registry as its users report it, at one end of a copy.
type reported struct {
	name                string
	source, destination devregistry.Dialect
	sourceFaults        func(devregistry.Request) *devregistry.Fault
	destinationFaults   func(devregistry.Request) *devregistry.Fault
	logins              bool     // at the destination
	config              string   // of the destination
	args                []string // besides the usual ones
	docker              bool     // images of Docker's media types
	fails               []string // what is said where it has to fail
	most                int      // requests at the destination, where that is limited
}

// Registries as their users report them: each is copied to, or from, or it is said why not.
func TestRegistriesAsReported(t *testing.T) {
	t.Parallel()
	robot := map[string]string{"robot": "planted-robot"}
	unread := func(kinds ...devregistry.Kind) func(devregistry.Request) *devregistry.Fault {
		var all []func(devregistry.Request) *devregistry.Fault
		for _, kind := range kinds {
			all = append(all, devregistry.Always(is(kind), devregistry.Fault{Status: http.StatusForbidden, Code: "DENIED", Message: "no pulls"}))
		}
		return devregistry.FirstOf(all...)
	}
	for _, tt := range []reported{
		{name: "Quay: 401 for a repository that doesn't exist", logins: true, destination: devregistry.Dialect{
			Auth: devregistry.Auth{Scheme: devregistry.AuthBearer, Users: robot, MissingNeedsPush: true},
		}},
		{name: "Artifactory: 403 for a tag that doesn't exist", destination: devregistry.Dialect{MissingStatus: http.StatusForbidden}},
		{name: "a robot that may push only", destinationFaults: unread(
			devregistry.KindManifestHead, devregistry.KindManifestGet, devregistry.KindBlobHead, devregistry.KindBlobGet, devregistry.KindTags, devregistry.KindReferrers,
		)},
		{name: "GitLab: mounts fail, uploads don't", destination: devregistry.Dialect{MountStatus: http.StatusInternalServerError}},
		{name: "lost sessions, 404", destinationFaults: oncePer(devregistry.KindUploadPut, devregistry.Fault{Status: 404, Code: "BLOB_UPLOAD_UNKNOWN"})},
		{name: "lost sessions, 400", destinationFaults: oncePer(devregistry.KindUploadPut, devregistry.Fault{Status: 400, Code: "BLOB_UPLOAD_INVALID"})},
		{
			name: "sessions lost for ever", destinationFaults: devregistry.Always(is(devregistry.KindUploadPut), devregistry.Fault{Status: 404, Code: "BLOB_UPLOAD_UNKNOWN"}),
			fails: []string{"BLOB_UPLOAD_UNKNOWN", "loses uploads"},
		},
		{name: "202 for 201", destination: devregistry.Dialect{CreatedStatus: http.StatusAccepted}},
		{name: "no DELETE of uploads", destination: devregistry.Dialect{NoMounts: true, CancelStatus: http.StatusMethodNotAllowed}},
		{name: "nginx: bodies of 1 MiB", destination: devregistry.Dialect{MaxUploadBody: 1 << 20}},
		{
			name: "bodies of nothing", destination: devregistry.Dialect{MaxUploadBody: 100},
			fails: []string{"413", "limits request bodies: set chunk_size in [registries."},
		},
		{name: "caches: 404 at first", sourceFaults: devregistry.FirstOf(
			oncePer(devregistry.KindBlobGet, devregistry.Fault{Status: 404, Code: "BLOB_UNKNOWN"}),
		)},
		{name: "cut downloads without ranges", source: devregistry.Dialect{RangesRefused: true}, sourceFaults: oncePer(devregistry.KindBlobGet, devregistry.Fault{CutDownload: devregistry.AfterBytes(1 << 20)})},
		{name: "Pulp: MANIFEST_INVALID for a blob that isn't there yet", destinationFaults: oncePer(devregistry.KindManifestPut, devregistry.Fault{Status: 400, Code: "MANIFEST_INVALID", Message: "Manifest is invalid."})},
		{name: "answers to manifests lost", destinationFaults: oncePer(devregistry.KindManifestPut, devregistry.Fault{LoseAnswer: true}), destination: devregistry.Dialect{ImmutableTagsStrict: true}},
		{
			name: "zot: no Docker manifests", docker: true,
			destination: devregistry.Dialect{RefuseMediaTypes: []string{string(types.DockerManifestSchema2)}},
			fails:       []string{"415", "refuses Docker's media types", `docker2s2`},
		},
		{name: "read-only", destination: devregistry.Dialect{ReadOnly: true}, fails: []string{"405", "refuses writes: it may be read-only"}},
		{name: "a full disk", destination: devregistry.Dialect{DiskFull: true}, fails: []string{"no space left on device", "free space in the storage of"}, most: 40},
		{
			name: "an hour's rest", destinationFaults: devregistry.Always(is(devregistry.KindManifestHead), devregistry.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}),
			fails: []string{"1h0m0s", "run again"}, most: 6,
		},
		{
			name: "TLS, told plain HTTP", destinationFaults: devregistry.Always(func(devregistry.Request) bool { return true }, devregistry.Fault{Status: 400, Body: "Client sent an HTTP request to an HTTPS server.\n"}),
			fails: []string{"speaks TLS", "plain_http = false"}, most: 1,
		},
		{name: "plain HTTP, told TLS", config: "plain_http = false", fails: []string{"plain_http = true in [registries."}},
		{
			name: "a proxy's page", destinationFaults: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindUploadStart || r.Kind == devregistry.KindMount
			}, devregistry.Fault{Status: 403, Body: "<html><title>Blocked by policy 7</title></html>"}),
			fails: []string{"Blocked by policy 7", "refuses without asking for a login"},
		},
		{
			name: "a wrong password", logins: true, destination: devregistry.Dialect{Auth: devregistry.Auth{Scheme: devregistry.AuthBearer, Users: map[string]string{"robot": "another"}}},
			fails: []string{"asked with user and password", "log in to"},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

func (tt reported) run(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	source, destination := startRegistry(t), startRegistry(t)
	shared := randomLayer(t, 3<<20)
	for _, name := range []string{"one", "two"} {
		image := pushLayers(t, source.Host+"/team/"+name+":oci", shared, randomLayer(t, 50_000))
		if tt.docker {
			image = mutate.ConfigMediaType(mutate.MediaType(image, types.DockerManifestSchema2), types.DockerConfigJSON)
		}
		push(t, source.Host+"/team/"+name+":v", image)
	}
	source.SetDialect(tt.source)
	destination.SetDialect(tt.destination)
	source.SetFaults(devregistry.Faults{Intercept: tt.sourceFaults})
	destination.SetFaults(devregistry.Faults{Intercept: tt.destinationFaults})
	if tt.logins {
		w.login(map[string]string{destination.Host: "robot:planted-robot"})
	}
	w.write("config.toml", fmt.Sprintf("[registries.%q]\n%s\n", destination.Host, tt.config))
	w.write("images.txt", fmt.Sprintf("%[1]s/team/one:v\n%[1]s/team/two:v\n", source.Host))
	code := 0
	if tt.fails != nil {
		code = 1
	}
	p := w.run(code, append([]string{"copy", "--config", "config.toml", "--registry", destination.Host, "--repository", "mirror/{name}", "images.txt"}, tt.args...)...)
	text := p.stdout.String() + p.stderr.String()
	for _, want := range tt.fails {
		if !strings.Contains(text, want) {
			t.Errorf("doesn't say %q:\n%s", want, text)
		}
	}
	if n := len(destination.Log().Entries()); tt.most > 0 && n > tt.most {
		t.Errorf("%d requests:\n%s", n, text)
	}
	if strings.Contains(text, "planted-") || strings.Contains(text, "no credentials for") && tt.logins {
		t.Errorf("says:\n%s", text)
	}
	if tt.fails != nil {
		if tags := destination.Tags("mirror/one"); len(tags) > 0 {
			t.Errorf("has tags %v", tags)
		}
		return
	}
	for _, name := range []string{"one", "two"} {
		wantSame(t, source, "team/"+name, destination, "mirror/"+name, "v")
	}
}
