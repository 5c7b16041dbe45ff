package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/devregistry/sample"
	"docker-mirror/go-helper/internal/registry"
)

// pushSample pushes the sample set, with attachments, and gives a list of it.
func pushSample(t *testing.T, src *devregistry.Server) (list string, pushed []sample.Pushed) {
	t.Helper()
	pushed, err := sample.Push(t.Context(), nil, src.URL, "set/")
	if err != nil {
		t.Fatal(err)
	}
	attached, err := sample.Attached()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sample.PushImages(t.Context(), nil, src.URL, "set/", attached); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, p := range pushed {
		if p.Tag == "" {
			fmt.Fprintf(&lines, "%s/%s@%s\n", src.Host, p.Repository, p.Digest)
			continue
		}
		fmt.Fprintf(&lines, "%s/%s:%s\n", src.Host, p.Repository, p.Tag)
	}
	return lines.String(), pushed
}

func client(t *testing.T, host string) *registry.Client {
	t.Helper()
	pool, err := registry.NewPool(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool.Client(host)
}

// equalRegistries compares what two registries have of images and of their attachments.
func equalRegistries(t *testing.T, src, dst *devregistry.Server, prefix string, pushed []sample.Pushed) {
	t.Helper()
	from, to := client(t, src.Host), client(t, dst.Host)
	for _, p := range pushed {
		identifier := p.Tag
		if identifier == "" {
			identifier = p.Digest.String()
		}
		got, err := to.HeadManifest(t.Context(), prefix+p.Repository, identifier)
		if err != nil || got.Digest != p.Digest {
			t.Errorf("%s: %v, %v; want %s", p.Repository, got.Digest, err, p.Digest)
		}
		want := referrersOf(t, from, p.Repository, p.Digest)
		if have := referrersOf(t, to, prefix+p.Repository, p.Digest); have != want {
			t.Errorf("referrers of %s: %s, want %s", p.Repository, have, want)
		}
	}
}

func referrersOf(t *testing.T, c *registry.Client, repository string, digest v1.Hash) string {
	t.Helper()
	list, err := c.Referrers(t.Context(), repository, digest)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, d := range list {
		seen[d.Digest.String()] = d.ArtifactType
	}
	return fmt.Sprint(seen)
}

func TestALayoutCarriesASetWithItsAttachments(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	list, pushed := pushSample(t, src)
	w.write("images.txt", list)

	w.run(0, "copy", "--to-layout", "bundle", "--report", "report.json", "images.txt")
	if r := w.report("report.json"); r.Totals.Copied != len(pushed) || r.Totals.Failed != 0 {
		t.Errorf("totals %+v", r.Totals)
	}
	loaded := src.Log().DownloadedBytes()
	if onDisk := blobsOnDisk(t, w.path("bundle")); loaded > onDisk {
		t.Errorf("%d bytes were loaded for %d on the disk: something was loaded twice", loaded, onDisk)
	}

	// Again: nothing moves, nothing changes.
	before := read(t, w.path("bundle/index.json"))
	src.Log().Reset()
	p := w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), fmt.Sprintf("%d unchanged in ", len(pushed)))
	for _, e := range src.Log().Entries() {
		if e.Method == http.MethodGet && e.Kind != devregistry.KindPing {
			t.Errorf("an unchanged layout asked for %s %s", e.Method, e.Path)
		}
	}
	if after := read(t, w.path("bundle/index.json")); after != before {
		t.Errorf("index.json changed:\n%s\nwas\n%s", after, before)
	}
	w.run(0, "copy", "--to-layout", "bundle", "--verify=deep", "images.txt")

	// The other side has no source any more.
	src.Log().Reset()
	w.run(0, "copy", "--from-layout", "bundle", "--registry", dst.Host, "--repository", "mirror/{repository}", "images.txt")
	if n := src.Log().Total(); n != 0 {
		t.Errorf("the source was asked %d times", n)
	}
	equalRegistries(t, src, dst, "mirror/", pushed)

	// Without a list, all that the layout has.
	all := startRegistry(t)
	w.run(0, "copy", "--from-layout", "bundle", "--registry", all.Host)
	for _, p := range pushed {
		tag := p.Tag
		if tag == "" {
			tag = p.Digest.Hex
		}
		if got := digestAt(t, all.Host+"/"+p.Repository+":"+tag); got != p.Digest {
			t.Errorf("%s: %s, want %s", p.Repository, got, p.Digest)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func blobsOnDisk(t *testing.T, dir string) (sum int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "blobs/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

func TestALayoutKeepsTheDigestOfAnImageWithoutSomeOfItsPlatforms(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	digest := pushPlatforms(t, src.Host+"/team/multi:2")
	w.write("images.txt", "--platform=linux/amd64 "+src.Host+"/team/multi:2\n")
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	var index v1.IndexManifest
	if err := json.Unmarshal([]byte(read(t, w.path("bundle/index.json"))), &index); err != nil {
		t.Fatal(err)
	}
	if d := index.Manifests[0]; d.Digest != digest || d.Annotations["dev.docker-mirror.platforms"] != "linux/amd64" ||
		d.Annotations["org.opencontainers.image.ref.name"] != src.Host+"/team/multi:2" {
		t.Errorf("entry %+v", d)
	}

	// At the other side it becomes what it would have become without the detour.
	w.run(0, "copy", "--registry", dst.Host, "--repository", "direct/{repository}", "images.txt")
	w.run(0, "copy", "--from-layout", "bundle", "--registry", dst.Host, "--repository", "carried/{repository}")
	direct, carried := digestAt(t, dst.Host+"/direct/team/multi:2"), digestAt(t, dst.Host+"/carried/team/multi:2")
	if direct != carried || direct == digest {
		t.Errorf("carried %s, direct %s, at the source %s", carried, direct, digest)
	}

	// Other platforms come to it later.
	w.write("images.txt", src.Host+"/team/multi:2\n")
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	w.run(0, "copy", "--from-layout", "bundle", "--registry", dst.Host, "--repository", "whole/{repository}")
	if got := digestAt(t, dst.Host+"/whole/team/multi:2"); got != digest {
		t.Errorf("the whole one is %s, want %s", got, digest)
	}
}

func TestALayoutLeavesOutWhatABaseHas(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"first", "first/bundle.json"} {
		w := newWorkplace(t)
		src, dst := startRegistry(t), startRegistry(t)
		list, pushed := pushSample(t, src)
		w.write("images.txt", list)
		w.run(0, "copy", "--to-layout", "first", "images.txt")

		// One image moves: its new layers alone are in the increment.
		moved := pushed[0]
		moved.Digest = pushImage(t, src.Host+"/"+moved.Repository+":"+moved.Tag, 3000, 2)
		pushed[0] = moved
		src.Log().Reset()
		w.run(0, "copy", "--to-layout", "second", "--base", base, "images.txt")
		if sent := src.Log().DownloadedBytes(); sent < 6000 || sent > 12000 {
			t.Errorf("--base %s: %d bytes of blobs were loaded for 2 new layers of 3000", base, sent)
		}

		// It needs what it is based on, and says so.
		p := w.run(1, "copy", "--from-layout", "second", "--registry", dst.Host, "images.txt")
		wantContains(t, "stderr", p.stderr.String(), "this bundle leaves it out, as an earlier one had it with ")
		w.run(0, "copy", "--from-layout", "first", "--registry", dst.Host, "images.txt")
		w.run(0, "copy", "--from-layout", "second", "--registry", dst.Host, "images.txt")
		equalRegistries(t, src, dst, "", pushed)

		// A new image of blobs that the base had elsewhere: another repository, on a registry that never mounts.
		never := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{NoMounts: true}})
		w.run(0, "copy", "--from-layout", "first", "--registry", never.Host, "images.txt")
		crossed := src.Host + "/elsewhere/copy:1"
		w.write("specs.json", fmt.Sprintf(`{"src": "%s/%s:%s", "dst": "%s"}`, src.Host, pushed[1].Repository, pushed[1].Tag, crossed))
		w.run(0, "copy", "specs.json")
		w.write("images.txt", list+crossed+"\n")
		w.run(0, "copy", "--to-layout", "third", "--base", base, "images.txt")
		w.run(0, "copy", "--from-layout", "third", "--registry", never.Host, "images.txt")
		if got := digestAt(t, never.Host+"/elsewhere/copy:1"); got != pushed[1].Digest {
			t.Errorf("--base %s: %s, want %s", base, got, pushed[1].Digest)
		}
	}
}

