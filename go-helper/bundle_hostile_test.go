package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// rewrite changes a file's bytes.
func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	if err := os.WriteFile(path, change([]byte(read(t, path))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// afterEntry is where the n-th file of a tar ends.
func afterEntry(t *testing.T, part string, n int) int {
	t.Helper()
	reader := bytes.NewReader([]byte(read(t, part)))
	archive := tar.NewReader(reader)
	end := 0
	for range n {
		header, err := archive.Next()
		if err != nil {
			t.Fatal(err)
		}
		begin := len(read(t, part)) - reader.Len()
		end = begin + int(header.Size+511)/512*512
	}
	return end
}

// wantSoon runs the program, which mustn't wait for what never comes.
func (w *workplace) wantSoon(code int, args ...string) string {
	w.t.Helper()
	p := w.command(args...)
	end := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer end.Stop()
	p.demand(code)
	return p.stdout.String() + p.stderr.String()
}

// Whatever befell the parts of an archive: both who looks and who imports hear which part it is, and neither says that all is well.
func TestWhateverBefallsAPartItIsNamed(t *testing.T) {
	t.Parallel()
	const first, last = "set-001-of-002.tar", "set-002-of-002.tar"
	for name, tt := range map[string]struct {
		damage func(t *testing.T, w *workplace, media string)
		code   int    // of verify; 2 is that nothing can be read
		verify string // is said of it
		take   string // is said by who imports
	}{
		"cut within a file": {func(t *testing.T, _ *workplace, media string) {
			rewrite(t, filepath.Join(media, last), func(b []byte) []byte { return b[:len(b)/2] })
		}, 1, last + " is damaged: ", last + " is damaged: "},
		"cut between two files, and without its sum": {func(t *testing.T, _ *workplace, media string) {
			end := afterEntry(t, filepath.Join(media, last), 2)
			rewrite(t, filepath.Join(media, last), func(b []byte) []byte { return b[:end] })
			removeFile(t, filepath.Join(media, "set.sha256"))
		}, 1, last + " is damaged: it is cut off", last + " is damaged: it is cut off"},
		"empty": {func(t *testing.T, _ *workplace, media string) {
			rewrite(t, filepath.Join(media, last), func([]byte) []byte { return nil })
		}, 1, last + " is damaged: it is cut off", last + " is damaged: it is cut off"},
		"other bytes": {func(t *testing.T, _ *workplace, media string) {
			rewrite(t, filepath.Join(media, last), func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) })
		}, 1, last + " is damaged: ", last + " is damaged: "},
		"the first one, other bytes": {func(t *testing.T, _ *workplace, media string) {
			rewrite(t, filepath.Join(media, first), func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) })
		}, 2, first + " is damaged: ", first + " is damaged: "},
		"compressed": {func(t *testing.T, _ *workplace, media string) {
			rewrite(t, filepath.Join(media, first), func(b []byte) []byte {
				var out bytes.Buffer
				z := gzip.NewWriter(&out)
				_, _ = z.Write(b)
				_ = z.Close()
				return out.Bytes()
			})
		}, 2, "it is compressed: gzip -d it first", "it is compressed: gzip -d it first"},
		"missing":               {func(t *testing.T, _ *workplace, media string) { removeFile(t, filepath.Join(media, last)) }, 1, last + " is missing", "these parts are missing: " + last},
		"the first one missing": {func(t *testing.T, _ *workplace, media string) { removeFile(t, filepath.Join(media, first)) }, 2, "its first part is missing", "its first part is missing"},
		"of another bundle": {func(t *testing.T, w *workplace, media string) {
			w.run(0, "bundle", "pack", "other", "--output", "others/set", "--split", "450KB")
			rewrite(t, filepath.Join(media, last), func([]byte) []byte { return []byte(read(t, w.path("others/"+last))) })
			removeFile(t, filepath.Join(media, "set.sha256"))
		}, 2, last + " is of another bundle than media/" + first, last + " is of another bundle than media/" + first},
		"beside another archive": {func(_ *testing.T, w *workplace, _ string) {
			w.run(0, "bundle", "pack", "other", "--output", "media/more", "--split", "450KB")
		}, 2, "name one of them, media/more or media/set", "name one of them, media/more or media/set"},
		"beside one that was renamed": {func(t *testing.T, w *workplace, media string) {
			w.run(0, "bundle", "pack", "other", "--output", "others/set")
			if err := os.Rename(w.path("others/set-001-of-001.tar"), filepath.Join(media, "another.tar")); err != nil {
				t.Fatal(err)
			}
		}, 2, "both have an index.json", "both have an index.json"},
		"a pipe": {func(t *testing.T, _ *workplace, media string) {
			removeFile(t, filepath.Join(media, last))
			if err := syscall.Mkfifo(filepath.Join(media, last), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 2, last + " is no file", last + " is no file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
			list := src.Host + "/a:1\n" + src.Host + "/b:1\n"
			pushImage(t, src.Host+"/a:1", 100_000, 3)
			pushImage(t, src.Host+"/b:1", 100_000, 3)
			w.write("images.txt", list)
			w.run(0, "copy", "--to-layout", "bundle", "images.txt")
			pushImage(t, src.Host+"/b:1", 100_000, 3)
			w.run(0, "copy", "--to-layout", "other", "images.txt")
			for _, folder := range []string{"media", "others"} {
				if err := os.MkdirAll(w.path(folder), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			w.run(0, "bundle", "pack", "bundle", "--output", "media/set", "--split", "450KB")
			if parts := partsOf(t, w); len(parts) != 2 {
				t.Fatalf("parts %v", parts)
			}
			w.run(0, "bundle", "verify", "media/set") // by the prefix
			tt.damage(t, w, w.path("media"))
			wantContains(t, "verify", w.wantSoon(tt.code, "bundle", "verify", "media"), tt.verify)
			wantContains(t, "copy", w.wantSoon(tt.code, "copy", "--from-layout", "media", "--registry", dst.Host, "images.txt"), tt.take)
		})
	}
}

func removeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// A tar from who knows where leads nowhere out of itself, and nothing is written where it is read.
func TestATarLeadsNowhereOutOfItself(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	digest := pushImage(t, src.Host+"/a:1", 1000, 1)
	w.write("images.txt", src.Host+"/a:1\n")
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	manifest := "blobs/sha256/" + digest.Hex
	outside := w.write("outside", read(t, w.path("bundle/"+manifest)))
	for name, entry := range map[string]*tar.Header{
		"a link":                {Typeflag: tar.TypeSymlink, Name: manifest, Linkname: w.path(outside)},
		"a link upwards":        {Typeflag: tar.TypeSymlink, Name: manifest, Linkname: "../../../outside"},
		"a hard link":           {Typeflag: tar.TypeLink, Name: manifest, Linkname: "../outside"},
		"a device":              {Typeflag: tar.TypeChar, Name: manifest},
		"a path upwards":        {Typeflag: tar.TypeReg, Name: "../../written"},
		"a path from the root":  {Typeflag: tar.TypeReg, Name: w.path("written")},
		"upwards within a blob": {Typeflag: tar.TypeReg, Name: "blobs/sha256/../../../written"},
		"a name with a newline": {Typeflag: tar.TypeReg, Name: manifest + "\nx"},
	} {
		var out bytes.Buffer
		archive := tar.NewWriter(&out)
		for _, file := range []string{"index.json", "oci-layout"} {
			content := read(t, w.path("bundle/"+file))
			if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file, Size: int64(len(content)), Mode: 0o600}); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		entry.Mode = 0o777
		if err := archive.WriteHeader(entry); err != nil {
			t.Fatal(err)
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		w.write("hostile.tar", out.String())
		wantContains(t, name+", verify", w.wantSoon(1, "bundle", "verify", "hostile.tar"), "manifest "+digest.String()+" is missing, of "+src.Host+"/a:1")
		wantContains(t, name+", copy", w.wantSoon(1, "copy", "--from-layout", "hostile.tar", "--registry", dst.Host), "the manifest "+digest.String()+" isn't in the layout")
		if w.exists("written") || w.exists("../written") {
			t.Fatalf("%s: something was written", name)
		}
	}
	if len(dst.Tags("a")) > 0 {
		t.Error("something was copied")
	}
}

// A layout's folder that holds other things than files isn't waited for, and names in it are told as they are.
func TestHostileFoldersAreRefused(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	digest := pushImage(t, src.Host+"/a:1", 1000, 1)
	w.write("images.txt", src.Host+"/a:1\n")
	rename := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "index.json"), func(b []byte) []byte {
				var index v1.IndexManifest
				if err := json.Unmarshal(b, &index); err != nil {
					t.Fatal(err)
				}
				more := index.Manifests[0]
				more.Annotations = map[string]string{"org.opencontainers.image.ref.name": name}
				index.Manifests = append(index.Manifests, more)
				out, err := json.Marshal(index)
				if err != nil {
					t.Fatal(err)
				}
				return out
			})
		}
	}
	pipe := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			removeFile(t, filepath.Join(dir, name))
			if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		damage func(*testing.T, string)
		code   int
		says   string
	}{
		"an index that is a pipe":    {pipe("index.json"), 2, "index.json is no file"},
		"a bundle that is a pipe":    {pipe("bundle.json"), 2, "bundle.json is no file"},
		"a manifest that is a pipe":  {pipe("blobs/sha256/" + digest.Hex), 1, "blobs/sha256/" + digest.Hex + " is no file"},
		"a name with odd characters": {rename("r.example/a\nb:\x1b[31m1"), 2, `"r.example/a\nb:\x1b[31m1" can't be copied by the name`},
		"a name without a registry":  {rename("3.22"), 2, `"3.22" can't be copied by the name`},
		"half an index": {func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "index.json"), func(b []byte) []byte { return b[:len(b)/2] })
		}, 2, "index.json: unexpected end"},
		"a bundle that was changed": {func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "bundle.json"), func(b []byte) []byte { return bytes.Replace(b, []byte(`"size": 1`), []byte(`"size": 2`), 1) })
		}, 2, "bundle.json is no bundle's, or was changed"},
	} {
		if err := os.RemoveAll(w.path("bundle")); err != nil {
			t.Fatal(err)
		}
		w.run(0, "copy", "--to-layout", "bundle", "images.txt")
		tt.damage(t, w.path("bundle"))
		wantContains(t, name, w.wantSoon(tt.code, "copy", "--from-layout", "bundle", "--registry", dst.Host), tt.says)
	}
}

