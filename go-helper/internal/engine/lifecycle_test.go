package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// More copies than are worked on at once, all in want of a large blob, beside an image that may be an origin for it: the search
// for origins must not wait for the copies that wait for it.
func TestManyNewTagsBesideAnUnchangedImage(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	p.image("old", "v", ociManifest, content("old", 1000))
	run(t, copies(t, source.Host, []string{destination.Host}, "old:v"), engine.Options{})
	names := []string{"old:v"}
	large := content("large", 5<<20)
	for i := range 520 {
		tag := fmt.Sprint("v", i)
		p.image("new", tag, ociManifest, large)
		names = append(names, "new:"+tag)
	}
	list := copies(t, source.Host, []string{destination.Host}, names...)
	results := run(t, list, engine.Options{})
	wantStatus(t, list[:1], results[:1], engine.StatusUnchanged)
	wantStatus(t, list[1:], results[1:], engine.StatusCopied)
}

// Where mounts need a committed manifest, an image that has failed is nothing to wait for: not where its blob arrives after that,
// nor where another image of its repository waits for the one that waits.
func TestMountsAfterCommitWaitForNoFailedImage(t *testing.T) {
	shared, second := content("shared", 200_000), content("second", 200_000)
	gone := content("gone", 1000)
	tests := map[string]func(p *pusher) []string{
		"it fails before its blob is there": func(p *pusher) []string {
			p.image("one", "v", ociManifest, shared, gone)
			p.image("two", "v", ociManifest, shared)
			return []string{"one:v", "two:v"}
		},
		"its repository waits for the follower": func(p *pusher) []string {
			p.image("one", "v1", ociManifest, shared, gone)
			p.image("two", "v", ociManifest, shared, second)
			p.image("one", "v2", ociManifest, shared, second)
			return []string{"one:v1", "two:v", "one:v2"}
		},
	}
	for name, push := range tests {
		for _, late := range []time.Duration{0, 300 * time.Millisecond} {
			t.Run(fmt.Sprint(name, ", ", late), func(t *testing.T) {
				t.Parallel()
				source, destination := pair(t)
				destination.SetDialect(devregistry.Dialect{MountNeedsManifest: true})
				list := copies(t, source.Host, []string{destination.Host}, push(newPusher(t, source.Host))...)
				if err := source.RemoveBlob("one", hashOf(t, gone)); err != nil {
					t.Fatal(err)
				}
				source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
					return r.Kind == devregistry.KindBlobGet && r.Digest == hashOf(t, shared)
				}, devregistry.Fault{Delay: late})})
				results := run(t, list, engine.Options{})
				if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), "404") {
					t.Errorf("%s: %s, %v", list[0].Destination, results[0].Status, results[0].Err)
				}
				wantStatus(t, list[1:], results[1:], engine.StatusCopied)
				for _, c := range list[1:] {
					checkMirrored(t, source, destination, c)
				}
			})
		}
	}
}

// An account that may not push to all of the repositories: the copies to the others are done, and every copy that fails says why.
func TestForbiddenRepositoriesFailAlone(t *testing.T) {
	tests := map[string]func(i int) (forbidden bool){
		"the first":       func(i int) bool { return i == 0 },
		"all but one":     func(i int) bool { return i != 9 },
		"every other one": func(i int) bool { return i%2 == 0 },
	}
	for name, forbidden := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			var names []string
			denied := map[string]bool{}
			for i := range 15 {
				repository := fmt.Sprintf("r%d", i)
				p.image(repository, "v", ociManifest, content("a", 100_000), content("b", 90_000), content("c", 80_000), content("d", 2000))
				names = append(names, repository+":v")
				denied["mirror/"+repository] = forbidden(i)
			}
			destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return denied[r.Repository] && r.Method != http.MethodGet && r.Method != http.MethodHead
			}, devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied})})
			list := copies(t, source.Host, []string{destination.Host}, names...)
			for i, r := range run(t, list, engine.Options{Concurrency: 1}) { // so that blobs wait for their turn
				switch {
				case forbidden(i) && (r.Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(r.Err), "403")):
					t.Errorf("%s: %s, %v; want failed with 403", list[i].Destination, r.Status, r.Err)
				case !forbidden(i):
					wantStatus(t, list[i:i+1], []engine.Result{r}, engine.StatusCopied)
				}
			}
		})
	}
}

// A blob that was there is gone when the manifests of two images are written: both wait until it has been sent again.
func TestABlobThatVanishesBeforeTwoCommits(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	shared := content("shared", 300_000)
	p.image("x", "one", ociManifest, shared, content("one", 100))
	p.image("x", "two", ociManifest, shared, content("two", 100))
	var puts, heads sync.WaitGroup
	puts.Add(2)
	heads.Add(2)
	var first, asked atomic.Int32
	var remove sync.Once
	destination.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		switch {
		case r.Kind == devregistry.KindManifestPut && first.Add(1) <= 2:
			puts.Done()
			puts.Wait()
			remove.Do(func() {
				if err := destination.RemoveBlob("mirror/x", hashOf(t, shared)); err != nil {
					t.Error(err)
				}
			})
		case r.Kind == devregistry.KindBlobHead && r.Digest == hashOf(t, shared) && first.Load() >= 2 && asked.Add(1) <= 2:
			heads.Done()
			heads.Wait() // both images find it missing
		}
		return nil
	}})
	list := copies(t, source.Host, []string{destination.Host}, "x:one", "x:two")
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	for _, c := range list {
		checkMirrored(t, source, destination, c)
	}
}

