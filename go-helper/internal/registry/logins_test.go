package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/auth"
	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// A token that a workflow has anyway doesn't stand between it and public images.
func TestAmbientCredentials(t *testing.T) {
	ambient := keychain{"": {Username: "robot", Password: password, Source: "GITHUB_TOKEN", Ambient: true}}
	public := func(_, repository, action string) bool { return repository == "public/a" && action == "pull" }
	users := map[string]string{"else": "x"}
	known := map[string]string{"robot": password}
	bearer := func(a devregistry.Auth) devregistry.Auth {
		a.Scheme, a.AnonymousPull, a.Allow = devregistry.AuthBearer, true, public
		return a
	}
	for _, tt := range []struct {
		name   string
		auth   devregistry.Auth
		faults func(devregistry.Request) *devregistry.Fault
		tokens int // for two images of one repository
	}{
		{"the token service doesn't know them, 401", bearer(devregistry.Auth{Users: users}), nil, 2},
		{"the token service doesn't know them, 403", bearer(devregistry.Auth{Users: users, TokenStatus: 403}), nil, 2},
		{"the registry refuses their token, 403", bearer(devregistry.Auth{Users: known}), refuseRobot(http.StatusForbidden), 2},
		{"the registry refuses their token, 401", bearer(devregistry.Auth{Users: known}), refuseRobot(http.StatusUnauthorized), 3},
		{"basic", devregistry.Auth{Scheme: devregistry.AuthBasic, Users: users, AnonymousPull: true, Allow: public}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{})
			push(t, newPool(t, Options{}).Client(server.Host), "public/a", []byte("content"))
			for _, tag := range []string{"v1", "v2"} {
				if err := server.PlantManifest("public/a", tag, emptyIndex.MediaType, emptyIndex.Body); err != nil {
					t.Fatal(err)
				}
			}
			server.SetDialect(devregistry.Dialect{Auth: tt.auth})
			server.SetFaults(devregistry.Faults{Intercept: tt.faults})
			if tt.faults == nil {
				server.SetFaults(devregistry.Faults{})
			}
			log := &lockedBuffer{}
			c := newPool(t, Options{Retry: impatient, Keychain: ambient, Logger: slog.New(slog.NewTextHandler(log, nil))}).Client(server.Host)
			server.Log().Reset()
			for _, tag := range []string{"v1", "v2"} {
				if _, err := c.GetManifest(t.Context(), "public/a", tag); err != nil {
					t.Errorf("%s: %v", tag, err)
				}
			}
			if n := len(entries(server, devregistry.KindToken)); n != tt.tokens {
				t.Errorf("%d token requests", n)
			}
			// Where a registry lets everybody in to its base only what is refused is asked for with Basic credentials.
			if text := log.String(); tt.auth.Scheme == devregistry.AuthBearer && strings.Count(text, "were refused: reading without them") != 1 ||
				tt.auth.Scheme == devregistry.AuthBearer && !strings.Contains(text, "GITHUB_TOKEN") {
				t.Errorf("logged %q", text)
			}
			// What they are needed for fails with what was said to them.
			_, err := c.GetManifest(t.Context(), "private/b", "v1")
			if !IsDenied(err) || !strings.Contains(err.Error(), "GITHUB_TOKEN") {
				t.Errorf("private: %v", err)
			}
			_, err = c.StartUpload(t.Context(), "public/a", DigestOf(nil), "")
			if !IsDenied(err) || !strings.Contains(err.Error(), "asked with user and password from GITHUB_TOKEN") {
				t.Errorf("a push: %v", err)
			}
			noSecrets(t, log.String(), fmt.Sprint(err))
		})
	}
}

