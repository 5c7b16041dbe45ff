package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/report"
)

// program is the compiled docker-mirror, which these tests run as a process, as users do.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "docker-mirror-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "docker-mirror")
		build := exec.Command("go", slices.Concat([]string{"build", "-o", program}, buildFlags, []string{"."})...)
		if output, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, output)
			return 1
		}
		return m.Run()
	}())
}

// workplace is a folder to run the program in, with a home of its own.
type workplace struct {
	t    *testing.T
	dir  string
	home string
}

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	return &workplace{t, t.TempDir(), t.TempDir()}
}

// write puts a file there and returns its name as the program is told it.
func (w *workplace) write(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return name
}

func (w *workplace) path(name string) string { return filepath.Join(w.dir, name) }

func (w *workplace) exists(name string) bool {
	_, err := os.Stat(w.path(name))
	return err == nil
}

func (w *workplace) readJSON(name string, into any) {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		w.t.Fatalf("%s: %v\n%s", name, err, data)
	}
}

// report reads report.json as other programs see it: unknown keys would be ours only.
func (w *workplace) report(name string) report.Report {
	w.t.Helper()
	var r report.Report
	w.readJSON(name, &r)
	if r.SchemaVersion != report.SchemaVersion || r.Started.IsZero() || r.Finished.Before(r.Started) {
		w.t.Errorf("%s: schema %d, from %v to %v", name, r.SchemaVersion, r.Started, r.Finished)
	}
	return r
}

// buffer can be read while the process writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) Len() int { return len(b.String()) }

// process is a run of the program.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr buffer
}

func (w *workplace) command(args ...string) *process {
	p := &process{t: w.t, cmd: exec.Command(program, args...)}
	p.cmd.Dir = w.dir
	p.cmd.Env = append(os.Environ(), "HOME="+w.home, "XDG_CACHE_HOME="+filepath.Join(w.home, ".cache"), "DOCKER_CONFIG="+w.home)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // no-op where it ended
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait gives the exit code; -1 is a signal's.
func (p *process) wait() int {
	p.t.Helper()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// run runs the program to its end and demands an exit code.
func (w *workplace) run(wantCode int, args ...string) *process {
	w.t.Helper()
	p := w.command(args...)
	return p.demand(wantCode)
}

func (p *process) demand(wantCode int) *process {
	p.t.Helper()
	if code := p.start().wait(); code != wantCode {
		p.t.Fatalf("%v: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", p.cmd.Args[1:], code, wantCode, &p.stdout, &p.stderr)
	}
	return p
}

func startRegistry(t *testing.T) *devregistry.Server {
	t.Helper()
	return devregistrytest.Start(t, devregistry.Options{})
}

// artifact is an image or an index.
type artifact interface {
	remote.Taggable
	Digest() (v1.Hash, error)
}

// push puts an image, or an index and all below it, into a registry and gives its digest.
func push(t *testing.T, reference string, a artifact, options ...remote.Option) v1.Hash {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Push(ref, a, options...); err != nil {
		t.Fatal(err)
	}
	digest, err := a.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// pushImage pushes an image of random layers.
func pushImage(t *testing.T, reference string, layerSize, layers int64) v1.Hash {
	t.Helper()
	image, err := random.Image(layerSize, layers)
	if err != nil {
		t.Fatal(err)
	}
	return push(t, reference, image)
}

func pushIndex(t *testing.T, reference string) v1.Hash {
	t.Helper()
	index, err := random.Index(2048, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	return push(t, reference, index)
}

// digestAt asks a registry for what a tag resolves to, with a client that isn't ours.
func digestAt(t *testing.T, reference string, options ...remote.Option) v1.Hash {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := remote.Head(ref, options...)
	if err != nil {
		t.Fatal(err)
	}
	return descriptor.Digest
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func wantContains(t *testing.T, where, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s doesn't say %q:\n%s", where, part, text)
		}
	}
}
