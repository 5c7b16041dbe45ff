//go:build interop

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
	"docker-mirror/go-helper/internal/devregistry/toolstest"
)

// interopRegistries are those that come from the package registries and build in seconds.
var interopRegistries = []interopRegistry{
	{name: "distribution 3.1", start: func(t *testing.T) string { return distributiontest.Start(t).Host }},
	{name: "distribution 3.1 that takes sparse indexes", start: func(t *testing.T) string {
		return distributiontest.Start(t, distributiontest.WithSparseIndexes()).Host
	}, sparse: true},
	{name: "distribution 2.8", start: func(t *testing.T) string {
		return distributiontest.Start(t, distributiontest.WithProgram(debian(t, "docker-registry"))).Host
	}},
	{name: "crane's registry", start: func(t *testing.T) string {
		return startOther(t, `serving on port (\d+)`, toolstest.Build(t, toolstest.Crane), "registry", "serve", "--address", "127.0.0.1:0", "--disk", t.TempDir())
	}},
	{name: "ociregistry", start: func(t *testing.T) string {
		return startOther(t, `listening on (\S+)`, interopTool(t, "ociregistry"), "127.0.0.1:0")
	}, refusal: "500 Internal Server Error: UNKNOWN: invalid manifest: manifest for manifests[1] not found"},
}

// interopTools names the folder of the programs of tools/interop.
const interopTools = "DOCKER_MIRROR_INTEROP_TOOLS"

func interopTool(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(os.Getenv(interopTools), name)
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%s: %v; `scripts/test interop` builds what these tests need", interopTools, err)
	}
	return program
}

// debian finds what only Debian's packages have; scripts/test says loudly what isn't there.
func debian(t *testing.T, program string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s isn't installed: NOTHING WAS TESTED WITH IT", program)
	}
	return found
}

const otherStartTimeout = 30 * time.Second

// startOther runs a registry until the test ends, and finds in what it says where it listens.
func startOther(t *testing.T, listening, program string, args ...string) string {
	t.Helper()
	command := exec.Command(program, args...)
	output, input := io.Pipe()
	command.Stdout, command.Stderr = input, input
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		pattern := regexp.MustCompile(listening)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if m := pattern.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case address <- m[1]:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, output)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = input.Close()
		<-read
	})
	select {
	case at := <-address:
		if regexp.MustCompile(`^\d+$`).MatchString(at) {
			at = "127.0.0.1:" + at
		}
		return at
	case <-time.After(otherStartTimeout):
		t.Fatalf("%s doesn't listen after %s", program, otherStartTimeout)
	}
	return ""
}
