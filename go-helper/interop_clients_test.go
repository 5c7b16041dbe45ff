//go:build interop

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
	"docker-mirror/go-helper/internal/devregistry/sample"
	"docker-mirror/go-helper/internal/devregistry/toolstest"
)

// other is a program of others, with a home of its own.
type other struct {
	t       *testing.T
	program string
	home    string
}

func (o other) demand(args ...string) []byte {
	o.t.Helper()
	command := exec.CommandContext(o.t.Context(), o.program, args...)
	command.Env = []string{"HOME=" + o.home, "DOCKER_CONFIG=" + o.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + o.home, "COSIGN_PASSWORD="}
	command.Dir = o.home
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		o.t.Errorf("%s %s: %v\n%s%s", filepath.Base(o.program), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.Bytes()
}

// wantLayout looks for everything of an image in an OCI layout that a client wrote.
func wantLayout(t *testing.T, layout string, m sample.Manifest) {
	t.Helper()
	at := func(digest v1.Hash) string { return filepath.Join(layout, "blobs", digest.Algorithm, digest.Hex) }
	if got, err := os.ReadFile(at(m.Digest)); err != nil || !bytes.Equal(got, m.Body) {
		t.Errorf("manifest %s: %v, or other bytes", m.Digest, err)
	}
	for _, blob := range m.Blobs {
		if got, err := os.ReadFile(at(blob.Digest)); err != nil || !bytes.Equal(got, blob.Content) {
			t.Errorf("blob %s: %v, or other bytes", blob.Digest, err)
		}
	}
	for _, child := range m.Children {
		wantLayout(t, layout, child)
	}
}

// mirrored is a set with its attachments, in a registry that isn't ours.
func mirrored(t *testing.T) (set otherImages, prefix string) {
	t.Helper()
	set = seedImages(t)
	dst := distributiontest.Start(t).Host
	w := newWorkplace(t)
	w.write("images.txt", set.list)
	w.run(0, "copy", "--registry", dst, "--repository", "mirror/{repository}", "images.txt")
	return set, dst + "/mirror"
}

func TestInteropSkopeo(t *testing.T) {
	t.Parallel()
	skopeo := other{t, debian(t, "skopeo"), t.TempDir()}
	set, prefix := mirrored(t)
	for _, image := range set.images {
		at := "docker://" + prefix + "/" + image.Repository + ":" + image.Tag
		if got := skopeo.demand("inspect", "--tls-verify=false", "--raw", at); !bytes.Equal(got, image.Body) {
			t.Errorf("%s: other bytes", at)
		}
		if image.Repository == sample.RepositoryHelmChart || strings.Contains(string(image.MediaType), "docker") {
			continue // which skopeo would convert on the way into a layout
		}
		layout := filepath.Join(skopeo.home, strings.ReplaceAll(image.Repository, "/", "-")+"-"+image.Tag)
		skopeo.demand("--insecure-policy", "copy", "--src-tls-verify=false", "--all", "--preserve-digests", at, "oci:"+layout+":x")
		wantLayout(t, layout, image.Manifest)
	}
}

func TestInteropRegctl(t *testing.T) {
	t.Parallel()
	regctl := other{t, interopTool(t, "regctl"), t.TempDir()}
	set, prefix := mirrored(t)
	host, _, _ := strings.Cut(prefix, "/")
	regctl.demand("registry", "set", "--tls", "disabled", host)
	for _, image := range set.images {
		layout := filepath.Join(regctl.home, strings.ReplaceAll(image.Repository, "/", "-")+"-"+image.Tag)
		regctl.demand("image", "copy", "--referrers", "--digest-tags", "--force-recursive", prefix+"/"+image.Repository+":"+image.Tag, "ocidir://"+layout+":x")
		wantLayout(t, layout, image.Manifest)
		for _, attached := range set.attached {
			if attached.Repository == image.Repository {
				wantLayout(t, layout, attached.Manifest)
			}
		}
	}
	tree := string(regctl.demand("artifact", "tree", "--digest-tags", prefix+"/"+sample.RepositoryAPI+":2.3"))
	wantContains(t, "regctl's tree", tree, string(sample.SignatureType), string(sample.SBOMType), ".sig", ".att")
}

func TestInteropORAS(t *testing.T) {
	t.Parallel()
	oras := other{t, interopTool(t, "oras"), t.TempDir()}
	set, prefix := mirrored(t)
	for _, image := range set.images {
		layout := filepath.Join(oras.home, strings.ReplaceAll(image.Repository, "/", "-")+"-"+image.Tag)
		oras.demand("copy", "--recursive", "--from-plain-http", "--to-oci-layout", prefix+"/"+image.Repository+":"+image.Tag, layout+":x")
		wantLayout(t, layout, image.Manifest)
		for _, attached := range set.attached {
			if attached.Repository == image.Repository && attached.Tag == "" && image.Repository == sample.RepositoryAPI {
				wantLayout(t, layout, attached.Manifest)
			}
		}
	}
	found := string(oras.demand("discover", "--plain-http", "--format", "json", prefix+"/"+sample.RepositoryAPI+":2.3"))
	for _, attached := range set.attached {
		if attached.Repository == sample.RepositoryAPI && attached.Tag == "" {
			wantContains(t, "oras discover", found, attached.Digest.String())
		}
	}
}

func TestInteropHelm(t *testing.T) {
	t.Parallel()
	helm := other{t, toolstest.Build(t, toolstest.Helm), t.TempDir()}
	set := seedImages(t)
	// A chart that helm itself makes and pushes.
	helm.demand("create", "hello")
	helm.demand("package", "hello", "--version", "1.2.3+build.5")
	helm.demand("push", "--plain-http", "hello-1.2.3+build.5.tgz", "oci://"+set.host+"/charts-of-helm")
	dst := distributiontest.Start(t).Host
	w := newWorkplace(t)
	w.write("images.toml", "[[image]]\nsource = \""+set.host+"/charts-of-helm/hello\"\nselect = { semver = \"^1.2\", latest = 1 }\n")
	w.run(0, "copy", "--registry", dst, "images.toml")
	if err := os.Mkdir(filepath.Join(helm.home, "pulled"), 0o755); err != nil {
		t.Fatal(err)
	}
	helm.demand("pull", "--plain-http", "oci://"+dst+"/charts-of-helm/hello", "--version", "1.2.3+build.5", "--destination", "pulled")
	want, err := os.ReadFile(filepath.Join(helm.home, "hello-1.2.3+build.5.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(helm.home, "pulled", "hello-1.2.3+build.5.tgz")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the chart differs: %v", err)
	}
}
