package schedule

import (
	"fmt"
	"time"
)

// others have other processes bring blobs to repositories of theirs, and tell of them, or of what they never brought.
func (w *world) others() {
	for range w.c.Registries {
		w.told = append(w.told, [2]map[int]bool{{}, {}})
	}
	for _, t := range w.c.Told {
		w.in(t.At, func() Event {
			r := w.registries[t.Registry]
			if t.True {
				r.has[t.Repository][t.Blob], r.referred[t.Repository][t.Blob] = true, true
			}
			w.in(time.Duration(w.r.IntN(500))*time.Millisecond, func() Event {
				w.told[t.Registry][btoi(t.True)][t.Blob] = true
				return Told{Registry: t.Registry, Origins: []Origin{{repoNames[t.Repository], digests[t.Blob]}}}
			})
			return nil
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// heeds says whether bytes flow although others have told where the blob can be mounted from.
func (w *world) heeds(sink Sink) error {
	r, told := w.registries[sink.Registry], w.told[sink.Registry]
	blob := blobIndex[sink.Blob.Digest]
	if sink.Blob.Size <= smallBlob || !told[1][blob] || told[0][blob] || !r.spec.tells() ||
		r.spec.Errors+len(r.spec.Forbidden)+len(w.c.Remembered) > 0 || w.ctxDone {
		return nil
	}
	return fmt.Errorf("blob %d is sent to registry %d, of which others have told that it has it", blob, sink.Registry)
}
