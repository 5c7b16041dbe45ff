package run

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/spec"
)

// config is what --config says of registries. The zero value says nothing.
type config struct {
	hosts   map[string]hostConfig
	proxies proxies
}

// hostConfig is a table [registries."HOST"] of the file; each key left out means the default.
type hostConfig struct {
	// PlainHTTP speaks HTTP without TLS. Default: on loopback only.
	PlainHTTP *bool `toml:"plain_http"`
	// CAFile holds certificates, PEM, that are trusted besides the system's.
	CAFile string `toml:"ca_file"`
	// ClientCertificate and ClientKey are files, PEM, that this client shows.
	ClientCertificate string `toml:"client_certificate"`
	ClientKey         string `toml:"client_key"`
	// SkipVerify takes any certificate.
	SkipVerify bool `toml:"skip_verify"`
	// Proxy is a URL, or "none". Default: the environment's.
	Proxy string `toml:"proxy"`
	// RequestsAtOnce and RequestsPerSecond are limits besides those that the registry sets itself.
	RequestsAtOnce    int     `toml:"requests_at_once"`
	RequestsPerSecond float64 `toml:"requests_per_second"`
	// ChunkSize uploads blobs in pieces of so many bytes, where the registry limits bodies.
	ChunkSize int64 `toml:"chunk_size"`
	// PullThrough is HOST[/PREFIX] that sources of this registry are read from instead.
	PullThrough string `toml:"pull_through"`
	// CreateRepositories creates those that a push finds missing. Default: nobody does.
	CreateRepositories *createConfig `toml:"create_repositories"`

	options     registry.HostOptions
	pullThrough reference.Reference // without tag and digest
}

// readConfig reads and checks the file; files that it names are relative to it. The error joins one for each thing wrong.
func readConfig(file string) (config, error) {
	if file == "" {
		return config{}, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return config{}, fmt.Errorf("can't read the configuration: %w", err)
	}
	var content struct {
		Registries map[string]hostConfig `toml:"registries"`
	}
	decoder := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields()
	if err := decoder.Decode(&content); err != nil {
		return config{}, placeTOML(file, err)
	}
	c := config{hosts: map[string]hostConfig{}}
	var errs []error
	for _, host := range slices.Sorted(maps.Keys(content.Registries)) {
		h := content.Registries[host]
		canonical := reference.CanonicalHost(host)
		fail := func(err error) {
			errs = append(errs, &spec.Error{File: file, Msg: fmt.Sprintf("registries.%q: %s", host, err)})
		}
		if ref, err := reference.Parse(host + "/x"); err != nil || ref.Registry != canonical {
			fail(errors.New("is no host with an optional port"))
		}
		if _, twice := c.hosts[canonical]; twice {
			fail(fmt.Errorf("is %s, which has a table of its own", canonical))
		}
		for _, err := range h.prepare(filepath.Dir(file)) {
			fail(err)
		}
		if h.CreateRepositories != nil {
			creator, errs := h.CreateRepositories.creator(canonical)
			for _, err := range errs {
				fail(fmt.Errorf("create_repositories: %w", err))
			}
			h.options.Repositories = creator
		}
		c.hosts[canonical] = h
	}
	return c, errors.Join(errs...)
}

// placeTOML gives the errors of the decoder their lines.
func placeTOML(file string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var errs []error
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			errs = append(errs, &spec.Error{File: file, Line: line, Msg: fmt.Sprintf("unknown key %q", strings.Join(e.Key(), "."))})
		}
		return errors.Join(errs...)
	}
	var malformed *toml.DecodeError
	if errors.As(err, &malformed) {
		line, _ := malformed.Position()
		return &spec.Error{File: file, Line: line, Msg: strings.TrimPrefix(malformed.Error(), "toml: ")}
	}
	return &spec.Error{File: file, Msg: err.Error()}
}

