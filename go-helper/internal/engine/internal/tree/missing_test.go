package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/registry"
)

func TestMissingEntriesAreNamed(t *testing.T) {
	s := newStore(t)
	var entries []v1.Descriptor
	for i := range maxMissingNamed + 2 {
		m := s.image(fmt.Sprint(i), 10)
		entries = append(entries, v1.Descriptor{
			MediaType: types.OCIManifestSchema1, Digest: m.Digest, Platform: &v1.Platform{OS: "linux", Architecture: fmt.Sprintf("a%02d", i)},
		})
		delete(s.manifests, m.Digest)
	}
	_, err := Reader{Manifest: s.read}.Tree(context.Background(), s.indexOf(entries...), Selection{})
	var missing *MissingError
	if !errors.As(err, &missing) || len(missing.Missing) != len(entries) || !errors.Is(err, registry.ErrNotFound) ||
		!strings.Contains(err.Error(), "linux/a00 "+entries[0].Digest.String()) || !strings.Contains(err.Error(), "2 more: manifest sha256:") {
		t.Errorf("got %v", err)
	}
	// What can't be asked for isn't known to be missing.
	denied := errors.New("denied")
	reader := Reader{SkipMissing: true, Manifest: func(context.Context, v1.Hash) (*registry.Manifest, error) { return nil, denied }}
	if _, err := reader.Tree(context.Background(), s.indexOf(entries...), Selection{}); !errors.Is(err, denied) || errors.As(err, &missing) && errors.Is(missing, denied) {
		t.Errorf("denied: %v", err)
	}
}

// What is left of an index is all of it but what isn't there, byte for byte where it may not change.
func TestSkippingWhatIsMissing(t *testing.T) {
	s := newStore(t)
	platform := func(name string, arch string) v1.Descriptor {
		return v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: s.image(name, 10).Digest, Platform: &v1.Platform{OS: "linux", Architecture: arch}}
	}
	attests := func(name string, of v1.Descriptor) v1.Descriptor {
		d := platform(name, "unknown")
		d.Platform.OS = unknownOS
		d.Annotations = map[string]string{subjectAnnotation: of.Digest.String()}
		return d
	}
	amd, arm, layer := platform("amd", "amd64"), platform("arm", "arm64"), blobOf(types.OCILayer, "layer")
	ofAMD, ofARM := attests("of amd", amd), attests("of arm", arm)
	index := s.indexOf(amd, arm, layer, ofAMD, ofARM)
	delete(s.manifests, arm.Digest)
	for _, sparse := range []bool{false, true} {
		root, err := Reader{Manifest: s.read, SkipMissing: true}.Tree(context.Background(), index, Selection{Sparse: sparse})
		if err != nil {
			t.Fatal(err)
		}
		if len(root.Children) != 2 || root.Children[0].Manifest.Digest != amd.Digest || root.Children[1].Manifest.Digest != ofAMD.Digest || len(root.Blobs) != 1 {
			t.Errorf("sparse %v: children %v, blobs %v", sparse, root.Children, root.Blobs)
		}
		if (root.Manifest == index) != sparse {
			t.Errorf("sparse %v: %s", sparse, root.Manifest.Body)
		}
		got := root.Subset
		if got.Sparse != sparse || got.Manifests != 5 || got.Kept != 3 || len(got.LeftOut) != 1 || len(got.Missing) != 1 || got.Missing[0].String() != "linux/arm64 "+arm.Digest.String() {
			t.Errorf("sparse %v: %+v", sparse, got)
		}
	}
}
