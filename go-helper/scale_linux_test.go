package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/registry"
)

// largeSet is a set of many images in a source registry, of which each has a manifest of its own and five of forty blobs that all share.
type largeSet struct {
	b      *testing.B
	source *devregistry.Server
	names  []string
}

const (
	setRepositories = 25
	setBlobs        = 40
)

func newLargeSet(b *testing.B, images int) *largeSet {
	s := &largeSet{b: b, source: devregistrytest.Start(b, devregistry.Options{})}
	pool, err := registry.NewPool(registry.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	client, blobs := pool.Client(s.source.Host), make([]v1.Descriptor, setBlobs)
	work, ctx := errgroup.WithContext(b.Context())
	work.SetLimit(16)
	for i := range setRepositories * setBlobs {
		content := bytes.Repeat([]byte{byte(i % setBlobs)}, 1000)
		digest, size, err := v1.SHA256(bytes.NewReader(content))
		if err != nil {
			b.Fatal(err)
		}
		blobs[i%setBlobs] = v1.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: digest, Size: size}
		work.Go(func() error {
			upload, err := client.StartUpload(ctx, fmt.Sprint("r", i/setBlobs), digest, "")
			if err != nil {
				return err
			}
			return upload.Put(ctx, digest, size, bytes.NewReader(content), 0)
		})
	}
	if err := work.Wait(); err != nil {
		b.Fatal(err)
	}
	for i := range images {
		repository, tag := fmt.Sprint("r", i%setRepositories), fmt.Sprint("t", i)
		s.names = append(s.names, repository+":"+tag)
		m := v1.Manifest{SchemaVersion: 2, MediaType: "application/vnd.oci.image.manifest.v1+json", Annotations: map[string]string{"n": tag}, Config: blobs[i%setBlobs]}
		for j := 1; j < 5; j++ {
			m.Layers = append(m.Layers, blobs[(i+j*7)%setBlobs])
		}
		work.Go(func() error {
			body, err := json.Marshal(m)
			if err != nil {
				return err
			}
			digest, _, err := v1.SHA256(bytes.NewReader(body))
			if err != nil {
				return err
			}
			return client.PutManifest(b.Context(), repository, tag, &registry.Manifest{MediaType: string(m.MediaType), Digest: digest, Body: body})
		})
	}
	if err := work.Wait(); err != nil {
		b.Fatal(err)
	}
	return s
}

// usage is what a run of the program took.
type usage struct {
	cpu, wall float64 // seconds
	live      int64   // MiB, the most that Go's collector found in use
	peak      int64   // KiB, the most memory that the process had
}

var collected = regexp.MustCompile(`\d+->\d+->(\d+) MB`)

// copy copies the set's first images to a registry.
func (s *largeSet) copy(destination *devregistry.Server, images int) usage {
	s.b.Helper()
	dir := s.b.TempDir()
	var list bytes.Buffer
	for _, name := range s.names[:images] {
		fmt.Fprintf(&list, "%s/%s\n", s.source.Host, name)
	}
	file, reportFile := filepath.Join(dir, "images.txt"), filepath.Join(dir, "report.json")
	if err := os.WriteFile(file, list.Bytes(), 0o600); err != nil {
		s.b.Fatal(err)
	}
	cmd := exec.CommandContext(s.b.Context(), program, "copy", "--registry", destination.Host, "--referrers", "none", "--report", reportFile, file)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "GODEBUG=gctrace=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	started := s.b.Elapsed()
	peak, err := runWatched(cmd)
	if err != nil {
		s.b.Fatalf("%v\n%s", err, &stderr)
	}
	u := usage{
		peak: peak,
		wall: (s.b.Elapsed() - started).Seconds(),
		cpu:  (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
	}
	for _, match := range collected.FindAllSubmatch(stderr.Bytes(), -1) {
		live, err := strconv.ParseInt(string(match[1]), 10, 64)
		if err != nil {
			s.b.Fatal(err)
		}
		u.live = max(u.live, live)
	}
	return u
}

// runWatched runs a command and gives the most memory that it had, in KiB.
func runWatched(cmd *exec.Cmd) (peak int64, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	sample := time.NewTicker(5 * time.Millisecond)
	defer sample.Stop()
	for {
		select {
		case err := <-done:
			return peak, err
		case <-sample.C:
			peak = max(peak, highWater(cmd.Process.Pid))
		}
	}
}

var highWaterLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// highWater is the most memory that a process has had, in KiB; 0 where it is gone. What the kernel tells at a process's end (ru_maxrss) is
// not it: that begins with what its parent had.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	if match := highWaterLine.FindSubmatch(status); match != nil {
		if kib, err := strconv.ParseInt(string(match[1]), 10, 64); err == nil {
			return kib
		}
	}
	return 0
}

// BenchmarkLargeSets runs the program on sets of growing size: all new but three of ten, which are unchanged, and all unchanged. What a
// run takes must grow no faster than the set. Run it with -benchtime 1x; docs/large-sets.md has what it says.
func BenchmarkLargeSets(b *testing.B) {
	for _, images := range []int{500, 1000, 2000, 5000, 10_000, 20_000, 100_000} {
		b.Run(fmt.Sprint(images), func(b *testing.B) {
			set := newLargeSet(b, images)
			for _, unchanged := range []int{30, 100} {
				b.Run(fmt.Sprintf("%d%%unchanged", unchanged), func(b *testing.B) {
					set.b = b
					for b.Loop() {
						set.measure(unchanged)
					}
					b.ReportMetric(0, "ns/op")
				})
			}
		})
	}
}

// measure copies the set to a registry that has so many percent of it.
func (s *largeSet) measure(unchanged int) {
	images, destination := len(s.names), devregistrytest.Start(s.b, devregistry.Options{})
	s.copy(destination, images*unchanged/100)
	s.source.Log().Reset()
	destination.Log().Reset()
	u := s.copy(destination, images)
	s.b.ReportMetric(u.wall*1e6/float64(images), "µs/image")
	s.b.ReportMetric(u.cpu*1e6/float64(images), "CPU-µs/image")
	s.b.ReportMetric(float64(u.peak)/1024, "peak-MiB")
	s.b.ReportMetric(float64(u.live), "live-MiB")
	s.b.ReportMetric(float64(s.source.Log().Total())/float64(images), "source-requests/image")
	s.b.ReportMetric(float64(destination.Log().Total())/float64(images), "destination-requests/image")
}
