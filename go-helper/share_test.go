package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

const (
	sharedBases = 16
	baseBytes   = 1<<20 + 4096
	ownBytes    = 10_000
)

// seedBases pushes images, each in a repository of its own, on bases that all of four shards need, one after the other, and no two at
// the same time: the n-th image of a shard is on base n + 4 times the shard's number.
func seedBases(t *testing.T, w *workplace, src *devregistry.Server) shardedSet {
	t.Helper()
	set := shardedSet{digests: map[string]v1.Hash{}}
	bases := make([]v1.Layer, sharedBases)
	for i := range bases {
		bases[i] = randomLayer(t, baseBytes)
	}
	var lines strings.Builder
	for i := range 4 * sharedBases {
		repository := fmt.Sprintf("team-%02d/app", i)
		image := pushLayers(t, src.Host+"/"+repository+":1", bases[(i/4+i%4*4)%sharedBases], randomLayer(t, ownBytes))
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		set.digests[repository+":1"] = digest
		fmt.Fprintf(&lines, "%s/%s:1\n", src.Host, repository)
	}
	set.list = w.write("images.txt", lines.String())
	src.Log().Reset()
	// A base takes its time, so that one shard has it before another one wants it.
	src.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindBlobGet {
			return nil
		}
		for _, base := range bases {
			if digest, err := base.Digest(); err == nil && digest == r.Digest {
				return &devregistry.Fault{Delay: 400 * time.Millisecond}
			}
		}
		return nil
	}})
	return set
}

// wantWhole asks for every image, and for each of its blobs in its own repository; which content a digest has the registry checks.
func (s shardedSet) wantWhole(t *testing.T, host string) {
	t.Helper()
	s.wantAt(t, host)
	for image := range s.digests {
		ref, err := name.ParseReference(host+"/"+image, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		there, err := remote.Image(ref)
		if err != nil {
			t.Error(err)
			continue
		}
		layers, err := there.Layers()
		if err != nil {
			t.Fatal(err)
		}
		config, err := partial.ConfigLayer(there)
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range append(layers, config) {
			if ok, err := partial.Exists(layer); err != nil || !ok {
				t.Errorf("%s lacks a blob: %v", image, err)
			}
		}
	}
}

// taken gives what a run took: bytes down, and requests of both sides.
func taken(src, dst *devregistry.Server) (bytes int64, requests int) {
	return src.Log().DownloadedBytes(), src.Log().Total() + dst.Log().Total()
}

// What one shard has uploaded the others mount, if they are told; and if the registry doesn't mount, telling harms nothing.
func TestShardsTellEachOtherWhatTheyBrought(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dialect devregistry.Dialect
		mounts  bool
	}{
		"mounts":                {devregistry.Dialect{}, true},
		"mounts once committed": {devregistry.Dialect{MountNeedsManifest: true}, true},
		"never mounts":          {devregistry.Dialect{NoMounts: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			src, dst := startRegistry(t), func() *devregistry.Server {
				return devregistrytest.Start(t, devregistry.Options{Dialect: test.dialect})
			}
			set := seedBases(t, w, src)
			least := int64(sharedBases*baseBytes + len(set.digests)*ownBytes)
			shards := func(args ...string) (int64, int) {
				to := dst()
				src.Log().Reset()
				w.runShards(4, append([]string{"copy", "--registry", to.Host, "--concurrency=1", set.list}, args...)...)
				bytes, requests := taken(src, to)
				if len(args) > 0 {
					set.wantWhole(t, to.Host)
				}
				return bytes, requests
			}
			alone, asked := shards()
			together, askedTogether := shards("--share=" + w.path("share"))
			t.Logf("each for itself: %d bytes (%.2f), %d requests; told: %d bytes (%.2f), %d requests",
				alone, float64(alone)/float64(least), asked, together, float64(together)/float64(least), askedTogether)
			if alone < 3*least {
				t.Errorf("each for itself: %d bytes, which shows nothing: one machine takes %d", alone, least)
			}
			if test.mounts && together > least*16/10 { // of 3.9, on a machine that may be busy
				t.Errorf("told: %d bytes, and one machine takes %d", together, least)
			}
			most := asked
			if !test.mounts { // until that is known, advice is tried, and what a refusal means is asked for
				most += 2 * len(set.digests)
			}
			if askedTogether > most {
				t.Errorf("told: %d requests, and %d without", askedTogether, asked)
			}
			for i := range 4 {
				if !w.exists(fmt.Sprintf("share/%d.origins", i)) {
					t.Errorf("shard %d told nothing", i)
				}
			}
		})
	}
}

// The next run knows from the start, on machines of its own, also as another number of shards.
func TestTheNextRunKnowsWhatWasTold(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"a folder", "a repository"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			src, dst := startRegistry(t), startRegistry(t)
			set := seedBases(t, w, src)
			src.SetFaults(devregistry.Faults{})
			share := "--share=" + w.path("share")
			if where == "a repository" {
				share = "--share=oci://" + dst.Host + "/tools/share"
			}
			first := strings.SplitAfter(strings.TrimSpace(readFile(t, w.path(set.list))), "\n")
			w.write("first.txt", strings.Join(first[:32], ""))
			w.runShards(2, "copy", "--registry", dst.Host, share, "first.txt")
			src.Log().Reset()
			w.runShards(3, "copy", "--registry", dst.Host, share, set.list)
			set.wantWhole(t, dst.Host)
			if bytes := src.Log().DownloadedBytes(); bytes >= baseBytes {
				t.Errorf("%d bytes were downloaded, with a base among them", bytes)
			}
		})
	}
}

