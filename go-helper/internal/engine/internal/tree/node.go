package tree

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// Node is one manifest of an image's tree. Nobody changes it once it is read.
type Node struct {
	Manifest  *registry.Manifest // shared with other trees
	MediaType string             // what to push it as
	Name      string             // what its index says of it: its platform, or what it attests; may be empty
	Children  []*Node            // of an index, in its order
	Subset    *Subset            // of an index that Children is not all of
	Blobs     []v1.Descriptor    // of an image manifest or artifact: config first, then layers, each digest once
	Foreign   int                // layers that are left where their URLs say
}

// Walk visits the tree, children before their index.
func (n *Node) Walk(visit func(*Node)) {
	for _, child := range n.Children {
		child.Walk(visit)
	}
	visit(n)
}

func (n *Node) String() string { return strings.TrimSpace(n.Name + " " + n.Manifest.Digest.String()) }

// Naming gives those manifests of a tree that name a blob.
func (n *Node) Naming(blob v1.Hash) (found []*Node) {
	n.Walk(func(m *Node) {
		if slices.ContainsFunc(m.Blobs, func(d v1.Descriptor) bool { return d.Digest == blob }) {
			found = append(found, m)
		}
	})
	return found
}

// Subset tells what of an index is taken.
type Subset struct {
	Sparse          bool // the index still names what is left out
	Manifests, Kept int  // that the source's index names; that the destination has, or would have
	// LeftOut are the platforms that the destination lacks, each once; attestations have none.
	LeftOut []v1.Platform
	// Missing is what the source's index names and the source doesn't have.
	Missing []Missing
}
