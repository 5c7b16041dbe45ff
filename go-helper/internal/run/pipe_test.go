package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Nobody is left to read a pipe where the wait for it was ended.
func TestAnEndedWaitLeavesNoReaderOfAPipe(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "darwin" {
		t.Skip("a read of a pipe can't be broken off there")
	}
	for _, opened := range []bool{false, true} {
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := readPipe(ctx, pipe, func() {})
			ended <- err
		}()
		if opened {
			f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // once it reads
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, syscall.ENXIO) {
			t.Errorf("a writer had opened it: %v; another one: %v, so it is read still", opened, err)
		}
	}
}
