package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

// packed makes a layout of the sample set and packs it into parts in media.
func packed(t *testing.T, w *workplace, src *devregistry.Server, split string) (parts []string) {
	t.Helper()
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	if err := os.MkdirAll(w.path("media"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.run(0, "bundle", "pack", "bundle", "--output", "media/set", "--split", split)
	return partsOf(t, w)
}

func partsOf(t *testing.T, w *workplace) []string {
	t.Helper()
	parts, err := filepath.Glob(w.path("media/*.tar"))
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func damage(t *testing.T, part string) {
	t.Helper()
	data := []byte(read(t, part))
	data[len(data)/2] ^= 1
	if err := os.WriteFile(part, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whoever has a layout has tar, and an archive needs no list.
func TestALayoutThatTarPackedIsRead(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	list, _ := pushSample(t, src)
	w.write("images.txt", list)
	images := strings.Count(list, "\n")
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	for name, entries := range map[string][]string{"whole.tar": {"."}, "named.tar": {"index.json", "oci-layout", "blobs"}} {
		if out, err := exec.Command("tar", append([]string{"-C", w.path("bundle"), "-cf", w.path(name)}, entries...)...).CombinedOutput(); err != nil {
			t.Fatalf("tar: %v\n%s", err, out)
		}
		p := w.run(0, "copy", "--from-layout", name, "--registry", dst.Host, "--repository", strings.TrimSuffix(name, ".tar")+"/{repository}")
		wantContains(t, name, p.stderr.String(), fmt.Sprintf("%d copied", images))
	}
}

func TestAnArchiveIsReadFromItsParts(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	list, pushed := pushSample(t, src)
	w.write("images.txt", list)
	const split = 70_000 // the largest layers are cut
	parts := packed(t, w, src, fmt.Sprint(split))
	cut := false
	for _, part := range parts {
		info, err := os.Stat(part)
		if err != nil || info.Size() > split {
			t.Errorf("%s has %d bytes, %v", part, info.Size(), err)
		}
		cut = cut || slices.ContainsFunc(namesIn(t, part), func(name string) bool { return strings.Contains(name, "-of-") })
	}
	if len(parts) < 4 || !cut {
		t.Fatalf("%d parts, cut %v: the test tests nothing", len(parts), cut)
	}
	p := w.run(0, "bundle", "verify", "media")
	wantContains(t, "stderr", p.stderr.String(), fmt.Sprintf("%d images, ", len(pushed)))
	w.run(0, "copy", "--from-layout", "media", "--registry", dst.Host, "images.txt")
	equalRegistries(t, src, dst, "", pushed)

	// By their names, in any order.
	other := startRegistry(t)
	args := []string{"copy", "--registry", other.Host}
	for _, part := range slices.Backward(parts) {
		args = append(args, "--from-layout", part)
	}
	w.run(0, append(args, "images.txt")...)
	equalRegistries(t, src, other, "", pushed)

	// With the tools of every system.
	heal(t, w)
	if after := w.run(0, "bundle", "verify", "healed"); after.stdout.Len() > 0 {
		t.Errorf("unpacked and joined: %s", &after.stdout)
	}
	if sums := exec.Command("sha256sum", "--check", "--quiet", "set.sha256"); true {
		sums.Dir = w.path("media")
		if out, err := sums.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v %s", err, out)
		}
	}
}

// heal unpacks parts and joins what was cut, as the documentation says.
func heal(t *testing.T, w *workplace) {
	t.Helper()
	script := `mkdir healed && for part in media/*.tar; do tar -x -C healed -f $part; done
cd healed && for first in blobs/*/*.0001-of-*; do cat ${first%.*}.????-of-???? > ${first%.*} && rm ${first%.*}.????-of-????; done`
	command := exec.Command("sh", "-ec", script)
	command.Dir = w.dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func namesIn(t *testing.T, part string) (names []string) {
	t.Helper()
	archive := tar.NewReader(bytes.NewReader([]byte(read(t, part))))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
}

func TestADamagedPartIsFoundNamedAndMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	list, pushed := pushSample(t, src)
	w.write("images.txt", list)
	parts := packed(t, w, src, "400KB")
	if len(parts) < 2 {
		t.Fatalf("parts %v", parts)
	}
	last := parts[len(parts)-1]
	whole := read(t, last)
	damage(t, last)

	p := w.run(1, "bundle", "verify", "media")
	name := filepath.Base(last)
	wantContains(t, "stdout", p.stdout.String(), name+" is damaged: its SHA-256 is ")
	if !strings.Contains(p.stdout.String(), "is damaged in media/"+name+", of "+src.Host+"/") {
		t.Errorf("which images it concerns isn't told: %s", &p.stdout)
	}
	p = w.run(1, "copy", "--from-layout", "media", "--registry", dst.Host, "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "media/"+name+" is damaged: carry it again")

	// Only that part is made again, and what had arrived isn't sent again.
	again := w.run(0, "bundle", "pack", "bundle", "--output", "media/set", "--split", "400KB")
	if got := again.stdout.String(); strings.Count(got, "wrote ") != 1 || !strings.Contains(got, "wrote media/"+name) || strings.Count(got, "kept ") != len(parts)-1 {
		t.Errorf("packing again: %s", got)
	}
	if read(t, last) != whole {
		t.Error("the part that was made again has other bytes")
	}
	dst.Log().Reset()
	w.run(0, "copy", "--from-layout", "media", "--registry", dst.Host, "images.txt")
	equalRegistries(t, src, dst, "", pushed)

	// A part that is missing, or cut off, is named as well.
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if p := w.run(1, "bundle", "verify", "media"); !strings.Contains(p.stdout.String(), name+" is missing") {
		t.Errorf("stdout %s", &p.stdout)
	}
	if err := os.WriteFile(last, []byte(whole[:len(whole)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := w.run(1, "bundle", "verify", "media"); !strings.Contains(p.stdout.String(), "media/"+name+" is damaged: ") {
		t.Errorf("stdout %s", &p.stdout)
	}
}

func TestPackingRefusesWhatWouldMislead(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src := startRegistry(t)
	list, _ := pushSample(t, src)
	w.write("images.txt", list)
	packed(t, w, src, "400KB")
	for split, want := range map[string]string{
		"500KB": "is of another archive: remove it, or name another prefix",
		"12":    "parts of 12 bytes are too small",
	} {
		p := w.run(1, "bundle", "pack", "bundle", "--output", "media/set", "--split", split)
		wantContains(t, split, p.stderr.String(), want)
	}
	for _, split := range []string{"4G", "-1", "x", "1e400GB"} {
		p := w.run(2, "bundle", "pack", "bundle", "--output", "media/set", "--split", split)
		wantContains(t, split, p.stderr.String(), "want a size, such as 4GB or 650MiB")
	}
	// A blob that is damaged already isn't packed as if it were whole.
	blobs, err := filepath.Glob(w.path("bundle/blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	damage(t, slices.MaxFunc(blobs, func(a, b string) int { return len(read(t, a)) - len(read(t, b)) }))
	p := w.run(1, "bundle", "pack", "bundle", "--output", "media/other", "--split", "10MB")
	wantContains(t, "stderr", p.stderr.String(), "is damaged: its content has sha256:")
	w.run(0, "copy", "--to-layout", "bundle", "--verify=deep", "--force", "images.txt")
	w.run(0, "bundle", "pack", "bundle", "--output", "media/other", "--split", "10MB")
}
