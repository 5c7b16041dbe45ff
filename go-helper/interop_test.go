//go:build interop

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry/sample"
)

// Registries and clients of others, run by `scripts/test interop`: what we copy must be right in their eyes, and what they hold must be
// copied from them.

// interopRegistry is a registry that isn't ours.
type interopRegistry struct {
	name  string
	start func(*testing.T) (host string)
	// sparse: it takes an index of which not all is there; else refusal is what must be said of that, "" being our own explanation.
	sparse  bool
	refusal string
	// login: what is asked of the one who copies and of the one who compares, if anything.
	login *authn.Basic
}

// client reads as the one who has the password.
func (r interopRegistry) client() []remote.Option {
	if r.login == nil {
		return nil
	}
	return []remote.Option{remote.WithTransport(basic{r.login})}
}

// basic sends a password along with every request: go-containerregistry refuses token services on loopback.
type basic struct{ *authn.Basic }

func (b basic) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(b.Username, b.Password)
	return http.DefaultTransport.RoundTrip(r)
}

// otherImages are an image set with all that belongs to it, in a source registry of ours.
type otherImages struct {
	host             string
	images, attached []sample.Image
	list             string
}

func seedImages(t *testing.T) otherImages {
	t.Helper()
	src := startRegistry(t)
	images, err := sample.Set()
	if err != nil {
		t.Fatal(err)
	}
	attached, err := sample.Attached()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sample.PushImages(t.Context(), nil, src.URL, "", append(images, attached...)); err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, image := range images {
		fmt.Fprintf(&list, "%s/%s:%s\n", src.Host, image.Repository, image.Tag)
	}
	return otherImages{src.Host, images, attached, list.String()}
}

// wantArrived fetches everything by another's client and compares it, byte for byte, with what was made.
func wantArrived(t *testing.T, prefix string, images []sample.Image, options ...remote.Option) {
	t.Helper()
	var checked func(repository name.Repository, m sample.Manifest)
	manifests, blobs := seen{}, seen{}
	checked = func(repository name.Repository, m sample.Manifest) {
		at := repository.Digest(m.Digest.String())
		if !manifests.first(at.String()) {
			return
		}
		got, err := remote.Get(at, options...)
		if err != nil || !bytes.Equal(got.Manifest, m.Body) {
			t.Errorf("%s: %v, or other bytes", at, err)
			return
		}
		for _, blob := range m.Blobs {
			at := repository.Digest(blob.Digest.String())
			if !blobs.first(at.String()) {
				continue
			}
			if got, err := readBlob(at, options...); err != nil || !bytes.Equal(got, blob.Content) {
				t.Errorf("blob %s: %v, or other %d bytes, want %d", at, err, len(got), len(blob.Content))
			}
		}
		for _, child := range m.Children {
			checked(repository, child)
		}
	}
	for _, image := range images {
		repository, err := name.NewRepository(path.Join(prefix, image.Repository))
		if err != nil {
			t.Fatal(err)
		}
		if image.Tag != "" {
			if got, err := remote.Head(repository.Tag(image.Tag), options...); err != nil || got.Digest != image.Digest {
				t.Errorf("%s:%s is %v, %v; want %s", repository, image.Tag, got, err, image.Digest)
			}
		}
		checked(repository, image.Manifest)
	}
	if len(manifests) == 0 || len(blobs) == 0 {
		t.Error("nothing was checked")
	}
}

func readBlob(at name.Digest, options ...remote.Option) ([]byte, error) {
	layer, err := remote.Layer(at, options...)
	if err != nil {
		return nil, err
	}
	content, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	return io.ReadAll(content)
}

// wantReferrers asks for what refers to the images of the set, by the API or by the fallback tag.
func wantReferrers(t *testing.T, prefix string, set otherImages, options ...remote.Option) {
	t.Helper()
	api, web := set.images[1], set.images[0]
	for _, want := range []struct {
		image  sample.Image
		digest v1.Hash
		n      int
	}{{api, api.Digest, 2}, {web, web.Digest, 1}, {web, web.Children[0].Digest, 1}} {
		at, err := name.NewDigest(path.Join(prefix, want.image.Repository) + "@" + want.digest.String())
		if err != nil {
			t.Fatal(err)
		}
		index, err := remote.Referrers(at, options...)
		if err != nil {
			t.Errorf("referrers of %s: %v", at, err)
			continue
		}
		list, err := index.IndexManifest()
		if err != nil || len(list.Manifests) != want.n {
			t.Errorf("referrers of %s: %+v, %v; want %d", at, list, err, want.n)
		}
	}
}

