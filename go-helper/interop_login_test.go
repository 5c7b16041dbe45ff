//go:build interop

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
	"docker-mirror/go-helper/internal/devregistry/sample"
)

// distributions are the versions that differ in how they log in.
var distributions = map[string]func(*testing.T) []distributiontest.Option{
	"3.1": func(*testing.T) []distributiontest.Option { return nil },
	"2.8": func(t *testing.T) []distributiontest.Option {
		return []distributiontest.Option{distributiontest.WithProgram(debian(t, "docker-registry"))}
	},
}

// authority signs the certificate of a registry, or tokens.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate []byte // DER
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "interop"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, certificate}
}

func (a authority) pem() string { return toPEM("CERTIFICATE", a.certificate) }

// server makes the certificate of 127.0.0.1 and gives the files of it and of its key.
func (a authority) server(t *testing.T) (certificate, key string) {
	t.Helper()
	parent, err := x509.ParseCertificate(a.certificate)
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: parent.NotBefore, NotAfter: parent.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	for file, content := range map[string]string{certificate: toPEM("CERTIFICATE", der), key: toPEM("PRIVATE KEY", keyDER)} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// loginTo writes the credentials for a host where `docker login` would.
func (w *workplace) loginTo(host, user, password string) {
	w.t.Helper()
	content := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	if err := os.WriteFile(filepath.Join(w.home, "config.json"), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// TLS with a CA of one's own, and a password.
func TestInteropTLSAndPassword(t *testing.T) {
	t.Parallel()
	for version, options := range distributions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			set := seedImages(t)
			ca := newAuthority(t)
			dst := distributiontest.Start(t, append(options(t), distributiontest.WithTLS(ca.server(t)), distributiontest.WithPassword())...).Host
			w := newWorkplace(t)
			w.write("images.txt", set.list)
			w.write("ca.pem", ca.pem())
			w.write("config.toml", fmt.Sprintf("[registries.%q]\nplain_http = false\nca_file = \"ca.pem\"\n", dst))
			args := []string{"copy", "--config", "config.toml", "--registry", dst, "--repository", "mirror/{repository}", "--report", "report.json", "images.txt"}

			wantContains(t, "stderr", w.run(1, args...).stderr.String(), "401")
			w.loginTo(dst, distributiontest.User, "wrong")
			wantContains(t, "stderr", w.run(1, args...).stderr.String(), "401")
			w.loginTo(dst, distributiontest.User, distributiontest.Password)
			w.run(0, args...)

			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM([]byte(ca.pem()))
			transport := http.DefaultTransport.(*http.Transport).Clone()
			transport.TLSClientConfig = &tls.Config{RootCAs: pool}
			client := []remote.Option{
				remote.WithTransport(transport), remote.WithAuth(&authn.Basic{Username: distributiontest.User, Password: distributiontest.Password}),
			}
			wantArrived(t, dst+"/mirror", append(set.images, set.attached...), client...)
			w.run(0, append(args, "--verify")...)

			w.write("untrusted.toml", fmt.Sprintf("[registries.%q]\nplain_http = false\n", dst))
			args[2] = "untrusted.toml"
			wantContains(t, "stderr", w.run(1, args...).stderr.String(), "certificate")
		})
	}
}

// tokenService is what sends the clients of a distribution registry away with tokens (distribution, "Token Authentication Specification").
type tokenService struct {
	authority
	url      string
	lifetime time.Duration
	// grants says what the one with the password may do in a repository.
	grants func(repository string) []string
}

const tokenIssuer = "interop"

func newTokenService(t *testing.T, lifetime time.Duration, grants func(string) []string) *tokenService {
	t.Helper()
	s := &tokenService{authority: newAuthority(t), lifetime: lifetime, grants: grants}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL + "/token"
	return s
}

func (s *tokenService) option(t *testing.T) distributiontest.Option {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, []byte(s.pem()), 0o600); err != nil {
		t.Fatal(err)
	}
	return distributiontest.WithTokens(distributiontest.Tokens{Realm: s.url, Service: "interop", Issuer: tokenIssuer, Certificates: bundle})
}

