package tree

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// store is a source of manifests that counts what it is asked.
type store struct {
	t         *testing.T
	manifests map[v1.Hash]*registry.Manifest
	reads     atomic.Int64
}

func newStore(t *testing.T) *store {
	return &store{t: t, manifests: map[v1.Hash]*registry.Manifest{}}
}

func (s *store) read(_ context.Context, digest v1.Hash) (*registry.Manifest, error) {
	s.reads.Add(1)
	if m := s.manifests[digest]; m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("there is no %s: %w", digest, registry.ErrNotFound)
}

func (s *store) add(body string) *registry.Manifest {
	s.t.Helper()
	digest, _, err := v1.SHA256(bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	m := &registry.Manifest{Digest: digest, Body: []byte(body)}
	s.manifests[digest] = m
	return m
}

// image has a body of at least size bytes.
func (s *store) image(name string, size int) *registry.Manifest {
	s.t.Helper()
	return s.add(fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":"sha256:%064x","size":2},"layers":[],"annotations":{"name":%q,"fill":%q}}`,
		len(name), name, strings.Repeat("x", size)))
}

// index says of each child that it has size bytes, or its real size where that is negative.
func (s *store) index(size int64, children ...*registry.Manifest) *registry.Manifest {
	s.t.Helper()
	index := struct {
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     []v1.Descriptor `json:"manifests"`
	}{SchemaVersion: 2, Manifests: []v1.Descriptor{}}
	for _, child := range children {
		d := v1.Descriptor{Digest: child.Digest, Size: size}
		if size < 0 {
			d.Size = int64(len(child.Body))
		}
		index.Manifests = append(index.Manifests, d)
	}
	body, err := json.Marshal(index)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.add(string(body))
}

func TestATreeHasABudgetOfBytes(t *testing.T) {
	const size = 10_000
	tests := map[string]struct {
		said  int64
		reads int64 // at most
	}{
		"refused by what the index says, before anything is read": {-1, 0},
		"refused by what is read":                                 {2, 10},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			var children []*registry.Manifest
			for i := range 10 {
				children = append(children, s.image(fmt.Sprint(i), size))
			}
			index := s.index(test.said, children...)
			reader := Reader{Manifest: s.read, MaxBytes: 5 * size}
			_, err := reader.Tree(context.Background(), index, Selection{})
			if err == nil || !strings.Contains(err.Error(), "more than the 50000 bytes that are accepted of one image") {
				t.Errorf("error %v", err)
			}
			if n := s.reads.Load(); n > test.reads {
				t.Errorf("%d manifests were read", n)
			}
			reader.MaxBytes = 11 * size
			if root, err := reader.Tree(context.Background(), index, Selection{}); err != nil || len(root.Children) != 10 {
				t.Errorf("within the budget: %v", err)
			}
		})
	}
}

// The root counts, too, and what is below an index in an index.
func TestTheBudgetIsOfTheWholeTree(t *testing.T) {
	s := newStore(t)
	inner := s.index(-1, s.image("a", 1000), s.image("b", 1000))
	root := s.index(-1, inner, s.image("c", 1000))
	var all int64
	for _, m := range s.manifests {
		all += int64(len(m.Body))
	}
	for _, test := range []struct {
		budget int64
		ok     bool
	}{{all, true}, {all - 1, false}} {
		reader := Reader{Manifest: s.read, MaxBytes: test.budget}
		_, err := reader.TreeOf(context.Background(), root.Digest, Selection{})
		if _, again := reader.Tree(context.Background(), root, Selection{}); (err == nil) != test.ok || (again == nil) != test.ok {
			t.Errorf("%d of %d bytes: %v, %v", test.budget, all, err, again)
		}
	}
}
