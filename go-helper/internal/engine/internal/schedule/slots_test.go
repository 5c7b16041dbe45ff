package schedule

import (
	"slices"
	"testing"
	"time"
)

// ask has blobs of given sizes wait, in the order of their ranks.
func ask(s *slots, sizes ...int64) {
	for i, size := range sizes {
		s.wait(&blob{Blob: Blob{Size: size}, rank: rank{image: i}}, size)
	}
}

func sizes(granted []*blob) (out []int64) {
	for _, b := range granted {
		out = append(out, b.Size)
	}
	return out
}

func TestSlotsServeByRank(t *testing.T) {
	s := newSlots(1)
	for _, image := range []int{2, 0, 1} {
		s.wait(&blob{Blob: Blob{Size: int64(image)}, rank: rank{image: image}}, 0)
	}
	for want := range int64(3) {
		if got := sizes(s.grant()); !slices.Equal(got, []int64{want}) {
			t.Errorf("%v got the slot, want %d", got, want)
		}
		if s.grantable() {
			t.Error("there is a second slot")
		}
		s.release(0)
	}
}

func TestSlotsBoundBytesBesideTheLargest(t *testing.T) {
	s := newSlots(10)
	s.alwaysBeside, s.maxBeside = 2, 100
	ask(&s, 5000, 4000, 90, 60, 50)
	// Two at once whatever their sizes; then 90 and the others don't fit beside them.
	if got := sizes(s.grant()); !slices.Equal(got, []int64{5000, 4000}) {
		t.Fatalf("%v hold a slot", got)
	}
	s.release(5000) // leaves 4000 as the largest: beside it 90 fits by rank, then nothing
	if got := sizes(s.grant()); !slices.Equal(got, []int64{90}) {
		t.Errorf("%v got a slot", got)
	}
	s.release(4000)
	s.release(90)
	if got := sizes(s.grant()); !slices.Equal(got, []int64{60, 50}) {
		t.Errorf("%v got a slot", got)
	}
	s.release(60)
	s.release(50)
	if s.holders != 0 || s.sum != 0 || len(s.held) != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

func TestSlotsAdapt(t *testing.T) {
	s := newSlots(8)
	ask(&s, make([]int64, 100)...)
	holds := func(want int) {
		t.Helper()
		s.grant()
		if s.holders != want {
			t.Errorf("%d are held, want %d", s.holders, want)
		}
	}
	release := func() {
		for s.holders > 0 {
			s.release(0)
		}
	}
	holds(8)
	began := time.Unix(100, 0)
	for range 8 { // all of them failed: that is told once
		s.overloaded(began, began.Add(time.Second))
	}
	release()
	holds(6)
	for i := range 10 {
		now := began.Add(time.Duration(i+2) * time.Second)
		s.overloaded(now, now)
	}
	release()
	holds(minSlots)
	for range 40 {
		s.succeeded()
	}
	holds(8)
}
