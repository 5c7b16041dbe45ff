package main

import (
	"net/http"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestForeignLayersAreCopiedWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: static.NewLayer([]byte("foreign"), types.DockerForeignLayer), MediaType: types.DockerForeignLayer, URLs: []string{"https://layers.example/x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	push(t, src.Host+"/windows:1", image, remote.WithNondistributable)
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	w.write("images.txt", src.Host+"/windows:1\n")
	for _, test := range []struct {
		repository string
		args       []string
		copied     bool
	}{{"a/windows", nil, false}, {"b/windows", []string{"--foreign-layers=copy"}, true}} {
		w.run(0, append([]string{"copy", "--registry", dst.Host, "--repository", test.repository, "--report", "report.json", "images.txt"}, test.args...)...)
		if got := dst.HasBlob(test.repository, digest); got != test.copied {
			t.Errorf("%s: the foreign layer is there: %v, want %v", test.args, got, test.copied)
		}
		if left := w.report("report.json").Copies[0].ForeignLayers; (left == 0) != test.copied {
			t.Errorf("%s: %d reported as left", test.args, left)
		}
	}
}

func TestVerifyFindsDamageAndForceRepairsIt(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 4096, 2)
	w.write("images.txt", src.Host+"/app:1\n")
	w.run(0, "copy", "--registry", dst.Host, "images.txt")
	w.run(0, "copy", "--registry", dst.Host, "--verify", "images.txt")

	var blob v1.Hash
	for uploaded := range dst.Log().Uploads() {
		blob = uploaded.Digest
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, dst.URL+"/v2/app/blobs/"+blob.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatalf("deleting a blob: %v, %v", answer, err)
	}
	answer.Body.Close()

	w.run(0, "copy", "--registry", dst.Host, "images.txt") // an equal digest is trusted
	dst.Log().Reset()
	p := w.run(1, "copy", "--registry", dst.Host, "--verify", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:1: ", blob.String(), "--force")
	for _, e := range dst.Log().Entries() {
		if e.Method != http.MethodGet && e.Method != http.MethodHead {
			t.Errorf("--verify sent %s %s", e.Method, e.Path)
		}
	}
	w.run(0, "copy", "--registry", dst.Host, "--force", "images.txt")
	w.run(0, "copy", "--registry", dst.Host, "--verify", "images.txt")
}
