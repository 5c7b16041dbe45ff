package main

import (
	"context"
	"sync"
	"time"
)

// bucket is a token bucket.
type bucket struct {
	mu       sync.Mutex
	rate     float64 // tokens a second
	capacity float64
	tokens   float64
	filled   time.Time
}

func newBucket(rate, capacity float64) *bucket {
	return &bucket{rate: rate, capacity: capacity, tokens: capacity, filled: time.Now()}
}

func (b *bucket) fill() {
	now := time.Now()
	b.tokens = min(b.capacity, b.tokens+now.Sub(b.filled).Seconds()*b.rate)
	b.filled = now
}

// take takes one token, if there is one.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// wait takes n tokens, going into debt and waiting it off, so that all callers share the rate.
func (b *bucket) wait(ctx context.Context, n int) {
	b.mu.Lock()
	b.fill()
	b.tokens -= float64(n)
	debt := -b.tokens
	b.mu.Unlock()
	if debt > 0 {
		sleep(ctx, time.Duration(debt/b.rate*float64(time.Second)))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
