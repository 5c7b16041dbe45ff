package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/registry"
)

// remote is a process that shares a repository of a registry.
func remote(t *testing.T, host string, index int, log *slog.Logger) *Repository {
	t.Helper()
	pool, err := registry.NewPool(registry.Options{PlainHTTP: func(string) bool { return true }, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return NewRepository(pool.Client(host), "mirror/share", index, 3, log)
}

func TestProcessesTellEachOtherInARepository(t *testing.T) {
	t.Parallel()
	ctx, server := t.Context(), devregistrytest.Start(t, devregistry.Options{})
	open := func(r *Repository) []Origin {
		own, others := r.Open(ctx, everywhere)
		return append(own, others...)
	}
	first, second := remote(t, server.Host, 0, quiet), remote(t, server.Host, 1, quiet)
	a, b, c := Origin{"r:5000", "a", digest(1)}, Origin{"r:5000", "b", digest(2)}, Origin{"elsewhere", "c", digest(3)}
	wantHeard(t, "no repository", open(first))
	own, others := second.Open(ctx, func(host string) bool { return host != "elsewhere" })
	wantHeard(t, "no repository", append(own, others...))
	first.Tell([]Origin{a, c})
	wantHeard(t, "not sent yet", second.Hear(ctx))
	wantHeard(t, "its own", first.Hear(ctx))
	wantHeard(t, "the other one's, of hosts that matter", second.Hear(ctx), a)
	wantHeard(t, "no news", second.Hear(ctx))
	first.Tell([]Origin{b})
	first.Close(ctx) // sends what is left
	wantHeard(t, "the last word", second.Hear(ctx), b)
	wantHeard(t, "a later run", open(remote(t, server.Host, 0, quiet)), a, c, b)
	wantHeard(t, "a third process", open(remote(t, server.Host, 2, quiet)), a, c, b)

	// A later run goes on with what it told, and costs a HEAD a process where there is no news.
	again := remote(t, server.Host, 0, quiet)
	open(again)
	server.Log().Reset()
	wantHeard(t, "nothing", again.Hear(ctx))
	if n := server.Log().Total(); n != 2 {
		t.Errorf("%d requests without news: %v", n, server.Log().Counts())
	}
	again.Tell([]Origin{{"r:5000", "d", digest(4)}})
	again.Hear(ctx)
	wantHeard(t, "one more", second.Hear(ctx), Origin{"r:5000", "d", digest(4)})
}

// What a registry doesn't do stops nothing, and is told to the user once.
func TestARepositoryThatCantBeWrittenIsToldOnce(t *testing.T) {
	t.Parallel()
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{ReadOnly: true}})
	var log bytes.Buffer
	r := remote(t, server.Host, 0, slog.New(slog.NewTextHandler(&log, nil)))
	r.Open(t.Context(), everywhere)
	for i := range 3 {
		r.Tell([]Origin{{"r", "a", digest(i)}})
		wantHeard(t, "nothing", r.Hear(t.Context()))
	}
	r.Close(t.Context())
	if said := log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "other processes are told nothing") {
		t.Errorf("said %q", said)
	}
}

func TestWhatIsNotOursIsLeftOutOfARepository(t *testing.T) {
	t.Parallel()
	zipped := func(text string) string {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(packed.Bytes())
	}
	manifest := func(artifact, text string) []byte {
		body, err := json.Marshal(map[string]any{"artifactType": artifact, "annotations": map[string]string{sharedAnnotation: text}})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	good := Origin{"r", "a", digest(1)}
	lines := sharedHead + "\n" + good.line() + "\n"
	for name, test := range map[string]struct {
		body []byte
		ours bool
	}{
		"ours":            {manifest(sharedArtifact, zipped(lines)), true},
		"another type":    {manifest("application/vnd.docker-mirror.origins.v2", zipped(lines)), false},
		"an image":        {[]byte(`{"schemaVersion":2,"config":{},"layers":[]}`), false},
		"no JSON":         {[]byte(lines), false},
		"no base64":       {manifest(sharedArtifact, "%"), false},
		"no gzip":         {manifest(sharedArtifact, base64.StdEncoding.EncodeToString([]byte(lines))), false},
		"cut off":         {manifest(sharedArtifact, zipped(lines)[:40]), false},
		"another version": {manifest(sharedArtifact, zipped(strings.Replace(lines, "1", "2", 1))), false},
		"a bomb":          {manifest(sharedArtifact, zipped(lines+strings.Repeat("x", maxSharedBytes+1))), true},
	} {
		got, err := unpack(test.body)
		if ours := err == nil && slices.Contains(got, good.line()); ours != test.ours {
			t.Errorf("%s: %d lines, %v", name, len(got), err)
		}
		if n := len(strings.Join(got, "\n")); n > maxSharedBytes {
			t.Errorf("%s: %d bytes are kept", name, n)
		}
	}
}

// A manifest stays smaller than what registries take.
func TestOnlySoMuchIsToldInARepository(t *testing.T) {
	t.Parallel()
	r := NewRepository(nil, "share", 0, 2, quiet)
	r.lines = make([]string, 0, maxSharedLines)
	for i := range maxSharedLines {
		digest := registry.DigestOf([]byte{byte(i), byte(i >> 8)}) // can't be compressed
		r.lines = append(r.lines, "registry.example:5000 mirror/organisation/application sha256:"+digest.Hex)
	}
	m, err := pack(r.lines)
	if err != nil || len(m.Body) > 4<<20 {
		t.Errorf("a manifest of %d bytes, %v", len(m.Body), err)
	}
	r.Tell([]Origin{{"r", "a", digest(1)}})
	if n := len(r.lines); n != maxSharedLines/2+1 || r.lines[n-1] != (Origin{"r", "a", digest(1)}).line() {
		t.Errorf("%d lines are left", n)
	}
}
