package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// A mount that fails takes nothing of the patience with the upload that comes instead.
func TestMountsTakeNoPatience(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{MountStatus: 500}})
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Times(2, isKind(devregistry.KindUploadStart), devregistry.Fault{Status: 502})})
	c := newPool(t, Options{Retry: RetryPolicy{Attempts: 4, Backoff: 1}}).Client(server.Host)
	up, err := c.StartUpload(c.Tries().With(t.Context()), "a/b", DigestOf(nil), "c/d")
	if err != nil || up == nil {
		t.Errorf("%v, %v", up, err)
	}
}

// A registry that is gone is looked at for a manifest a few times only.
func TestCommittedIsLookedForBriefly(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Faults: devregistry.Faults{RejectEvery: 1, RejectStatus: 502, SparePing: true}})
	c := newPool(t, Options{Retry: RetryPolicy{Attempts: 8, Backoff: 1}}).Client(server.Host)
	if err := c.PutManifest(t.Context(), "a/b", "v1", emptyIndex); !Temporary(err) {
		t.Errorf("got %v", err)
	}
	if n := len(entries(server, devregistry.KindManifestHead)); n != statusAttempts {
		t.Errorf("looked %d times", n)
	}
}

// What a Link says is no guess, even where a guess has led there.
func TestLinkAfterAGuess(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("last") {
		case "":
			fmt.Fprint(w, `{"tags": ["a"]}`)
		case "a":
			w.Header().Set("Link", `</v2/a/b/tags/list?last=b>; rel="next"`)
			fmt.Fprint(w, `{"tags": ["b"]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
	if tags, err := c.ListTags(t.Context(), "a/b"); !errors.Is(err, ErrNotFound) || tags != nil {
		t.Errorf("%v, %v", tags, err)
	}
}

func TestListsOnOtherHostsAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", `<http://other.example/v2/a/b/tags/list?last=v1>; rel="next"`)
		fmt.Fprint(w, `{"tags": ["v1"]}`)
	}))
	defer server.Close()
	c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
	if tags, err := c.ListTags(t.Context(), "a/b"); err == nil || !strings.Contains(err.Error(), "on another host, other.example") {
		t.Errorf("%v, %v", tags, err)
	}
}

// Ambient credentials that were refused once, where none would do no better, are used on.
func TestAmbientCredentialsAreTakenAgain(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	if err := server.PlantManifest("private", "v1", emptyIndex.MediaType, emptyIndex.Body); err != nil {
		t.Fatal(err)
	}
	server.SetDialect(devregistry.Dialect{Auth: devregistry.Auth{Scheme: devregistry.AuthBearer, Users: map[string]string{"robot": password}}})
	ambient := user[""]
	ambient.Ambient = true
	c := newPool(t, Options{Retry: impatient, Keychain: keychain{"": ambient}}).Client(server.Host)
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(devregistry.KindManifestGet), devregistry.Fault{Status: 403})})
	if _, err := c.GetManifest(t.Context(), "private", "missing"); !IsDenied(err) {
		t.Errorf("the first: %v", err)
	}
	if _, err := c.GetManifest(t.Context(), "private", "v1"); err != nil {
		t.Errorf("the next: %v", err)
	}
}

