package cloud

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/auth"
)

const planted = "s3cret-planted"

// nowhere keeps the clouds' libraries from finding an identity of this machine's, or a metadata service.
func nowhere(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		for _, prefix := range []string{"AWS_", "AZURE_", "GOOGLE_", "GCE_", "IDENTITY_", "MSI_", "GITHUB_"} {
			if strings.HasPrefix(name, prefix) {
				t.Setenv(name, "")
				os.Unsetenv(name)
			}
		}
	}
	t.Setenv("HOME", dir)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
}

func keychain(t *testing.T) (*Keychain, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	t.Cleanup(func() {
		if strings.Contains(log.String(), planted) {
			t.Errorf("a secret in the log: %s", log)
		}
	})
	return New(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))), log
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com":          "ecr eu-west-1",
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "ecr-fips us-gov-west-1",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":      "ecr cn-north-1",
		"123456789012.dkr-ecr.eu-west-1.on.aws":                 "ecr eu-west-1",
		"public.ecr.aws":                                        "ecr-public",
		"europe-docker.pkg.dev":                                 "google",
		"gcr.io":                                                "google",
		"eu.gcr.io":                                             "google",
		"team.azurecr.io":                                       "azure team.azurecr.io",
		"ghcr.io":                                               "github",
		"docker.io":                                             "",
		"evil.example":                                          "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example": "",
		"notgcr.io":          "",
		"azurecr.io.example": "",
		"127.0.0.1:5000":     "",
	} {
		got := ""
		k := New(nil)
		for _, p := range k.providers {
			if key, ok := p.serves(host); ok {
				got = key
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestAmazon(t *testing.T) {
	nowhere(t)
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if !strings.Contains(r.Header.Get("Authorization"), "AKIDEXAMPLE") {
			t.Errorf("unsigned: %v", r.Header)
		}
		data := fmt.Sprintf(`{"authorizationToken": %q, "expiresAt": %d}`,
			base64.StdEncoding.EncodeToString([]byte("AWS:"+planted)), time.Now().Add(12*time.Hour).Unix())
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if strings.Contains(r.Header.Get("X-Amz-Target"), "SpencerFrontendService") { // ECR Public's name of old
			fmt.Fprintf(w, `{"authorizationData": %s}`, data)
			return
		}
		fmt.Fprintf(w, `{"authorizationData": [%s]}`, data)
	}))
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", planted+"-key")
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	k, _ := keychain(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			creds, err := k.Resolve(t.Context(), fmt.Sprintf("12345678901%d.dkr.ecr.eu-west-1.amazonaws.com", i), "a/b")
			if err != nil || creds.Username != "AWS" || creds.Password != planted || time.Until(creds.Expires) < 11*time.Hour {
				t.Errorf("%v until %s, %v", creds, creds.Expires, err)
			}
		})
	}
	wg.Wait()
	if calls.Load() != 1 {
		t.Errorf("%d calls for one region", calls.Load())
	}
	if creds, err := k.Resolve(t.Context(), "public.ecr.aws", "a/b"); err != nil || creds.Password != planted {
		t.Errorf("ECR Public: %v, %v", creds, err)
	}
	k.Forget("123456789012.dkr.ecr.eu-west-1.amazonaws.com")
	if _, err := k.Resolve(t.Context(), "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "a/b"); err != nil || calls.Load() != 3 {
		t.Errorf("after a refusal: %v, %d calls", err, calls.Load())
	}
}

func TestGoogle(t *testing.T) {
	nowhere(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": %q, "expires_in": 3600, "token_type": "Bearer"}`, planted)
	}))
	defer server.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@example", "private_key_id": "1", "token_uri": server.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	k, _ := keychain(t)
	creds, err := k.Resolve(t.Context(), "europe-docker.pkg.dev", "project/repository/image")
	if err != nil || creds.Username != "oauth2accesstoken" || creds.Password != planted {
		t.Errorf("%v, %v", creds, err)
	}
	if left := time.Until(creds.Expires); left < 50*time.Minute || left > 56*time.Minute {
		t.Errorf("renewed in %s", left)
	}
}

func TestAzure(t *testing.T) {
	for _, names := range [][2]string{{"AZURE_SP_ID", "AZURE_SP_PASSWORD"}, {"AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"}} {
		nowhere(t)
		t.Setenv(names[0], "principal")
		t.Setenv(names[1], planted)
		k, _ := keychain(t)
		if creds, err := k.Resolve(t.Context(), "team.azurecr.io", "a/b"); err != nil || creds.Username != "principal" || creds.Password != planted {
			t.Errorf("%s: %v, %v", names[0], creds, err)
		}
		os.Unsetenv(names[0])
		os.Unsetenv(names[1])
	}

	// A managed identity as App Service offers it, and the registry's exchange.
	nowhere(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/identity", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-IDENTITY-HEADER") != "h" || !strings.HasPrefix(r.FormValue("resource"), "https://containerregistry.azure.net") {
			t.Errorf("asked for %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "entra", "expires_on": "%d", "resource": "x", "token_type": "Bearer"}`, time.Now().Add(time.Hour).Unix())
	})
	mux.HandleFunc("POST /oauth2/exchange", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("access_token") != "entra" || r.FormValue("service") != "team.azurecr.io" || r.FormValue("grant_type") != "access_token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"refresh_token": %q}`, planted)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	t.Setenv("IDENTITY_ENDPOINT", server.URL+"/identity")
	t.Setenv("IDENTITY_HEADER", "h")
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
	a := newAzure(os.Getenv)
	a.exchange = func(string) string { return server.URL + "/oauth2/exchange" }
	k, _ := keychain(t)
	k.providers = []provider{a}
	creds, err := k.Resolve(t.Context(), "team.azurecr.io", "a/b")
	if err != nil || creds.IdentityToken != planted || creds.Username != "" {
		t.Errorf("%v, %v", creds, err)
	}
	a.identity = func(context.Context) (string, error) { return planted + "-wrong", nil }
	if _, err := a.find(t.Context(), "team.azurecr.io"); err == nil || strings.Contains(err.Error(), planted) {
		t.Errorf("an identity that the registry refuses: %v", err)
	}
}

func TestGitHub(t *testing.T) {
	nowhere(t)
	k, _ := keychain(t)
	if creds, err := k.Resolve(t.Context(), "ghcr.io", "a/b"); !errors.Is(err, auth.ErrNone) || !creds.Anonymous() {
		t.Errorf("%v, %v", creds, err)
	}
	t.Setenv("GITHUB_TOKEN", planted)
	k, _ = keychain(t)
	if creds, err := k.Resolve(t.Context(), "ghcr.io", "a/b"); err != nil || creds.Password != planted || creds.Username == "" {
		t.Errorf("%v, %v", creds, err)
	}
	if creds, err := k.Resolve(t.Context(), "docker.io", "a/b"); err != nil || !creds.Anonymous() {
		t.Errorf("another host: %v, %v", creds, err)
	}
}

// Without an identity there is no failure, only none, and it isn't searched for again.
func TestNoIdentity(t *testing.T) {
	nowhere(t)
	k, log := keychain(t)
	for range 2 {
		creds, err := k.Resolve(t.Context(), "public.ecr.aws", "a/b")
		if !errors.Is(err, auth.ErrNone) || !creds.Anonymous() {
			t.Errorf("%v, %v", creds, err)
		}
	}
	if n := strings.Count(log.String(), "no cloud credentials"); n != 1 {
		t.Errorf("searched %d times", n)
	}
}
