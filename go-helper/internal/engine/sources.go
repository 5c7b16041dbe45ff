package engine

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"weak"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// sources asks every source manifest once, however many copies want it. Bodies are held weakly: an
// image on its way keeps its own alive, and a large set does not pile them up.
type sources struct {
	mu        sync.Mutex
	manifests map[sourceKey]*once[weak.Pointer[registry.Manifest]]
	heads     map[sourceKey]*once[v1.Descriptor]
	blobs     map[sourceKey]*once[bool]
}

type sourceKey struct{ host, repository, identifier string }

func newSources() *sources {
	return &sources{
		manifests: map[sourceKey]*once[weak.Pointer[registry.Manifest]]{},
		heads:     map[sourceKey]*once[v1.Descriptor]{},
		blobs:     map[sourceKey]*once[bool]{},
	}
}

func (s *sources) manifest(ctx context.Context, client *registry.Client, repository, identifier string) (*registry.Manifest, error) {
	key := sourceKey{client.Host(), repository, identifier}
	for {
		s.mu.Lock()
		asked := s.manifests[key]
		if asked == nil {
			asked = &once[weak.Pointer[registry.Manifest]]{}
			s.manifests[key] = asked
		}
		s.mu.Unlock()
		var fresh *registry.Manifest // keeps it alive until we hold it
		pointer, err := asked.do(ctx, func() (weak.Pointer[registry.Manifest], error) {
			m, err := client.GetManifest(ctx, repository, identifier)
			if err != nil {
				return weak.Pointer[registry.Manifest]{}, err
			}
			fresh = m
			return weak.Make(m), nil
		})
		if err != nil {
			return nil, err
		}
		m := pointer.Value()
		runtime.KeepAlive(fresh)
		if m != nil {
			return m, nil
		}
		s.mu.Lock()
		if s.manifests[key] == asked { // collected since: ask again
			delete(s.manifests, key)
		}
		s.mu.Unlock()
	}
}

func (s *sources) head(ctx context.Context, client *registry.Client, repository, identifier string) (v1.Descriptor, error) {
	key := sourceKey{client.Host(), repository, identifier}
	s.mu.Lock()
	asked := s.heads[key]
	if asked == nil {
		asked = &once[v1.Descriptor]{}
		s.heads[key] = asked
	}
	s.mu.Unlock()
	return asked.do(ctx, func() (v1.Descriptor, error) {
		return client.HeadManifest(ctx, repository, identifier)
	})
}

// hasBlob tells whether a source has a blob. That it hasn't is only believed of a GET: caches fetch what they lack when it is
// read. What else goes wrong is left to whoever reads it.
func (s *sources) hasBlob(ctx context.Context, client *registry.Client, repository string, digest v1.Hash) (bool, error) {
	key := sourceKey{client.Host(), repository, digest.String()}
	s.mu.Lock()
	asked := s.blobs[key]
	if asked == nil {
		asked = &once[bool]{}
		s.blobs[key] = asked
	}
	s.mu.Unlock()
	return asked.do(ctx, func() (bool, error) {
		_, err := client.StatBlob(ctx, repository, digest)
		if errors.Is(err, registry.ErrNotFound) {
			var body *registry.BlobReader
			if body, err = client.OpenBlob(ctx, repository, digest, 0); err == nil {
				return true, body.Close()
			}
		}
		return !errors.Is(err, registry.ErrNotFound), ctx.Err()
	})
}
