package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// layer is a gzip'd tar of pseudo-random bytes, a pure function of its seed and size. It is stored, not
// deflated, so that it can be made anew whenever it is read, and is never held in memory.
type layer struct {
	seed string
	size int64 // of the one file in it

	digestOnce sync.Once
	digestErr  error
	digest     string
	diffID     string // digest of the tar
	length     int64
}

func seedOf(text string) [32]byte { return sha256.Sum256([]byte(text)) }

func randomOf(seed string) *rand.Rand { return rand.New(rand.NewChaCha8(seedOf(seed))) }

// write writes the layer to compressed and, where that isn't nil, the tar within it to uncompressed.
func (l *layer) write(compressed, uncompressed io.Writer) error {
	zip, err := gzip.NewWriterLevel(compressed, gzip.NoCompression)
	if err != nil {
		return err
	}
	var both io.Writer = zip
	if uncompressed != nil {
		both = io.MultiWriter(zip, uncompressed)
	}
	archive := tar.NewWriter(both)
	if err := archive.WriteHeader(&tar.Header{
		Name: "data-" + l.seed, Mode: 0o644, Size: l.size, ModTime: time.Unix(1700000000, 0),
		Typeflag: tar.TypeReg, Format: tar.FormatPAX,
	}); err != nil {
		return err
	}
	source := rand.NewChaCha8(seedOf(l.seed))
	buffer := make([]byte, 256<<10)
	for left := l.size; left > 0; {
		part := buffer[:min(int64(len(buffer)), left)]
		_, _ = source.Read(part) // never fails
		if _, err := archive.Write(part); err != nil {
			return err
		}
		left -= int64(len(part))
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zip.Close()
}

type lengthWriter struct{ n int64 }

func (w *lengthWriter) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return len(p), nil
}

// resolve works out digest, diffID and length.
func (l *layer) resolve() error {
	l.digestOnce.Do(func() {
		compressed, uncompressed, length := sha256.New(), sha256.New(), &lengthWriter{}
		l.digestErr = l.write(io.MultiWriter(compressed, length), uncompressed)
		l.digest = "sha256:" + hex.EncodeToString(compressed.Sum(nil))
		l.diffID = "sha256:" + hex.EncodeToString(uncompressed.Sum(nil))
		l.length = length.n
	})
	return l.digestErr
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
