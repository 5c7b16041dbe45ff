package layout

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parts are the tars of an archive, which are read where they are.
type parts struct {
	opened  []*os.File
	pieces  map[string][]piece // by the file's name, in order
	names   []string           // of the parts
	damages []error
	strange error  // parts that don't belong together
	bundle  string // that they say they are of
	first   string // part that said so
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
		f, err := openFile(path)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.opened = append(p.opened, f)
		if err := p.read(f); err != nil {
			p.damages = append(p.damages, fmt.Errorf("%s is damaged: %w", path, err))
		}
	}
	if err := errors.Join(sameArchive(paths), p.strange); err != nil {
		return nil, errors.Join(err, p.close())
	}
	for _, pieces := range p.pieces {
		slices.SortFunc(pieces, func(a, b piece) int { return a.number - b.number })
	}
	return p, nil
}

// openFile opens what can be read from anywhere in it: a pipe may never begin.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// read finds out what lies where in a part. What stands before a damage is known all the same.
func (p *parts) read(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	archive := tar.NewReader(f)
	for end := int64(0); ; {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF) && info.Size() < end+tarEnd:
			return errors.New("it is cut off")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errors.Join(err, compressed(f))
		}
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		end = offset + (header.Size+tarBlock-1)/tarBlock*tarBlock
		switch header.Typeflag {
		case tar.TypeXGlobalHeader:
			p.belong(f.Name(), header.PAXRecords[comment])
		case tar.TypeReg:
			p.take(f, header, offset)
		}
	}
}

// belong takes in of which bundle a part says that it is, if it is one of ours.
func (p *parts) belong(name, said string) {
	bundle, ours := strings.CutPrefix(said, partOf)
	switch {
	case !ours || p.bundle == bundle:
	case p.bundle == "":
		p.bundle, p.first = bundle, name
	default:
		p.strange = errors.Join(p.strange, fmt.Errorf("%s is of another bundle than %s, although of the same name: carry that again which was packed with the others", name, p.first))
	}
}

// take notes a file. Only those of a layout are of interest; links and folders never are.
func (p *parts) take(f *os.File, header *tar.Header, offset int64) {
	found := piece{part: f, offset: offset, size: header.Size}
	name := strings.TrimPrefix(header.Name, "./") // as `tar .` writes them
	if parts := pieceName.FindStringSubmatch(name); parts != nil {
		name = parts[1]
		found.number, _ = strconv.Atoi(parts[2]) // digits, or nothing
		found.of, _ = strconv.Atoi(parts[3])
	} else if !slices.Contains([]string{markerFile, indexFile, BundleFile, unfinishedFile}, name) {
		return
	}
	i := slices.IndexFunc(p.pieces[name], func(have piece) bool { return have.number == found.number })
	if i < 0 {
		p.pieces[name] = append(p.pieces[name], found)
		return
	}
	if have := p.pieces[name][i].part.Name(); name == indexFile { // which names all the images
		p.strange = errors.Join(p.strange, fmt.Errorf("%s and %s both have an %s: name the parts of one archive, each once", have, f.Name(), indexFile))
	}
}

// compressed says of what is no tar that it is one within.
func compressed(f *os.File) error {
	begin := make([]byte, 4)
	if _, err := f.ReadAt(begin, 0); err != nil {
		return nil // that it is no tar has been said
	}
	for magic, tool := range map[string]string{"\x1f\x8b": "gzip", "\x28\xb5\x2f\xfd": "zstd", "\xfd7zX": "xz", "BZh": "bzip2"} {
		if strings.HasPrefix(string(begin), magic) {
			return fmt.Errorf("it is compressed: %s -d it first", tool)
		}
	}
	return nil
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
