package run

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// isPipe tells whether a file is a pipe: a named one, or that of a shell's <(…).
func isPipe(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

// isNamedPipe tells whether opening a file waits until somebody opens its other end. That of a shell's >(…), or /dev/stdout, is open
// already: its name leads to no file, or stands in a folder of open files.
func isNamedPipe(name string) bool {
	resolved, err := filepath.EvalSymlinks(name)
	return err == nil && isPipe(name) && !strings.HasPrefix(resolved, "/dev/fd/")
}

// readPipe reads a pipe to its end. To open a named one takes until somebody opens its other end, and can't be broken off: where ctx
// ends, we are that somebody.
func readPipe(ctx context.Context, name string, notice func()) ([]byte, error) {
	return patiently(ctx, func() ([]byte, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })
		defer stop()
		return readLimited(f)
	}, notice, func(done <-chan struct{}) { openOtherEnd(name, done) })
}

// openOtherEnd has the opening of a named pipe end, and what reads there.
func openOtherEnd(name string, done <-chan struct{}) {
	for range 100 { // until it stands there, and no longer than a second: the program is about to end
		other, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			_ = other.Close()
		}
		select {
		case <-done:
			return
		case <-time.After(10 * time.Millisecond):
		}
		if err != nil && !errors.Is(err, syscall.ENXIO) {
			return
		}
	}
}
