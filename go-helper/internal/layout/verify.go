package layout

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Verification is what [Layout.Verify] finds.
type Verification struct {
	Images, Blobs int
	Bytes         int64
	// Problems are what is wrong, a sentence each.
	Problems []string
	// Elsewhere is how many blobs an earlier bundle must have brought.
	Elsewhere int
}

// Damages are what was found wrong with parts as they were opened.
func (l *Layout) Damages() []error {
	if p, ok := l.files.(*parts); ok {
		return p.damages
	}
	return nil
}

// Absent names the parts that belong to those that were opened, and weren't.
func (l *Layout) Absent() []string {
	if p, ok := l.files.(*parts); ok {
		return absent(p.names)
	}
	return nil
}

// Where names the folder or the part that holds a blob.
func (l *Layout) Where(digest v1.Hash) string { return l.files.where(blobName(digest)) }

// Verify reads everything, and compares it with its digest, each part with its sum, and each image with what it needs.
func (l *Layout) Verify(ctx context.Context) (Verification, error) {
	var v Verification
	for _, err := range l.Damages() {
		v.Problems = append(v.Problems, err.Error())
	}
	if err := l.Unfinished(); err != nil {
		v.Problems = append(v.Problems, err.Error())
	}
	if len(l.index.all()) == 0 {
		v.Problems = append(v.Problems, "it has no images")
	}
	for _, name := range l.Absent() {
		v.Problems = append(v.Problems, name+" is missing")
	}
	if p, ok := l.files.(*parts); ok {
		if err := v.checkSums(ctx, p.names); err != nil {
			return v, err
		}
	}
	images := map[string][]string{} // by blob
	incomplete, err := l.users(&v, images)
	if err != nil {
		return v, err
	}
	names, err := l.files.blobs()
	if err != nil {
		return v, err
	}
	for _, name := range names {
		if err := l.verifyBlob(ctx, &v, name, images[name]); err != nil {
			return v, err
		}
	}
	v.Problems = append(v.Problems, incomplete...)
	return v, nil
}

// users finds out which images a blob is of, and what isn't there that they need.
func (l *Layout) users(v *Verification, images map[string][]string) (incomplete []string, err error) {
	missing := map[string][]string{} // images, by what they lack
	elsewhere := map[v1.Hash]bool{}
	for _, d := range l.index.all() {
		name := d.Annotations[refName]
		if name == "" {
			name = "the attachment " + d.Digest.String()
		}
		note := func(into map[string][]string, key string) {
			if !slices.Contains(into[key], name) {
				into[key] = append(into[key], name)
			}
		}
		w := walker{
			files: l.files,
			seen:  func(_ string, d v1.Descriptor) { note(images, blobName(d.Digest)) },
			absent: func(child v1.Descriptor) {
				if d.Annotations[platformsName] == "" || child.Digest == d.Digest {
					note(missing, "manifest "+child.Digest.String())
				}
			},
			blob: func(_ string, b v1.Descriptor) {
				note(images, blobName(b.Digest))
				f, err := l.files.open(blobName(b.Digest))
				_, based := l.needs[b.Digest]
				switch {
				case err == nil:
					_ = f.close() // only looked at
				case based:
					elsewhere[b.Digest] = true
				default:
					note(missing, "blob "+b.Digest.String())
				}
			},
		}
		if err := w.walk("", d); err != nil {
			return nil, err
		}
	}
	for _, what := range slices.Sorted(maps.Keys(missing)) {
		incomplete = append(incomplete, fmt.Sprintf("%s is missing, of %s", what, Some(missing[what])))
	}
	v.Images, v.Elsewhere = len(l.index.images()), len(elsewhere)
	return incomplete, nil
}

func (l *Layout) verifyBlob(ctx context.Context, v *Verification, name string, images []string) error {
	f, err := l.files.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // in pieces, and not all of them are there
	}
	if err != nil {
		return err
	}
	v.Blobs++
	v.Bytes += f.size
	digest, hasher := digestOfBlob(name)
	r := f.from(0)
	_, err = io.Copy(hasher, readerOf(ctx, r))
	closeErr := r.Close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	got := hex.EncodeToString(hasher.Sum(nil))
	if err = errors.Join(err, closeErr); err != nil || got != digest.Hex {
		problem := fmt.Sprintf("%s is damaged in %s", name, l.files.where(name))
		if err != nil {
			problem += ": " + err.Error()
		}
		if len(images) > 0 {
			problem += ", of " + Some(images)
		}
		v.Problems = append(v.Problems, problem)
	}
	return nil
}

// checkSums compares parts with the sums beside them, where there are any.
func (v *Verification) checkSums(ctx context.Context, names []string) error {
	for _, name := range names {
		part := partName.FindStringSubmatch(filepath.Base(name))
		if part == nil {
			continue
		}
		wanted, err := sumIn(filepath.Join(filepath.Dir(name), part[1]+".sha256"), filepath.Base(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		got, err := sumOf(ctx, name)
		switch {
		case err != nil:
			return err
		case wanted == "":
			v.Problems = append(v.Problems, name+" has no sum in "+part[1]+".sha256")
		case got != wanted:
			v.Problems = append(v.Problems, fmt.Sprintf("%s is damaged: its SHA-256 is %s, not %s", name, got, wanted))
		}
	}
	return nil
}

// sumIn looks a file up in what sha256sum writes.
func sumIn(sums, name string) (string, error) {
	f, err := os.Open(sums)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if sum, of, ok := strings.Cut(lines.Text(), "  "); ok && of == name {
			return sum, nil
		}
	}
	return "", lines.Err()
}

// digestOfBlob is what a blob's name says of its content, and what to find that out with.
func digestOfBlob(name string) (v1.Hash, hash.Hash) {
	_, rest, _ := strings.Cut(name, "/")
	algorithm, hex, _ := strings.Cut(rest, "/")
	hasher, err := v1.Hasher(algorithm)
	if err != nil {
		hasher, _ = v1.Hasher("sha256") // no content has a digest of an algorithm that nobody knows
	}
	return v1.Hash{Algorithm: algorithm, Hex: hex}, hasher
}

// Some names a few.
func Some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// readerOf ends with ctx.
func readerOf(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

// Read implements [io.Reader].
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