// While one image's missing blob is sent again, another's manifest is on its way and then refused, too. It is written once more, not
// twice at once, and its copy isn't called failed.
func TestABlobThatVanishesWhileAManifestIsOnItsWay(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	shared := content("shared", 300_000)
	p.image("x", "one", ociManifest, shared, content("one", 100))
	p.image("x", "two", ociManifest, shared, content("two", 100))
	refusal := devregistry.Fault{Status: http.StatusBadRequest, Code: "MANIFEST_BLOB_UNKNOWN"}
	var both sync.WaitGroup
	both.Add(2)
	var puts, oneAtATime atomic.Int32
	destination.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindManifestPut {
			return nil
		}
		fault := refusal
		switch r.Reference {
		case "one":
			if puts.Add(1) > 1 {
				return nil
			}
			both.Done()
			both.Wait()
			if err := destination.RemoveBlob("mirror/x", hashOf(t, shared)); err != nil {
				t.Error(err)
			}
			return &fault
		default:
			switch oneAtATime.Add(1) {
			case 1:
				both.Done()
				both.Wait()
				for deadline := time.Now().Add(10 * time.Second); puts.Load() < 2 && time.Now().Before(deadline); {
					time.Sleep(time.Millisecond) // until the first image has got its blob, and its manifest comes again
				}
				return &fault
			default:
				return &devregistry.Fault{Delay: 200 * time.Millisecond}
			}
		}
	}})
	list := copies(t, source.Host, []string{destination.Host}, "x:one", "x:two")
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	if n := oneAtATime.Load(); n != 2 {
		t.Errorf("the second manifest was sent %d times, want 2", n)
	}
}

// A session that the registry has lost before the blob comes is begun anew, a few times.
func TestLostUploadSessions(t *testing.T) {
	for _, answer := range []struct {
		status int
		code   string
	}{{404, "BLOB_UPLOAD_UNKNOWN"}, {404, "BLOB_UPLOAD_INVALID"}, {400, "BLOB_UPLOAD_INVALID"}} {
		t.Run(fmt.Sprint(answer), func(t *testing.T) {
			t.Parallel()
			for _, times := range []int{2, 1000} {
				source, destination := pair(t)
				layer := content("layer", 200_000)
				newPusher(t, source.Host).image("x", "v", ociManifest, layer)
				list := copies(t, source.Host, []string{destination.Host}, "x:v")
				destination.SetFaults(devregistry.Faults{Intercept: devregistry.Times(times, func(r devregistry.Request) bool {
					return r.Kind == devregistry.KindUploadPut && r.Digest == hashOf(t, layer)
				}, devregistry.Fault{Status: answer.status, Code: answer.code})})
				results := run(t, list, engine.Options{})
				if times == 2 {
					wantStatus(t, list, results, engine.StatusCopied)
					checkMirrored(t, source, destination, list[0])
					continue
				}
				if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), answer.code) {
					t.Errorf("%s, %v", results[0].Status, results[0].Err)
				}
				if n := destination.Log().Counts()[devregistry.KindUploadPut]; n > 9 { // of the config, too
					t.Errorf("%d PUTs", n)
				}
			}
		})
	}
}

// A manifest that was written although each answer got lost counts as written.
func TestAManifestWhoseAnswersAreLost(t *testing.T) {
	source, destination := pair(t)
	newPusher(t, source.Host).image("x", "v", ociManifest, content("layer", 1000))
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindManifestPut
	}, devregistry.Fault{LoseAnswer: true})})
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	checkMirrored(t, source, destination, list[0])
}

// A registry that fails for good costs a blob the tries of one policy, wherever it fails, and the copy says why.
func TestTriesDontMultiply(t *testing.T) {
	for kind, at := range map[devregistry.Kind]string{
		devregistry.KindBlobGet: "source", devregistry.KindUploadPut: "destination",
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			layer := content("layer", 200_000)
			newPusher(t, source.Host).image("x", "v", ociManifest, layer)
			list := copies(t, source.Host, []string{destination.Host}, "x:v")
			server := map[string]*devregistry.Server{"source": source, "destination": destination}[at]
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == kind && r.Digest == hashOf(t, layer)
			}, devregistry.Fault{Status: http.StatusInternalServerError})})
			results := run(t, list, engine.Options{})
			if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), "500") {
				t.Errorf("%s, %v", results[0].Status, results[0].Err)
			}
			tries := len(server.Log().Select(func(e devregistry.Entry) bool { return e.Kind == kind && e.Digest == hashOf(t, layer) }))
			if tries != 8 {
				t.Errorf("%d requests, want 8", tries)
			}
			if n := destination.OpenUploads(); n != 0 {
				t.Errorf("%d upload sessions were left open", n)
			}
		})
	}
}
