package engine_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// hasty gives up soon.
var hasty = registry.RetryPolicy{
	Attempts: 2, Backoff: time.Millisecond, ThrottleBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, Budget: 100 * time.Millisecond,
}

func referrersOf(t *testing.T, source *devregistry.Server, destination *devregistry.Server, mode engine.Referrers) []engine.Copy {
	t.Helper()
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	list[0].Referrers = mode
	return list
}

func wantMissed(t *testing.T, r engine.Result, want ...string) {
	t.Helper()
	if len(r.Missed) != len(want) {
		t.Errorf("missed %v, want %d", r.Missed, len(want))
		return
	}
	for i, m := range r.Missed {
		if !strings.Contains(m.String(), want[i]) {
			t.Errorf("missed %s, want %s", m, want[i])
		}
	}
}

// Whether something is attached is a question beside the image. What can't be answered is said, and fails only those images
// whose attachments are required; it is never taken for "none".
func TestWhatIsNotKnownOfAttachments(t *testing.T) {
	list := func(r devregistry.Request) bool { return r.Kind == devregistry.KindReferrers }
	tag := func(r devregistry.Request) bool {
		return strings.HasPrefix(r.Reference, "sha256-") && !strings.Contains(r.Reference, ".")
	}
	att := func(r devregistry.Request) bool { return strings.HasSuffix(r.Reference, ".att") }
	sig := func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindManifestGet && strings.HasSuffix(r.Reference, ".sig")
	}
	// How a throttled question ends depends on whether a busy machine spends the patience before the second try: "429 Too Many
	// Requests", or "not sent: … (429)".
	for name, test := range map[string]struct {
		dialect  devregistry.Dialect
		refuse   func(devregistry.Request) bool
		status   int
		want     string
		attached int // that come along all the same
	}{
		"the API, 401":           {devregistry.Dialect{}, list, 401, "what refers to sha256:", 1},
		"the API, 403":           {devregistry.Dialect{}, list, 403, "403 Forbidden", 1},
		"the API, 429":           {devregistry.Dialect{}, list, 429, "429", 1},
		"the API, 500":           {devregistry.Dialect{}, list, 500, "500 Internal Server Error", 1},
		"the API, 503":           {devregistry.Dialect{}, list, 503, "503", 1},
		"the API, a login page":  {devregistry.Dialect{}, list, 200, "the answer is no index but text/html, so whether there are any isn't known", 1},
		"the referrers tag, 403": {devregistry.Dialect{NoReferrers: true}, tag, 403, "403 Forbidden", 1},
		"the referrers tag, 500": {devregistry.Dialect{NoReferrers: true}, tag, 500, "500 Internal Server Error", 1},
		"cosign's tags, 403":     {devregistry.Dialect{}, att, 403, ".att and 4 more", 4},
		"cosign's tags, 502":     {devregistry.Dialect{}, att, 502, "502 Bad Gateway", 4},
		"a signature, 403":       {devregistry.Dialect{}, sig, 403, ".sig: get manifest", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			pushAttached(t, source)
			source.SetDialect(test.dialect)
			fault := devregistry.Fault{Status: test.status}
			if test.status == http.StatusOK {
				fault.Body, fault.Header = "<html>Log in</html>", http.Header{"Content-Type": {"text/html; charset=utf-8"}}
			}
			source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(test.refuse, fault)})

			required := referrersOf(t, source, destination, engine.ReferrersRequire)
			r := runRetrying(t.Context(), t, required, engine.Options{}, hasty)[0]
			if r.Status != engine.StatusFailed || !errors.Is(r.Err, engine.ErrAttachmentsRequired) || !strings.Contains(r.Err.Error(), test.want) {
				t.Errorf("required: %s, %v", r.Status, r.Err)
			}
			if tags := destination.Tags("mirror/x"); len(tags) > 0 {
				t.Errorf("required: written %v", tags)
			}

			list := referrersOf(t, source, destination, engine.ReferrersAll)
			planned := runRetrying(t.Context(), t, list, engine.Options{DryRun: true}, hasty)
			wantStatus(t, list, planned, engine.StatusPlanned)
			wantMissed(t, planned[0], test.want)
			results := runRetrying(t.Context(), t, list, engine.Options{}, hasty)
			wantStatus(t, list, results, engine.StatusCopied)
			wantMissed(t, results[0], test.want)
			if results[0].Attached != test.attached {
				t.Errorf("%d attached, want %d", results[0].Attached, test.attached)
			}
			checkMirrored(t, source, destination, list[0])

			source.SetFaults(devregistry.Faults{})
			source.SetDialect(devregistry.Dialect{})
			required = referrersOf(t, source, destination, engine.ReferrersRequire)
			results = run(t, required, engine.Options{}) // of an unchanged image, too
			if want := map[bool]engine.Status{true: engine.StatusCopied, false: engine.StatusUnchanged}[test.attached < 4]; results[0].Status != want {
				t.Errorf("%s, %v; want %s", results[0].Status, results[0].Err, want)
			}
			wantMissed(t, results[0])
			wantStatus(t, required, run(t, required, engine.Options{}), engine.StatusUnchanged)
		})
	}
}

