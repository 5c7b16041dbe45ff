package main

import (
	"fmt"
	"os"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
)

// carriedSet is 40 images in as many repositories, on four bases.
type carriedSet struct {
	bases  [4]v1.Layer
	images [40]v1.Image
	list   string
}

func (s *carriedSet) push(t *testing.T, src *devregistry.Server, i int) {
	t.Helper()
	s.images[i] = pushLayers(t, carriedTo(src, i), s.bases[i%len(s.bases)], randomLayer(t, 40_000))
}

func carriedTo(r *devregistry.Server, i int) string {
	return fmt.Sprintf("%s/team/app-%d:1", r.Host, i)
}

func seedCarried(t *testing.T, src *devregistry.Server) *carriedSet {
	t.Helper()
	var s carriedSet
	for i := range s.bases {
		s.bases[i] = randomLayer(t, 90_000)
	}
	for i := range s.images {
		s.push(t, src, i)
		s.list += carriedTo(src, i) + "\n"
	}
	return &s
}

// blobs are the configurations and layers of images, and their bytes.
func blobs(t *testing.T, images []v1.Image) map[v1.Hash]int64 {
	t.Helper()
	all := map[v1.Hash]int64{}
	for _, image := range images {
		manifest, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, blob := range append(manifest.Layers, manifest.Config) {
			all[blob.Digest] = blob.Size
		}
	}
	return all
}

// wantLoaded checks that these blobs were downloaded, each once, and no others.
func wantLoaded(t *testing.T, what string, src *devregistry.Server, want map[v1.Hash]int64) {
	t.Helper()
	downloads, bytes := src.Log().Downloads(), int64(0)
	for digest, size := range want {
		bytes += size
		if downloads[digest] != 1 {
			t.Errorf("%s: %s was downloaded %d times", what, digest, downloads[digest])
		}
	}
	if len(downloads) != len(want) || src.Log().DownloadedBytes() != bytes {
		t.Errorf("%s: %d blobs, %d bytes; want %d, %d", what, len(downloads), src.Log().DownloadedBytes(), len(want), bytes)
	}
	t.Logf("%s: %d blobs, %d bytes, %d requests", what, len(want), bytes, src.Log().Total())
}

// A set is carried to a closed network, then what has changed of it: in two parts, of which one suffers on the way.
func TestASetIsCarriedAndItsChangesAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	set := seedCarried(t, src)
	list := w.write("images.txt", set.list)
	src.Log().Reset()
	w.run(0, "copy", "--to-layout", "october", list)
	before := blobs(t, set.images[:])
	wantLoaded(t, "into a layout", src, before)

	moved := []int{3, 17, 30}
	for _, i := range moved {
		set.push(t, src, i)
	}
	added := blobs(t, set.images[:])
	for digest := range before {
		delete(added, digest)
	}
	if len(added) != 2*len(moved) {
		t.Fatalf("%d new blobs: the test tests nothing", len(added))
	}
	src.Log().Reset()
	w.run(0, "copy", "--to-layout", "november", "--base", "october/bundle.json", list)
	wantLoaded(t, "increment", src, added)
	for digest := range blobs(t, set.images[:]) {
		if _, isNew := added[digest]; w.exists("november/blobs/sha256/"+digest.Hex) != isNew {
			t.Errorf("increment: %s is there: %v, and new: %v", digest, !isNew, isNew)
		}
	}

	src.Log().Reset()
	set.carry(t, w, dst)
	if asked := src.Log().Total(); asked > 0 {
		t.Errorf("the source was asked %d times by who has no way to it", asked)
	}
	w.run(0, "copy", "--verify=deep", "--registry", dst.Host, list)
}

// carry takes in what october and november are, at the other side.
func (s *carriedSet) carry(t *testing.T, w *workplace, dst *devregistry.Server) {
	t.Helper()
	w.run(0, "copy", "--from-layout", "october", "--registry", dst.Host, "images.txt")
	if err := os.MkdirAll(w.path("media"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.run(0, "bundle", "pack", "november", "--output", "whole", "--split", "1GB")
	pack := []string{"bundle", "pack", "november", "--output", "media/november", "--split", fmt.Sprint(len(read(t, w.path("whole-001-of-001.tar"))) * 2 / 3)}
	w.run(0, pack...)
	parts := partsOf(t, w)
	if len(parts) != 2 {
		t.Fatalf("parts %v", parts)
	}
	second := read(t, parts[1])
	broken := []byte(second)
	broken[20_000] ^= 1 // in the first of its layers
	if err := os.WriteFile(parts[1], broken, 0o600); err != nil {
		t.Fatal(err)
	}
	const name = "november-002-of-002.tar"
	wantContains(t, "verify", w.run(1, "bundle", "verify", "media").stdout.String(), name+" is damaged: ")

	take := []string{"copy", "--from-layout", "media", "--registry", dst.Host, "--report", "report.json", "images.txt"}
	p := w.run(1, take...)
	wantContains(t, "stderr", p.stderr.String(), "media/"+name+" is damaged: carry it again")
	if r := w.report("report.json"); r.Totals.Failed != 1 || r.Totals.Copied != 2 || r.Totals.Unchanged != 37 {
		t.Errorf("out of a damaged part: %+v", r.Totals)
	}

	w.run(0, pack...)
	if read(t, parts[1]) != second {
		t.Error("the part that was made again has other bytes")
	}
	w.run(0, take...)
	if r := w.report("report.json"); r.Totals.Copied != 1 || r.Totals.Unchanged != 39 {
		t.Errorf("out of the part that was made again: %+v", r.Totals)
	}
	for i, image := range s.images {
		want, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if got := digestAt(t, carriedTo(dst, i)); got != want {
			t.Errorf("image %d is %s, want %s", i, got, want)
		}
	}
}
