package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const planted = "s3cret-planted"

func encode(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// keychainIn makes a keychain that sees only this environment; files are relative to dir, which $DIR stands for.
func keychainIn(t *testing.T, env, files map[string]string) (*ConfigKeychain, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o600)
		if strings.HasPrefix(content, "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	log := &bytes.Buffer{}
	k := NewConfigKeychain(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	k.getenv = func(key string) string {
		if key == "HOME" && env[key] == "" {
			return filepath.Join(dir, "home")
		}
		return strings.ReplaceAll(env[key], "$DIR", dir)
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("CALLS", filepath.Join(dir, "calls"))
	return k, log
}

func TestConfigKeychain(t *testing.T) {
	const docker, podman = "home/.docker/config.json", "run/containers/auth.json"
	auths := func(entries ...string) string {
		var parts []string
		for i := 0; i < len(entries); i += 2 {
			parts = append(parts, fmt.Sprintf(`%q: {"auth": %q}`, entries[i], encode(entries[i+1], planted)))
		}
		return `{"auths": {` + strings.Join(parts, ", ") + `}}`
	}
	for _, tt := range []struct {
		name             string
		env, files       map[string]string
		host, repository string
		user             string // "" is anonymous
		source           string
	}{
		{name: "nothing at all", host: "ghcr.io", repository: "a/b"},
		{name: "host", files: map[string]string{docker: auths("ghcr.io", "u")}, host: "ghcr.io", repository: "a/b", user: "u", source: ".docker/config.json"},
		{name: "another host", files: map[string]string{docker: auths("ghcr.io", "u")}, host: "quay.io", repository: "a/b"},
		{name: "a host's prefix is no host", files: map[string]string{docker: auths("ghcr.io", "u")}, host: "ghcr.io.example", repository: "a"},
		{name: "port", files: map[string]string{docker: auths("r.example", "u", "r.example:5000", "p")}, host: "r.example:5000", repository: "a", user: "p"},
		{name: "URL", files: map[string]string{docker: auths("https://ghcr.io/v1/", "u")}, host: "ghcr.io", repository: "a/b", user: "u"},
		{name: "Docker Hub", files: map[string]string{docker: auths("https://index.docker.io/v1/", "u")}, host: "docker.io", repository: "library/redis", user: "u"},
		{name: "Docker Hub by its other name", files: map[string]string{docker: auths("docker.io", "u")}, host: "docker.io", repository: "library/redis", user: "u"},
		{name: "Docker Hub's namespace", files: map[string]string{docker: auths("docker.io", "u", "docker.io/team", "t")}, host: "docker.io", repository: "team/app", user: "t"},
		{name: "longest namespace", files: map[string]string{docker: auths("ghcr.io", "h", "ghcr.io/a", "a", "ghcr.io/a/b", "b")}, host: "ghcr.io", repository: "a/b/c", user: "b"},
		{name: "the repository itself", files: map[string]string{docker: auths("ghcr.io/a", "a", "ghcr.io/a/b", "b")}, host: "ghcr.io", repository: "a/b", user: "b"},
		{name: "whole components", files: map[string]string{docker: auths("ghcr.io/a", "a")}, host: "ghcr.io", repository: "ab/c"},
		{name: "longest over all files", files: map[string]string{docker: auths("ghcr.io", "h"), podman: auths("ghcr.io/a", "a")}, env: map[string]string{"XDG_RUNTIME_DIR": "$DIR/run"}, host: "ghcr.io", repository: "a/b", user: "a", source: "auth.json"},
		{name: "first file", files: map[string]string{docker: auths("ghcr.io", "d"), podman: auths("ghcr.io", "p")}, env: map[string]string{"XDG_RUNTIME_DIR": "$DIR/run"}, host: "ghcr.io", repository: "a", user: "d"},
		{name: "DOCKER_CONFIG", files: map[string]string{docker: auths("ghcr.io", "d"), "other/config.json": auths("ghcr.io", "o")}, env: map[string]string{"DOCKER_CONFIG": "$DIR/other"}, host: "ghcr.io", repository: "a", user: "o"},
		{name: "DOCKER_AUTH_CONFIG", files: map[string]string{docker: auths("ghcr.io", "d")}, env: map[string]string{"DOCKER_AUTH_CONFIG": auths("ghcr.io", "e")}, host: "ghcr.io", repository: "a", user: "e", source: "DOCKER_AUTH_CONFIG"},
		{name: "REGISTRY_AUTH_FILE", files: map[string]string{"f.json": auths("ghcr.io", "f"), podman: auths("ghcr.io", "p")}, env: map[string]string{"REGISTRY_AUTH_FILE": "$DIR/f.json", "XDG_RUNTIME_DIR": "$DIR/run"}, host: "ghcr.io", repository: "a", user: "f"},
		{name: "XDG_CONFIG_HOME", files: map[string]string{"cfg/containers/auth.json": auths("ghcr.io", "x")}, env: map[string]string{"XDG_CONFIG_HOME": "$DIR/cfg"}, host: "ghcr.io", repository: "a", user: "x"},
		{name: "~/.config", files: map[string]string{"home/.config/containers/auth.json": auths("ghcr.io", "x")}, host: "ghcr.io", repository: "a", user: "x"},
		{name: "empty entry", files: map[string]string{docker: `{"auths": {"ghcr.io": {}}}`, podman: auths("ghcr.io", "p")}, env: map[string]string{"XDG_RUNTIME_DIR": "$DIR/run"}, host: "ghcr.io", repository: "a", user: "p"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, log := keychainIn(t, tt.env, tt.files)
			creds, err := k.Resolve(t.Context(), tt.host, tt.repository)
			if err != nil {
				t.Fatal(err)
			}
			if creds.Username != tt.user || (tt.user != "") != (creds.Password == planted) {
				t.Errorf("user %q, want %q", creds.Username, tt.user)
			}
			if !strings.Contains(creds.Source, tt.source) {
				t.Errorf("source %q, want %q", creds.Source, tt.source)
			}
			if !strings.Contains(log.String(), tt.host) {
				t.Errorf("no reason in the log: %s", log)
			}
			all := log.String() + fmt.Sprintf("%v %+v %#v %s", creds, creds, creds, k.Describe("r.example"))
			if strings.Contains(all, planted) || strings.Contains(all, encode(tt.user, planted)) {
				t.Errorf("a secret in %s", all)
			}
		})
	}
}

const helperScript = `#!/bin/sh
read server
echo "$server" >> "$CALLS"
case "$server" in
ghcr.io) echo '{"ServerURL":"ghcr.io","Username":"h","Secret":"` + planted + `"}' ;;
https://index.docker.io/v1/) echo '{"Username":"<token>","Secret":"` + planted + `"}' ;;
broken.example) echo "` + planted + `"; exit 1 ;;
slow.example) exec sleep 60 ;;
endless.example) exec yes '{"Username":"h","Secret":"` + planted + `"}' ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
`

func TestCredentialHelpers(t *testing.T) {
	files := map[string]string{
		"home/.docker/config.json": `{
			"auths": {"ghcr.io": {}, "ghcr.io/team": {"auth": "` + encode("t", planted) + `"}, "plain.example": {"auth": "` + encode("p", planted) + `"}},
			"credsStore": "test", "credHelpers": {"missing.example": "nowhere", "other.example": "test"}}`,
		"bin/docker-credential-test": helperScript,
	}
	k, log := keychainIn(t, nil, files)
	ctx := t.Context()

	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			creds, err := k.Resolve(ctx, "ghcr.io", fmt.Sprintf("a/b%d", i))
			if err != nil || creds.Username != "h" || creds.Password != planted {
				t.Errorf("ghcr.io: %v, %v", creds, err)
			}
		})
	}
	wg.Wait()
	if calls, _ := os.ReadFile(os.Getenv("CALLS")); strings.Count(string(calls), "ghcr.io") != 1 {
		t.Errorf("helper calls: %q", calls)
	}
	k.Forget("ghcr.io")
	if _, err := k.Resolve(ctx, "ghcr.io", "a"); err != nil {
		t.Error(err)
	}
	if calls, _ := os.ReadFile(os.Getenv("CALLS")); strings.Count(string(calls), "ghcr.io") != 2 {
		t.Errorf("helper calls after Forget: %q", calls)
	}
	if creds, err := k.Resolve(ctx, "ghcr.io", "team/app"); err != nil || creds.Username != "t" {
		t.Errorf("namespace before helper: %v, %v", creds, err)
	}
	if creds, err := k.Resolve(ctx, "docker.io", "library/redis"); err != nil || creds.IdentityToken != planted || creds.Username != "" {
		t.Errorf("identity token: %v, %v", creds, err)
	}
	if creds, err := k.Resolve(ctx, "plain.example", "a"); err != nil || creds.Username != "p" {
		t.Errorf("the store has none, the file has: %v, %v", creds, err)
	}
	if creds, err := k.Resolve(ctx, "other.example", "a"); err != nil || !creds.Anonymous() {
		t.Errorf("not found: %v, %v", creds, err)
	}
	for host, want := range map[string]string{
		"missing.example": "docker-credential-nowhere for missing.example is not on PATH",
		"broken.example":  "echo broken.example | docker-credential-test get",
	} {
		_, err := k.Resolve(ctx, host, "a")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", host, err)
		}
		if err != nil && strings.Contains(err.Error(), planted) {
			t.Errorf("a secret in %v", err)
		}
	}
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	start := time.Now()
	if _, err := k.Resolve(short, "slow.example", "a"); err == nil {
		t.Error("no error of a helper that was stopped")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("stopping a helper took %s", took)
	}
	if strings.Contains(log.String(), planted) {
		t.Errorf("a secret in the log: %s", log)
	}
}

