package main

import (
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// gone is what sources answer about images that were deleted.
var gone = map[string]devregistry.Fault{
	"404": {Status: http.StatusNotFound, Code: "MANIFEST_UNKNOWN"},
	"401": {Status: http.StatusUnauthorized, Code: "UNAUTHORIZED"}, // Docker Hub
	"403": {Status: http.StatusForbidden, Code: "DENIED"},          // GHCR
}

// A digest that its source has lost is read where an earlier run has brought it, attachments and all.
func TestALostDigestIsReadFromAnotherDestination(t *testing.T) {
	t.Parallel()
	for status, fault := range gone {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			w, src, first, second := newWorkplace(t), startRegistry(t), startRegistry(t), startRegistry(t)
			locked := pushIndex(t, src.Host+"/app:1")
			pushImage(t, src.Host+"/other:1", 512, 1)
			w.list("images.txt", src, "app:1", "other:1")
			w.run(0, "lock", "images.txt")
			w.run(0, "copy", "--registry", second.Host, "images.txt")
			src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool { return r.Repository == "app" }, fault)})

			p := w.run(0, "copy", "--registry", first.Host, "--registry", second.Host, "--report", "report.json", "images.txt")
			wantContains(t, "stderr", p.stderr.String(), "2 copied, 2 unchanged", "is gone from its source, and read from "+second.Host+"/app", status)
			if got := digestAt(t, first.Host+"/app:1"); got != locked {
				t.Errorf("the destination has %s, locked is %s", got, locked)
			}
			for _, c := range w.report("report.json").Copies {
				want := ""
				if c.Destination == first.Host+"/app:1" {
					want = second.Host + "/app:1@" + locked.String()
				}
				if c.ReadFrom != want {
					t.Errorf("%s was read from %q, want %q", c.Destination, c.ReadFrom, want)
				}
			}
		})
	}
}

func TestADigestThatNobodyHasIsGone(t *testing.T) {
	t.Parallel()
	for status, fault := range gone {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
			locked := pushImage(t, src.Host+"/app:1", 512, 1)
			pushImage(t, src.Host+"/other:1", 512, 1)
			w.list("images.txt", src, "app:1", "other:1")
			w.run(0, "lock", "images.txt")
			src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool { return r.Repository == "app" }, fault)})
			p := w.run(1, "copy", "--registry", dst.Host, "images.txt")
			wantContains(t, "stderr", p.stderr.String(), "app:1@"+locked.String()+" is gone from its source, and no destination of this run has it", status,
				"lock --upgrade="+src.Host+"/app:1", "1 copied")
		})
	}
}

// What is throttled or broken is not gone: nobody is asked in its place.
func TestAThrottledOrBrokenSourceIsNotGone(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]devregistry.Fault{
		"not implemented": {Status: http.StatusNotImplemented}, // not worth a second try, so that the test needn't wait
		"teapot":          {Status: http.StatusTeapot},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, src, first, second := newWorkplace(t), devregistrytest.Start(t, devregistry.Options{}), startRegistry(t), startRegistry(t)
			pushImage(t, src.Host+"/app:1", 512, 1)
			w.list("images.txt", src, "app:1")
			w.run(0, "lock", "images.txt")
			w.run(0, "copy", "--registry", second.Host, "images.txt")
			src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool { return r.Repository == "app" }, fault)})
			second.Log().Reset()
			p := w.run(1, "copy", "--registry", first.Host, "--registry", second.Host, "images.txt")
			if said := p.stderr.String(); len(said) == 0 || strings.Contains(said, "gone") {
				t.Errorf("stderr %q", said)
			}
			wantRequests(t, second, map[devregistry.Kind]int{devregistry.KindManifestHead: 1})
		})
	}
}
