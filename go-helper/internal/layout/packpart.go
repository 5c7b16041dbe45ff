package layout

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// partWriter writes one part.
type partWriter struct {
	ctx    context.Context
	files  files
	small  map[string][]byte
	slices []slice
	bundle string
}

// A part's global header (POSIX, pax) says in a comment, which other tools pass by, of which bundle it is: parts of two have the same
// names where a layout was packed again.
const (
	comment = "comment"
	partOf  = "docker-mirror bundle "
)

// put writes the part, and gives its SHA-256; kept: it was there and right.
func (w *partWriter) put(name string) (sum string, kept bool, err error) {
	if have, err := sumOf(w.ctx, name); err == nil {
		sum, err := w.write(io.Discard)
		if err != nil || sum == have {
			return sum, err == nil, err
		}
	}
	temporary := name + ".unfinished"
	f, err := os.Create(temporary)
	if err != nil {
		return "", false, err
	}
	sum, err = w.write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", false, errors.Join(err, os.Remove(temporary))
	}
	return sum, false, os.Rename(temporary, name)
}

func (w *partWriter) write(to io.Writer) (string, error) {
	sum := sha256.New()
	archive := tar.NewWriter(io.MultiWriter(to, sum))
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{comment: partOf + w.bundle}, Format: tar.FormatPAX}); err != nil {
		return "", err
	}
	for _, s := range w.slices {
		if err := w.ctx.Err(); err != nil {
			return "", err
		}
		// No times, owners or extensions: the same layout gives the same bytes.
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: s.name, Size: s.length, Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
			return "", err
		}
		if err := w.content(archive, s); err != nil {
			return "", err
		}
	}
	err := archive.Close()
	return hex.EncodeToString(sum.Sum(nil)), err
}

func (w *partWriter) content(to io.Writer, s slice) error {
	if data, ok := w.small[s.file]; ok {
		_, err := to.Write(data)
		return err
	}
	f, err := w.files.open(s.file)
	if err != nil {
		return err
	}
	var check io.Writer = io.Discard
	digest, hasher := digestOfBlob(s.file)
	if s.whole {
		check = hasher
	}
	_, err = io.Copy(io.MultiWriter(to, check), io.NewSectionReader(f, s.offset, s.length))
	if err = errors.Join(err, f.close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(hasher.Sum(nil)); s.whole && got != digest.Hex {
		return fmt.Errorf("%s is damaged: its content has %s:%s. `copy --to-layout … --verify=deep --force` repairs it", s.file, digest.Algorithm, got)
	}
	return nil
}

// sumOf is a file's SHA-256.
func sumOf(ctx context.Context, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, readerOf(ctx, f))
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, f.Close())
}