func TestALayoutOfTwoDigestsOfATagNamesBoth(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	first := pushImage(t, src.Host+"/app:1", 1000, 1)
	second := pushImage(t, src.Host+"/app:1", 1000, 1)
	specs := ""
	for i, digest := range []v1.Hash{first, second} {
		specs += fmt.Sprintf(`{"src": "%s/app:1@%s", "dst": "%s/app:%d"}`, src.Host, digest, dst.Host, i)
	}
	w.write("specs.json", specs)
	w.run(0, "copy", "--to-layout", "bundle", "specs.json")
	w.run(0, "copy", "--from-layout", "bundle", "specs.json")
	if a, b := digestAt(t, dst.Host+"/app:0"), digestAt(t, dst.Host+"/app:1"); a != first || b != second {
		t.Errorf("%s and %s, want %s and %s", a, b, first, second)
	}
}

func TestLayoutFlagsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("images.txt", "registry.invalid/a:1\n")
	w.write("full/letter.txt", "dear")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--to-layout", "a", "--from-layout", "b"}, "--to-layout and --from-layout exclude each other"},
		{[]string{"--base", "a", "--registry", "r.invalid"}, "--base says what --to-layout leaves out, and goes with it"},
		{[]string{"--to-layout", "full"}, "--to-layout full: full: it is no OCI layout, and has something in it: letter.txt"},
		{[]string{"--to-layout", "new", "--base", "nowhere"}, "--base nowhere: "},
		{[]string{"--from-layout", "nowhere", "--registry", "r.invalid"}, "--from-layout nowhere: "},
		{[]string{"--from-layout", "full", "--registry", "r.invalid"}, "there is no index.json: it is no OCI layout"},
	} {
		p := w.run(2, append([]string{"copy", "images.txt"}, c.args...)...)
		wantContains(t, strings.Join(c.args, " "), p.stderr.String(), c.want)
	}
	if p := w.run(1, "copy", "--dry-run", "--to-layout", "dry", "images.txt"); w.exists("dry") {
		t.Errorf("a dry run made the folder: %s", &p.stderr)
	}
}

func TestATagPolicyComparesWithWhatTheLayoutHas(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src := startRegistry(t)
	for _, tag := range []string{"1.0.0", "1.1.0"} {
		pushImage(t, src.Host+"/team/app:"+tag, 512, 1)
	}
	w.write("first.txt", src.Host+"/team/app:1.0.0\n")
	w.write("set.toml", fmt.Sprintf("[[image]]\nsource = \"%s/team/app\"\nselect = { mode = \"higher\" }\n", src.Host))
	w.run(0, "copy", "--to-layout", "bundle", "first.txt")
	p := w.run(0, "copy", "--to-layout", "bundle", "set.toml")
	wantContains(t, "stdout", p.stdout.String(), "copied oci-layout:bundle/"+src.Host+"/team/app:1.1.0@")
	if strings.Contains(p.stdout.String(), ":1.0.0@") {
		t.Errorf("took what isn't higher: %s", &p.stdout)
	}
}
