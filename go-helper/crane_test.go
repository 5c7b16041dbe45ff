package main

import (
	"bytes"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
	"docker-mirror/go-helper/internal/devregistry/sample"
	"docker-mirror/go-helper/internal/devregistry/toolstest"
)

// crane is a client that shares no code with our engine, run as a process.
type crane struct {
	t       *testing.T
	program string
	dir     string // also its home: no credentials of the machine's user
}

func (c crane) run(args ...string) ([]byte, error) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), c.program, args...)
	command.Env = []string{"HOME=" + c.dir, "DOCKER_CONFIG=" + c.dir}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if err != nil {
		c.t.Logf("crane %s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.Bytes(), err
}

// demand is run where a failure is the test's.
func (c crane) demand(args ...string) []byte {
	c.t.Helper()
	output, err := c.run(args...)
	if err != nil {
		c.t.Errorf("crane %s failed", strings.Join(args, " "))
	}
	return output
}

// seen counts what was checked, each thing of a repository once.
type seen map[string]bool

func (s seen) first(what string) bool {
	if s[what] {
		return false
	}
	s[what] = true
	return true
}

// wantManifest compares a manifest, its blobs and its children, byte for byte, with what was made.
func (c crane) wantManifest(manifests, blobs seen, repository string, m sample.Manifest) {
	c.t.Helper()
	at := repository + "@" + m.Digest.String()
	if !manifests.first(at) {
		return
	}
	if got := c.demand("manifest", at); !bytes.Equal(got, m.Body) {
		c.t.Errorf("%s arrived as\n%s\nwant\n%s", at, got, m.Body)
	}
	c.wantDigest(at, m.Digest)
	for _, blob := range m.Blobs {
		at := repository + "@" + blob.Digest.String()
		if blobs.first(at) {
			if got := c.demand("blob", at); !bytes.Equal(got, blob.Content) {
				c.t.Errorf("blob %s arrived as other %d bytes, want %d", at, len(got), len(blob.Content))
			}
		}
	}
	for _, child := range m.Children {
		c.wantManifest(manifests, blobs, repository, child)
	}
}

func (c crane) wantDigest(at string, digest v1.Hash) {
	c.t.Helper()
	if got := strings.TrimSpace(string(c.demand("digest", at))); got != digest.String() {
		c.t.Errorf("%s is %s, want %s", at, got, digest)
	}
}

// Every tag, every child and every blob is what was pushed to the source, in the eyes of another client and on a registry
// that isn't ours, too.
func TestCraneFindsAllThatArrived(t *testing.T) {
	t.Parallel()
	images, err := sample.Set()
	if err != nil {
		t.Fatal(err)
	}
	for kind, start := range map[string]func(*testing.T) string{
		"devregistry":  func(t *testing.T) string { return startRegistry(t).Host },
		"distribution": func(t *testing.T) string { return distributiontest.Start(t).Host },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			c := crane{t, toolstest.Build(t, toolstest.Crane), t.TempDir()}
			src, dst := start(t), start(t)
			w.write("images.txt", w.run(0, "seed", src).stdout.String())
			w.run(0, "copy", "--registry", dst, "--repository", "mirror/{repository}", "images.txt")

			manifests, blobs, tags := seen{}, seen{}, map[string][]string{}
			for _, image := range images {
				repository := path.Join(dst, "mirror", image.Repository)
				tag := repository + ":" + image.Tag
				c.wantDigest(tag, image.Digest)
				c.wantManifest(manifests, blobs, repository, image.Manifest)
				tags[repository] = append(tags[repository], image.Tag)
				// What crane takes for an image that isn't one, it can't validate: a chart, an attestation.
				switch image.Repository {
				case sample.RepositoryHelmChart:
				case sample.RepositoryAttested:
					c.demand("validate", "--remote", repository+"@"+image.Children[0].Digest.String())
				default:
					c.demand("validate", "--remote", tag)
				}
			}

			for repository, want := range tags { // and no other tag
				got := strings.Fields(string(c.demand("ls", repository)))
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s has the tags %q, want %q", repository, got, want)
				}
			}
			if len(manifests) < 15 || len(blobs) < 30 {
				t.Errorf("only %d manifests and %d blobs were checked", len(manifests), len(blobs))
			}
			t.Logf("%d tags, %d manifests, %d blobs", len(images), len(manifests), len(blobs))

			// The check can fail: what isn't there isn't found.
			missing := path.Join(dst, "mirror", images[0].Repository)
			if _, err := c.run("digest", missing+":none"); err == nil {
				t.Error("crane finds a tag that isn't there")
			}
		})
	}
}