// Credentials that a token service doesn't know aren't shown to it for each repository.
func TestUnknownAmbientCredentialsAreShownOnce(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	for _, repository := range []string{"a", "b", "c"} {
		if err := server.PlantManifest(repository, "v1", emptyIndex.MediaType, emptyIndex.Body); err != nil {
			t.Fatal(err)
		}
	}
	server.SetDialect(devregistry.Dialect{Auth: devregistry.Auth{Scheme: devregistry.AuthBearer, Users: map[string]string{"else": "x"}, AnonymousPull: true}})
	ambient := user[""]
	ambient.Ambient = true
	c := newPool(t, Options{Retry: impatient, Keychain: keychain{"": ambient}}).Client(server.Host)
	for _, repository := range []string{"a", "b", "c"} {
		if _, err := c.GetManifest(t.Context(), repository, "v1"); err != nil {
			t.Error(err)
		}
	}
	refused := 0
	for _, e := range entries(server, devregistry.KindToken) {
		if e.Status == http.StatusUnauthorized {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("refused %d times", refused)
	}
}

// A store that repeats the address it was asked for doesn't get its signature into an error.
func TestSignedAddressesAreNotRepeated(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "can't serve "+r.URL.String())
	}))
	defer store.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.Header().Set("Location", store.URL+"/blob?X-Amz-Date=20260101T000000Z&X-Amz-Signature="+password)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
	_, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 0)
	if !IsDenied(err) || !strings.Contains(err.Error(), "can't serve /blob?[redacted]") {
		t.Errorf("got %v", err)
	}
	noSecrets(t, fmt.Sprint(err))
}

// Many requests that end in the same silence leave their connections once.
func TestConnectionsAreLeftOnce(t *testing.T) {
	c := newPool(t, Options{}).Client("127.0.0.1:1")
	sent := time.Now()
	c.small.renew(sent)
	first := c.small.current
	c.small.renew(sent)
	if c.small.current != first {
		t.Error("left twice")
	}
	c.small.renew(time.Now())
	if c.small.current == first {
		t.Error("never left again")
	}
}

// The ping is everyone's: what it fails with is no part of the work that happens to need it first.
func TestPingTakesNoPatience(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Faults: devregistry.Faults{
		Intercept: devregistry.Once(isKind(devregistry.KindPing), devregistry.Fault{Status: 502}),
	}})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	tries := c.Tries()
	tries.failed = impatient.Attempts - 1
	if _, err := c.HeadManifest(tries.With(t.Context()), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// Whose a token is is known when it is used again.
func TestHintsOfTokensAtHand(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: devregistry.Auth{
		Scheme: devregistry.AuthBearer, Users: map[string]string{"robot": password},
	}}})
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindManifestGet), devregistry.Fault{Status: 403})})
	c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
	for range 3 {
		if _, err := c.GetManifest(t.Context(), "a/b", "v1"); !IsDenied(err) || !strings.Contains(err.Error(), "asked with user and password from the test") {
			t.Errorf("got %v", err)
		}
	}
	if n := len(entries(server, devregistry.KindToken)); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

// A mount that is throttled to the end isn't taken for one that can't be had.
func TestThrottledMountIsNoUpload(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindMount), devregistry.Fault{Status: 429})})
	policy := RetryPolicy{ThrottleBackoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, Budget: 100 * time.Millisecond}
	c := newPool(t, Options{Retry: policy}).Client(server.Host)
	if up, err := c.StartUpload(t.Context(), "a/b", DigestOf(nil), "c/d"); up != nil || !Overloaded(err) {
		t.Errorf("%v, %v", up, err)
	}
	if n := len(entries(server, devregistry.KindUploadStart)); n != 0 {
		t.Errorf("%d uploads begun", n)
	}
}

// Credentials that somebody gave are used on where the registry refuses them, though everybody might read.
func TestGivenCredentialsAreNotLeftOut(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	if err := server.PlantManifest("public", "v1", emptyIndex.MediaType, emptyIndex.Body); err != nil {
		t.Fatal(err)
	}
	server.SetDialect(devregistry.Dialect{Auth: devregistry.Auth{Scheme: devregistry.AuthBearer, Users: map[string]string{"robot": password}, AnonymousPull: true}})
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(devregistry.KindManifestGet), devregistry.Fault{Status: 403})})
	c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
	if _, err := c.GetManifest(t.Context(), "public", "v1"); !IsDenied(err) || !strings.Contains(err.Error(), "asked with user and password from the test") {
		t.Errorf("got %v", err)
	}
}
