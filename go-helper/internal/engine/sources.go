package engine

import (
	"context"
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
}

type sourceKey struct{ host, repository, identifier string }

func newSources() *sources {
	return &sources{
		manifests: map[sourceKey]*once[weak.Pointer[registry.Manifest]]{},
		heads:     map[sourceKey]*once[v1.Descriptor]{},
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
