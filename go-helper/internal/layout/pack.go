package layout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	tarBlock   = 512
	tarEnd     = 2 * tarBlock
	tarHead    = 2 * tarBlock // what a part says of itself
	maxEntry   = 1<<33 - 1    // of a tar without extensions
	maxParts   = 9999
	leastSplit = 64 << 10
)

// Packing is one [Pack].
type Packing struct {
	// Prefix of the files, with their folder: PREFIX-001-of-003.tar, PREFIX.sha256, PREFIX.json.
	Prefix string
	// Split is how many bytes a part has at most; 0: one part.
	Split int64
	// Told is told of each part as it is done; may be nil.
	Told func(file string, kept bool)
}

// slice is a file, or a piece of one, of a part.
type slice struct {
	name           string // in the tar
	file           string // in the layout
	offset, length int64
	whole          bool
}

func (s slice) space() int64 { return tarBlock + (s.length+tarBlock-1)/tarBlock*tarBlock }

// Pack writes a layout as an archive: tars of up to so many bytes, each of which `tar` reads. The same layout gives the same
// bytes. Parts that are there already and right are kept, so that a pack which was interrupted goes on, and one of a damaged
// archive mends it.
func (l *Layout) Pack(ctx context.Context, p Packing) error {
	if p.Split != 0 && p.Split < leastSplit {
		return fmt.Errorf("parts of %d bytes are too small: name at least %d", p.Split, leastSplit)
	}
	if err := l.whole(); err != nil {
		return err
	}
	bundle, err := l.describeBundle()
	if err != nil {
		return err
	}
	small, err := l.smallFiles(bundle)
	if err != nil {
		return err
	}
	all, err := l.packed(small)
	if err != nil {
		return err
	}
	divided, err := divide(all, p.Split)
	if err != nil {
		return err
	}
	names := make([]string, len(divided))
	for i := range divided {
		names[i] = fmt.Sprintf("%s-%03d-of-%03d.tar", p.Prefix, i+1, len(divided))
	}
	if err := strangers(p.Prefix, names); err != nil {
		return err
	}
	var sums strings.Builder
	for i, slices := range divided {
		w := partWriter{ctx: ctx, files: l.files, small: small, slices: slices, bundle: bundle.ID}
		sum, kept, err := w.put(names[i])
		if err != nil {
			return fmt.Errorf("%s: %w", names[i], err)
		}
		if p.Told != nil {
			p.Told(names[i], kept)
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, filepath.Base(names[i]))
	}
	if err := writeFile(p.Prefix+".json", small[BundleFile]); err != nil {
		return err
	}
	return writeFile(p.Prefix+".sha256", []byte(sums.String()))
}

// whole refuses to pack what lacks something: whoever gets it can't do anything about that.
func (l *Layout) whole() error {
	if err := l.Unfinished(); err != nil {
		return err
	}
	incomplete, err := l.users(&Verification{}, map[string][]string{})
	if len(incomplete) > 0 {
		err = fmt.Errorf("it isn't whole: %s", Some(incomplete))
	}
	return err
}

// packed lists what goes into the archive, in order: index and manifests first, so that the first parts tell what is missing;
// then blobs, image by image, so that what a lost part takes with it is few images.
func (l *Layout) packed(small map[string][]byte) ([]slice, error) {
	var manifests, blobs []slice
	seen := map[string]bool{}
	var failed error
	take := func(list *[]slice, d v1.Descriptor) {
		name := blobName(d.Digest)
		if seen[name] || l.files.where(name) == "" {
			return
		}
		seen[name] = true
		f, err := l.files.open(name)
		if err != nil {
			failed = errors.Join(failed, err)
			return
		}
		failed = errors.Join(failed, f.close())
		*list = append(*list, slice{name: name, file: name, length: f.size, whole: true})
	}
	w := walker{
		files: l.files,
		blob:  func(_ string, d v1.Descriptor) { take(&blobs, d) },
		seen:  func(_ string, d v1.Descriptor) { take(&manifests, d) },
	}
	for _, d := range l.index.all() {
		if err := w.walk("", d); err != nil {
			return nil, err
		}
	}
	var first []slice
	for _, name := range []string{markerFile, indexFile, BundleFile} {
		first = append(first, slice{name: name, file: name, length: int64(len(small[name])), whole: true})
	}
	return slices.Concat(first, manifests, blobs), failed
}

// smallFiles are those of the layout itself.
func (l *Layout) smallFiles(bundle *Bundle) (map[string][]byte, error) {
	described, err := bundle.bytes()
	return map[string][]byte{markerFile: []byte(marker), indexFile: l.index.bytes(), BundleFile: described}, err
}

// divide fills one part after the other. What is too large for any part is cut.
func divide(all []slice, split int64) ([][]slice, error) {
	if split == 0 {
		split = 1<<63 - 1
	}
	parts := [][]slice{nil}
	left := split - tarHead - tarEnd
	next := func() {
		parts = append(parts, nil)
		left = split - tarHead - tarEnd
	}
	put := func(s slice) {
		parts[len(parts)-1] = append(parts[len(parts)-1], s)
		left -= s.space()
	}
	for _, s := range all {
		switch {
		case s.space() <= left && s.length <= maxEntry:
			put(s)
		case s.space() <= split-tarHead-tarEnd && s.length <= maxEntry:
			next()
			put(s)
		case !strings.HasPrefix(s.name, blobsDir):
			return nil, fmt.Errorf("parts of %d bytes are too small: %s alone has %d", split, s.name, s.length)
		default:
			pieces, first := 0, len(parts)-1
			for offset := int64(0); offset < s.length; {
				room := (left - tarBlock) / tarBlock * tarBlock
				if room <= 0 {
					next()
					continue
				}
				length := min(room, s.length-offset, maxEntry/tarBlock*tarBlock)
				put(slice{file: s.file, offset: offset, length: length})
				pieces++
				offset += length
			}
			nameSlices(parts[first:], s.file, pieces)
		}
	}
	if len(parts) > maxParts {
		return nil, fmt.Errorf("parts of %d bytes would be %d: name larger ones", split, len(parts))
	}
	return parts, nil
}

// nameSlices gives the pieces of a file their names, now that their number is known.
func nameSlices(parts [][]slice, file string, of int) {
	number := 0
	for _, part := range parts {
		for i := range part {
			if part[i].file == file && !part[i].whole {
				number++
				part[i].name = fmt.Sprintf("%s.%04d-of-%04d", file, number, of)
			}
		}
	}
}

// strangers refuses to leave parts of another archive beside those of this one.
func strangers(prefix string, names []string) error {
	found, err := packedAs(prefix)
	if err != nil {
		return err
	}
	for _, name := range found {
		if !slices.Contains(names, filepath.Clean(name)) && !slices.Contains(names, name) {
			return fmt.Errorf("%s is of another archive: remove it, or name another prefix", name)
		}
	}
	return nil
}

func writeFile(name string, data []byte) error {
	temporary := name + ".unfinished"
	if err := os.WriteFile(temporary, data, 0o666); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}
