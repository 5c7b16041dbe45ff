package main

import (
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
)

// childOf gives the digest of a platform of an index.
func childOf(t *testing.T, r *devregistry.Server, repository, tag, architecture string) v1.Hash {
	t.Helper()
	body, _, ok := r.Manifest(repository, tag)
	if !ok {
		t.Fatal("no index")
	}
	index, err := v1.ParseIndexManifest(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range index.Manifests {
		if m.Platform != nil && m.Platform.Architecture == architecture {
			return m.Digest
		}
	}
	t.Fatalf("no %s", architecture)
	return v1.Hash{}
}

// An index may be locked whose source doesn't have all that it names: a check that asks says so, before a copy fails.
func TestALockedIndexThatCantBeCopiedIsFoundOnline(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines func(host string) string // of the list
		args  []string
		code  int
		says  string // of the one finding; empty: nothing is found
		heads int    // for platforms
	}{
		"all is wanted": {func(host string) string { return host + "/a:1\n" }, nil, 1, "error: HOST/a:1 is locked to INDEX, an index that names what its source doesn't have: linux/arm64 CHILD; " +
			"name the platforms that are wanted, or let --missing=skip leave out what isn't there [incomplete]", 2},
		"the rest is copied":         {func(host string) string { return host + "/a:1\n" }, []string{"--missing=skip"}, 0, "warn: HOST/a:1 is locked to INDEX, an index that names what its source doesn't have: linux/arm64 CHILD; the rest is copied [incomplete]", 2},
		"it isn't wanted":            {func(host string) string { return "--platform=linux/amd64 " + host + "/a:1\n" }, nil, 0, "", 1},
		"it isn't, sparse":           {func(host string) string { return "--platform=linux/amd64 " + host + "/a:1\n" }, []string{"--index=sparse"}, 0, "", 1},
		"it isn't by default":        {func(host string) string { return host + "/a:1\n" }, []string{"--platform=linux/amd64"}, 0, "", 1},
		"once it isn't, once all is": {func(host string) string { return "--platform=linux/amd64 " + host + "/a:1\n" + host + "/a:1\n" }, nil, 1, "linux/arm64 CHILD", 2},
		"it alone is wanted":         {func(host string) string { return "--platform=linux/arm64 " + host + "/a:1\n" }, nil, 1, "linux/arm64 CHILD", 1},
		"a name has it, too":         {func(host string) string { return "--platform=linux/amd64 " + host + "/a:1\n" + host + "/b:1\n" }, nil, 0, "", 3},
		"under one name, of two":     {func(host string) string { return "--platform=linux/amd64 " + host + "/b:1\n" + host + "/a:1\n" }, nil, 1, "HOST/a:1 is locked to ", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, src := newWorkplace(t), startRegistry(t)
			index := pushPlatforms(t, src.Host+"/a:1")
			pushPlatforms(t, src.Host+"/b:1")
			list := w.write("images.txt", tt.lines(src.Host))
			var platforms []string
			for _, arg := range tt.args {
				if arg != "--missing=skip" {
					platforms = append(platforms, arg)
				}
			}
			w.run(0, append([]string{"lock", list}, platforms...)...)
			child := childOf(t, src, "a", "1", "arm64")
			if err := src.RemoveManifest("a", child); err != nil {
				t.Fatal(err)
			}
			before := w.read("images.txt.lock")
			src.Log().Reset()
			p := w.run(tt.code, append([]string{"lock", "--check", "--online", list}, tt.args...)...)
			says := strings.NewReplacer("HOST", src.Host, "INDEX", index.String(), "CHILD", child.String()).Replace(tt.says)
			if out := p.stdout.String(); !strings.Contains(out, says) || strings.Count(out, "\n") != min(len(says), 1) {
				t.Errorf("%s; want %s", out, says)
			}
			heads := src.Log().Select(func(e devregistry.Entry) bool {
				return e.Kind == devregistry.KindManifestHead && strings.Contains(e.Reference, ":")
			})
			if gets := src.Log().Counts()[devregistry.KindManifestGet]; len(heads) != tt.heads || gets > 0 {
				t.Errorf("%d HEADs for platforms, want %d; %d GETs", len(heads), tt.heads, gets)
			}
			if w.read("images.txt.lock") != before {
				t.Error("a check changed the lock")
			}
		})
	}
}

// What can't be asked for isn't taken for missing.
func TestAPlatformThatCantBeAskedForIsNotMissing(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	pushPlatforms(t, src.Host+"/a:1")
	list := w.write("images.txt", src.Host+"/a:1\n")
	w.run(0, "lock", list)
	child := childOf(t, src, "a", "1", "arm64")
	src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool { return r.Reference == child.String() }, devregistry.Fault{Status: http.StatusForbidden})})
	p := w.run(1, "lock", "--check", "--online", list)
	wantContains(t, "stderr", p.stderr.String(), "images.txt.lock:4: "+src.Host+"/a:1 could not be asked for: linux/arm64: ", "403")
	if p.stdout.Len() > 0 {
		t.Errorf("found %s", &p.stdout)
	}
	w.run(2, "lock", "--missing=skip", list) // which would mean nothing
}
