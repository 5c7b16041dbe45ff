package engine

import (
	"errors"
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/engine/internal/schedule"
)

// ofManifests says which manifests of an index, or of what is attached, a blob is of that broke the image.
func (im *image) ofManifests(err error) error {
	var broken *schedule.BlobError
	if !errors.As(err, &broken) || im.root == nil {
		return err
	}
	var of []string
	for _, n := range im.root.Naming(broken.Digest) {
		if n != im.root || len(n.Children) > 0 {
			of = append(of, n.String())
		}
	}
	for _, a := range im.attached {
		for _, n := range a.node.Naming(broken.Digest) {
			of = append(of, "attached "+n.String())
		}
	}
	const most = 3 // platforms may share a base
	switch {
	case len(of) == 0:
		return err
	case len(of) > most:
		of = append(of[:most], fmt.Sprintf("%d more", len(of)-most))
	}
	return fmt.Errorf("%s: %w", strings.Join(of, ", "), err)
}
