package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlotsServeByRank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		if err := s.acquire(t.Context(), rank{}, 0); err != nil {
			t.Fatal(err)
		}
		got := make(chan int, 3)
		for _, image := range []int{2, 0, 1} {
			go func() {
				if s.acquire(t.Context(), rank{image: image}, 0) == nil {
					got <- image
				}
			}()
			synctest.Wait()
		}
		for want := range 3 {
			s.release(0)
			if image := <-got; image != want {
				t.Errorf("image %d got the slot, want %d", image, want)
			}
		}
	})
}

func TestSlotsBoundBytesBesideTheLargest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(10)
		s.alwaysBeside, s.maxBeside = 2, 100
		acquired := make(chan int64, 10)
		acquire := func(size int64) {
			go func() {
				if s.acquire(t.Context(), rank{image: int(size)}, size) == nil {
					acquired <- size
				}
			}()
			synctest.Wait()
		}
		for _, size := range []int64{5000, 4000, 90, 60, 50} {
			acquire(size)
		}
		synctest.Wait()
		// Two at once whatever their sizes; then 90 and the others don't fit beside them.
		if n := len(acquired); n != 2 {
			t.Fatalf("%d hold a slot, want 2", n)
		}
		s.release(5000) // leaves 4000 as the largest: beside it 50 fits by rank, then nothing
		synctest.Wait()
		if n := len(acquired); n != 3 {
			t.Errorf("%d got a slot, want 3", n)
		}
		s.release(4000)
		s.release(50)
		synctest.Wait()
		if n := len(acquired); n != 5 {
			t.Errorf("%d got a slot, want all 5", n)
		}
	})
}

func TestSlotsForgetWhoGivesUp(t *testing.T) {
	s := newSlots(1)
	if err := s.acquire(t.Context(), rank{}, 7); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.acquire(ctx, rank{}, 7); !errors.Is(err, context.Canceled) {
		t.Errorf("acquire: %v", err)
	}
	s.release(7)
	if len(s.waiting) != 0 || s.holders != 0 || s.sum != 0 || len(s.held) != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

func TestSlotsAdapt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(8)
		acquired := make(chan int, 100)
		for i := range 100 {
			go func() {
				if s.acquire(t.Context(), rank{image: i}, 0) == nil {
					acquired <- i
				}
			}()
		}
		held := func() int {
			synctest.Wait()
			return s.holders
		}
		if n := held(); n != 8 {
			t.Fatalf("%d are held", n)
		}
		began := time.Now()
		time.Sleep(time.Second)
		for range 8 { // all of them failed: that is told once
			s.overloaded(began)
		}
		for range 8 {
			s.release(0)
		}
		if n := held(); n != 6 {
			t.Errorf("%d are held after an overload, want 6", n)
		}
		for range 10 {
			time.Sleep(time.Second)
			s.overloaded(time.Now())
		}
		for range 6 {
			s.release(0)
		}
		if n := held(); n != minSlots {
			t.Errorf("%d are held after many, want %d", n, minSlots)
		}
		for range 40 {
			s.succeeded()
			s.release(0)
		}
		if n := held(); n != 8 {
			t.Errorf("%d are held in the end, want all 8", n)
		}
		for range 100 {
			if held() == 0 {
				break
			}
			s.release(0)
		}
	})
}