// What was interrupted isn't taken for whole, and what lacks something isn't packed.
func TestWhatIsNotWholeIsNotPacked(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/a:1", 1000, 2)
	w.write("images.txt", src.Host+"/a:1\n")
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	w.write("bundle/.docker-mirror/unfinished", "") // as TestARunToALayoutThatIsKilledGoesOn leaves it
	const why = "the run that wrote it was interrupted or couldn't write, or isn't over, so that images may be missing: run it again"
	for what, out := range map[string]string{
		"verify":         w.wantSoon(1, "bundle", "verify", "bundle"),
		"pack":           w.wantSoon(1, "bundle", "pack", "bundle", "--output", "set"),
		"copy of all":    w.wantSoon(2, "copy", "--from-layout", "bundle", "--registry", dst.Host),
		"copy of a list": w.wantSoon(0, "copy", "--from-layout", "bundle", "--registry", dst.Host, "images.txt"), // what isn't there would fail by its name
	} {
		wantContains(t, what, out, why)
	}
	w.run(0, "copy", "--to-layout", "bundle", "images.txt", "--force")
	w.run(0, "bundle", "verify", "bundle")

	blobs, err := filepath.Glob(w.path("bundle/blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	removeFile(t, slices.MaxFunc(blobs, func(a, b string) int { return len(read(t, a)) - len(read(t, b)) })) // a layer
	wantContains(t, "pack", w.wantSoon(1, "bundle", "pack", "bundle", "--output", "set"), "it isn't whole: blob sha256:", " is missing, of "+src.Host+"/a:1")
	if w.exists("set-001-of-001.tar") {
		t.Error("it was packed all the same")
	}
}

// A folder's or a prefix's name is only a name.
func TestNamesOfBundlesAreNoPatterns(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/a:1", 1000, 1)
	w.write("images.txt", src.Host+"/a:1\n")
	const odd = "a [b]*c?\\ü"
	w.run(0, "copy", "--to-layout", odd, "images.txt")
	if err := os.Mkdir(w.path("media "+odd), 0o755); err != nil {
		t.Fatal(err)
	}
	prefix := "media " + odd + "/" + odd
	w.run(0, "bundle", "pack", odd, "--output", prefix)
	wantContains(t, "again", w.run(0, "bundle", "pack", odd, "--output", prefix).stdout.String(), "kept ")
	w.write(prefix+"-007-of-009.tar", "")
	wantContains(t, "beside a stranger", w.wantSoon(1, "bundle", "pack", odd, "--output", prefix), "-007-of-009.tar is of another archive")
	removeFile(t, w.path(prefix+"-007-of-009.tar"))
	for _, place := range []string{odd, "media " + odd, prefix} {
		w.run(0, "bundle", "verify", place)
		w.run(0, "copy", "--from-layout", place, "--registry", dst.Host, "images.txt")
	}
	// tar passes by what a part says of itself.
	out, err := exec.Command("tar", "-tf", w.path(prefix+"-001-of-001.tar")).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "oci-layout\nindex.json\nbundle.json\nblobs/") {
		t.Errorf("tar: %v\n%s", err, out)
	}
}
