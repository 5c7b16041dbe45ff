package devregistry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// benchRegistries runs a benchmark in memory and on disk.
func benchRegistries(b *testing.B, run func(*testing.B, *devregistry.Server)) {
	for _, name := range []string{"memory", "disk"} {
		b.Run(name, func(b *testing.B) {
			root := ""
			if name == "disk" {
				root = b.TempDir()
			}
			run(b, devregistrytest.Start(b, devregistry.Options{Root: root}))
		})
	}
}

func exchange(ctx context.Context, client *http.Client, status int, method, target string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("%s %s: %s", method, target, resp.Status)
	}
	return resp, nil
}

func put(ctx context.Context, client *http.Client, s *devregistry.Server, repository string, blob []byte) error {
	begin, err := exchange(ctx, client, http.StatusAccepted, http.MethodPost, s.URL+"/v2/"+repository+"/blobs/uploads/", nil)
	if err != nil {
		return err
	}
	location, err := begin.Location()
	if err != nil {
		return err
	}
	_, err = exchange(ctx, client, http.StatusCreated, http.MethodPut, withDigest(location, hashOf(blob)), blob)
	return err
}

const benchBlob = 16 << 20

func BenchmarkUpload(b *testing.B) {
	benchRegistries(b, func(b *testing.B, s *devregistry.Server) {
		blob, _ := content(benchBlob, "blob")
		b.SetBytes(benchBlob)
		b.ReportAllocs()
		for b.Loop() {
			if err := put(b.Context(), http.DefaultClient, s, "a", blob); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDownload(b *testing.B) {
	benchRegistries(b, func(b *testing.B, s *devregistry.Server) {
		blob, h := content(benchBlob, "blob")
		if err := put(b.Context(), http.DefaultClient, s, "a", blob); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(benchBlob)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := exchange(b.Context(), http.DefaultClient, http.StatusOK, http.MethodGet, s.URL+"/v2/a/blobs/"+h.String(), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkHead(b *testing.B) {
	benchRegistries(b, func(b *testing.B, s *devregistry.Server) {
		blob, h := content(10, "blob")
		if err := put(b.Context(), http.DefaultClient, s, "a", blob); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := exchange(b.Context(), http.DefaultClient, http.StatusOK, http.MethodHead, s.URL+"/v2/a/blobs/"+h.String(), nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
