package layout

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// openFiles opens a folder with a layout, or the parts of an archive: each by its name, or all in a folder.
func openFiles(paths []string) (files, error) {
	if len(paths) == 0 {
		return nil, errors.New("no folder is named")
	}
	var archives []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			archives = append(archives, path)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(path, "*.tar"))
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(path, indexFile)); err != nil && len(inside) > 0 {
			archives = append(archives, inside...)
			continue
		}
		if len(paths) > 1 {
			return nil, fmt.Errorf("%s: a folder with a layout stands for itself: name one, or parts of an archive", path)
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		return &folder{root}, nil
	}
	return openParts(archives)
}

// parts are the tars of an archive, which are read where they are.
type parts struct {
	opened  []*os.File
	pieces  map[string][]piece // by the file's name, in order
	names   []string           // of the parts
	damages []error
}

// piece is where a file, or a part of one, lies.
type piece struct {
	part         *os.File
	offset, size int64
	number, of   int // from 1; of is 0 where it is the whole file
}

// pieceName is a file that is cut: `blobs/sha256/<hex>.0001-of-0003`, so that `cat` joins them in their order.
var pieceName = regexp.MustCompile(`^(blobs/[a-z0-9]+/[0-9a-f]+)(?:\.(\d{4})-of-(\d{4}))?$`)

func openParts(paths []string) (files, error) {
	p := &parts{pieces: map[string][]piece{}, names: paths}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.opened = append(p.opened, f)
		if err := p.read(f); err != nil {
			p.damages = append(p.damages, fmt.Errorf("%s is damaged: %w", path, err))
		}
	}
	if err := sameArchive(paths); err != nil {
		return nil, errors.Join(err, p.close())
	}
	for _, pieces := range p.pieces {
		slices.SortFunc(pieces, func(a, b piece) int { return a.number - b.number })
	}
	return p, nil
}

// read finds out what lies where in a part. What stands before a damage is known all the same.
func (p *parts) read(f *os.File) error {
	archive := tar.NewReader(f)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		found := piece{part: f, offset: offset, size: header.Size}
		name := strings.TrimPrefix(header.Name, "./") // as `tar .` writes them
		if parts := pieceName.FindStringSubmatch(name); parts != nil {
			name = parts[1]
			found.number, _ = strconv.Atoi(parts[2]) // digits, or nothing
			found.of, _ = strconv.Atoi(parts[3])
		} else if !slices.Contains([]string{markerFile, indexFile, BundleFile}, name) {
			continue
		}
		if !slices.ContainsFunc(p.pieces[name], func(have piece) bool { return have.number == found.number }) {
			p.pieces[name] = append(p.pieces[name], found)
		}
	}
}

func (p *parts) open(name string) (*content, error) {
	pieces := p.pieces[name]
	if len(pieces) == 0 || len(pieces) != max(pieces[0].of, 1) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	joined := &joinedPieces{pieces: pieces}
	for _, part := range pieces {
		joined.size += part.size
	}
	return &content{joined, joined.size, func() error { return nil }}, nil
}

func (p *parts) blobs() ([]string, error) {
	var names []string
	for name := range p.pieces {
		if strings.HasPrefix(name, blobsDir+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (p *parts) where(name string) string {
	var names []string
	for _, piece := range p.pieces[name] {
		names = append(names, piece.part.Name())
	}
	return strings.Join(slices.Compact(names), " and ")
}

func (p *parts) close() error {
	var errs []error
	for _, f := range p.opened {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// joinedPieces reads pieces as the one file that they are of.
type joinedPieces struct {
	pieces []piece
	size   int64
}

// ReadAt implements [io.ReaderAt].
func (j *joinedPieces) ReadAt(b []byte, offset int64) (n int, err error) {
	for _, p := range j.pieces {
		if offset >= p.size {
			offset -= p.size
			continue
		}
		most := min(int64(len(b)-n), p.size-offset)
		got, err := p.part.ReadAt(b[n:n+int(most)], p.offset+offset)
		n += got
		if err != nil && (!errors.Is(err, io.EOF) || int64(got) < most) {
			return n, fmt.Errorf("%s: %w", p.part.Name(), errors.Join(err, io.ErrUnexpectedEOF))
		}
		if offset = 0; n == len(b) {
			return n, nil
		}
	}
	return n, io.EOF
}

// partName is that of the parts which [Pack] writes.
var partName = regexp.MustCompile(`^(.*)-(\d{3,})-of-(\d{3,})\.tar$`)

// sameArchive refuses parts of several archives. Files that have other names are the user's word.
func sameArchive(paths []string) error {
	first := ""
	for _, path := range paths {
		name := partName.FindStringSubmatch(filepath.Base(path))
		if name == nil {
			continue
		}
		archive := name[1] + " of " + name[3]
		if first == "" {
			first = archive
		}
		if archive != first {
			return fmt.Errorf("%s is of another archive than %s", path, paths[0])
		}
	}
	return nil
}

// absent names the parts that belong to the others and weren't given.
func absent(paths []string) (missing []string) {
	given := map[int]bool{}
	prefix, of := "", ""
	for _, path := range paths {
		name := partName.FindStringSubmatch(filepath.Base(path))
		if name == nil {
			return nil
		}
		number, _ := strconv.Atoi(name[2]) // digits
		given[number], prefix, of = true, name[1], name[3]
	}
	count, _ := strconv.Atoi(of)
	for number := 1; number <= min(count, maxParts); number++ {
		if !given[number] {
			missing = append(missing, fmt.Sprintf("%s-%03d-of-%s.tar", prefix, number, of))
		}
	}
	return missing
}
