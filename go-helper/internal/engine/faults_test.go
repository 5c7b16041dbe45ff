package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/engine"
)

// Every single kind of fault is survived, and the destination is right.
func TestSurvives(t *testing.T) {
	tests := map[string]struct{ source, destination devregistry.Faults }{
		"5xx":                   {devregistry.Faults{RejectEvery: 5}, devregistry.Faults{RejectEvery: 5}},
		"cut downloads":         {source: devregistry.Faults{CutDownloadEvery: 3}},
		"stalled downloads":     {source: devregistry.Faults{StallDownloadEvery: 9}},
		"cut uploads":           {destination: devregistry.Faults{CutUploadEvery: 4}},
		"stalled uploads":       {destination: devregistry.Faults{StallUploadEvery: 9}},
		"resets":                {devregistry.Faults{ResetEvery: 7}, devregistry.Faults{ResetEvery: 7}},
		"lost answers":          {destination: devregistry.Faults{LoseAnswerEvery: 6}},
		"rate limit":            {destination: devregistry.Faults{Rate: 100, Burst: 10, RetryAfter: time.Second}},
		"rate limit, HTTP date": {destination: devregistry.Faults{Rate: 100, Burst: 20, RetryAfter: time.Second, RetryAfterDate: true}},
		"429 on mounts":         {destination: devregistry.Faults{ThrottleMountEvery: 6, RetryAfter: time.Second}},
	}
	for name, faults := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			names := randomSet(t, rand.New(rand.NewPCG(1, 2)), source.Host, 8)
			list := copies(t, source.Host, []string{destination.Host}, names...)
			source.SetFaults(faults.source)
			destination.SetFaults(faults.destination)
			policy := patient
			if faults.source.StallDownloadEvery+faults.destination.StallUploadEvery > 0 {
				policy = impatient
			}
			results := runRetrying(context.Background(), t, list, engine.Options{}, policy)
			wantStatus(t, list, results, engine.StatusCopied)
			for _, c := range list {
				checkMirrored(t, source, destination, c)
			}
			if name == "429 on mounts" {
				wantNoSecondUpload(t, destination)
			}
		})
	}
}

func wantNoSecondUpload(t *testing.T, s *devregistry.Server) {
	t.Helper()
	uploads := map[v1.Hash]int{}
	for at, n := range s.Log().Uploads() {
		if uploads[at.Digest] += n; uploads[at.Digest] > 1 {
			t.Errorf("blob %s was uploaded %d times", at.Digest, uploads[at.Digest])
		}
	}
}

func TestSpeaksDialects(t *testing.T) {
	dialects := map[string]devregistry.Dialect{
		"distribution":       devregistry.Distribution,
		"no mounts":          {NoMounts: true},
		"ECR":                devregistry.ECR,
		"Harbor":             {RelativeLocation: true, ImmutableTagsStrict: true},
		"Artifact Registry":  devregistry.ArtifactRegistry,
		"GHCR":               devregistry.GHCR,
		"ACR":                devregistry.ACR,
		"Docker Hub":         {RedirectBlobs: true},
		"relative Location":  {RelativeLocation: true},
		"state in the query": {LocationQuery: "state=a%2Fb&x=1"},
		"no digest on HEAD":  {NoDigestOnHead: true},
		"no ranges":          {NoRange: true},
		"wrong content type": {ManifestContentType: "text/plain"},
		"tokens":             {Auth: devregistry.Auth{Scheme: devregistry.AuthBearer}},
	}
	for name, dialect := range dialects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			names := randomSet(t, rand.New(rand.NewPCG(3, 4)), source.Host, 8)
			source.SetDialect(dialect)
			destination.SetDialect(dialect)
			source.SetFaults(devregistry.Faults{CutDownloadEvery: 5})
			list := copies(t, source.Host, []string{destination.Host}, names...)
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			source.SetDialect(devregistry.Dialect{})
			destination.SetDialect(devregistry.Dialect{})
			for _, c := range list {
				if dialect.ManifestContentType == "" {
					checkMirrored(t, source, destination, c)
				}
			}
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
			if name == "ECR" {
				wantNoSecondUpload(t, destination)
			}
			if n := destination.OpenUploads(); n != 0 {
				t.Errorf("%d upload sessions were left open", n)
			}
		})
	}
}

// A large blob on a bad line gets there however often it breaks, as long as each try brings more of it.
func TestALargeBlobOutlivesManyBreaks(t *testing.T) {
	source, destination := pair(t)
	newPusher(t, source.Host).image("x", "v", ociManifest, content("large", 40<<20))
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	large := func(kind devregistry.Kind) func(devregistry.Request) bool {
		return func(r devregistry.Request) bool { return r.Kind == kind && r.HTTP.ContentLength > 3<<20 }
	}
	destination.SetFaults(devregistry.Faults{Intercept: devregistry.Times(12, large(devregistry.KindUploadPut), devregistry.Fault{CutUpload: devregistry.AfterBytes(5 << 19)})})
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	checkMirrored(t, source, destination, list[0])
	cut := 0
	for _, e := range destination.Log().Entries() {
		if e.Broken {
			cut++
		}
	}
	if cut != 12 {
		t.Errorf("%d breaks", cut)
	}
}

