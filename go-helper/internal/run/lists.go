package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"docker-mirror/go-helper/internal/spec"
)

// stdinPatience is how long standard input may be silent before a person is told what we wait for.
const stdinPatience = 2 * time.Second

// maxListSize is in bytes. It is beyond a million images, and keeps what is named by mistake, such as a layer or a
// device, from being read to its end.
const maxListSize = 64 << 20

// Lists are image lists to be read. No file is standard input, as is "-".
type Lists struct {
	Files  []string
	Format string // of all files; empty: by each file's ending
	Lock   string // what becomes of their locks, one of [LockChoices]
	// LockFiles are those locks that aren't beside their lists, by the lists.
	LockFiles map[string]string
	What      string // what a person should type or pipe in; empty: copy specs
}

// read reads all lists; the error joins one for each file that can't be read.
func (l Lists) read(ctx context.Context, in io.Reader, notice func(string)) ([]spec.File, error) {
	format, err := spec.ParseFormat(l.Format)
	errs := []error{err}
	names := l.Files
	if len(names) == 0 {
		names = []string{spec.StandardInput}
	}
	var files []spec.File
	stdinRead, listed := false, 0
	for _, name := range names {
		file := spec.File{Name: name, Format: format}
		var err error
		switch {
		case name != spec.StandardInput && isPipe(name):
			file.Data, err = readPipe(ctx, name, func() { notice("still waiting to read " + cmp.Or(l.What, "copy specs") + " from the pipe " + name) })
		case name != spec.StandardInput:
			file.Data, err = readFile(name)
		case stdinRead:
			err = errors.New("standard input can be read only once")
		default:
			stdinRead = true
			file.Data, err = readPatiently(ctx, in, func() {
				notice("still waiting to read " + cmp.Or(l.What, "copy specs") + " from standard input")
			})
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			errs = append(errs, fmt.Errorf("can't read %s: %w", cmp.Or(l.What, "the image list"), err))
			continue
		}
		files, listed = append(files, file), listed+len(file.Data)
	}
	spareMemory(listed)
	return files, errors.Join(errs...)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := readLimited(f)
	if err != nil && !errors.As(err, new(*fs.PathError)) { // which names it
		err = fmt.Errorf("%s: %w", name, err)
	}
	return data, err
}

func readLimited(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxListSize+1))
	if err == nil && len(data) > maxListSize {
		return nil, fmt.Errorf("it has more than %d MiB", maxListSize>>20)
	}
	return data, err
}

// readPatiently reads standard input to its end and says so when that takes long. Where ctx ends first, the reading
// goroutine is left behind: a read of a terminal can't be broken off, and the program is about to end.
func readPatiently(ctx context.Context, in io.Reader, notice func()) ([]byte, error) {
	type content struct {
		data []byte
		err  error
	}
	done := make(chan content, 1)
	go func() {
		data, err := readLimited(in)
		done <- content{data, err}
	}()
	timer := time.NewTimer(stdinPatience)
	defer timer.Stop()
	for {
		select {
		case c := <-done:
			if c.err != nil {
				return nil, fmt.Errorf("standard input: %w", c.err)
			}
			return c.data, nil
		case <-timer.C:
			notice()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
