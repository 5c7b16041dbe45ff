package registry

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// What is answered with 202 is written once it can be seen, which may take some looks; never before.
func TestWhatIsAnsweredWith202IsLookedForUntilItIsSeen(t *testing.T) {
	late := devregistry.Fault{Status: http.StatusNotFound, Code: devregistry.CodeManifestUnknown}
	nothingDone := devregistry.Fault{Status: http.StatusAccepted, Body: " "}
	denied := devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied}
	for name, test := range map[string]struct {
		heads, puts devregistry.Fault
		times       int // that the HEAD is hit
		there       bool
		looks       int
		want        string // in the error; "": none
	}{
		"at once":                   {looks: 1},
		"late":                      {heads: late, times: 2, looks: 3},
		"never":                     {heads: late, times: 100, looks: 3, want: "202 Accepted (that is no 201 Created, and the manifest isn't there, as 3 looks found)"},
		"the tag stays another's":   {puts: nothingDone, there: true, looks: 3, want: "the manifest isn't there, as 3 looks found"},
		"it can't be looked for":    {heads: denied, times: 100, looks: 1, want: "whether the manifest is there can't be found out: 403 Forbidden"},
		"nothing was done, nothing": {puts: nothingDone, looks: 3, want: "the manifest isn't there, as 3 looks found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{CreatedStatus: http.StatusAccepted}})
			if test.there {
				other := &Manifest{MediaType: emptyIndex.MediaType, Body: append(bytes.Clone(emptyIndex.Body), ' ')}
				if err := newPool(t, Options{Retry: impatient}).Client(server.Host).PutManifest(t.Context(), "a/b", "v1", other); err != nil {
					t.Fatal(err)
				}
			}
			server.Log().Reset()
			if test.times == 0 {
				test.heads = devregistry.Fault{}
			}
			reads := func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindManifestHead || r.Kind == devregistry.KindManifestGet
			}
			server.SetFaults(devregistry.Faults{Intercept: devregistry.FirstOf(
				devregistry.Times(test.times, reads, test.heads),
				devregistry.Always(isKind(devregistry.KindManifestPut), test.puts),
			)})
			c := newPool(t, Options{Retry: impatient}).Client(server.Host)
			err := c.PutManifest(t.Context(), "a/b", "v1", emptyIndex)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v; want %q", err, test.want)
			}
			if err != nil && Temporary(err) {
				t.Errorf("is to be tried again, which it was: %v", err)
			}
			if puts, heads := len(entries(server, devregistry.KindManifestPut)), len(entries(server, devregistry.KindManifestHead)); puts != 1 || heads != test.looks {
				t.Errorf("written %d times and looked for %d times, want 1 and %d", puts, heads, test.looks)
			}
		})
	}
}

// A blob is looked for a few times before it is sent again.
func TestABlobThatIsAnsweredWith202IsLookedForBeforeItIsSentAgain(t *testing.T) {
	blob := []byte("content")
	for late, want := range map[int]string{0: "", 2: "", 3: "the blob isn't there, as 3 looks found"} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{CreatedStatus: http.StatusAccepted}})
		server.SetFaults(devregistry.Faults{Intercept: devregistry.Times(late, isKind(devregistry.KindBlobHead),
			devregistry.Fault{Status: http.StatusNotFound, Code: devregistry.CodeBlobUnknown})})
		c := newPool(t, Options{Retry: RetryPolicy{Attempts: 8, Backoff: 1}}).Client(server.Host)
		up, err := c.StartUpload(t.Context(), "a/b", DigestOf(blob), "")
		if err != nil {
			t.Fatal(err)
		}
		err = up.Put(t.Context(), DigestOf(blob), int64(len(blob)), bytes.NewReader(blob), 0)
		if want == "" && err != nil || want != "" && (!Temporary(err) || !strings.Contains(err.Error(), want)) {
			t.Errorf("not seen %d times: %v; want %q", late, err, want)
		}
		if n := len(entries(server, devregistry.KindBlobHead)); n != min(late+1, visibleAttempts) {
			t.Errorf("not seen %d times: looked for %d times", late, n)
		}
	}
}