// refuseRobot refuses whoever has a token of robot's: here, any that isn't anonymous. The devregistry's tokens don't tell,
// so the first to be seen is taken for it.
func refuseRobot(status int) func(devregistry.Request) *devregistry.Fault {
	var refused []string
	return func(r devregistry.Request) *devregistry.Fault {
		header := r.HTTP.Header.Get("Authorization")
		if r.Kind == devregistry.KindToken || header == "" {
			return nil
		}
		most := 1 // another token is asked for after a 401
		if status == http.StatusUnauthorized {
			most = 2
		}
		for _, known := range refused {
			if header == known {
				return &devregistry.Fault{Status: status, Code: "DENIED"}
			}
		}
		if len(refused) < most {
			refused = append(refused, header)
			return &devregistry.Fault{Status: status, Code: "DENIED"}
		}
		return nil
	}
}

// Credentials that somebody gave for a registry are never passed over.
func TestGivenCredentialsArePassedOverNever(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: devregistry.Auth{
		Scheme: devregistry.AuthBearer, Users: map[string]string{"else": "x"}, AnonymousPull: true,
	}}})
	c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
	if _, err := c.GetManifest(t.Context(), "a/b", "v1"); !IsDenied(err) || !strings.Contains(err.Error(), "asked with user and password from the test") {
		t.Errorf("got %v", err)
	}
}

// A wrong password is told as such, to each of many that ask at once.
func TestWrongPasswordIsTold(t *testing.T) {
	for _, scheme := range []devregistry.AuthScheme{devregistry.AuthBasic, devregistry.AuthBearer} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: devregistry.Auth{
			Scheme: scheme, Users: map[string]string{"robot": "another"},
		}}})
		c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
		many(t, 90, func(i int) error {
			_, err := c.GetManifest(t.Context(), fmt.Sprintf("a/b%d", i%7), "v1")
			if !IsDenied(err) || strings.Contains(err.Error(), "no credentials") || !strings.Contains(err.Error(), "asked with user and password from the test") {
				return fmt.Errorf("%s: %w", scheme, err)
			}
			return nil
		})
	}
}

// What is said of credentials is what was asked, and why.
func TestHintsOfCredentials(t *testing.T) {
	broken := brokenKeychain{errors.New("helper is out of order")}
	for _, tt := range []struct {
		name      string
		challenge string
		status    int
		keychain  auth.Keychain
		want      string
		never     string
	}{
		{"none were wanted", "", 403, nil, "the registry wanted none", "no credentials"},
		{"none were found", `Basic realm="x"`, 401, keychain{}, "were found (searched: the test's keychain)", ""},
		{"there are some", `Basic realm="x"`, 401, user, "asked with user and password from the test", "no credentials"},
		{"they can't be had", `Basic realm="x"`, 401, broken, "can't be had: helper is out of order", "no credentials"},
		{"a cloud has none", `Basic realm="x"`, 401, brokenKeychain{fmt.Errorf("%w from a cloud", auth.ErrNone)}, "were found: no credentials from a cloud", "can't be had"},
		{"another scheme", "Negotiate", 401, user, `authenticated to by "negotiate", which isn't known here`, "no credentials"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tt.challenge != "" {
				w.Header().Set("WWW-Authenticate", tt.challenge)
			}
			w.WriteHeader(tt.status)
		}))
		c := newPool(t, Options{Retry: impatient, Keychain: tt.keychain}).Client(strings.TrimPrefix(server.URL, "http://"))
		_, err := c.GetManifest(t.Context(), "a/b", "v1")
		if !IsDenied(err) || !strings.Contains(err.Error(), tt.want) || tt.never != "" && strings.Contains(err.Error(), tt.never) {
			t.Errorf("%s: %v", tt.name, err)
		}
		server.Close()
	}
}

// Whoever is refused as such knows nothing of what is there.
func TestMissing(t *testing.T) {
	for _, tt := range []struct {
		err            *Error
		missing, known bool
	}{
		{&Error{Status: 404}, true, true},
		{&Error{Status: 403}, true, false},
		{&Error{Status: 401, bearer: true}, true, false},
		{&Error{Status: 401}, false, false},
		{&Error{Status: 401, noToken: true}, false, false},
		{&Error{Status: 403, noToken: true}, false, false},
		{&Error{Status: 403, elsewhere: true}, false, false},
		{&Error{Status: 429}, false, false},
		{&Error{Status: 500}, false, false},
	} {
		if missing, known := Missing(fmt.Errorf("look up: %w", tt.err)); missing != tt.missing || known != tt.known {
			t.Errorf("%+v: %v, %v", tt.err, missing, known)
		}
	}
}

