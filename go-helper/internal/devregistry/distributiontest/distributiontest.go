// Package distributiontest runs the distribution project's registry for the length of a test, so that what we do is
// judged by a registry that isn't ours.
package distributiontest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry/toolstest"
)

// Server is a running registry.
type Server struct {
	// Host is `127.0.0.1:port`: what a reference begins with.
	Host string
	// URL is the same with its scheme, without a slash at the end.
	URL string
	// Root is the folder in which it keeps everything.
	Root string
}

// The one who may do anything in a registry started WithPassword; all others nothing.
const (
	User     = "robot"
	Password = "correct horse"
	// htpasswd is distribution's only format, bcrypt.
	htpasswd = User + ":$2a$05$k.0IsdBlnk.ixbV6a564se4Hvvwmi9u0uMoDRdW6Ia2BS8rZTblvS\n"
)

// Option changes how the registry is configured.
type Option func(*settings)

type settings struct {
	program          string
	password         bool
	indexes          string
	certificate, key string
	tokens           *Tokens
}

// WithProgram runs another build or version of the registry than the one that tools/go.mod pins.
func WithProgram(path string) Option { return func(s *settings) { s.program = path } }

// WithTLS makes the registry speak TLS with the certificate and the key of these files.
func WithTLS(certificate, key string) Option {
	return func(s *settings) { s.certificate, s.key = certificate, key }
}

// Tokens say whose tokens the registry takes.
type Tokens struct{ Realm, Service, Issuer, Certificates string }

// WithTokens makes the registry send its clients to a token service.
func WithTokens(t Tokens) Option { return func(s *settings) { s.tokens = &t } }

// WithPassword makes the registry ask for User and Password with basic authentication.
func WithPassword() Option { return func(s *settings) { s.password = true } }

// WithSparseIndexes makes the registry take an index although manifests that it names aren't there, but for those of the
// platforms (`os/arch`) that are required.
func WithSparseIndexes(required ...string) Option {
	return func(s *settings) {
		s.indexes = "    indexes:\n      platforms: none\n"
		if len(required) == 0 {
			return
		}
		s.indexes = "    indexes:\n      platforms: list\n      platformlist:\n"
		for _, platform := range required {
			os, architecture, _ := strings.Cut(platform, "/")
			s.indexes += fmt.Sprintf("      - os: %s\n        architecture: %s\n", os, architecture)
		}
	}
}

const authConfig = `auth:
  htpasswd:
    realm: distributiontest
    path: %q
`

const tokenConfig = `auth:
  token:
    realm: %q
    service: %q
    issuer: %q
    rootcertbundle: %q
`

const tlsConfig = `  tls:
    certificate: %q
    key: %q
`

const config = `version: 0.1
log:
  level: info
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %q
  delete:
    enabled: true
http:
  addr: 127.0.0.1:0
  secret: the same for every request
%svalidation:
  manifests:
    urls:
      allow:
        - ^https://
`

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

const startTimeout = 30 * time.Second

// Start builds the registry where that hasn't been done, and runs it on a free port of loopback until the test ends.
// The test is skipped with -short.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	var chosen settings
	for _, option := range options {
		option(&chosen)
	}
	program := chosen.program
	if program == "" {
		program = toolstest.Build(t, toolstest.Registry)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "registry")
	configFile := filepath.Join(dir, "config.yml")
	scheme, overTLS := "http://", ""
	if chosen.certificate != "" {
		scheme, overTLS = "https://", fmt.Sprintf(tlsConfig, chosen.certificate, chosen.key)
	}
	content := fmt.Appendf(nil, config, root, overTLS)
	content = append(content, chosen.indexes...) // belongs to validation.manifests, which the configuration ends with
	if chosen.password {
		passwords := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(passwords, []byte(htpasswd), 0o600); err != nil {
			t.Fatal(err)
		}
		content = fmt.Appendf(content, authConfig, passwords)
	}
	if chosen.tokens != nil {
		content = fmt.Appendf(content, tokenConfig, chosen.tokens.Realm, chosen.tokens.Service, chosen.tokens.Issuer, chosen.tokens.Certificates)
	}
	if err := os.WriteFile(configFile, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", configFile)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log lastLines
	address := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		log.follow(stderr, address)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read // before Wait, which closes the pipe
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the registry's last lines:\n%s", log.String())
		}
	})
	select {
	case host := <-address:
		return &Server{Host: host, URL: scheme + host, Root: root}
	case <-read:
		t.Fatalf("the registry ended at once:\n%s", log.String())
	case <-time.After(startTimeout):
		t.Fatalf("the registry doesn't listen after %s:\n%s", startTimeout, log.String())
	}
	return nil
}

// lastLines keeps the end of a log; each request's own line is left out.
type lastLines struct {
	mu    sync.Mutex
	lines []string
}

const keptLines = 20

func (l *lastLines) follow(r io.Reader, address chan<- string) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	found := false
	for scanner.Scan() {
		if m := listening.FindStringSubmatch(scanner.Text()); m != nil && !found {
			found = true
			address <- m[1]
		}
		if strings.Contains(scanner.Text(), `msg="response completed`) || strings.Contains(scanner.Text(), `msg="authorized request"`) {
			continue
		}
		l.mu.Lock()
		l.lines = append(l.lines, scanner.Text())
		if len(l.lines) > keptLines {
			l.lines = l.lines[1:]
		}
		l.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // a line too long for the scanner mustn't block the registry
}

func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
