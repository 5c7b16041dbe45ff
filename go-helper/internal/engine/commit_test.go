package engine_test

import (
	"fmt"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// Images of one repository share manifests, which are written at the same time: each is written once.
func TestASharedManifestIsWrittenOnce(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	child := p.image("x", "", ociManifest, content("layer", 1000))
	var names []string
	for i := range 5 {
		tag := fmt.Sprint("v", i)
		own := p.image("x", "", ociManifest, content(tag, 1000))
		p.index("x", tag, ociIndex, entry{platform: "amd64", of: child}, entry{platform: "arm64", of: own})
		names = append(names, "x:"+tag)
	}
	list := copies(t, source.Host, []string{destination.Host}, names...)
	destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindManifestPut
	}, devregistry.Fault{Delay: 50 * time.Millisecond})}) // so that all are under way together
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	written := 0
	for _, e := range destination.Log().Entries() {
		if e.Kind == devregistry.KindManifestPut && e.Reference == child.Digest.String() {
			written++
		}
	}
	if written != 1 {
		t.Errorf("the manifest that all share is written %d times", written)
	}
	wantNothingWrittenTwice(t, destination)
}

// A manifest whose answers are errors to the end is looked for: it may have been written, and something else may stand there.
func TestAWrittenManifestWhoseAnswersAreErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		fault devregistry.Fault
		other bool // stands at the tag
		want  engine.Status
	}{
		"written":              {devregistry.Fault{LoseAnswer: true}, false, engine.StatusCopied},
		"not written":          {devregistry.Fault{Status: 502}, false, engine.StatusFailed},
		"another one is there": {devregistry.Fault{Status: 502}, true, engine.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			p.image("x", "v", ociManifest, content("layer", 1000))
			list := copies(t, source.Host, []string{destination.Host}, "x:v")
			if tt.other {
				newPusher(t, destination.Host).image(list[0].Destination.Repository, "v", ociManifest, content("other", 1000))
			}
			destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindManifestPut
			}, tt.fault)})
			results := run(t, list, engine.Options{})
			if results[0].Status != tt.want {
				t.Errorf("%s, %v; want %s", results[0].Status, results[0].Err, tt.want)
			}
		})
	}
}
