package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// refusing answers the first n manifests under a tag as if something that they name weren't there.
func refusing(n int, code, names string) devregistry.Faults {
	status := http.StatusNotFound
	if code == devregistry.CodeManifestInvalid {
		status = http.StatusBadRequest
	}
	return devregistry.Faults{Intercept: devregistry.Times(n, func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindManifestPut && r.Reference == "v"
	}, devregistry.Fault{Status: status, Code: code, Message: "not seen: " + names})}
}

// wantSent checks how often a manifest was written, and that each blob was sent once.
func wantSent(t *testing.T, destination *devregistry.Server, reference string, puts int) {
	t.Helper()
	if got := destination.Log().Select(func(e devregistry.Entry) bool {
		return e.Kind == devregistry.KindManifestPut && e.Reference == reference
	}); len(got) != puts {
		t.Errorf("manifest %s was written %d times, want %d", reference, len(got), puts)
	}
	for at, n := range destination.Log().Uploads() {
		if n != 1 {
			t.Errorf("%s was sent %d times", at.Digest, n)
		}
	}
}

// An index that is refused for a child which this run has just written is written again, a few times; the child isn't.
func TestAChildThatTheRegistryDoesNotSeeYetIsWaitedFor(t *testing.T) {
	const unseen = "this run has written what it names, and the registry doesn't see it"
	stranger := strings.Repeat("ab", 32)
	for name, test := range map[string]struct {
		code  string
		names func(child v1.Hash) string
		times int
		puts  int
		want  string
	}{
		"seen at the fourth":  {devregistry.CodeManifestBlobUnknown, nil, 3, 4, ""},
		"which is named":      {devregistry.CodeManifestBlobUnknown, v1.Hash.String, 3, 4, ""},
		"as MANIFEST_UNKNOWN": {devregistry.CodeManifestUnknown, nil, 3, 4, ""},
		"never seen":          {devregistry.CodeManifestBlobUnknown, nil, 100, 8, "(tried 8 times: " + unseen},
		"nothing of ours":     {devregistry.CodeManifestBlobUnknown, func(v1.Hash) string { return "sha256:" + stranger }, 100, 2, stranger},
		"an invalid one":      {devregistry.CodeManifestInvalid, nil, 100, 2, devregistry.CodeManifestInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			child := p.image("x", "", ociManifest, content("layer", 1000))
			p.index("x", "v", ociIndex, entry{platform: "amd64", of: child})
			names := ""
			if test.names != nil {
				names = test.names(child.Digest)
			}
			destination.SetFaults(refusing(test.times, test.code, names))
			list := copies(t, source.Host, []string{destination.Host}, "x:v")
			results := run(t, list, engine.Options{})
			if test.want == "" {
				wantStatus(t, list, results, engine.StatusCopied)
				checkMirrored(t, source, destination, list[0])
			} else if r := results[0]; r.Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(r.Err), test.want) {
				t.Errorf("%s, %v; want %q", r.Status, r.Err, test.want)
			}
			if strings.Contains(fmt.Sprint(results[0].Err), unseen) != strings.Contains(test.want, unseen) {
				t.Errorf("told of what isn't the cause: %v", results[0].Err)
			}
			wantSent(t, destination, "v", test.puts)
			wantSent(t, destination, child.Digest.String(), 1)
		})
	}
}

// A manifest that is refused for blobs which this run has sent is written again; they aren't sent again.
func TestBlobsThatTheRegistryDoesNotSeeYetAreWaitedFor(t *testing.T) {
	for _, test := range []struct {
		times, puts int
		want        engine.Status
	}{{5, 6, engine.StatusCopied}, {100, 9, engine.StatusFailed}} {
		source, destination := pair(t)
		newPusher(t, source.Host).image("x", "v", ociManifest, content("layer", 100_000))
		list := copies(t, source.Host, []string{destination.Host}, "x:v")
		destination.SetFaults(refusing(test.times, devregistry.CodeManifestBlobUnknown, ""))
		results := run(t, list, engine.Options{})
		wantStatus(t, list, results, test.want)
		wantSent(t, destination, "v", test.puts)
		if text := fmt.Sprint(results[0].Err); test.want == engine.StatusFailed && !strings.Contains(text, "(tried 9 times: this run has written what it names") {
			t.Error(text)
		}
	}
}

// Neither are they where a HEAD doesn't see them at first.
func TestASentBlobThatAHeadDoesNotSeeYetIsNotSentAgain(t *testing.T) {
	source, destination := pair(t)
	newPusher(t, source.Host).image("x", "v", ociManifest, content("layer", 100_000))
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	refused := refusing(1, devregistry.CodeManifestBlobUnknown, "").Intercept
	var written atomic.Bool
	unseen := devregistry.Times(2, func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindBlobHead && r.Digest == hashOf(t, content("layer", 100_000)) && written.Load()
	}, devregistry.Fault{Status: http.StatusNotFound, Code: devregistry.CodeBlobUnknown})
	destination.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind == devregistry.KindManifestPut {
			written.Store(true)
		}
		return devregistry.FirstOf(refused, unseen)(r)
	}})
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	wantSent(t, destination, "v", 2)
	if n := destination.Log().Counts()[devregistry.KindBlobHead]; n < 3 {
		t.Errorf("asked for %d times: nothing was missed", n)
	}
}

// A blob that is said to be there, while manifests are refused because it isn't, is sent once whatever is said: that which the refusal
// names, or all that the run hasn't sent.
func TestABlobThatIsOnlySaidToBeThereIsSent(t *testing.T) {
	layers := [][]byte{content("one", 100_000), content("two", 100)}
	for name, test := range map[string]struct {
		named bool
		mends bool // by being sent
		sent  int
		want  engine.Status
	}{
		"named":        {true, true, 1, engine.StatusCopied},
		"not named":    {false, true, 2, engine.StatusCopied},
		"sent in vain": {true, false, 1, engine.StatusFailed},
		"all in vain":  {false, false, 2, engine.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			newPusher(t, source.Host).image("x", "v", ociManifest, layers...)
			list := copies(t, source.Host, []string{destination.Host}, "x:v")
			for _, l := range layers {
				if err := destination.PlantBlob("mirror/x", hashOf(t, l), l); err != nil {
					t.Fatal(err)
				}
			}
			names := ""
			if test.named {
				names = hashOf(t, layers[0]).String()
			}
			refused := refusing(1000, devregistry.CodeManifestBlobUnknown, names).Intercept
			var came atomic.Bool
			destination.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
				if r.Kind == devregistry.KindUploadPut && r.Digest == hashOf(t, layers[0]) {
					came.Store(true)
				}
				if came.Load() && test.mends {
					return nil
				}
				return refused(r)
			}})
			results := run(t, list, engine.Options{})
			wantStatus(t, list, results, test.want)
			sent := 0
			for at, n := range destination.Log().Uploads() {
				for _, l := range layers {
					if at.Digest == hashOf(t, l) {
						sent += n
					}
				}
			}
			if sent != test.sent || !came.Load() {
				t.Errorf("%d layers were sent, want %d", sent, test.sent)
			}
			if puts := destination.Log().Counts()[devregistry.KindManifestPut]; test.mends && puts != 3 {
				t.Errorf("written %d times", puts)
			}
			if text := fmt.Sprint(results[0].Err); !test.mends && !strings.Contains(text, "(tried 10 times: ") {
				t.Error(text)
			}
		})
	}
}
