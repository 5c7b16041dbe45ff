package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// pushPlatforms pushes an index of two platforms.
func pushPlatforms(t *testing.T, reference string) v1.Hash {
	t.Helper()
	var images [2]v1.Image
	for i := range images {
		image, err := random.Image(1024, 1)
		if err != nil {
			t.Fatal(err)
		}
		images[i] = image
	}
	return pushPair(t, reference, images[0], images[1])
}

func TestSparseAndRewrittenIndexes(t *testing.T) {
	t.Parallel()
	src, dst := startRegistry(t), startRegistry(t)
	dst.SetDialect(devregistry.Dialect{SparseIndexes: true})
	w := newWorkplace(t)
	digest := pushPlatforms(t, src.Host+"/a:1")
	w.write("set.toml", fmt.Sprintf(`[defaults]
registries = [%q]
platforms = ["linux/amd64"]
index = "sparse"
[[image]]
source = "%s/a:1"
[[image]]
source = "%[2]s/a:1"
image_tags = ["cut"]
index = "rewritten"
`, dst.Host, src.Host))
	args := []string{"copy", "--report", "report.json", "set.toml"}
	p := w.run(0, args...)
	wantContains(t, "stdout", p.stdout.String(),
		fmt.Sprintf("copied %s/a:1@%s from %s/a:1 (sparse index: 1 of 2 manifests)\n", dst.Host, digest, src.Host), "(rewritten index: 1 of 2 manifests)\n")
	for i, want := range []string{"sparse", "rewritten"} {
		c := w.report("report.json").Copies[i]
		if c.Index == nil || c.Index.Kind != want || !slices.Equal(c.Index.LeftOut, []string{"linux/arm64"}) || (c.Digest == digest.String()) != (want == "sparse") {
			t.Errorf("%s: %+v, %+v", want, c, c.Index)
		}
	}
	if got := digestAt(t, dst.Host+"/a:1"); got != digest {
		t.Errorf("the sparse index is %s, want %s", got, digest)
	}
	p = w.run(0, args...)
	wantContains(t, "stderr", p.stderr.String(), "2 unchanged")
	w.run(0, append(args, "--verify")...)

	// What this user wrote sparse is remembered, another has to ask.
	w.write("all.txt", src.Host+"/a:1\n")
	all := []string{"copy", "--registry", dst.Host, "--report", "report.json", "all.txt"}
	other := newWorkplace(t)
	other.write("all.txt", src.Host+"/a:1\n")
	status := func(w *workplace) engine.Status { return w.report("report.json").Copies[0].Status }
	other.run(0, all...)
	if got := status(other); got != engine.StatusUnchanged {
		t.Errorf("another user's run: %s", got)
	}
	other.run(0, append(all, "--check-platforms", "--dry-run")...)
	if got := status(other); got != engine.StatusPlanned {
		t.Errorf("another user's run that asks: %s", got)
	}
	wantContains(t, "stderr", other.run(1, append(all, "--verify")...).stderr.String(), "--force")
	w.run(0, all...)
	if got := status(w); got != engine.StatusCopied {
		t.Errorf("the same user's run: %s", got)
	}
	other.run(0, append(all, "--verify")...)
}

func TestARegistryThatRefusesASparseIndexIsExplained(t *testing.T) {
	t.Parallel()
	src, dst := startRegistry(t), startRegistry(t)
	w := newWorkplace(t)
	pushPlatforms(t, src.Host+"/a:1")
	w.write("list.txt", src.Host+"/a:1\n")
	p := w.run(1, "copy", "--registry", dst.Host, "--platform", "linux/amd64", "--index", "sparse", "--report", "report.json", "list.txt")
	wantContains(t, "stderr", p.stderr.String(), "list.txt:1: ", "refuses an index of which not all is there (left out: 1 of 2 manifests)", "--index=rewritten", "copy all platforms")
	if c := w.report("report.json").Copies[0]; !strings.Contains(c.Hint, "rewritten") || c.Index == nil {
		t.Errorf("%+v", c)
	}
	wantContains(t, "stderr", w.run(2, "copy", "--registry", dst.Host, "--index", "original", "list.txt").stderr.String(),
		`--index: unknown kind of index "original": known are rewritten, sparse`)
}

// What a source doesn't have of an index is named, and left out where that is asked for.
func TestMissingManifestsAreTold(t *testing.T) {
	t.Parallel()
	src, dst := startRegistry(t), startRegistry(t)
	pushPlatforms(t, src.Host+"/multi:v")
	body, _, _ := src.Manifest("multi", "v")
	list, err := v1.ParseIndexManifest(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	gone := list.Manifests[1].Digest
	if err := src.RemoveManifest("multi", gone); err != nil {
		t.Fatal(err)
	}
	w := newWorkplace(t)
	w.write("images.txt", src.Host+"/multi:v\n")
	args := []string{"copy", "--registry", dst.Host, "--report", "report.json", "images.txt"}
	wantContains(t, "stderr", w.run(1, args...).stderr.String(), "names what isn't there", gone.String(), "--missing=skip")
	p := w.run(0, append(args, "--missing", "skip")...)
	wantContains(t, "stderr", p.stderr.String(), "WARNING: images.txt:1: ", "rewritten without it", gone.String())
	index := w.report("report.json").Copies[0].Index
	if index == nil || index.Kind != "rewritten" || len(index.Missing) != 1 || !strings.HasSuffix(index.Missing[0], gone.String()) {
		t.Errorf("reported %+v", index)
	}
	wantContains(t, "stderr", w.run(2, append(args, "--missing", "some")...).stderr.String(), "--missing some: want one of fail, skip")
}
