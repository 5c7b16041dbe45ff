package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// dist is a folder like that of a release; the programs are what content says.
func dist(t *testing.T, platforms ...string) string {
	t.Helper()
	folder := t.TempDir()
	for _, platform := range platforms {
		for _, program := range programs {
			name := filepath.Join(folder, program+"-1.2.3-"+strings.ReplaceAll(platform, "/", "-"))
			for name, text := range map[string]string{name: "program " + program + " for " + platform, name + ".cdx.json": `{"bomFormat":"CycloneDX","x":"` + program + platform + `"}`} {
				if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return folder
}

// build runs the program and gives what it wrote.
func build(t *testing.T, dist, platforms string) []byte {
	t.Helper()
	output := filepath.Join(t.TempDir(), "image.tar")
	var out, errOut bytes.Buffer
	if code := run([]string{"-dist", dist, "-version", "1.2.3", "-revision", "abc", "-created", "1700000000", "-platforms", platforms, "-output", output}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errOut)
	}
	if !strings.HasPrefix(out.String(), "image.tar sha256:") {
		t.Errorf("said %q", &out)
	}
	data, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Dir(output))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return data
}

// unpack writes the files of an archive below a folder, with the owners that it names where this process may.
func unpack(t *testing.T, archive io.Reader, folder string) {
	t.Helper()
	for r := tar.NewReader(archive); ; {
		header, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, header.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o644)
			}
		}
		if err == nil && os.Geteuid() == 0 {
			err = os.Chown(path, header.Uid, header.Gid)
		}
		if err == nil {
			err = os.Chmod(path, header.FileInfo().Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// opened is the layout of an archive: its index of images and its attachments.
func opened(t *testing.T, archive []byte) (images v1.ImageIndex, attached []v1.Descriptor, path layout.Path) {
	t.Helper()
	folder := t.TempDir()
	unpack(t, bytes.NewReader(archive), folder)
	path, err := layout.FromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	top, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range manifest.Manifests {
		if d.Annotations[refName] == "" {
			attached = append(attached, d)
			continue
		}
		if d.Annotations[refName] != "localhost/docker-mirror:1.2.3" || d.Annotations[containerdName] != d.Annotations[refName] || images != nil {
			t.Errorf("entry %+v", d)
		}
		if images, err = top.ImageIndex(d.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return images, attached, path
}

func TestTheSameBytesAgain(t *testing.T) {
	t.Parallel()
	programs := dist(t, "linux/amd64", "linux/arm64")
	first := build(t, programs, "linux/amd64,linux/arm64")
	later := time.Now().Add(time.Hour)
	for _, name := range []string{"docker-mirror-1.2.3-linux-amd64", "docker-mirror-verify-1.2.3-linux-arm64.cdx.json"} {
		if err := os.Chtimes(filepath.Join(programs, name), later, later); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first, build(t, programs, "linux/amd64,linux/arm64")) {
		t.Error("built twice, the archives differ")
	}
}

func TestWhatTheImageIs(t *testing.T) {
	t.Parallel()
	images, attached, path := opened(t, build(t, dist(t, "linux/amd64", "linux/arm64"), "linux/amd64,linux/arm64"))
	if err := validate.Index(images); err != nil {
		t.Fatal(err)
	}
	index, err := images.IndexManifest()
	if err != nil || index.MediaType != types.OCIImageIndex || len(index.Manifests) != 2 {
		t.Fatalf("index %+v, %v", index, err)
	}
	subjects := subjectsOf(t, attached, path)
	bases := map[v1.Hash]bool{}
	for i, architecture := range []string{"amd64", "arm64"} {
		d := index.Manifests[i]
		if d.Platform.String() != "linux/"+architecture || subjects[d.Digest.String()] != 2 {
			t.Errorf("%+v has %d SBOMs", d, subjects[d.Digest.String()])
		}
		image, err := images.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != architecture || config.Config.User != "65532:65532" || config.Created.Unix() != 1700000000 ||
			config.Config.Labels["org.opencontainers.image.revision"] != "abc" || config.Config.Labels["org.opencontainers.image.version"] != "1.2.3" {
			t.Errorf("%s: %+v", architecture, config)
		}
		root := t.TempDir()
		unpack(t, mutate.Extract(image), root)
		for _, program := range programs {
			got, err := os.ReadFile(filepath.Join(root, "usr/local/bin", program))
			if want := fmt.Sprintf("program %s for linux/%s", program, architecture); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", program, got, err)
			}
		}
		wantRoots(t, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
		layers, err := image.Layers()
		if err != nil || len(layers) != 2 {
			t.Fatal(err)
		}
		base, err := layers[0].Digest()
		if err != nil {
			t.Fatal(err)
		}
		bases[base] = true
	}
	if len(bases) != 1 {
		t.Error("the platforms don't share their base layer")
	}
}

// subjectsOf counts the SBOMs of each image.
func subjectsOf(t *testing.T, attached []v1.Descriptor, path layout.Path) map[string]int {
	t.Helper()
	subjects := map[string]int{}
	for _, d := range attached {
		sbom, err := path.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := sbom.Manifest()
		if err != nil || manifest.ArtifactType != sbomType || len(manifest.Layers) != 1 || d.ArtifactType != sbomType {
			t.Fatalf("%+v, %v", manifest, err)
		}
		subjects[manifest.Subject.Digest.String()]++
	}
	return subjects
}

func wantRoots(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	names, count := "", 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names, count = names+certificate.Subject.String()+"\n", count+1
	}
	if count < 80 || !strings.Contains(names, "ISRG Root X1") {
		t.Errorf("%d roots:\n%s", count, names)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	programs := dist(t, "linux/amd64")
	for _, c := range []struct {
		platforms, want string
		code            int
	}{
		{"linux/amd64,linux/arm64", "docker-mirror-1.2.3-linux-arm64: no such file", 1},
		{"darwin/arm64", `platform "darwin/arm64": want linux/ARCH`, 2},
	} {
		var out, errOut bytes.Buffer
		output := filepath.Join(t.TempDir(), "image.tar")
		if code := run([]string{"-dist", programs, "-version", "1.2.3", "-platforms", c.platforms, "-output", output}, &out, &errOut); code != c.code || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%s: exit code %d, %s", c.platforms, code, &errOut)
		}
		if _, err := os.Stat(output); err == nil {
			t.Errorf("%s: there is an image", c.platforms)
		}
	}
}

// realDist has the helper itself, for this machine.
func realDist(t *testing.T) (folder, platform string) {
	t.Helper()
	platform = "linux/" + runtime.GOARCH
	folder = dist(t, platform)
	program := filepath.Join(folder, "docker-mirror-1.2.3-linux-"+runtime.GOARCH)
	if err := os.Remove(program); err != nil { // go build replaces no text
		t.Fatal(err)
	}
	command := exec.Command("go", "build", "-C", "../..", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, "./go-helper")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return folder, platform
}
