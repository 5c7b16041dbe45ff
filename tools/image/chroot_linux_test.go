package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// inside is a command in the image's files and as its user: nothing of this machine but its network.
func inside(root string, args ...string) *exec.Cmd {
	command := exec.Command(args[0], args[1:]...)
	command.Dir = "/home/nonroot"
	command.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/nonroot"}
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Geteuid() == 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: nonroot, Gid: nonroot}
		return command
	}
	command.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nonroot, HostID: os.Geteuid(), Size: 1}}
	command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nonroot, HostID: os.Getegid(), Size: 1}}
	return command
}

func TestTheImageRuns(t *testing.T) {
	t.Parallel()
	programs, platform := realDist(t)
	images, _, path := opened(t, build(t, programs, platform))
	root := filesOf(t, images)
	output, err := inside(root, "/usr/local/bin/docker-mirror", "version").CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("no chroot as another user here: %v", err)
	}
	if err != nil || !strings.HasPrefix(string(output), "docker-mirror ") {
		t.Fatalf("%v: %s", err, output)
	}
	destination := httptest.NewServer(registry.New(quiet))
	t.Cleanup(destination.Close)
	copiesInside(t, root, destination)

	// The program pushes its own image.
	pushing := exec.Command(filepath.Join(programs, "docker-mirror-1.2.3-"+strings.ReplaceAll(platform, "/", "-")),
		"copy", "--from-layout", string(path), "--registry", host(destination)+"/tools")
	pushing.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CACHE_HOME=", "DOCKER_CONFIG="+t.TempDir())
	if output, err := pushing.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	wantAt(t, host(destination)+"/tools/docker-mirror:1.2.3", images)
}

// filesOf unpacks the only image into a folder that others can enter, unlike that of t.TempDir.
func filesOf(t *testing.T, images v1.ImageIndex) string {
	t.Helper()
	index, err := images.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := images.Image(index.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp("", "image-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	unpack(t, mutate.Extract(image), root)
	return root
}

// copiesInside copies from a source whose certificate is signed by nobody but who is put where the image has its roots.
func copiesInside(t *testing.T, root string, destination *httptest.Server) {
	t.Helper()
	source := httptest.NewUnstartedServer(registry.New(quiet))
	source.Config.ErrorLog = log.New(io.Discard, "", 0)
	source.StartTLS()
	t.Cleanup(source.Close)
	content, err := random.Index(1000, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	from, err := name.ParseReference(host(source) + "/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(from, content, remote.WithTransport(source.Client().Transport)); err != nil {
		t.Fatal(err)
	}
	copying := func() ([]byte, error) {
		command := inside(root, "/usr/local/bin/docker-mirror", "copy", "--config", "/tmp/config.toml", "--registry", host(destination), "--report", "/tmp/report.json")
		command.Stdin = strings.NewReader(host(source) + "/team/app:1\n")
		return command.CombinedOutput()
	}
	if err := os.WriteFile(filepath.Join(root, "tmp/config.toml"), []byte("[registries.\""+host(source)+"\"]\nplain_http = false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if output, err := copying(); err == nil || !strings.Contains(string(output), "certificate signed by unknown authority") {
		t.Fatalf("%v: %s", err, output)
	}
	trusted, err := os.OpenFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(pem.Encode(trusted, &pem.Block{Type: "CERTIFICATE", Bytes: source.Certificate().Raw}), trusted.Close()); err != nil {
		t.Fatal(err)
	}
	if output, err := copying(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	digest := wantAt(t, host(destination)+"/team/app:1", content)
	if report, err := os.ReadFile(filepath.Join(root, "tmp/report.json")); err != nil || !bytes.Contains(report, []byte(digest)) {
		t.Errorf("report %s, %v", report, err)
	}
}

var quiet = registry.Logger(log.New(io.Discard, "", 0))

func host(s *httptest.Server) string { return s.Listener.Addr().String() }

// wantAt compares what a tag names with what it should, and gives the digest.
func wantAt(t *testing.T, reference string, content v1.ImageIndex) string {
	t.Helper()
	want, err := content.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Head(ref); err != nil || got.Digest != want {
		t.Errorf("%s: %v, %v, want %v", reference, got, err, want)
	}
	return want.String()
}
