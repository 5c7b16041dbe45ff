package engine_test

import (
	"context"
	"fmt"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// BenchmarkCopy moves one 32 MiB layer between two registries in this process; MB/s include both of them.
func BenchmarkCopy(b *testing.B) {
	source := devregistrytest.Start(b, devregistry.Options{})
	const size = 32 << 20
	newPusher(b, source.Host).image("big", "v", ociManifest, content("big", size))
	pool := newPool(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		destination, err := devregistry.Listen(context.Background(), "127.0.0.1:0", devregistry.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		copyAll(b, pool, copies(b, source.Host, []string{destination.Host}, "big:v"), engine.StatusCopied)
		b.StopTimer()
		destination.Close()
		b.StartTimer()
	}
}

// BenchmarkUnchanged looks at 1,000 images that are there already.
func BenchmarkUnchanged(b *testing.B) {
	source := devregistrytest.Start(b, devregistry.Options{})
	destination := devregistrytest.Start(b, devregistry.Options{})
	p := newPusher(b, source.Host)
	var names []string
	for i := range 1000 {
		repository := fmt.Sprintf("r%d", i%100)
		p.image(repository, fmt.Sprintf("t%d", i), ociManifest, content(fmt.Sprint(i), 64))
		names = append(names, fmt.Sprintf("%s:t%d", repository, i))
	}
	pool := newPool(b)
	list := copies(b, source.Host, []string{destination.Host}, names...)
	copyAll(b, pool, list, engine.StatusCopied)
	b.ReportAllocs()
	for b.Loop() {
		copyAll(b, pool, list, engine.StatusUnchanged)
	}
}

func copyAll(b *testing.B, pool *registry.Pool, list []engine.Copy, want engine.Status) {
	b.Helper()
	for i, r := range engine.Run(context.Background(), list, engine.Options{Pool: pool}) {
		if r.Status != want {
			b.Fatalf("%s: %s, %v", list[i].Destination, r.Status, r.Err)
		}
	}
}
