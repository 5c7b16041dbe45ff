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
	type content struct {
		data []byte
		err  error
	}
	done := make(chan content, 1)
	go func() {
		f, err := os.Open(name)
		if err != nil {
			done <- content{err: err}
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })
		data, err := readLimited(f)
		stop()
		_ = f.Close()
		done <- content{data, err}
	}()
	timer := time.NewTimer(stdinPatience)
	defer timer.Stop()
	for {
		select {
		case c := <-done:
			return c.data, c.err
		case <-timer.C:
			notice()
		case <-ctx.Done():
			for range 100 { // until it stands there, and no longer than a second: the program is about to end
				other, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
				if err == nil {
					_ = other.Close()
				}
				select {
				case <-done:
					return nil, ctx.Err()
				case <-time.After(10 * time.Millisecond):
				}
				if err != nil && !errors.Is(err, syscall.ENXIO) {
					break
				}
			}
			return nil, ctx.Err()
		}
	}
}
