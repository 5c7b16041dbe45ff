package devregistry

import (
	"bytes"
	"maps"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// repository is what one repository has: links to blobs, manifests, tags, uploads in progress. Its lock is never
// held while a body is read or written.
type repository struct {
	name    string
	storage storage

	mu        sync.RWMutex
	blobs     map[v1.Hash]struct{}
	manifests map[v1.Hash]*manifest
	tags      map[string]v1.Hash
	uploads   map[string]*upload
}

func newRepository(name string, s storage) *repository {
	return &repository{
		name: name, storage: s,
		blobs: map[v1.Hash]struct{}{}, manifests: map[v1.Hash]*manifest{},
		tags: map[string]v1.Hash{}, uploads: map[string]*upload{},
	}
}

func (p *repository) hasBlob(h v1.Hash) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	_, ok := p.blobs[h]
	return ok
}

// linkBlob records that the repository has a blob whose content is in the storage.
func (p *repository) linkBlob(h v1.Hash) error {
	if p.hasBlob(h) {
		return nil
	}
	if err := p.storage.linkBlob(p.name, h); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blobs[h] = struct{}{}
	return nil
}

// unlinkBlob reports whether the blob was there.
func (p *repository) unlinkBlob(h v1.Hash) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.blobs[h]; !ok {
		return false, nil
	}
	delete(p.blobs, h)
	return true, p.storage.unlinkBlob(p.name, h)
}

// references tells whether a manifest of the repository refers to the blob.
func (p *repository) references(h v1.Hash) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, m := range p.manifests {
		if slices.Contains(m.blobs, h) {
			return true
		}
	}
	return false
}

// resolve finds the digest behind a tag; a digest is itself where the repository has it.
func (p *repository) resolve(rt route) (*manifest, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	h := rt.digest
	if h == (v1.Hash{}) {
		var ok bool
		if h, ok = p.tags[rt.reference]; !ok {
			return nil, false
		}
	}
	m, ok := p.manifests[h]
	return m, ok
}

// missing lists what the repository lacks of a manifest's blobs and of the given children, which may be blobs, too, unless
// manifestsOnly.
func (p *repository) missing(m *manifest, children []v1.Hash, manifestsOnly bool) []v1.Hash {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var lacking []v1.Hash
	for _, h := range m.blobs {
		if _, ok := p.blobs[h]; !ok {
			lacking = append(lacking, h)
		}
	}
	for _, h := range children {
		_, isManifest := p.manifests[h]
		_, isBlob := p.blobs[h]
		if !isManifest && (manifestsOnly || !isBlob) {
			lacking = append(lacking, h)
		}
	}
	return lacking
}

func (p *repository) putManifest(m *manifest, tag string, immutableTags, keep bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.tags[tag]; ok && tag != "" && immutableTags && old != m.digest {
		return errImmutableTag(p.name, tag)
	}
	if old, ok := p.manifests[m.digest]; !ok || old.mediaType != m.mediaType || !keep && !bytes.Equal(old.body, m.body) {
		if err := p.storage.putManifest(p.name, m); err != nil {
			return err
		}
		p.manifests[m.digest] = m
	}
	if tag == "" || p.tags[tag] == m.digest {
		return nil
	}
	if err := p.storage.putTag(p.name, tag, m.digest); err != nil {
		return err
	}
	p.tags[tag] = m.digest
	return nil
}

// deleteTag reports whether the tag was there.
func (p *repository) deleteTag(tag string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.tags[tag]; !ok {
		return false, nil
	}
	delete(p.tags, tag)
	return true, p.storage.deleteTag(p.name, tag)
}

// deleteManifest takes its tags with it, and reports whether the manifest was there.
func (p *repository) deleteManifest(h v1.Hash) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.manifests[h]; !ok {
		return false, nil
	}
	for tag, to := range p.tags {
		if to != h {
			continue
		}
		if err := p.storage.deleteTag(p.name, tag); err != nil {
			return true, err
		}
		delete(p.tags, tag)
	}
	delete(p.manifests, h)
	return true, p.storage.deleteManifest(p.name, h)
}

// sortedTags are in lexical order, which pagination by `last` needs.
func (p *repository) sortedTags() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Sorted(maps.Keys(p.tags))
}

// referrers are the manifests whose subject this digest is, ordered by digest.
func (p *repository) referrers(subject v1.Hash) []*manifest {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var found []*manifest
	for _, m := range p.manifests {
		if m.subject == subject {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b *manifest) int { return compareHashes(a.digest, b.digest) })
	return found
}

func compareHashes(a, b v1.Hash) int {
	switch {
	case a.Hex < b.Hex:
		return -1
	case a.Hex > b.Hex:
		return 1
	}
	return 0
}

func (p *repository) loadBlob(h v1.Hash)            { p.blobs[h] = struct{}{} }
func (p *repository) loadManifest(m *manifest)      { p.manifests[m.digest] = m }
func (p *repository) loadTag(tag string, h v1.Hash) { p.tags[tag] = h }

func (p *repository) openUpload(u *upload) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uploads[u.id] = u
}

func (p *repository) upload(id string) (*upload, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	u, ok := p.uploads[id]
	return u, ok
}

func (p *repository) closeUpload(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.uploads, id)
}
