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
	images, _, _ := opened(t, build(t, programs, platform))
	index, err := images.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := images.Image(index.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		n, err := layer.Size()
		if err != nil {
			t.Fatal(err)
		}
		size += n
	}
	t.Logf("%d bytes of layers", size)
	root, err := os.MkdirTemp("", "image-") // that others can enter, unlike t.TempDir's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	unpack(t, mutate.Extract(image), root)

	output, err := inside(root, "/usr/local/bin/docker-mirror", "version").CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("no chroot as another user here: %v", err)
	}
	if err != nil || !strings.HasPrefix(string(output), "docker-mirror ") {
		t.Fatalf("%v: %s", err, output)
	}

	// The source's certificate is signed by nobody but who stands where the image has its roots.
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	source, destination := httptest.NewTLSServer(registry.New(quiet)), httptest.NewServer(registry.New(quiet))
	t.Cleanup(source.Close)
	t.Cleanup(destination.Close)
	source.Config.ErrorLog = log.New(io.Discard, "", 0)
	content, err := random.Index(1000, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	host := func(s *httptest.Server) string { return s.Listener.Addr().String() }
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
	to, err := name.ParseReference(host(destination) + "/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	want, err := content.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Head(to); err != nil || got.Digest != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if report, err := os.ReadFile(filepath.Join(root, "tmp/report.json")); err != nil || !bytes.Contains(report, []byte(want.String())) {
		t.Errorf("report %s, %v", report, err)
	}
}
