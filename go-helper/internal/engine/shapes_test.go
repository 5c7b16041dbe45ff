package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

func TestImagesOfAllShapes(t *testing.T) {
	tests := map[string]func(p *pusher) (tag string){
		"one-entry index": func(p *pusher) string {
			p.index("x", "v", ociIndex, entry{platform: "amd64", of: p.image("x", "", ociManifest, content("a", 10))})
			return "v"
		},
		"entry without platform": func(p *pusher) string {
			p.index("x", "v", dockerList, entry{of: p.image("x", "", dockerImage, content("a", 10))})
			return "v"
		},
		"manifest without mediaType": func(p *pusher) string {
			m := p.manifest("x", ociManifest, content("a", 10))
			delete(m, "mediaType")
			p.put("x", "v", ociManifest, m)
			return "v"
		},
		"nested index": func(p *pusher) string {
			inner := p.index("x", "", ociIndex, entry{platform: "amd64", of: p.image("x", "", ociManifest, content("a", 10))})
			p.index("x", "v", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}})
			return "v"
		},
		"empty index": func(p *pusher) string {
			p.put("x", "v", ociIndex, object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{}})
			return "v"
		},
		"artifact with empty config": func(p *pusher) string {
			empty := p.blob("x", "", []byte("{}"))
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.cncf.helm.chart",
				"config": descriptor("application/vnd.oci.empty.v1+json", empty),
				"layers": []object{descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", p.blob("x", "", content("chart", 999)))},
			})
			return "v"
		},
		"Helm chart": func(p *pusher) string {
			config := p.blob("x", "", []byte(`{"name":"chart","version":"1.0.0"}`))
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest,
				"config": descriptor("application/vnd.cncf.helm.config.v1+json", config),
				"layers": []object{
					descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", p.blob("x", "", content("chart", 999))),
					descriptor("application/vnd.cncf.helm.chart.provenance.v1.prov", p.blob("x", "", content("provenance", 99))),
				},
				"annotations": object{"org.opencontainers.image.version": "1.0.0"},
			})
			return "v"
		},
		"WebAssembly": func(p *pusher) string {
			config := p.blob("x", "", []byte(`{"architecture":"wasm","os":"wasip1","layerDigests":[]}`))
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest,
				"config": descriptor("application/vnd.wasm.config.v0+json", config),
				"layers": []object{descriptor("application/wasm", p.blob("x", "", append([]byte("\x00asm"), content("module", 500)...)))},
			})
			return "v"
		},
		"cosign's signature by itself": func(p *pusher) string {
			layer := descriptor("application/vnd.dev.cosign.simplesigning.v1+json", p.blob("x", "", []byte(`{"critical":{}}`)))
			layer["annotations"] = object{"dev.cosignproject.cosign/signature": "MEUCIQ=="}
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest,
				"config": descriptor(ociConfig, p.blob("x", "", []byte(`{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[]}}`))),
				"layers": []object{layer},
			})
			return "v"
		},
		"artifact without content": func(p *pusher) string { // image-spec, manifest.md, "Guidelines for Artifact Usage"
			empty := descriptor("application/vnd.oci.empty.v1+json", p.blob("x", "", []byte("{}")))
			empty["data"] = "e30="
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.example+type",
				"config": empty, "layers": []object{empty}, "annotations": object{"x": "only this"},
			})
			return "v"
		},
		"no layers": func(p *pusher) string {
			p.image("x", "v", ociManifest)
			return "v"
		},
		"zstd and uncompressed layers": func(p *pusher) string {
			m := p.manifest("x", ociManifest, content("gzip", 10))
			m["layers"] = append(m["layers"].([]object),
				descriptor("application/vnd.oci.image.layer.v1.tar+zstd", p.blob("x", "", append([]byte("\x28\xb5\x2f\xfd"), content("zstd", 300)...))),
				descriptor("application/vnd.oci.image.layer.v1.tar", p.blob("x", "", content("tar", 300))))
			p.put("x", "v", ociManifest, m)
			return "v"
		},
		"nested three deep, with a child that comes twice": func(p *pusher) string {
			image := p.image("x", "", ociManifest, content("a", 10))
			inner := p.index("x", "", ociIndex, entry{platform: "amd64", of: image})
			for range 2 {
				inner = p.index("x", "", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}}, entry{platform: "arm64", of: image})
			}
			p.index("x", "v", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}})
			return "v"
		},
		"index of artifacts": func(p *pusher) string {
			chart := p.put("x", "", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.example",
				"config": descriptor("application/vnd.oci.empty.v1+json", p.blob("x", "", []byte("{}"))), "layers": []object{},
			})
			p.put("x", "v", ociIndex, object{
				"schemaVersion": 2, "mediaType": ociIndex, "artifactType": "application/vnd.example.set",
				"manifests": []object{descriptor(ociManifest, chart)}, "annotations": object{"a": "b"},
			})
			return "v"
		},
		"empty blob and the same blob twice": func(p *pusher) string {
			p.image("x", "v", ociManifest, nil, content("a", 10), content("a", 10))
			return "v"
		},
		"foreign layer": func(p *pusher) string {
			m := p.manifest("x", dockerImage, content("a", 10))
			foreign := descriptor(dockerForeign, v1.Descriptor{Digest: hashOf(p.t, content("elsewhere", 5)), Size: 5})
			foreign["urls"] = []string{"https://example.com/layer"}
			m["layers"] = append(m["layers"].([]object), foreign)
			p.put("x", "v", dockerImage, m)
			return "v"
		},
		"by digest": func(p *pusher) string {
			return "v@" + p.image("x", "v", ociManifest, content("a", 10)).Digest.String()
		},
	}
	for name, push := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			tag := push(newPusher(t, source.Host))
			list := []engine.Copy{{
				Source:      ref(t, source.Host+"/x:"+tag),
				Destination: ref(t, destination.Host+"/mirror/x:v"),
			}}
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			checkMirrored(t, source, destination, list[0])
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
		})
	}
}

