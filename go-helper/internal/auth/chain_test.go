package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type fixed struct {
	creds Credentials
	err   error
}

func (f fixed) Resolve(context.Context, string, string) (Credentials, error) { return f.creds, f.err }

func TestChain(t *testing.T) {
	some, broken := fixed{creds: Credentials{Username: "u", Password: "p"}}, fixed{err: errors.New("broken")}
	none := fixed{err: fmt.Errorf("%w from a cloud", ErrNone)}
	for _, tt := range []struct {
		name  string
		chain Chain
		user  string
		err   error
	}{
		{"empty", nil, "", nil},
		{"nothing anywhere", Chain{fixed{}, fixed{}}, "", nil},
		{"the first that has any", Chain{fixed{}, some, broken}, "u", nil},
		{"also after an error", Chain{broken, some}, "u", nil},
		{"an error", Chain{broken, none}, "", broken.err},
		{"none is less than an error", Chain{none, fixed{}}, "", ErrNone},
	} {
		creds, err := tt.chain.Resolve(t.Context(), "r.example", "a/b")
		if creds.Username != tt.user || !errors.Is(err, tt.err) || tt.name == "an error" && errors.Is(err, ErrNone) {
			t.Errorf("%s: %v, %v", tt.name, creds, err)
		}
	}
}

func TestMemory(t *testing.T) {
	var m Memory[string, int]
	var calls atomic.Int32
	find := func(context.Context) (int, time.Time, error) {
		time.Sleep(10 * time.Millisecond)
		return int(calls.Add(1)), time.Now().Add(time.Hour), nil
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if got, err := m.Get(t.Context(), "a", find); got != 1 || err != nil {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
	wg.Wait()
	m.Forget(func(key string) bool { return key == "a" })
	if got, _ := m.Get(t.Context(), "a", find); got != 2 {
		t.Errorf("after Forget: %d", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := func(ctx context.Context) (int, time.Time, error) {
		cancel()
		return 0, time.Now().Add(time.Hour), ctx.Err()
	}
	if _, err := m.Get(ctx, "b", interrupted); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if got, err := m.Get(t.Context(), "b", find); got != 3 || err != nil {
		t.Errorf("after an interruption: %d, %v", got, err)
	}
}
