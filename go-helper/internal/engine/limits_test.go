package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// What an image may not be: each ends alone, and nothing of it is written.
func TestWhatASourceMayNotAsk(t *testing.T) {
	tests := map[string]struct {
		plant func(t *testing.T, s *devregistry.Server, p *pusher)
		want  string
	}{
		"indexes nested too deep": {func(_ *testing.T, _ *devregistry.Server, p *pusher) {
			child := p.image("bad", "", ociManifest, content("layer", 100))
			inner := p.index("bad", "", ociIndex, entry{of: child})
			for range 8 {
				inner = p.index("bad", "v", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}})
			}
		}, "nested more than"},
		"too many blobs": {func(t *testing.T, s *devregistry.Server, p *pusher) {
			p.image("bad", "small", ociManifest)
			layer := fmt.Sprintf(`{"mediaType":"application/octet-stream","digest":%q,"size":1}`, hashOf(t, []byte("x")))
			body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, ociManifest, layer, strings.Repeat(layer+",", 2000)+layer)
			if err := s.PlantManifest("bad", "v", ociManifest, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}, "lists 2001 blobs"},
		"a blob shorter than said": {plantSize(1000), "ends before what is said to be its size"},
		"a blob longer than said":  {plantSize(10), "digest"},
		"a blob of which no more comes": {func(_ *testing.T, s *devregistry.Server, p *pusher) {
			p.image("bad", "v", ociManifest, content("layer", 100))
			s.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindBlobGet && r.Repository == "bad"
			}, devregistry.Fault{Status: 200, Body: "x"})})
		}, "the answer ended after 1 of "},
		"a web page for a manifest": {func(_ *testing.T, s *devregistry.Server, p *pusher) {
			p.image("bad", "v", ociManifest, content("layer", 100))
			s.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindManifestGet && r.Repository == "bad"
			}, devregistry.Fault{Status: 200, Body: "<html>Log in</html>", Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}})})
		}, "is a web page, not a manifest"},
		"schema 1": {func(t *testing.T, s *devregistry.Server, _ *pusher) {
			const body = `{"schemaVersion":1,"name":"bad","tag":"v","architecture":"amd64","fsLayers":[],"history":[]}`
			if err := s.PlantManifest("bad", "v", "application/vnd.docker.distribution.manifest.v1+prettyjws", []byte(body)); err != nil {
				t.Fatal(err)
			}
		}, "schema 1"},
		"another manifest than its digest": {func(t *testing.T, s *devregistry.Server, p *pusher) {
			child := p.image("bad", "", ociManifest, content("layer", 100))
			p.index("bad", "v", ociIndex, entry{platform: "amd64", of: child})
			if err := s.PlantManifest("bad", child.Digest.String(), ociManifest, []byte(`{"schemaVersion":2}`)); err != nil {
				t.Fatal(err)
			}
		}, "content has digest"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			p.image("good", "v", ociManifest, content("good", 1000))
			test.plant(t, source, p)
			list := copies(t, source.Host, []string{destination.Host}, "bad:v", "good:v")
			results := run(t, list, engine.Options{})
			if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), test.want) {
				t.Errorf("%s, %v; want %q", results[0].Status, results[0].Err, test.want)
			}
			wantStatus(t, list[1:], results[1:], engine.StatusCopied)
			if tags := destination.Tags("mirror/bad"); len(tags) != 0 {
				t.Errorf("written: %v", tags)
			}
		})
	}
}

// plantSize makes an image whose layer of 100 bytes is said to have another size.
func plantSize(said int) func(*testing.T, *devregistry.Server, *pusher) {
	return func(t *testing.T, s *devregistry.Server, p *pusher) {
		layer := content("layer", 100)
		p.image("bad", "small", ociManifest, layer)
		body, mediaType, ok := s.Manifest("bad", "small")
		if !ok {
			t.Fatal("no manifest")
		}
		lie := strings.Replace(string(body), `"size": 100`, fmt.Sprintf(`"size": %d`, said), 1)
		if lie == string(body) {
			t.Fatalf("no size in %s", body)
		}
		if err := s.PlantManifest("bad", "v", mediaType, []byte(lie)); err != nil {
			t.Fatal(err)
		}
	}
}
