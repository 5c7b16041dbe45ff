package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

func TestVerifyFindsAndForceRepairs(t *testing.T) {
	source, destination := pair(t)
	names := threeImages(t, source.Host)
	list := copies(t, source.Host, []string{destination.Host}, names...)
	run(t, list, engine.Options{})
	wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)

	damage := func() {
		if err := destination.RemoveBlob("mirror/app/three", hashOf(t, content("three-arm", 10_000))); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged) // trusted by default
	destination.Log().Reset()
	results := run(t, list, engine.Options{Verify: true})
	wantStatus(t, list[:2], results[:2], engine.StatusUnchanged)
	if !errors.Is(results[2].Err, engine.ErrDrift) {
		t.Errorf("damaged image: %v, want ErrDrift", results[2].Err)
	}
	for kind := range destination.Log().Counts() {
		if strings.Contains(string(kind), "PUT") || strings.Contains(string(kind), "POST") {
			t.Errorf("verify sent %s", kind)
		}
	}
	wantStatus(t, list, run(t, list, engine.Options{Force: true}), engine.StatusCopied)
	checkMirrored(t, source, destination, list[2])

	damage()
	results = run(t, list, engine.Options{Verify: true, Force: true})
	wantStatus(t, list[:2], results[:2], engine.StatusUnchanged)
	wantStatus(t, list[2:], results[2:], engine.StatusCopied)
	checkMirrored(t, source, destination, list[2])
}

func TestDryRunWritesNothing(t *testing.T) {
	source, destination := pair(t)
	names := threeImages(t, source.Host)
	run(t, copies(t, source.Host, []string{destination.Host}, names[0]), engine.Options{})
	destination.Log().Reset()
	list := copies(t, source.Host, []string{destination.Host}, names...)
	results := run(t, list, engine.Options{DryRun: true})
	wantStatus(t, list[:1], results[:1], engine.StatusUnchanged)
	wantStatus(t, list[1:], results[1:], engine.StatusPlanned)
	for _, e := range destination.Log().Entries() {
		if e.Method != http.MethodHead && e.Method != http.MethodGet {
			t.Errorf("dry run sent %s %s", e.Method, e.Path)
		}
	}
	if up := results[1].Bytes.Up + results[2].Bytes.Up; up < 500_000 {
		t.Errorf("planned bytes up: %d, want the layers'", up)
	}
}

// A manifest that is on its way when the interrupt comes is written, and reported so.
func TestInterruptTellsWhatWasWritten(t *testing.T) {
	source, destination := pair(t)
	newPusher(t, source.Host).image("x", "v", ociManifest, content("layer", 1000))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	destination.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind == devregistry.KindManifestPut {
			cancel()
			return &devregistry.Fault{Delay: 200 * time.Millisecond}
		}
		return nil
	}})
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	results := runContext(ctx, t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	checkMirrored(t, source, destination, list[0])
}

func TestInterrupt(t *testing.T) {
	source, destination := pair(t)
	names := threeImages(t, source.Host)
	source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindBlobGet
	}, devregistry.Fault{StallDownload: devregistry.AfterBytes(1000)})})
	list := copies(t, source.Host, []string{destination.Host}, names...)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	results := runContext(ctx, t, list, engine.Options{})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an interrupted run took %s", took)
	}
	for i, r := range results {
		if r.Status != engine.StatusFailed || !errors.Is(r.Err, engine.ErrInterrupted) {
			t.Errorf("%s: %s, %v", list[i].Destination, r.Status, r.Err)
		}
	}
	for _, kind := range []devregistry.Kind{devregistry.KindManifestPut} {
		if n := destination.Log().Counts()[kind]; n != 0 {
			t.Errorf("%d × %s after the interrupt", n, kind)
		}
	}
	if n := destination.OpenUploads(); n != 0 {
		t.Errorf("%d upload sessions were left open", n)
	}
	source.SetFaults(devregistry.Faults{})
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	deadline := time.Now().Add(3 * time.Second)
	for runtime.NumGoroutine() > before+4 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+4 {
		t.Errorf("%d goroutines, %d before the runs", n, before)
	}
}

// What an interrupted run had not begun is told from what it left unfinished.
func TestWhatWasNotBegunIsSkipped(t *testing.T) {
	source, destination := pair(t)
	newPusher(t, source.Host).image("x", "v", ociManifest, content("layer", 1000))
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	for i := range 400 {
		c := list[0]
		c.Destination.Tag = fmt.Sprint("v", i)
		list = append(list, c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	skipped := 0
	for i, r := range runContext(ctx, t, list, engine.Options{}) {
		if !errors.Is(r.Err, engine.ErrInterrupted) {
			t.Errorf("%s: %s, %v", list[i].Destination, r.Status, r.Err)
		}
		if r.Status == engine.StatusSkipped {
			skipped++
		}
	}
	if skipped < 200 { // 64 are looked up at once
		t.Errorf("%d of %d copies are said not to have been begun", skipped, len(list))
	}
	if n := destination.Log().Total(); n > 5 {
		t.Errorf("%d requests were sent", n)
	}
}

// Blobs that are there already, though the tag isn't, are neither sent nor mounted.
func TestWhatIsThereCountsForNothing(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	layers := [][]byte{content("a", 200_000), content("b", 1000)}
	p.image("x", "old", ociManifest, layers...)
	run(t, copies(t, source.Host, []string{destination.Host}, "x:old"), engine.Options{})
	p.image("x", "new", dockerImage, layers...)
	list := copies(t, source.Host, []string{destination.Host}, "x:new")
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	if results[0].Bytes != (engine.Bytes{}) {
		t.Errorf("counted: %+v", results[0].Bytes)
	}
	if n := destination.Log().UploadedBytes(); n > 202_000 {
		t.Errorf("%d bytes came in", n)
	}
}