func TestBrokenConfig(t *testing.T) {
	for name, content := range map[string]string{
		"not JSON":  `{"auths": {"ghcr.io": {"auth": "` + planted + `"}`,
		"no base64": `{"auths": {"ghcr.io": {"auth": "` + planted + `"}}}`,
	} {
		k, _ := keychainIn(t, nil, map[string]string{"home/.docker/config.json": content})
		_, err := k.Resolve(t.Context(), "ghcr.io", "a")
		if err == nil || !strings.Contains(err.Error(), "config.json") || strings.Contains(err.Error(), planted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A helper that hangs is named while it is waited for, and given up.
func TestCredentialHelperThatHangs(t *testing.T) {
	k, log := keychainIn(t, nil, map[string]string{
		"home/.docker/config.json":   `{"credHelpers": {"slow.example": "test"}}`,
		"bin/docker-credential-test": helperScript,
	})
	k.patience, k.timeout = time.Millisecond, 300*time.Millisecond
	for range 2 { // the second time it is known
		_, err := k.Resolve(t.Context(), "slow.example", "a")
		if err == nil || !strings.Contains(err.Error(), "docker-credential-test for slow.example didn't answer in 300ms") {
			t.Errorf("got %v", err)
		}
	}
	if n := strings.Count(log.String(), "waiting for a credential helper"); n != 1 || !strings.Contains(log.String(), "docker-credential-test") {
		t.Errorf("logged %s", log)
	}
}

// A helper that never stops to print is ended long before its time is over, and nothing of what it printed is told.
func TestCredentialHelperThatPrintsWithoutEnd(t *testing.T) {
	k, log := keychainIn(t, nil, map[string]string{
		"home/.docker/config.json":   `{"credHelpers": {"endless.example": "test"}}`,
		"bin/docker-credential-test": helperScript,
	})
	k.patience = time.Hour
	_, err := k.Resolve(t.Context(), "endless.example", "a")
	if err == nil || err.Error() != "credential helper docker-credential-test for endless.example printed more than 1048576 bytes" {
		t.Errorf("got %v", err)
	}
	if strings.Contains(log.String(), planted) {
		t.Errorf("logged %s", log)
	}
}