// Registries without the referrers API answer what they have for addresses that they don't know.
func TestNoReferrersAPI(t *testing.T) {
	for _, status := range []int{400, 404, 405, 406, 501} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			image := p.image("x", "v", ociManifest, content("layer", 1000))
			signature := p.attach("x", cosignType, image, content("signature", 100))
			p.referrersTag("x", image.Digest, signature)
			source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindReferrers
			}, devregistry.Fault{Status: status})})
			list := referrersOf(t, source, destination, engine.ReferrersAll)
			source.Log().Reset()
			results := run(t, list, engine.Options{})
			wantStatus(t, list, results, engine.StatusCopied)
			wantMissed(t, results[0])
			if results[0].Attached != 1 {
				t.Errorf("%d attached", results[0].Attached)
			}
			if n := source.Log().Counts()[devregistry.KindReferrers]; n != 1 {
				t.Errorf("the API was asked %d times", n)
			}
		})
	}
}

// Lists that name what is gone are common: whoever deletes a referrer seldom updates the list.
func TestStaleReferrers(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	image := p.image("x", "v", ociManifest, content("layer", 1000))
	gone := p.attach("x", cosignType, image, content("gone", 100))
	there := p.attach("x", cosignType, image, content("there", 100))
	p.referrersTag("x", image.Digest, gone, there)
	source.SetDialect(devregistry.Dialect{NoReferrers: true})
	if err := source.RemoveManifest("x", gone.Digest); err != nil {
		t.Fatal(err)
	}
	list := referrersOf(t, source, destination, engine.ReferrersAll)
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	wantMissed(t, results[0], "manifest "+gone.Digest.String()+", which is listed")
	if results[0].Attached != 1 {
		t.Errorf("%d attached", results[0].Attached)
	}
	if _, _, ok := destination.Manifest("mirror/x", there.Digest.String()); !ok {
		t.Error("the other one is missing")
	}
}

// A destination that takes images alone gets them.
func TestDestinationsThatRefuseArtifacts(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusForbidden} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			source, destination := pair(t)
			a := pushAttached(t, source)
			destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindManifestPut && r.Reference == a.sbom.Digest.String()
			}, devregistry.Fault{Status: status, Code: devregistry.CodeManifestInvalid})})
			for _, mode := range []engine.Referrers{engine.ReferrersRequire, engine.ReferrersAll} {
				list := referrersOf(t, source, destination, mode)
				r := run(t, list, engine.Options{})[0]
				if mode == engine.ReferrersRequire || status == http.StatusForbidden {
					if r.Status != engine.StatusFailed || len(destination.Tags("mirror/x")) > 1 {
						t.Errorf("%s: %s, %v; tags %v", mode, r.Status, r.Err, destination.Tags("mirror/x"))
					}
					continue
				}
				wantStatus(t, list, []engine.Result{r}, engine.StatusCopied)
				wantMissed(t, r, "manifest "+a.sbom.Digest.String())
				if r.Attached != 3 {
					t.Errorf("%d attached", r.Attached)
				}
			}
		})
	}
}

// A list may name any number.
func TestAttachmentsAreBounded(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	image := p.image("x", "v", ociManifest, content("layer", 100))
	entries := []string{}
	for i := range 1200 {
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"size":2,"digest":"sha256:%064x"}`, ociManifest, i))
	}
	list := `{"schemaVersion":2,"manifests":[` + strings.Join(entries, ",") + `]}`
	if err := source.PlantManifest("x", registry.ReferrersTag(image.Digest), ociIndex, []byte(list)); err != nil {
		t.Fatal(err)
	}
	source.SetDialect(devregistry.Dialect{NoReferrers: true})
	source.Log().Reset()
	copied := referrersOf(t, source, destination, engine.ReferrersAll)
	results := runRetrying(t.Context(), t, copied, engine.Options{}, hasty)
	wantStatus(t, copied, results, engine.StatusCopied)
	wantMissed(t, results[0], "further attachments: more than the 1000", "which is listed and 999 more")
	asked := map[string]bool{}
	for _, e := range source.Log().Select(func(e devregistry.Entry) bool { return e.Kind == devregistry.KindManifestGet }) {
		asked[e.Reference] = true
	}
	if len(asked) > 1010 {
		t.Errorf("%d manifests were asked for", len(asked))
	}
}

// A signature whose content is lost is none, and fails no image.
func TestAttachmentsWhoseBlobsAreGone(t *testing.T) {
	source, destination := pair(t)
	a := pushAttached(t, source)
	if err := source.RemoveBlob("x", hashOf(t, content("sbom", 300))); err != nil {
		t.Fatal(err)
	}
	required := referrersOf(t, source, destination, engine.ReferrersRequire)
	if r := runRetrying(t.Context(), t, required, engine.Options{}, hasty)[0]; r.Status != engine.StatusFailed || !errors.Is(r.Err, engine.ErrAttachmentsRequired) {
		t.Errorf("required: %s, %v", r.Status, r.Err)
	}
	list := referrersOf(t, source, destination, engine.ReferrersAll)
	source.Log().Reset()
	results := runRetrying(t.Context(), t, list, engine.Options{}, hasty)
	wantStatus(t, list, results, engine.StatusCopied)
	wantMissed(t, results[0], "manifest "+a.sbom.Digest.String()+", which is listed")
	if results[0].Attached != 2 { // not what signs it either
		t.Errorf("%d attached", results[0].Attached)
	}
	// A cache that has it once it is read has it.
	source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindBlobHead
	}, devregistry.Fault{Status: 404, Code: devregistry.CodeBlobUnknown})})
	other := referrersOf(t, source, destination, engine.ReferrersSignatures)
	other[0].Destination.Repository = "mirror/other"
	results = runRetrying(t.Context(), t, other, engine.Options{}, hasty)
	wantStatus(t, other, results, engine.StatusCopied)
	wantMissed(t, results[0])
}
