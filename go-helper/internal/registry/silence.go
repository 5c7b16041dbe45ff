package registry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// SilenceError tells that a host was given up because it said nothing, several times.
type SilenceError struct {
	Host  string // that was silent: the registry, or where it had pointed at
	Times int
	For   time.Duration // in all
	Err   error         // the last time
}

func (e *SilenceError) Error() string {
	return fmt.Sprintf("%v (given up: %s was silent %s, %s in all)", e.Err, e.Host, times(e.Times, "time"), e.For.Round(100*time.Millisecond))
}

func (e *SilenceError) Unwrap() error { return e.Err }

// quietError is a failure because nothing came, with how long that was waited for.
type quietError struct {
	err    error
	waited time.Duration
}

func (e *quietError) Error() string { return e.err.Error() }
func (e *quietError) Unwrap() error { return e.err }

// waited is how long nothing came, 0 where that isn't known.
func waited(err error) time.Duration {
	var broken *transportError
	if errors.As(err, &broken) && broken.waited > 0 {
		return broken.waited
	}
	var ours *timeoutError
	if errors.As(err, &ours) {
		return ours.limit
	}
	return 0
}

// askedHost is who was asked when a request broke.
func askedHost(err error, registry string) string {
	var broken *transportError
	switch {
	case !errors.As(err, &broken):
		return registry
	case broken.from != "":
		return broken.from
	}
	host, _, _ := strings.Cut(broken.where, "/")
	return host
}

// wrapSent is wrapTransport for what was sent to an address, which is told where it isn't the registry's.
func (c *Client) wrapSent(ctx context.Context, r *request, target *url.URL, err error) error {
	err = wrapTransport(ctx, r.op, r.where(c), err)
	var broken *transportError
	if errors.As(err, &broken) && !c.isAPI(target) {
		broken.from = target.Host
	}
	return err
}