// In a repository of the destination, with a tag there that is something else: every image arrives, in fewer bytes.
func TestShardsTellEachOtherInARepository(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, alone := startRegistry(t), startRegistry(t)
	dst := devregistrytest.Start(t, devregistry.Options{})
	set := seedBases(t, w, src)
	share := dst.Host + "/tools/share"
	image := pushImage(t, share+":origins-2", 512, 1)
	w.runShards(4, "copy", "--registry", alone.Host, "--concurrency=1", set.list)
	bytes := src.Log().DownloadedBytes()
	src.Log().Reset()
	w.runShards(4, "copy", "--registry", dst.Host, "--concurrency=1", "--share=oci://"+share, set.list)
	told := src.Log().DownloadedBytes()
	set.wantWhole(t, dst.Host)
	t.Logf("each for itself: %d bytes; told: %d", bytes, told)
	if told > bytes*9/10 {
		t.Errorf("told: %d bytes, and %d each for itself", told, bytes)
	}
	for i := range 4 {
		if digest := digestAt(t, fmt.Sprintf("%s:origins-%d", share, i)); digest == image {
			t.Errorf("shard %d told nothing", i)
		}
	}
	for _, name := range []string{"oci://", "oci://" + share + ":tag", "oci://share"} {
		p := w.run(2, "copy", "--registry", dst.Host, "--shard=0/1", "--share="+name, set.list)
		wantContains(t, "stderr", p.stderr.String(), "--share "+name)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Whatever stands in the folder: all images arrive, and false advice costs two requests a blob, no bytes.
func TestFalseAdviceCostsRequestsOnly(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, alone, dst := startRegistry(t), startRegistry(t), startRegistry(t)
	set := seedBases(t, w, src)
	src.SetFaults(devregistry.Faults{})
	w.run(0, "copy", "--registry", alone.Host, "--shard=0/1", set.list)
	bytes, requests := taken(src, alone)
	src.Log().Reset()

	pushImage(t, dst.Host+"/has/nothing:1", 64, 1)
	dst.Log().Reset()
	blobs := map[string]bool{}
	for _, e := range alone.Log().Entries() {
		if e.Kind == devregistry.KindUploadPut || e.Stored || e.Mounted {
			blobs[e.Digest.String()] = true
		}
	}
	if len(blobs) < sharedBases+len(set.digests) {
		t.Fatalf("%d blobs", len(blobs))
	}
	head := "# docker-mirror origins, version 1\n"
	var false1, false2 strings.Builder
	for digest := range blobs {
		fmt.Fprintf(&false1, "%s has/nothing %s\n", dst.Host, digest)
		fmt.Fprintf(&false2, "%s is/nowhere %s\n%s ../../../_catalog %s\nelsewhere.example a/b %s\n%s a/b&from=c %s\n",
			dst.Host, digest, dst.Host, digest, digest, dst.Host, digest)
	}
	for name, content := range map[string]string{
		"1": head + false1.String(), "2": head + false2.String(),
		"garbage": string(make([]byte, 1<<20)), "empty": "", "version-2": "# docker-mirror origins, version 2\n" + false1.String(),
		"written": head + false1.String()[:40], "head": head[:10], "long": head + strings.Repeat("x", 1<<20),
		"0": "what was here before\nno line of ours", // the process's own
	} {
		w.write("share/"+name+".origins", content)
	}
	if err := os.Mkdir(w.path("share/folder.origins"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(w.path("share/pipe.origins"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", w.path("share/endless.origins")); err != nil {
		t.Fatal(err)
	}

	p := w.run(0, "copy", "--registry", dst.Host, "--shard=0/1", "--share="+w.path("share"), set.list)
	got, asked := taken(src, dst)
	t.Logf("%d bytes and %d requests without; %d bytes and %d requests with false advice\n%s", bytes, requests, got, asked, &p.stderr)
	for _, e := range dst.Log().Entries() {
		if e.From != "" && e.From != "has/nothing" && e.From != "is/nowhere" && !strings.HasPrefix(e.From, "team-") {
			t.Errorf("was asked to mount from %q", e.From)
		}
	}
	set.wantWhole(t, dst.Host)
	if got != bytes {
		t.Errorf("%d bytes, and %d without advice", got, bytes)
	}
	if most := requests + 4*len(blobs); asked > most || asked <= requests {
		t.Errorf("%d requests, %d without advice, and at most %d are expected", asked, requests, most)
	}
	if own := readFile(t, w.path("share/0.origins")); !strings.HasPrefix(own, head) || strings.Contains(own, "what was") {
		t.Errorf("its own file:\n%.200s", own)
	}
}

// A folder that can't be had is told, and stops nothing.
func TestNothingIsSharedWhereNothingCanBe(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	list := w.write("images.txt", src.Host+"/app:1\n")
	w.write("file", "")
	p := w.run(0, "copy", "--registry", dst.Host, "--shard=0/1", "--share="+w.path("file/share"), list)
	wantContains(t, "stderr", p.stderr.String(), "other processes are told nothing")
	w.run(0, "copy", "--registry", dst.Host, "--shard=0/1", "--share="+w.path("share"), "--dry-run", list)
	if w.exists("share") {
		t.Error("a dry run made the folder")
	}
	p = w.run(2, "copy", "--registry", dst.Host, "--share=share", list)
	wantContains(t, "stderr", p.stderr.String(), "--share goes with --shard")
	p = w.run(2, "copy", "--shard=0/1", "--share=share", "--to-layout=layout", list)
	wantContains(t, "stderr", p.stderr.String(), "doesn't go with --to-layout")
}
