package stream

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// feed pushes content through a window as a download does.
func feed(t *testing.T, pool *Chunks, w *window, content []byte, patience time.Duration) bool {
	t.Helper()
	_, more := feedChunks(pool, w, content, patience)
	return more
}

// feedChunks also gives the pieces of memory that it took.
func feedChunks(pool *Chunks, w *window, content []byte, patience time.Duration) (pieces map[*chunk]bool, more bool) {
	pieces = map[*chunk]bool{}
	for len(content) > 0 {
		c := pool.get()
		pieces[c] = true
		n := copy(c.buf[:chunkSize], content)
		c.buf, content = c.buf[:n], content[n:]
		more := w.push(c, time.Now(), patience)
		c.release()
		if !more {
			return pieces, false
		}
	}
	return pieces, true
}

func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i * 7 >> 3)
	}
	return out
}

func TestWindowHandsOverAndRewinds(t *testing.T) {
	const size = 5*windowBehind + 12345
	want := pattern(size)
	w := newWindow(0, size)
	go feed(t, &Chunks{}, w, want, 0)

	first := w.newReader()
	head := make([]byte, 3*windowBehind)
	if _, err := io.ReadFull(first, head); err != nil {
		t.Fatal(err)
	}
	if w.rewind(0) {
		t.Error("the window still has bytes that lie far behind")
	}
	back := int64(len(head) - windowBehind/2)
	if !w.rewind(back) {
		t.Fatal("the window lost bytes that lie just behind")
	}
	second := w.newReader()
	if _, err := first.Read(head); !errors.Is(err, errStaleReader) {
		t.Errorf("the earlier reader still reads: %v", err)
	}
	rest, err := io.ReadAll(second)
	if err != nil || !bytes.Equal(rest, want[back:]) {
		t.Errorf("read %d bytes, %v; want %d", len(rest), err, len(want)-int(back))
	}
}

func TestWindowIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(0, 100*windowAhead)
		done := make(chan bool)
		go func() { done <- feed(t, &Chunks{}, w, pattern(10*windowAhead), 0) }()
		synctest.Wait()
		if w.end > windowAhead+chunkSize {
			t.Errorf("%d bytes were taken without a reader", w.end)
		}
		w.close(errSent)
		if <-done {
			t.Error("a closed window takes more")
		}
		if _, err := w.newReader().Read(make([]byte, 1)); !errors.Is(err, errSent) {
			t.Errorf("read after close: %v", err)
		}
	})
}

func TestWindowDetachesAReaderThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(0, 100*windowAhead)
		began := time.Now()
		if feed(t, &Chunks{}, w, pattern(4*windowAhead), detachPatience) {
			t.Error("nobody reads, and all was taken")
		}
		if !errors.Is(w.closedBy(), errDetached) || time.Since(began) != detachPatience {
			t.Errorf("closed by %v after %s", w.closedBy(), time.Since(began))
		}
	})
}

// One that moves once while it is waited for and then stands still is detached as well.
func TestWindowDetachesAReaderThatTrickles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(0, 100*windowAhead)
		began := time.Now()
		reader := w.newReader()
		go func() {
			time.Sleep(detachPatience / 2)
			if _, err := reader.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}()
		if feed(t, &Chunks{}, w, pattern(4*windowAhead), detachPatience) {
			t.Error("a byte was read, and all was taken")
		}
		if took := time.Since(began); !errors.Is(w.closedBy(), errDetached) || took != detachPatience+detachPatience/2 {
			t.Errorf("closed by %v after %s", w.closedBy(), took)
		}
	})
}

// Those that stand still are waited for together.
func TestStalledUploadsAreDetachedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sinks := make([]*sink, 4)
		for i := range sinks {
			sinks[i] = &sink{window: newWindow(0, 100*windowAhead)}
		}
		go func() { _, _ = io.Copy(io.Discard, sinks[2].window.newReader()) }()
		began := time.Now()
		pool := &Chunks{}
		left := slices.Clone(sinks)
		for range 2 * windowAhead / chunkSize {
			c := pool.get()
			c.buf = c.buf[:chunkSize]
			left = hand(c, left)
			c.release()
		}
		if took := time.Since(began); len(left) != 1 || left[0] != sinks[2] || took != detachPatience {
			t.Errorf("%d uploads are left after %s, want the one that reads after %s", len(left), took, detachPatience)
		}
		sinks[2].window.close(errSent)
	})
}

// Memory goes back as soon as no upload can want it again, and all of it where a window is closed.
func TestWindowLetsGoOfMemory(t *testing.T) {
	const size = 4 * windowBehind
	w := newWindow(0, size)
	fed := make(chan map[*chunk]bool)
	go func() {
		pieces, _ := feedChunks(&Chunks{}, w, pattern(size), 0)
		fed <- pieces
	}()
	if _, err := io.CopyN(io.Discard, w.newReader(), size); err != nil {
		t.Fatal(err)
	}
	pieces := <-fed
	held := func() (n int) {
		for c := range pieces {
			n += int(c.refs.Load())
		}
		return n
	}
	if n := held(); n != windowBehind/chunkSize {
		t.Errorf("%d pieces are held of a blob that was read, want %d", n, windowBehind/chunkSize)
	}
	w.close(errSent)
	if n := held(); n != 0 {
		t.Errorf("%d pieces are held by a closed window", n)
	}
}
