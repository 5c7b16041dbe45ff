package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
)

const (
	ociManifest   = "application/vnd.oci.image.manifest.v1+json"
	ociIndex      = "application/vnd.oci.image.index.v1+json"
	ociConfig     = "application/vnd.oci.image.config.v1+json"
	ociLayer      = "application/vnd.oci.image.layer.v1.tar+gzip"
	dockerImage   = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList    = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerForeign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// pusher writes images into a registry, byte for byte as a test wants them.
type pusher struct {
	t      testing.TB
	client *registry.Client
	host   string
	has    map[string]bool
}

func newPusher(t testing.TB, host string) *pusher {
	t.Helper()
	return &pusher{t: t, client: newPool(t).Client(host), host: host, has: map[string]bool{}}
}

func newPool(t testing.TB) *registry.Pool {
	t.Helper()
	pool, err := registry.NewPool(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func hashOf(t testing.TB, body []byte) v1.Hash {
	t.Helper()
	h, _, err := v1.SHA256(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (p *pusher) blob(repository, mediaType string, content []byte) v1.Descriptor {
	p.t.Helper()
	digest := hashOf(p.t, content)
	if key := repository + digest.String(); !p.has[key] {
		p.has[key] = true
		ctx := context.Background()
		u, err := p.client.StartUpload(ctx, repository, digest, "")
		if err == nil {
			err = u.Put(ctx, digest, int64(len(content)), bytes.NewReader(content), 0)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	return v1.Descriptor{MediaType: "", Digest: digest, Size: int64(len(content))}
}

// put writes a manifest under a tag, or under its digest where tag is empty.
func (p *pusher) put(repository, tag, mediaType string, manifest any) v1.Descriptor {
	p.t.Helper()
	body, err := json.MarshalIndent(manifest, "", "   ")
	if err != nil {
		p.t.Fatal(err)
	}
	m := &registry.Manifest{MediaType: mediaType, Digest: hashOf(p.t, body), Body: body}
	identifier := tag
	if tag == "" {
		identifier = m.Digest.String()
	}
	if err := p.client.PutManifest(context.Background(), repository, identifier, m); err != nil {
		p.t.Fatal(err)
	}
	return v1.Descriptor{Digest: m.Digest, Size: int64(len(body))}
}

type object = map[string]any

func descriptor(mediaType string, d v1.Descriptor) object {
	return object{"mediaType": mediaType, "digest": d.Digest.String(), "size": d.Size}
}

// image pushes a single-platform image whose layers have the given contents.
func (p *pusher) image(repository, tag, mediaType string, layers ...[]byte) v1.Descriptor {
	p.t.Helper()
	return p.put(repository, tag, mediaType, p.manifest(repository, mediaType, layers...))
}

func (p *pusher) manifest(repository, mediaType string, layers ...[]byte) object {
	p.t.Helper()
	config, err := json.Marshal(object{"os": "linux", "architecture": "amd64", "config": object{"Labels": object{"of": repository}}, "layers": len(layers)})
	if err != nil {
		p.t.Fatal(err)
	}
	m := object{
		"schemaVersion": 2, "mediaType": mediaType,
		"config": descriptor(ociConfig, p.blob(repository, ociConfig, config)),
	}
	list := []object{}
	for _, content := range layers {
		list = append(list, descriptor(ociLayer, p.blob(repository, ociLayer, content)))
	}
	m["layers"] = list
	return m
}

type entry struct {
	platform string // architecture; "" none
	of       v1.Descriptor
	extra    object
}

func (p *pusher) index(repository, tag, mediaType string, entries ...entry) v1.Descriptor {
	p.t.Helper()
	list := []object{}
	for _, e := range entries {
		d := descriptor(ociManifest, e.of)
		if e.platform != "" {
			d["platform"] = object{"os": "linux", "architecture": e.platform}
		}
		for k, v := range e.extra {
			d[k] = v
		}
		list = append(list, d)
	}
	return p.put(repository, tag, mediaType, object{"schemaVersion": 2, "mediaType": mediaType, "manifests": list})
}

// content gives n bytes that depend on seed alone.
func content(seed string, n int) []byte {
	var key [32]byte
	copy(key[:], seed)
	out := make([]byte, n)
	r := rand.NewChaCha8(key)
	if _, err := r.Read(out); err != nil {
		panic(err)
	}
	return out
}

func ref(t testing.TB, s string) reference.Reference {
	t.Helper()
	r, err := reference.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// copies makes a copy of each "repository:tag" from one host to the mirror/ prefix of others.
func copies(t testing.TB, from string, to []string, names ...string) []engine.Copy {
	t.Helper()
	var out []engine.Copy
	for _, host := range to {
		for _, name := range names {
			out = append(out, engine.Copy{
				Source:      ref(t, from+"/"+name),
				Destination: ref(t, host+"/mirror/"+name),
				Origin:      "images.txt:" + fmt.Sprint(len(out)+1),
			})
		}
	}
	return out
}

// checkMirrored compares what a copy's destination holds with its source, past both registries' HTTP:
// every manifest byte for byte with its media type, and every blob's content.
func checkMirrored(t testing.TB, source, destination *devregistry.Server, c engine.Copy) {
	t.Helper()
	if err := mirrored(source, destination, c); err != nil {
		t.Errorf("%s: %v", c.Destination, err)
	}
}

func mirrored(source, destination *devregistry.Server, c engine.Copy) error {
	var same func(identifier, at string) error
	same = func(identifier, at string) error {
		want, wantType, ok := source.Manifest(c.Source.Repository, identifier)
		if !ok {
			return fmt.Errorf("source lacks %s", identifier)
		}
		got, gotType, ok := destination.Manifest(c.Destination.Repository, at)
		if !ok {
			return fmt.Errorf("lacks %s", at)
		}
		if !bytes.Equal(got, want) || gotType != wantType {
			return fmt.Errorf("%s is %q %q, want %q %q", at, gotType, got, wantType, want)
		}
		var m struct {
			Config            *v1.Descriptor
			Layers, Manifests []v1.Descriptor
		}
		if err := json.Unmarshal(want, &m); err != nil {
			return err
		}
		for _, child := range m.Manifests {
			if err := same(child.Digest.String(), child.Digest.String()); err != nil {
				return err
			}
		}
		blobs := m.Layers
		if m.Config != nil {
			blobs = append(blobs, *m.Config)
		}
		for _, b := range blobs {
			if len(b.URLs) > 0 {
				continue
			}
			want, err := source.ReadBlob(c.Source.Repository, b.Digest)
			if err != nil {
				return err
			}
			got, err := destination.ReadBlob(c.Destination.Repository, b.Digest)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("blob %s has other content", b.Digest)
			}
		}
		return nil
	}
	at := c.Destination.Tag
	if at == "" {
		at = c.Destination.Digest.String()
	}
	return same(c.Source.Identifier(), at)
}