func TestBadImagesFailAlone(t *testing.T) {
	tests := map[string]struct {
		push func(p *pusher, s *devregistry.Server)
		want string
	}{
		"no such tag": {func(*pusher, *devregistry.Server) {}, "read source 127.0.0.1"},
		"a blob is gone": {func(p *pusher, s *devregistry.Server) {
			layer := content("gone", 5000)
			p.image("bad", "v", ociManifest, layer)
			if err := s.RemoveBlob("bad", hashOf(p.t, layer)); err != nil {
				p.t.Fatal(err)
			}
		}, "404"},
		"a blob is not what its digest says": {func(p *pusher, s *devregistry.Server) {
			p.image("bad", "v", ociManifest, content("layer", 500_000))
			s.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindBlobGet && r.Repository == "bad"
			}, devregistry.Fault{Corrupt: true})})
		}, "digest"},
		"a child is gone": {func(p *pusher, s *devregistry.Server) {
			child := p.image("bad", "", ociManifest, content("layer", 50))
			p.index("bad", "v", ociIndex, entry{platform: "amd64", of: child})
			if err := s.RemoveManifest("bad", child.Digest); err != nil {
				p.t.Fatal(err)
			}
		}, "404"},
		"forbidden": {func(p *pusher, s *devregistry.Server) {
			s.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Repository == "bad"
			}, devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied})})
		}, "403"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			good := threeImages(t, source.Host)
			test.push(newPusher(t, source.Host), source)
			list := copies(t, source.Host, []string{destination.Host}, append([]string{"bad:v"}, good...)...)
			results := run(t, list, engine.Options{})
			if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), test.want) {
				t.Errorf("bad image: %s, %v; want failed with %q", results[0].Status, results[0].Err, test.want)
			}
			if _, _, ok := destination.Manifest("mirror/bad", "v"); ok {
				t.Error("the bad image has a tag")
			}
			wantStatus(t, list[1:], results[1:], engine.StatusCopied)
			for _, c := range list[1:] {
				checkMirrored(t, source, destination, c)
			}
			if n := destination.OpenUploads(); n != 0 {
				t.Errorf("%d upload sessions were left open", n)
			}
		})
	}
}

func TestLimitPlatforms(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	amd := p.image("x", "", ociManifest, content("amd", 100))
	arm := p.image("x", "", ociManifest, content("arm", 100))
	proof := p.image("x", "", ociManifest, content("proof", 10))
	armProof := p.image("x", "", ociManifest, content("arm-proof", 10))
	attests := func(d v1.Descriptor) object {
		return object{
			"platform":    object{"os": "unknown", "architecture": "unknown"},
			"annotations": object{"vnd.docker.reference.digest": d.Digest.String()},
		}
	}
	p.index(
		"x", "v", ociIndex,
		entry{platform: "amd64", of: amd}, entry{platform: "arm64", of: arm},
		entry{of: proof, extra: attests(amd)}, entry{of: armProof, extra: attests(arm)},
	)
	p.image("single", "v", ociManifest, content("single", 10))

	limit := func(name string, architectures ...string) engine.Copy {
		c := engine.Copy{Source: ref(t, source.Host+"/"+name+":v"), Destination: ref(t, destination.Host+"/m/"+name+":"+strings.Join(architectures, "-"))}
		for _, a := range architectures {
			c.Platforms = append(c.Platforms, v1.Platform{OS: "linux", Architecture: a})
		}
		return c
	}
	list := []engine.Copy{limit("x", "amd64"), limit("x", "amd64", "arm64"), limit("single", "arm64"), limit("x", "s390x")}
	results := run(t, list, engine.Options{})
	wantStatus(t, list[:3], results[:3], engine.StatusCopied)
	if err := results[3].Err; err == nil || !strings.Contains(err.Error(), "none of the requested platforms") {
		t.Errorf("no platform matches: %v", err)
	}
	checkMirrored(t, source, destination, list[1]) // all kept: byte for byte
	checkMirrored(t, source, destination, list[2]) // a single image ignores it
	body, _, _ := destination.Manifest("m/x", "amd64")
	index, err := v1.ParseIndexManifest(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) != 2 || index.Manifests[0].Digest != amd.Digest || index.Manifests[1].Digest != proof.Digest {
		t.Errorf("limited index lists %+v, want amd64 and its attestation", index.Manifests)
	}
	if destination.HasBlob("m/x", hashOf(t, content("arm-proof", 10))) != true { // wanted by the second copy
		t.Error("the second copy lacks a blob")
	}
	wantStatus(t, list[:3], run(t, list[:3], engine.Options{}), engine.StatusUnchanged)
}
