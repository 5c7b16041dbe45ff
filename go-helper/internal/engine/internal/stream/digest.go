package stream

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// blobHash checks a blob that is read from its start. Of one that goes on in the middle only the registry sees all
// bytes; it checks them before it commits.
type blobHash struct {
	want v1.Hash
	hash hash.Hash
}

func newBlobHash(want v1.Hash, start int64) *blobHash {
	h := &blobHash{want: want}
	if start == 0 {
		switch want.Algorithm {
		case "sha256":
			h.hash = sha256.New()
		case "sha512":
			h.hash = sha512.New()
		}
	}
	return h
}

func (h *blobHash) write(p []byte) {
	if h.hash != nil {
		h.hash.Write(p)
	}
}

func (h *blobHash) check(source Source) error {
	if h.hash == nil {
		return nil
	}
	got := v1.Hash{Algorithm: h.want.Algorithm, Hex: fmt.Sprintf("%x", h.hash.Sum(nil))}
	if got != h.want {
		return &registry.DigestMismatchError{Reference: "blob from " + source.String(), Want: h.want, Got: got}
	}
	return nil
}
