package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// randomLayer is one of n bytes.
func randomLayer(t *testing.T, n int64) v1.Layer {
	t.Helper()
	layer, err := random.Layer(n, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// pushLayers puts an image of these layers into a registry; pushPair an index of two such.
func pushLayers(t *testing.T, reference string, layers ...v1.Layer) v1.Image {
	t.Helper()
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	push(t, reference, image)
	return image
}

func pushPair(t *testing.T, reference string, one, two v1.Image) v1.Hash {
	t.Helper()
	index := mutate.AppendManifests(
		empty.Index,
		mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: two, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}},
	)
	return push(t, reference, index)
}

// wantSame compares what a reference names at two registries, down to every byte of every blob, and gives the digests of
// the blobs.
func wantSame(t *testing.T, source *devregistry.Server, repository string, destination *devregistry.Server, mirrored, reference string) []v1.Hash {
	t.Helper()
	want, _, ok := source.Manifest(repository, reference)
	if !ok {
		t.Fatalf("%s: no %s at the source", repository, reference)
	}
	got, _, ok := destination.Manifest(mirrored, reference)
	if !ok || !bytes.Equal(got, want) {
		t.Errorf("%s/%s: %s differs or is missing", destination.Host, mirrored, reference)
		return nil
	}
	var content struct {
		Config            *v1.Descriptor
		Layers, Manifests []v1.Descriptor
	}
	if err := json.Unmarshal(got, &content); err != nil {
		t.Fatal(err)
	}
	var blobs []v1.Hash
	for _, child := range content.Manifests {
		blobs = append(blobs, wantSame(t, source, repository, destination, mirrored, child.Digest.String())...)
	}
	if content.Config != nil {
		content.Layers = append(content.Layers, *content.Config)
	}
	for _, layer := range content.Layers {
		blobs = append(blobs, layer.Digest)
		data, err := destination.ReadBlob(mirrored, layer.Digest)
		if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != layer.Digest.Hex {
			t.Errorf("%s/%s: blob %s: %d bytes, %v", destination.Host, mirrored, layer.Digest, len(data), err)
		}
	}
	return blobs
}

// One command reads from two registries and writes to three, of which no two are spoken to alike.
func TestDifferentlySpokenRegistriesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	hub, private := startRegistry(t), startRegistry(t)
	amazon, api := startECR(t)

	shared, large := randomLayer(t, 300_000), randomLayer(t, 7<<20)
	pushLayers(t, hub.Host+"/library/one:1", shared, large)
	pushPair(
		t, hub.Host+"/library/many:2",
		pushLayers(t, hub.Host+"/library/many:amd64", shared, randomLayer(t, 50_000)),
		pushLayers(t, hub.Host+"/library/many:arm64", randomLayer(t, 70_000)),
	)
	pushLayers(t, private.Host+"/team/three:3", shared, large, randomLayer(t, 2<<20))
	pushLayers(t, private.Host+"/team/four:4", large)

	// The sources: Docker Hub as anonymous users meet it, and an old Artifactory behind a password.
	dialect := devregistry.DockerHub
	dialect.Auth = devregistry.Auth{
		Scheme: devregistry.AuthBearer, Users: map[string]string{"someone": "else"}, AnonymousPull: true, NoExpiresIn: true, FirstScopeOnly: true,
	}
	hub.SetDialect(dialect)
	private.SetDialect(devregistry.Dialect{
		NoDigestOnHead: true, NoRange: true, ManifestContentType: "application/json",
		Auth: devregistry.Auth{Scheme: devregistry.AuthBasic, Users: map[string]string{"reader": "planted-reader"}},
	})
	// The destinations: ECR, where repositories have to be created; GHCR, where a second PATCH would lose the first; ACR with
	// its limit of bodies (lower here) and refresh tokens.
	dialect = devregistry.GHCR
	dialect.Auth = devregistry.Auth{Scheme: devregistry.AuthBearer, Users: map[string]string{"robot": "planted-robot"}}
	github := devregistrytest.Start(t, devregistry.Options{Dialect: dialect})
	dialect = devregistry.ACR
	dialect.MaxUploadBody = 3 << 20
	dialect.Auth = devregistry.Auth{
		Scheme: devregistry.AuthBearer, IdentityTokens: map[string]string{"planted-refresh": "robot"}, PostOnly: true, AccessTokenKey: true, TokenSize: 3000,
	}
	azure := devregistrytest.Start(t, devregistry.Options{Dialect: dialect})

	w.login(map[string]string{private.Host: "reader:planted-reader", amazon.Host: "AWS:planted-password", github.Host: "robot:planted-robot"})
	configFile := filepath.Join(w.home, "config.json")
	config, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	config = []byte(strings.TrimSuffix(string(config), "}}") + fmt.Sprintf(`, %q: {"identitytoken": "planted-refresh"}}}`, azure.Host))
	if err := os.WriteFile(configFile, config, 0o600); err != nil {
		t.Fatal(err)
	}
	w.write("config.toml", fmt.Sprintf("[registries.%q.create_repositories]\nservice = \"ecr\"\nregion = \"eu-west-1\"\nendpoint = %q\n", amazon.Host, api.URL))
	w.write("images.txt", fmt.Sprintf("%[1]s/library/one:1\n%[1]s/library/many:2\n%[2]s/team/three:3\n%[2]s/team/four:4\n", hub.Host, private.Host))
	for _, s := range []*devregistry.Server{hub, private} {
		s.Log().Reset()
	}
	args := []string{
		"copy", "--verbose", "--config", "config.toml", "--report", "report.json",
		"--registry", amazon.Host, "--registry", github.Host, "--registry", azure.Host, "--repository", "mirror/{repository}", "images.txt",
	}
	p := w.aws(0, args...)
	if totals := w.report("report.json").Totals; totals.Copied != 12 || totals.All() != 12 {
		t.Errorf("%+v", totals)
	}
	if text := p.stdout.String() + p.stderr.String(); strings.Contains(text, "planted-") {
		t.Errorf("a secret was told:\n%s", text)
	}

	for _, destination := range []*devregistry.Server{amazon, github, azure} {
		blobs := map[v1.Hash]bool{}
		for _, image := range []struct {
			source          *devregistry.Server
			repository, tag string
		}{{hub, "library/one", "1"}, {hub, "library/many", "2"}, {private, "team/three", "3"}, {private, "team/four", "4"}} {
			for _, blob := range wantSame(t, image.source, image.repository, destination, "mirror/"+image.repository, image.tag) {
				blobs[blob] = true
			}
		}
		uploads := 0
		for _, n := range destination.Log().Uploads() {
			uploads += n
		}
		if uploads != len(blobs) {
			t.Errorf("%s: %d uploads of %d blobs", destination.Host, uploads, len(blobs))
		}
		if n := destination.OpenUploads(); n != 0 {
			t.Errorf("%s: %d uploads are open", destination.Host, n)
		}
	}
	if n := len(api.Calls()); n != 4 {
		t.Errorf("%d repositories were created", n)
	}
	// One download feeds all three, but where finding out a limit of bodies, or a machine that stands still, costs another.
	downloads, blobs := 0, map[v1.Hash]bool{}
	for _, s := range []*devregistry.Server{hub, private} {
		for digest, n := range s.Log().Downloads() {
			downloads += n
			blobs[digest] = true
		}
	}
	if downloads >= 2*len(blobs) {
		t.Errorf("%d downloads of %d blobs", downloads, len(blobs))
	}
	w.aws(0, args...)
	if totals := w.report("report.json").Totals; totals.Unchanged != 12 {
		t.Errorf("again: %+v", totals)
	}
}
