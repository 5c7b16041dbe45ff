package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestCausesLeaveOutTheImage(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for name, tt := range map[string]struct {
		err  error
		want string // "" is none
	}{
		"no connection": {
			&finalError{fmt.Errorf("resolve: %w", wrapTransport(context.Background(), "head manifest", "r.example/app:1", dial))},
			"r.example: connection refused",
		},
		"no such host": {
			wrapTransport(context.Background(), "ping", "r.example", &net.DNSError{Err: "no such host", Name: "r.example", IsNotFound: true}),
			"r.example: no such host",
		},
		"a refused login": {
			&Error{Op: "get manifest", Host: "r.example", Repository: "app", Status: 401, Codes: []Code{{"UNAUTHORIZED", "authentication required"}}, Detail: "no credentials"},
			"r.example: 401 Unauthorized; UNAUTHORIZED: authentication required (no credentials)",
		},
		"the repository isn't part of it": {
			&Error{Host: "r.example", Repository: "team/app", Status: 403, Codes: []Code{{"DENIED", "no access to team/app"}}, Detail: "for team/app"},
			"r.example: 403 Forbidden; DENIED",
		},
		"throttled":             {&Error{Host: "r.example", Status: 429, RetryAfter: time.Hour, Detail: "it asks to be left alone"}, "r.example: 429 Too Many Requests"},
		"throttled elsewhere":   {&Error{Host: "r.example", Status: 429, elsewhere: true, Detail: joinDetails("from auth.example", "it asks to be left alone")}, "r.example: 429 Too Many Requests (from auth.example)"},
		"not asked any more":    {&PausedError{Host: "r.example", Reason: "429 with Retry-After"}, "r.example: 429 Too Many Requests"},
		"a server's error":      {&Error{Host: "r.example", Status: 502}, "r.example: 502 Bad Gateway"},
		"not there":             {&Error{Host: "r.example", Repository: "app", Status: 404}, ""},
		"no list":               {wrapTransport(context.Background(), "list tags", "r.example/app", permanentf("the answer is no tag list")), ""},
		"not of a registry":     {errors.New("disk full"), ""},
		"interrupted, not down": {wrapTransport(canceled(), "get blob", "r.example/app", dial), ""},
	} {
		cause, ok := CauseOf(tt.err)
		if got := cause.String(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s: %q, %t; want %q", name, got, ok, tt.want)
		}
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
