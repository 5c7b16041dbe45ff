package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
)

// startTLS serves a registry under TLS and gives its host and its certificate in PEM.
func startTLS(t *testing.T, adjust func(*tls.Config)) (host, certificate string) {
	t.Helper()
	registry, err := devregistry.New(devregistry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(registry)
	server.TLS = &tls.Config{}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that don't trust us are what is tested
	if adjust != nil {
		adjust(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), toPEM("CERTIFICATE", server.Certificate().Raw)
}

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// clientCertificate makes one that signs itself.
func clientCertificate(t *testing.T) (certificate, key string, parsed *x509.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return toPEM("CERTIFICATE", der), toPEM("PRIVATE KEY", keyDER), parsed
}

func TestConfigTLS(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src := startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	clientCert, clientKey, parsed := clientCertificate(t)
	clients := x509.NewCertPool()
	clients.AddCert(parsed)
	host, ca := startTLS(t, func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, clients
	})
	w.write("images.txt", src.Host+"/app:1\n")
	w.write("pki/ca.pem", ca)
	w.write("pki/client.pem", clientCert)
	w.write("pki/client.key", clientKey)
	configure := func(lines ...string) {
		w.write("pki/config.toml", fmt.Sprintf("[registries.%q]\n%s\n", host, strings.Join(lines, "\n")))
	}
	args := []string{"copy", "--registry", host, "--config", "pki/config.toml", "images.txt"}
	client := []string{`client_certificate = "client.pem"`, `client_key = "client.key"`}

	configure("plain_http = false")
	wantContains(t, "stderr", w.run(1, args...).stderr.String(), "certificate", "ca_file in [registries.\""+host+"\"]")
	configure(`ca_file = "ca.pem"`) // but no client certificate
	wantContains(t, "stderr", w.run(1, args...).stderr.String(), "certificate", "client_certificate and client_key in [registries.\""+host+"\"]")
	configure(append(client, `ca_file = "ca.pem"`)...)
	if p := w.run(0, args...); strings.Contains(p.stderr.String(), "WARNING") {
		t.Errorf("stderr: %s", &p.stderr)
	}
	configure(append(client, "skip_verify = true")...)
	wantContains(t, "stderr", w.run(0, args...).stderr.String(), "WARNING", host, "not verified")
	wantContains(t, "stderr, quiet", w.run(0, append(args, "--progress", "none")...).stderr.String(), "WARNING", host, "not verified")
}

func TestConfigPullThrough(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	cache, dst := startRegistry(t), startRegistry(t)
	digest := pushImage(t, cache.Host+"/hub/library/alpine:3", 512, 1)
	w.write("config.toml", fmt.Sprintf("[registries.\"index.docker.io\"]\npull_through = \"%s/hub\"\n", cache.Host))
	w.write("images.txt", "alpine:3\n")
	p := w.run(0, "copy", "--registry", dst.Host, "--config", "config.toml", "--report", "report.json", "images.txt")
	if got := digestAt(t, dst.Host+"/alpine:3"); got != digest {
		t.Errorf("arrived as %s", got)
	}
	wantContains(t, "stdout", p.stdout.String(), "from docker.io/library/alpine:3")
	c := w.report("report.json").Copies[0]
	if c.Source != "docker.io/library/alpine:3" || c.ReadFrom != cache.Host+"/hub/library/alpine:3" {
		t.Errorf("copy %+v", c)
	}
	w.write("specs.json", fmt.Sprintf(`{"src": "alpine", "dst": "%s/selected:{tag}", "select": {"include": ["3"]}}`, dst.Host))
	w.run(0, "copy", "--config", "config.toml", "specs.json")
	digestAt(t, dst.Host+"/selected:3")
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	dst := startRegistry(t)
	w.write("images.txt", dst.Host+"/app:1\n")
	w.write("notpem.txt", "nothing")
	for _, tt := range []struct {
		name, config string
		says         []string
	}{
		{"unknown keys", "[registries.\"a.example\"]\nplainhttp = true\nskip_verify = true\nretries = 3\n", []string{"c.toml:2: ", "plainhttp", "c.toml:4: ", "retries"}},
		{"wrong type", "[registries.\"a.example\"]\nplain_http = \"yes\"\n", []string{"c.toml:2: "}},
		{"no TOML", "registries\n", []string{"c.toml:1: "}},
		{"no host", "[registries.\"a.example/path\"]\n", []string{"a.example/path", "is no host"}},
		{"twice", "[registries.\"docker.io\"]\n[registries.\"index.docker.io\"]\n", []string{"index.docker.io", "docker.io"}},
		{"missing CA", "[registries.\"a.example\"]\nca_file = \"none.pem\"\n", []string{"ca_file", "none.pem"}},
		{"no PEM", "[registries.\"a.example\"]\nca_file = \"notpem.txt\"\n", []string{"notpem.txt", "PEM"}},
		{"half a client", "[registries.\"a.example\"]\nclient_key = \"key.pem\"\n", []string{"client_certificate"}},
		{"TLS without TLS", "[registries.\"a.example\"]\nplain_http = true\nskip_verify = true\n", []string{"plain_http excludes"}},
		{"bad proxy", "[registries.\"a.example\"]\nproxy = \"user:secret@nowhere\"\n", []string{"proxy"}},
		{"negative", "[registries.\"a.example\"]\nrequests_at_once = -1\n", []string{"negative"}},
		{"no host of ECR", "[registries.\"a.example\".create_repositories]\n", []string{"a.example", "create_repositories", "service"}},
		{"ECR without a region", "[registries.\"a.example\".create_repositories]\nservice = \"ecr\"\naccount = \"1\"\n", []string{"region", "12 digits"}},
		{"ECR says its region", "[registries.\"123456789012.dkr.ecr.eu-west-1.amazonaws.com\".create_repositories]\nregion = \"eu-west-1\"\n", []string{"itself"}},
		{"what creates", "[registries.\"a.example\".create_repositories]\nservice = \"gar\"\nregion = \"x\"\nkms_key = \"k\"\nendpoint = \"http://a.example\"\n", []string{"gar", "kms_key", "endpoint"}},
		{"no encryption", "[registries.\"a.example\".create_repositories]\nservice = \"ecr\"\nregion = \"x\"\nencryption = \"rot13\"\nscan = true\n", []string{"c.toml:5: ", "scan"}},
		{"bad cache", "[registries.\"a.example\"]\npull_through = \"nohost/x\"\n", []string{"pull_through"}},
	} {
		w.write("c.toml", tt.config)
		p := w.run(2, "copy", "--registry", dst.Host, "--config", "c.toml", "images.txt")
		wantContains(t, tt.name, p.stderr.String(), tt.says...)
		if strings.Contains(p.stderr.String(), "secret") {
			t.Errorf("%s: a password was told", tt.name)
		}
	}
	w.run(2, "copy", "--registry", dst.Host, "--config", "missing.toml", "images.txt")
	if n := dst.Log().Total(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A proxy that the environment names and nobody can read isn't gone past.
func TestUnreadableProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	source, destination := startRegistry(t), startRegistry(t)
	pushImage(t, source.Host+"/a:v", 512, 1)
	source.Log().Reset()
	w.write("images.txt", source.Host+"/a:v\n")
	p := w.command("copy", "--registry", destination.Host, "images.txt")
	p.cmd.Env = append(p.cmd.Env, "HTTPS_PROXY=http://planted-user:planted-pw@proxy:port")
	wantContains(t, "stderr", p.demand(2).stderr.String(), "HTTPS_PROXY isn't a proxy's address")
	if n := len(source.Log().Entries()) + len(destination.Log().Entries()); n > 0 || strings.Contains(p.stderr.String(), "planted") {
		t.Errorf("%d requests; %s", n, &p.stderr)
	}
}
