package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"docker-mirror/go-helper/internal/auth"
)

// Options of a [Pool]; the zero value is ready to use, anonymously.
type Options struct {
	// Keychain finds credentials; nil means anonymous.
	Keychain auth.Keychain
	// Logger; nil discards.
	Logger *slog.Logger
	// UserAgent of every request; default "docker-mirror".
	UserAgent string
	// MaxWindow is the most small requests (all without a blob's body) at once to a registry, default 64.
	// The window starts lower and adapts: up one by one, down at once on 429 or 503.
	MaxWindow int
	// MaxTagList is the most bytes that the pages of one tag list may have together; default 64 MiB, which is about two million
	// tags.
	MaxTagList int64
	// PlainHTTP tells which hosts speak HTTP without TLS; nil means loopback only (127/8, ::1, localhost).
	PlainHTTP func(host string) bool
	// Host gives what is particular to a host; nil, and the zero HostOptions, mean nothing.
	Host func(host string) HostOptions
	// Retry is the policy for what fails in passing; zero fields have its documented defaults.
	Retry RetryPolicy
	// OnPause is told when a registry is left alone for d; it must be quick. May be nil.
	OnPause func(host string, d time.Duration, reason string)
	// OnRetry is told when what failed is tried again; it must be quick. May be nil.
	OnRetry func(Retry)
	// OnCreate is told of each repository that was created; it must be quick. May be nil.
	OnCreate func(host, repository string)
	// OnDate is told what time it is by a registry's answer; it must be quick. May be nil.
	OnDate func(host string, date time.Time)
}

// HostOptions are what one registry host needs beyond the defaults; each zero field means those.
type HostOptions struct {
	// TLS is for a private authority (RootCAs), client certificates, or no verification at all.
	TLS *tls.Config
	// Proxy as in [http.Transport]; nil takes the process's environment.
	Proxy func(*http.Request) (*url.URL, error)
	// Dial opens connections as in [http.Transport]; nil means TCP. What it connects to is not looked at.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxWindow is the most small requests at once.
	MaxWindow int
	// MaxRate is the most requests a second, of all kinds.
	MaxRate float64
	// ChunkSize sends blobs in PATCHes of this many bytes, where the registry or a proxy before it limits
	// bodies. Without it a 413 is what tells.
	ChunkSize int64
	// Local answers all requests in this process: the "registry" is a folder, say, and its host's name is only what messages
	// call it. nil: the network does.
	Local http.RoundTripper
	// Repositories creates those that a push finds missing; nil leaves that to the registry.
	Repositories RepositoryCreator
}

func (o HostOptions) proxy() func(*http.Request) (*url.URL, error) {
	if o.Proxy == nil {
		return http.ProxyFromEnvironment
	}
	return o.Proxy
}

const (
	defaultMaxWindow = 64

	defaultMaxTagList = 64 << 20
	defaultUserAgent  = "docker-mirror"
)

// Pool has one [Client] a registry host. It is safe for concurrent use.
type Pool struct {
	opts Options

	mu      sync.Mutex
	clients map[string]*Client
}

// NewPool checks the options and returns a pool without connections.
func NewPool(opts Options) (*Pool, error) {
	if opts.MaxWindow < 0 {
		return nil, errors.New("registry: MaxWindow is negative")
	}
	if opts.MaxWindow == 0 {
		opts.MaxWindow = defaultMaxWindow
	}
	if opts.MaxTagList < 0 {
		return nil, errors.New("registry: MaxTagList is negative")
	}
	if opts.MaxTagList == 0 {
		opts.MaxTagList = defaultMaxTagList
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.UserAgent == "" {
		opts.UserAgent = defaultUserAgent
	}
	if opts.PlainHTTP == nil {
		opts.PlainHTTP = isLoopback
	}
	if opts.Host == nil {
		opts.Host = func(string) HostOptions { return HostOptions{} }
	}
	if opts.OnPause == nil {
		opts.OnPause = func(string, time.Duration, string) {}
	}
	if opts.OnRetry == nil {
		opts.OnRetry = func(Retry) {}
	}
	if opts.OnCreate == nil {
		opts.OnCreate = func(string, string) {}
	}
	var err error
	if opts.Retry, err = opts.Retry.withDefaults(); err != nil {
		return nil, err
	}
	return &Pool{opts: opts, clients: map[string]*Client{}}, nil
}

// Client returns the one client of a canonical registry host, made on first use.
func (p *Pool) Client(host string) *Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[host]
	if c == nil {
		c = newClient(host, &p.opts)
		p.clients[host] = c
	}
	return c
}

// Stats returns what was sent so far, by host.
func (p *Pool) Stats() map[string]Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]Stats, len(p.clients))
	for host, c := range p.clients {
		all[host] = c.stats.snapshot()
	}
	return all
}

// Close closes idle connections. Requests under way end as they would.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.small.CloseIdleConnections()
		c.up.CloseIdleConnections()
		c.down.CloseIdleConnections()
	}
}

// isLoopback tells whether host[:port] can only be this machine.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}
