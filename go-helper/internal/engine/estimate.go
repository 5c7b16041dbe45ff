package engine

import (
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// estimate tells a dry run's bytes: a blob goes up once a registry and is mounted elsewhere. What a repository has already
// is not asked for.
type estimate struct {
	mu    sync.Mutex
	blobs map[v1.Hash]*estimated
}

type estimated struct {
	registries   map[*destination]bool
	repositories map[string]bool // with their registries
}

// add gives the bytes that an image adds to those before it.
func (e *estimate) add(im *image) (bytes Bytes) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.blobs == nil {
		e.blobs = map[v1.Hash]*estimated{}
	}
	im.eachBlob(func(d v1.Descriptor) {
		b := e.blobs[d.Digest]
		if b == nil {
			b = &estimated{registries: map[*destination]bool{}, repositories: map[string]bool{}}
			e.blobs[d.Digest] = b
		}
		switch name := im.copy.Destination.Name(); {
		case b.repositories[name]:
		case b.registries[im.destination]:
			bytes.Mounted += d.Size
		default:
			bytes.Up += d.Size
			if len(b.registries) == 0 {
				bytes.Down += d.Size
			}
		}
		b.repositories[im.copy.Destination.Name()] = true
		b.registries[im.destination] = true
	})
	return bytes
}