// A set cold, again, with changes, verified, limited to a platform, and back from there; in the eyes of another client.
func TestInteropRegistries(t *testing.T) {
	for _, r := range interopRegistries {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.wantMirrored(t, r.start(t))
		})
	}
}

func (r interopRegistry) wantMirrored(t *testing.T, dst string) {
	t.Helper()
	set := seedImages(t)
	prefix := dst + "/mirror"
	w := newWorkplace(t)
	if r.login != nil {
		w.loginTo(dst, r.login.Username, r.login.Password)
	}
	client := r.client()
	w.write("images.txt", set.list)
	args := []string{"copy", "--registry", dst, "--repository", "mirror/{repository}", "--report", "report.json", "images.txt"}
	n := len(set.images)

	w.run(0, args...)
	if totals := w.report("report.json").Totals; totals.Copied != n {
		t.Errorf("cold: %+v", totals)
	}
	wantArrived(t, prefix, set.images, client...)
	wantArrived(t, prefix, set.attached, client...)
	wantReferrers(t, prefix, set, client...)

	w.run(0, args...)
	if totals := w.report("report.json").Totals; totals.Unchanged != n || totals.Bytes.Down+totals.Bytes.Up != 0 {
		t.Errorf("no-op: %+v", totals)
	}
	w.run(0, append(args, "--verify")...)

	// A tag that moved and one that is new; the others are left alone.
	moved := pushImage(t, set.host+"/api:latest", 2048, 2)
	added := pushIndex(t, set.host+"/web:1.1")
	w.write("images.txt", set.list+set.host+"/web:1.1\n")
	w.run(0, args...)
	if totals := w.report("report.json").Totals; totals.Copied != 2 || totals.Unchanged != n-1 {
		t.Errorf("delta: %+v", totals)
	}
	for tag, want := range map[string]v1.Hash{"api:latest": moved, "web:1.1": added} {
		if got := digestAt(t, prefix+"/"+tag, client...); got != want {
			t.Errorf("%s is %s, want %s", tag, got, want)
		}
	}

	// Back from there: the registry as a source.
	back := startRegistry(t)
	var list strings.Builder
	var still []sample.Image
	for _, image := range set.images {
		if image.Repository != sample.RepositoryAPI || image.Tag != "latest" {
			fmt.Fprintf(&list, "%s/%s:%s\n", prefix, image.Repository, image.Tag)
			still = append(still, image)
		}
	}
	w.write("back.txt", list.String())
	w.run(0, "copy", "--registry", back.Host, "back.txt")
	wantArrived(t, back.Host+"/mirror", still)
	wantArrived(t, back.Host+"/mirror", set.attached)

	r.wantSparse(t, w, set, dst)
}

// wantSparse copies one platform of an index under the index's own digest: a registry takes that or refuses it, and neither is passed over.
func (r interopRegistry) wantSparse(t *testing.T, w *workplace, set otherImages, dst string) {
	t.Helper()
	web := set.images[0]
	w.write("web.txt", fmt.Sprintf("%s/%s:%s\n", set.host, web.Repository, web.Tag))
	args := []string{"copy", "--registry", dst, "--repository", "mirror/sparse/{repository}", "--platform", "linux/amd64", "--index", "sparse", "--report", "report.json", "web.txt"}
	if !r.sparse {
		p := w.run(1, args...)
		wantContains(t, "stderr", p.stderr.String(), "web.txt:1: ", cmp.Or(r.refusal, "refuses an index of which not all is there"))
		return
	}
	w.run(0, args...)
	if got := digestAt(t, dst+"/mirror/sparse/web:"+web.Tag, r.client()...); got != web.Digest {
		t.Errorf("the sparse index is %s, want %s", got, web.Digest)
	}
	wantArrived(t, dst+"/mirror/sparse", []sample.Image{{Repository: web.Repository, Manifest: web.Children[0]}}, r.client()...)
	w.run(0, args...)
	if totals := w.report("report.json").Totals; totals.Unchanged != 1 {
		t.Errorf("sparse again: %+v", totals)
	}
	// And all of it, where the digest alone would say that it is there.
	w.run(0, "copy", "--registry", dst, "--repository", "mirror/sparse/{repository}", "--check-platforms", "web.txt")
	wantArrived(t, dst+"/mirror/sparse", []sample.Image{web}, r.client()...)
}