// Who may not read is asked once, a repository, whether pushes are allowed; and leaves no upload behind.
func TestMayPush(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: devregistry.Auth{
		Scheme: devregistry.AuthBasic, Users: map[string]string{"robot": password},
		Allow: func(_, repository, action string) bool { return repository != "closed" || action == "pull" },
	}}})
	c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
	for range 2 {
		if !c.MayPush(t.Context(), "open") || c.MayPush(t.Context(), "closed") {
			t.Error("found out wrongly")
		}
	}
	if n := len(entries(server, devregistry.KindUploadStart)); n != 2 {
		t.Errorf("%d uploads were begun", n)
	}
	if n := server.OpenUploads(); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
	server.SetFaults(devregistry.Faults{RejectEvery: 1, RejectStatus: 500})
	if !c.MayPush(t.Context(), "broken") {
		t.Error("a failure isn't a denial")
	}
}

// Two challenges in one line are two.
func TestTwoChallengesInOneLine(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: devregistry.Auth{
		Scheme: devregistry.AuthBearer, Users: map[string]string{"else": "x"}, AnonymousPull: true, TwoInOneLine: true,
	}}})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	if _, err := c.HeadManifest(t.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("anonymously: %v", err)
	}
}

// A repository that doesn't exist yet is looked for with the right to push, where the account has it.
func TestDestinationsAreReadWithTheRightToPush(t *testing.T) {
	quay := devregistry.Auth{Scheme: devregistry.AuthBearer, Users: map[string]string{"robot": password}, MissingNeedsPush: true}
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: quay}})
	c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
	_, err := c.HeadManifest(t.Context(), "new/one", "v1")
	if missing, known := Missing(err); !missing || known {
		t.Errorf("a source: %v", err)
	}
	c.WillPush("new/two")
	server.Log().Reset()
	if _, err := c.HeadManifest(t.Context(), "new/two", "v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a destination: %v", err)
	}
	if missing, err := c.RepositoryMissing(t.Context(), "new/two"); err != nil || !missing {
		t.Errorf("its tags: %v, %v", missing, err)
	}
	if exists, err := c.HeadBlob(t.Context(), "new/two", DigestOf(nil), 0); err != nil || exists {
		t.Errorf("a blob: %v, %v", exists, err)
	}
	push(t, c, "new/two", []byte("content"))
	if n := len(entries(server, devregistry.KindToken)); n != 1 {
		t.Errorf("%d tokens for one repository", n)
	}

	// Who may only read can still look.
	reader := quay
	reader.RefuseForbidden, reader.MissingNeedsPush = true, false
	reader.Allow = func(_, _, action string) bool { return action == "pull" }
	server.SetDialect(devregistry.Dialect{Auth: reader})
	if err := server.PlantManifest("new/two", "v1", emptyIndex.MediaType, emptyIndex.Body); err != nil {
		t.Fatal(err)
	}
	only := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
	only.WillPush("new/two")
	server.Log().Reset()
	for range 2 {
		if _, err := only.HeadManifest(t.Context(), "new/two", "v1"); err != nil {
			t.Errorf("with the right to read: %v", err)
		}
	}
	if n := len(entries(server, devregistry.KindToken)); n != 2 {
		t.Errorf("%d tokens", n)
	}
	if _, err := only.StartUpload(t.Context(), "new/two", DigestOf(nil), ""); !IsDenied(err) {
		t.Errorf("a push with the right to read: %v", err)
	}
}

// brokenKeychain has credentials that can't be had.
type brokenKeychain struct{ err error }

func (k brokenKeychain) Resolve(context.Context, string, string) (auth.Credentials, error) {
	return auth.Credentials{}, k.err
}