func (s *tokenService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != distributiontest.User || password != distributiontest.Password {
		http.Error(w, `{"details": "incorrect username or password"}`, http.StatusUnauthorized)
		return
	}
	granted := []access{}
	for _, scope := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
		kind, rest, _ := strings.Cut(scope, ":")
		i := strings.LastIndexByte(rest, ':')
		if kind != "repository" || i < 0 {
			continue
		}
		var actions []string
		for _, action := range strings.Split(rest[i+1:], ",") {
			if slices.Contains(s.grants(rest[:i]), action) {
				actions = append(actions, action)
			}
		}
		if len(actions) > 0 {
			granted = append(granted, access{kind, rest[:i], actions})
		}
	}
	token, err := s.sign(granted)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": int(s.lifetime.Seconds()), "issued_at": time.Now().UTC().Format(time.RFC3339)})
}

// access is what a token lets its holder do.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (s *tokenService) sign(granted []access) (string, error) {
	now := time.Now()
	part := func(v any) string {
		content, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(content)
	}
	unsigned := part(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.certificate)}}) + "." + part(map[string]any{
		"iss": tokenIssuer, "sub": distributiontest.User, "aud": "interop", "exp": now.Add(s.lifetime).Unix(), "nbf": now.Add(-time.Minute).Unix(), "iat": now.Unix(),
		"jti": fmt.Sprint(now.UnixNano()), "access": granted,
	})
	hash := sha256.Sum256([]byte(unsigned))
	x, y, err := ecdsa.Sign(rand.Reader, s.key, hash[:])
	if err != nil {
		return "", err
	}
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(append(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32))...)), nil
}

// reader is a client that may read the repositories of a set: go-containerregistry refuses token services on loopback, so it has its token already.
func (s *tokenService) reader(t *testing.T, images []sample.Image) remote.Option {
	t.Helper()
	granted := []access{}
	for _, image := range images {
		granted = append(granted, access{"repository", "mirror/" + image.Repository, []string{"pull"}})
	}
	token, err := s.sign(granted)
	if err != nil {
		t.Fatal(err)
	}
	return remote.WithTransport(bearer(token))
}

// bearer sends a token along with every request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// Tokens of a service, as most hosted registries have them; and an account that may write to one repository only, so that nothing can be mounted from
// the others: what it may write arrives, the rest fails and says why.
func TestInteropTokens(t *testing.T) {
	t.Parallel()
	for version, options := range distributions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			set := seedImages(t)
			all := newTokenService(t, 2*time.Minute, func(string) []string { return []string{"pull", "push"} })
			dst := distributiontest.Start(t, append(options(t), all.option(t))...).Host
			w := newWorkplace(t)
			w.loginTo(dst, distributiontest.User, distributiontest.Password)
			w.write("images.txt", set.list)
			args := []string{"copy", "--registry", dst, "--repository", "mirror/{repository}", "--report", "report.json", "images.txt"}
			w.run(0, args...)
			wantArrived(t, dst+"/mirror", append(set.images, set.attached...), all.reader(t, set.images))
			w.run(0, append(args, "--verify")...)

			for name, elsewhere := range map[string][]string{"others can be read": {"pull"}, "others are closed": nil} {
				t.Run(name, func(t *testing.T) {
					one := newTokenService(t, 2*time.Minute, func(repository string) []string {
						if repository == "mirror/"+sample.RepositoryAPI {
							return []string{"pull", "push"}
						}
						return elsewhere
					})
					dst := distributiontest.Start(t, append(options(t), one.option(t))...).Host
					w := newWorkplace(t)
					w.loginTo(dst, distributiontest.User, distributiontest.Password)
					w.write("images.txt", set.list)
					args := slices.Clone(args)
					args[2] = dst
					p := w.run(1, args...)
					totals := w.report("report.json").Totals
					if totals.Copied != 2 || totals.Failed != len(set.images)-2 {
						t.Errorf("%+v\n%s", totals, &p.stderr)
					}
					wantContains(t, "stderr", p.stderr.String(), "401")
					wantArrived(t, dst+"/mirror", set.images[1:3], one.reader(t, set.images))
				})
			}
		})
	}
}