// A registry that names another digest in HEAD's answer than GET's content has (Docker Hub's, of old images) is taken by the
// content. That costs a run with nothing to do the GET, no more.
func TestHeadAndGetDisagree(t *testing.T) {
	source, destination := pair(t)
	names := randomSet(t, rand.New(rand.NewPCG(7, 8)), source.Host, 6)
	list := copies(t, source.Host, []string{destination.Host}, names...)
	source.SetDialect(devregistry.Dialect{HeadDigest: func(_, reference string) string {
		if strings.HasPrefix(reference, "sha256:") {
			return ""
		}
		return hashOf(t, []byte(reference)).String()
	}})
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	for _, c := range list {
		checkMirrored(t, source, destination, c)
	}
	destination.Log().Reset()
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
	for _, e := range destination.Log().Entries() {
		if e.Method != http.MethodGet && e.Method != http.MethodHead {
			t.Errorf("%s %s", e.Method, e.Path)
		}
	}
}

// A registry that limits the bodies of requests gets large blobs in chunks.
func TestChunksWhereBodiesAreLimited(t *testing.T) {
	source, destination := pair(t)
	newPusher(t, source.Host).image("x", "v", ociManifest, content("large", 10<<20), content("next", 7<<20))
	dialect := devregistry.ACR
	dialect.MaxUploadBody = 3 << 20
	destination.SetDialect(dialect)
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	checkMirrored(t, source, destination, list[0])
	if n := destination.OpenUploads(); n != 0 {
		t.Errorf("%d upload sessions were left open", n)
	}
}

// A registry that stands still holds up no other for long: it is detached and gets transfers of its own.
func TestSlowDestinationIsDetached(t *testing.T) {
	source, fast := pair(t)
	slow := devregistrytest.Start(t, devregistry.Options{})
	p := newPusher(t, source.Host)
	p.image("x", "v", ociManifest, content("large", 12<<20))
	slow.SetFaults(devregistry.Faults{Intercept: devregistry.Once(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindUploadPut && r.HTTP.ContentLength > 1<<20
	}, devregistry.Fault{StallUpload: devregistry.AfterBytes(1 << 20), StallFor: 20 * time.Second})})
	list := copies(t, source.Host, []string{fast.Host, slow.Host}, "x:v")
	var fastAfter, slowAfter time.Duration
	began := time.Now()
	results := run(t, list, engine.Options{Observe: func(e engine.Event) {
		if ended, ok := e.(engine.CopyEnded); ok {
			if ended.Index == 0 {
				fastAfter = time.Since(began)
			} else {
				slowAfter = time.Since(began)
			}
		}
	}})
	wantStatus(t, list, results, engine.StatusCopied)
	checkMirrored(t, source, fast, list[0])
	checkMirrored(t, source, slow, list[1])
	if fastAfter >= slowAfter {
		t.Errorf("the fast registry was done after %s, the one that stood still after %s", fastAfter, slowAfter)
	}
}

// Where mounts need a committed manifest of the origin, followers wait for each other's images; that must never
// go in circles.
func TestMountsAfterCommitNeverDeadlock(t *testing.T) {
	t.Run("crosswise", func(t *testing.T) {
		source, destination := pair(t)
		destination.SetDialect(devregistry.Dialect{MountNeedsManifest: true})
		p := newPusher(t, source.Host)
		a, b := content("a", 200_000), content("b", 200_000)
		p.image("one", "v", ociManifest, a, b)
		p.image("two", "v", ociManifest, b, a)
		list := copies(t, source.Host, []string{destination.Host}, "one:v", "two:v")
		wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
		wantNoSecondUpload(t, destination)
	})
	for seed := range uint64(50) {
		t.Run(fmt.Sprint("set ", seed), func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			destination.SetDialect(devregistry.Dialect{MountNeedsManifest: true})
			r := rand.New(rand.NewPCG(seed, 5))
			list := copies(t, source.Host, []string{destination.Host}, randomSet(t, r, source.Host, 3+r.IntN(6))...)
			if seed%3 == 0 { // an origin that fails must not hold up its followers
				source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(q devregistry.Request) bool {
					return q.Kind == devregistry.KindBlobGet && q.Digest.Hex[0] < '2'
				}, devregistry.Fault{Status: 404, Code: devregistry.CodeBlobUnknown})})
			}
			wantRightOrFailed(t, source, destination, list, run(t, list, engine.Options{}), seed%3 == 0)
		})
	}
}
