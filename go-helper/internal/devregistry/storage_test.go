package devregistry_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
)

// A registry that is started again has what was finished, and nothing else.
func TestRestart(t *testing.T) {
	root := t.TempDir()
	c := start(t, devregistry.Options{Root: root})
	layer, h := content(100_000, "layer")
	kept := c.pushImage("team/a", "kept", layer)
	gone := c.pushImage("team/a", "gone", []byte("another layer"))
	c.want(http.StatusAccepted, http.MethodDelete, "/v2/team/a/manifests/"+gone.String(), nil)
	c.pushImage("team/a", "untagged", []byte("a third layer"))
	c.want(http.StatusAccepted, http.MethodDelete, "/v2/team/a/manifests/untagged", nil)
	if a := c.mount("team/b", "team/a", h); a.StatusCode != http.StatusCreated {
		t.Fatalf("mount: %d", a.StatusCode)
	}
	unfinished := c.location(c.want(http.StatusAccepted, http.MethodPatch, c.upload("team/a").String(), layer))
	body, mediaType, _ := c.server.Manifest("team/a", "kept")
	sum := sha512.Sum512(body)
	long := "/v2/team/a/manifests/sha512:" + hex.EncodeToString(sum[:])
	c.want(http.StatusCreated, http.MethodPut, long, body, "Content-Type", mediaType)
	if err := c.server.Close(); err != nil {
		t.Fatal(err)
	}

	again := start(t, devregistry.Options{Root: root})
	if got, want := again.server.Tags("team/a"), map[string]v1.Hash{"kept": kept}; !maps.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	if a := again.want(http.StatusOK, http.MethodGet, long, nil); !bytes.Equal(a.body, body) {
		t.Error("the manifest of a SHA-512 digest differs")
	}
	for _, repository := range []string{"team/a", "team/b"} {
		if a := again.want(http.StatusOK, http.MethodGet, "/v2/"+repository+"/blobs/"+h.String(), nil); !bytes.Equal(a.body, layer) {
			t.Errorf("%s: the blob differs", repository)
		}
	}
	again.want(http.StatusNotFound, http.MethodGet, unfinished.RequestURI(), nil)
	again.want(http.StatusNotFound, http.MethodHead, "/v2/team/b/manifests/kept", nil)
	left, err := filepath.Glob(filepath.Join(root, "tmp", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("unfinished files are left: %q, %v", left, err)
	}
}

// Content is stored once, whatever number of repositories has it.
func TestContentOnce(t *testing.T) {
	root := t.TempDir()
	c := start(t, devregistry.Options{Root: root})
	blob, h := content(1000, "a")
	for _, repository := range []string{"a", "b", "c"} {
		c.push(repository, blob)
	}
	files, err := filepath.Glob(filepath.Join(root, "content", "*", "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != h.Hex {
		t.Errorf("%q, %v", files, err)
	}
}

func TestForeignFolder(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "repositories", "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "repositories", "a", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := devregistry.New(devregistry.Options{Root: root}); err == nil {
		t.Error("a folder that isn't a registry's was taken")
	}
}

// Many clients at once do the same and different things to the same repositories.
func TestConcurrency(t *testing.T) {
	for _, root := range []string{"", t.TempDir()} {
		c := start(t, devregistry.Options{Root: root})
		shared, h := content(50_000, "shared")
		const clients = 12
		errs := make(chan error, clients)
		var running sync.WaitGroup
		for i := range clients {
			running.Go(func() {
				errs <- func() error {
					repository := fmt.Sprintf("team/r%d", i%3)
					own, _ := content(20_000, fmt.Sprint(i))
					for _, blob := range [][]byte{shared, own} {
						if err := put(t.Context(), c.http, c.server, repository, blob); err != nil {
							return err
						}
					}
					query := url.Values{"mount": {h.String()}, "from": {repository}}
					if _, err := exchange(t.Context(), c.http, http.StatusCreated, http.MethodPost, c.server.URL+fmt.Sprintf("/v2/team/m%d/blobs/uploads/?%s", i%4, query.Encode()), nil); err != nil {
						return err
					}
					_, err := exchange(t.Context(), c.http, http.StatusOK, http.MethodGet, c.server.URL+"/v2/"+repository+"/blobs/"+h.String(), nil)
					return err
				}()
				_ = c.server.Log().Counts()
				_ = c.server.Repositories()
			})
		}
		running.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		if open := c.server.OpenUploads(); open != 0 {
			t.Errorf("%d uploads are open", open)
		}
		if counts := c.server.Log().Counts(); counts[devregistry.KindMount] != clients || counts[devregistry.KindUploadPut] != 2*clients {
			t.Errorf("%v", counts)
		}
	}
}
