package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

// closedAddress is one that refuses connections.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// planOf copies app0, app1, … from one registry to another, as a list's first lines ask.
func planOf(source, destination, list string, images int) string {
	entries := make([]string, images)
	for i := range entries {
		entries[i] = fmt.Sprintf(`{"src":"%s/app%d:1","dst":"%s/%s/app%d:1","origin":"%s:%d"}`, source, i, destination, list, i, list, i+1)
	}
	return "[" + strings.Join(entries, ",") + "]"
}

func TestOneCauseIsToldOnce(t *testing.T) {
	t.Parallel()
	source, closed := startRegistry(t), closedAddress(t)
	for i := range 4 {
		pushImage(t, fmt.Sprintf("%s/app%d:1", source.Host, i), 1024, 1)
	}
	refusing, throttling := startRegistry(t), startRegistry(t)
	always := func(f devregistry.Fault) devregistry.Faults {
		return devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool { return r.Kind != devregistry.KindPing }, f)}
	}
	refusing.SetFaults(always(devregistry.Fault{Status: 401, Code: "UNAUTHORIZED", Message: "authentication required"}))
	throttling.SetFaults(always(devregistry.Fault{Status: 429, Header: map[string][]string{"Retry-After": {"3600"}}}))
	for name, tt := range map[string]struct{ host, why, hint string }{
		"no answer":       {closed, "connection refused", "check that "},
		"a refused login": {refusing.Host, "401 Unauthorized", "log in to "},
		"throttled":       {throttling.Host, "429 Too Many Requests", "run again later"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			p := w.run(1, "mirror", "--report=report.json", "--batch", w.writeBatch("",
				[2]string{"a:a", planOf(source.Host, tt.host, "a.txt", 4)}, [2]string{"b:b", planOf(source.Host, tt.host, "b.txt", 2)}))
			stderr := p.stderr.String()
			wantContains(t, "stderr", stderr, tt.host+": "+tt.why, ": 6 images failed\n    asked for in a.txt:1-4; b.txt:1-2\n", tt.hint)
			for _, once := range []string{" images failed", tt.hint, "asked for in"} {
				if n := strings.Count(stderr, once); n != 1 {
					t.Errorf("%q is said %d times:\n%s", once, n, stderr)
				}
			}
			wantContains(t, "stdout", p.stdout.String(), "✗ a:a: 4 failed ("+tt.host+": "+tt.why, "✗ b:b: 2 failed (")
			for _, c := range w.report("report.json").Copies {
				if c.Reason == "" || !strings.HasPrefix(c.Cause, tt.host+": "+tt.why) {
					t.Errorf("report: %+v", c)
				}
			}
		})
	}
}

// In a publish the leader tells the causes of all targets; those that come after it name them in their line.
func TestOneCauseIsToldOnceInAPublish(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	source, refusing := startRegistry(t), startRegistry(t)
	refusing.SetFaults(devregistry.Faults{RejectEvery: 1, RejectStatus: 403, SparePing: true})
	w.spoolPlan("a", "a:a", planOf(source.Host, refusing.Host, "a.txt", 2))
	w.spoolPlan("b", "b:b", planOf(source.Host, refusing.Host, "b.txt", 2))
	leader := w.publish("a").demand(1)
	wantContains(t, "the leader's stderr", leader.stderr.String(), refusing.Host+": 403 Forbidden", ": 4 images failed\n    asked for in a.txt:1-2; b.txt:1-2\n")
	follower := w.publish("b").demand(1)
	wantContains(t, "the follower's stdout", follower.stdout.String(), "✗ b:b: 2 failed ("+refusing.Host+": 403 Forbidden")
	if follower.stderr.Len() > 0 {
		t.Errorf("the follower says it again: %s", &follower.stderr)
	}
}