// prepare turns what is written into what the registry's client takes.
func (h *hostConfig) prepare(dir string) (errs []error) {
	if h.RequestsAtOnce < 0 || h.RequestsPerSecond < 0 || h.ChunkSize < 0 {
		errs = append(errs, errors.New("requests_at_once, requests_per_second and chunk_size can't be negative"))
	}
	h.options = registry.HostOptions{MaxWindow: h.RequestsAtOnce, MaxRate: h.RequestsPerSecond, ChunkSize: h.ChunkSize}

	errs = append(errs, h.prepareTLS(dir)...)
	errs = append(errs, h.prepareProxy(), h.preparePullThrough())
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func (h *hostConfig) prepareTLS(dir string) (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: h.SkipVerify} // #nosec G402: asked for, and said loudly
	own := h.SkipVerify
	if h.CAFile != "" {
		own = true
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(within(dir, h.CAFile))
		switch {
		case err != nil:
			fail("ca_file: %w", err)
		case !pool.AppendCertsFromPEM(pem):
			fail("ca_file: %s holds no certificate in PEM", h.CAFile)
		}
		tlsConfig.RootCAs = pool
	}
	switch {
	case (h.ClientCertificate == "") != (h.ClientKey == ""):
		fail("client_certificate and client_key go together")
	case h.ClientCertificate != "":
		own = true
		certificate, err := tls.LoadX509KeyPair(within(dir, h.ClientCertificate), within(dir, h.ClientKey))
		if err != nil {
			fail("client_certificate: %w", err)
		}
		tlsConfig.Certificates = []tls.Certificate{certificate}
	}
	if own {
		h.options.TLS = tlsConfig
		if h.PlainHTTP != nil && *h.PlainHTTP {
			fail("plain_http excludes ca_file, client_certificate and skip_verify")
		}
	}
	return errs
}

func (h *hostConfig) prepareProxy() error {
	switch h.Proxy {
	case "":
	case "none":
		h.options.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	default:
		proxy, err := url.Parse(h.Proxy)
		if err != nil || proxy.Host == "" || !slices.Contains(schemesOfProxies, proxy.Scheme) {
			return errors.New("proxy: want a URL such as http://proxy.example:3128, or none") // not the value: it may hold a password
		}
		h.options.Proxy = http.ProxyURL(proxy)
	}
	return nil
}

func (h *hostConfig) preparePullThrough() error {
	if h.PullThrough == "" {
		return nil
	}
	ref, err := reference.Parse(h.PullThrough + "/x")
	h.pullThrough = reference.Reference{Registry: ref.Registry, Repository: strings.TrimSuffix(ref.Repository, "x")}
	if err != nil || !strings.ContainsAny(strings.Split(h.PullThrough, "/")[0], ".:") {
		return errors.New("pull_through: want a host with an optional path, such as cache.example/dockerhub")
	}
	return nil
}

func within(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// host gives the client's options for a host.
func (c config) host(host string) registry.HostOptions {
	options := c.hosts[host].options
	if options.Proxy == nil && c.proxies.of != nil {
		options.Proxy = c.proxies.proxy
	}
	return options
}

// shareLimits leaves a process its part of limits that are set for all that run at once.
func (c config) shareLimits(among int) {
	for host, h := range c.hosts {
		h.options.MaxRate /= float64(among)
		if h.options.MaxWindow > 0 {
			h.options.MaxWindow = max(1, h.options.MaxWindow/among)
		}
		c.hosts[host] = h
	}
}

func (c config) plainHTTP(host string) bool {
	h := c.hosts[host]
	if h.PlainHTTP != nil {
		return *h.PlainHTTP
	}
	return h.options.TLS == nil && isLoopback(host)
}

// source is where a source is read from.
func (c config) source(ref reference.Reference) reference.Reference {
	if through := c.hosts[ref.Registry].pullThrough; through.Registry != "" {
		ref.Registry, ref.Repository = through.Registry, through.Repository+ref.Repository
	}
	return ref
}

// unverified are the hosts whose certificates nobody checks.
func (c config) unverified() (hosts []string) {
	for host, h := range c.hosts {
		if h.SkipVerify {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return hosts
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
