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

// stdinPatience is how long standard input, or a pipe, may be silent before a person is told what we wait for.
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
			file.Data, err = readStandardInput(ctx, in, func() {
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

// patiently reads something to its end, and gives notice when that takes long. Where ctx ends first, giveUp may end the read; else
// its goroutine is left behind, and the program is about to end.
func patiently(ctx context.Context, read func() ([]byte, error), notice func(), giveUp func(done <-chan struct{})) ([]byte, error) {
	var data []byte
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		data, err = read()
	}()
	timer := time.NewTimer(stdinPatience)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return data, err
		case <-timer.C:
			notice()
		case <-ctx.Done():
			giveUp(done)
			return nil, ctx.Err()
		}
	}
}

// readStandardInput reads it to its end. A read of a terminal can't be broken off.
func readStandardInput(ctx context.Context, in io.Reader, notice func()) ([]byte, error) {
	data, err := patiently(ctx, func() ([]byte, error) { return readLimited(in) }, notice, func(<-chan struct{}) {})
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("standard input: %w", err)
	}
	return data, err
}
