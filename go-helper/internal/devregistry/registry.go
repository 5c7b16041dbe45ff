package devregistry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options say where a registry keeps its content and how it behaves. The zero value is in memory, faultless, and
// speaks as distribution does.
type Options struct {
	// Root is the folder to keep everything in, made where it is missing; "" is memory.
	Root    string
	Dialect Dialect
	Faults  Faults
	// Logger gets one line a request at debug level, and what the server fails at; nil discards.
	Logger *slog.Logger
}

// Registry is an OCI registry as an http.Handler. It is safe for concurrent use.
type Registry struct {
	storage storage
	logger  *slog.Logger
	log     Log
	tokens  tokenStore
	dialect atomic.Pointer[Dialect]
	faults  atomic.Pointer[faultState]
	pulls   atomic.Int64
	cdn     atomic.Pointer[func() (string, error)]
	// closed ends stalls.
	closed    chan struct{}
	closeOnce sync.Once

	mu           sync.RWMutex
	repositories map[string]*repository
	projects     map[string]struct{}
}

var _ http.Handler = (*Registry)(nil)

// New makes a registry, with what Options.Root holds from before.
func New(opts Options) (*Registry, error) {
	g := &Registry{logger: opts.Logger, closed: make(chan struct{}), repositories: map[string]*repository{}, projects: map[string]struct{}{}}
	if g.logger == nil {
		g.logger = slog.New(slog.DiscardHandler)
	}
	g.SetDialect(opts.Dialect)
	g.SetFaults(opts.Faults)
	if opts.Root == "" {
		g.storage = newMemoryStorage()
		return g, nil
	}
	disk, err := newDiskStorage(opts.Root)
	if err != nil {
		return nil, fmt.Errorf("opening the registry in %s: %w", opts.Root, err)
	}
	g.storage = disk
	if err := disk.load(g); err != nil {
		return nil, errors.Join(fmt.Errorf("loading the registry in %s: %w", opts.Root, err), disk.close())
	}
	return g, nil
}

// Close ends stalled requests and drops unfinished uploads. What is stored stays.
func (g *Registry) Close() error {
	var err error
	g.closeOnce.Do(func() {
		close(g.closed)
		err = g.storage.close()
	})
	return err
}

// Log tells what was asked so far.
func (g *Registry) Log() *Log { return &g.log }

// SetDialect changes how the registry speaks, from the next request on.
func (g *Registry) SetDialect(d Dialect) { g.dialect.Store(&d) }

// SetFaults changes how it fails, from the next request on; every count begins anew.
func (g *Registry) SetFaults(f Faults) { g.faults.Store(newFaultState(f)) }

// SetCDN says where RedirectBlobs sends clients: the base URL of CDN's handler. A Server does it by itself.
func (g *Registry) SetCDN(base func() (string, error)) { g.cdn.Store(&base) }

func (g *Registry) cdnBase() (string, error) {
	if base := g.cdn.Load(); base != nil {
		return (*base)()
	}
	return "", errors.New("RedirectBlobs needs a CDN: SetCDN")
}

// RevokeTokens makes all tokens that were given out invalid.
func (g *Registry) RevokeTokens() { g.tokens.revoke() }

// CreateRepository makes an empty repository, for dialects in which a push doesn't.
func (g *Registry) CreateRepository(name string) { g.repositoryFor(name) }

// CreateProject makes a project, for dialects in which repositories need one.
func (g *Registry) CreateProject(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.projects[name] = struct{}{}
}

// Repositories lists the names of repositories that hold anything, sorted.
func (g *Registry) Repositories() []string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var names []string
	for name, repo := range g.repositories {
		repo.mu.RLock()
		if len(repo.blobs)+len(repo.manifests) > 0 {
			names = append(names, name)
		}
		repo.mu.RUnlock()
	}
	slices.Sort(names)
	return names
}

// Tags gives a repository's tags and what they name.
func (g *Registry) Tags(repository string) map[string]v1.Hash {
	repo, ok := g.lookup(repository)
	if !ok {
		return nil
	}
	repo.mu.RLock()
	defer repo.mu.RUnlock()
	return maps.Clone(repo.tags)
}

// HasBlob tells whether a repository has a blob.
func (g *Registry) HasBlob(repository string, h v1.Hash) bool {
	repo, ok := g.lookup(repository)
	return ok && repo.hasBlob(h)
}

// ReadBlob gives a blob's content, for tests that compare it.
func (g *Registry) ReadBlob(repository string, h v1.Hash) ([]byte, error) {
	if !g.HasBlob(repository, h) {
		return nil, fmt.Errorf("%s has no blob %s", repository, h)
	}
	content, _, err := g.storage.open(h)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	return io.ReadAll(content)
}

// Manifest gives a manifest's bytes and media type by tag or digest.
func (g *Registry) Manifest(repository, reference string) (body []byte, mediaType string, ok bool) {
	repo, ok := g.lookup(repository)
	if !ok {
		return nil, "", false
	}
	rt := route{reference: reference}
	if h, err := parseDigest(reference); err == nil {
		rt.digest = h
	}
	m, ok := repo.resolve(rt)
	if !ok {
		return nil, "", false
	}
	return slices.Clone(m.body), m.mediaType, true
}

// RemoveBlob takes a blob away from under the manifests that refer to it: a damaged registry.
func (g *Registry) RemoveBlob(repository string, h v1.Hash) error {
	repo, ok := g.lookup(repository)
	if !ok {
		return fmt.Errorf("no repository %s", repository)
	}
	_, err := repo.unlinkBlob(h)
	return err
}

// RemoveManifest takes a manifest and its tags away, from under an index as well.
func (g *Registry) RemoveManifest(repository string, h v1.Hash) error {
	repo, ok := g.lookup(repository)
	if !ok {
		return fmt.Errorf("no repository %s", repository)
	}
	_, err := repo.deleteManifest(h)
	return err
}

// PlantBlob puts content in unchecked, under any digest, for tests of clients that meet a registry which has lost some of it.
func (g *Registry) PlantBlob(repository string, h v1.Hash, content []byte) error {
	w, err := g.storage.create()
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return errors.Join(err, w.discard())
	}
	if err := w.commit(h); err != nil {
		return err
	}
	return g.repositoryFor(repository).linkBlob(h)
}

// PlantManifest puts a manifest in unchecked, under a tag or any digest, for tests of clients that meet a hostile or
// ancient registry: schema 1, digests that don't match, children that aren't there. It isn't kept on disk.
func (g *Registry) PlantManifest(repository, reference, mediaType string, body []byte) error {
	h, _, err := v1.SHA256(bytes.NewReader(body))
	if err != nil {
		return err
	}
	tag := reference
	if named, err := parseDigest(reference); err == nil {
		h, tag = named, ""
	}
	m := &manifest{digest: h, mediaType: mediaType, body: body}
	if parsed, err := parseManifest(h, mediaType, body); err == nil {
		m = parsed
	}
	repo := g.repositoryFor(repository)
	repo.mu.Lock()
	defer repo.mu.Unlock()
	repo.manifests[h] = m
	if tag != "" {
		repo.tags[tag] = h
	}
	return nil
}

// OpenUploads counts the upload sessions that were neither completed nor cancelled.
func (g *Registry) OpenUploads() int {
	g.mu.RLock()
	defer g.mu.RUnlock()
	open := 0
	for _, repo := range g.repositories {
		repo.mu.RLock()
		open += len(repo.uploads)
		repo.mu.RUnlock()
	}
	return open
}

func (g *Registry) lookup(name string) (*repository, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	repo, ok := g.repositories[name]
	return repo, ok
}

// repositoryFor makes the repository where it is missing.
func (g *Registry) repositoryFor(name string) *repository {
	if repo, ok := g.lookup(name); ok {
		return repo
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	repo, ok := g.repositories[name]
	if !ok {
		repo = newRepository(name, g.storage)
		g.repositories[name] = repo
	}
	return repo
}

func (g *Registry) loadBlob(repository string, h v1.Hash) { g.repositoryFor(repository).loadBlob(h) }

func (g *Registry) loadManifest(repository string, h v1.Hash, mediaType string, body []byte) error {
	m, err := parseManifest(h, mediaType, body)
	if err != nil {
		return fmt.Errorf("manifest %s of %s: %w", h, repository, err)
	}
	g.repositoryFor(repository).loadManifest(m)
	return nil
}

func (g *Registry) loadTag(repository, tag string, h v1.Hash) {
	g.repositoryFor(repository).loadTag(tag, h)
}

// stall waits as a fault says: for d, or until the client or the registry gives up.
func (g *Registry) stall(ctx context.Context, d time.Duration) {
	var elapsed <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-elapsed:
	case <-ctx.Done():
	case <-g.closed:
	}
}

// call is one request on its way through.
type call struct {
	route
	from     string // a mount's origin
	registry *Registry
	dialect  *Dialect
	w        *responseWriter
	r        *http.Request
}

// ServeHTTP answers the distribution API, the token service at /token, and the other host's part where the handler is
// used for both.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt, routeErr := parsePath(r.URL.Path)
	kind := kindOf(rt, r)
	from := ""
	if kind == KindMount || kind == KindUploadPut || kind == KindUploadStart {
		query := r.URL.Query()
		name := query.Get("digest")
		if kind == KindMount {
			name, from = query.Get("mount"), query.Get("from")
		}
		if h, err := parseDigest(name); err == nil {
			rt.digest = h
		}
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	rec := g.log.begin(Entry{
		Method: r.Method, Path: r.URL.RequestURI(), Kind: kind, Repository: rt.repository, Reference: rt.reference,
		Digest: rt.digest, From: from, Authorization: scheme,
	})
	faults := g.faults.Load()
	fault := faults.pick(Request{
		Method: r.Method, Kind: kind, Repository: rt.repository, Reference: rt.reference, Digest: rt.digest, From: from, HTTP: r,
	})
	stall := func(d time.Duration) { g.stall(r.Context(), d) }
	writer := newResponseWriter(w, rec, fault, faults.down, stall)
	// Our own copy: by the body in its request Go's server knows whether to read on before it answers.
	body := newRequestBody(r, rec, fault, faults.up, stall)
	r = r.WithContext(r.Context())
	r.Body = body
	c := &call{route: rt, from: from, registry: g, dialect: g.dialect.Load(), w: writer, r: r}
	defer func() {
		aborted := recover()
		rec.broken.CompareAndSwap(false, aborted != nil)
		rec.finish()
		g.logRequest(r.Context(), rec)
		if aborted != nil {
			panic(aborted)
		}
	}()
	if fault.Delay > 0 {
		g.stall(r.Context(), fault.Delay)
	}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	switch {
	case fault.Reset:
		rec.broken.Store(true)
		resetConnection(w)
		return
	case fault.Status != 0:
		maps.Copy(w.Header(), fault.Header)
		if fault.Body != "" {
			writer.WriteHeader(fault.Status)
			_, _ = io.WriteString(writer, fault.Body)
			return
		}
		writeError(writer, &apiError{Status: fault.Status, Code: fault.Code, Message: fault.Message})
		return
	}
	err := routeErr
	if err == nil {
		err = c.serve()
	}
	var aborted abortUpload
	switch {
	case errors.As(err, &aborted):
		// The client is gone, or is to see that the connection is.
		panic(http.ErrAbortHandler)
	case err != nil:
		writeError(writer, err)
	}
	if fault.LoseAnswer {
		rec.broken.Store(true)
		resetConnection(w)
	}
}

func (g *Registry) logRequest(ctx context.Context, rec *record) {
	if !g.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	e := rec.snapshot()
	g.logger.DebugContext(ctx, "request", "method", e.Method, "path", e.Path, "kind", e.Kind, "status", e.Status,
		"down", e.Down, "up", e.Up, "broken", e.Broken, "duration", e.Duration)
}

func (c *call) serve() error {
	switch c.resource {
	case resourceToken:
		return c.serveToken()
	case resourceCDN:
		return c.getFromCDN()
	}
	if c.resource == resourceUpload && c.dialect.UploadElsewhere && c.onCDN() {
		if c.r.Header.Get("Authorization") != "" {
			return errAuthorizationOnCDN
		}
	} else if err := c.checkProject(); err != nil {
		return err
	} else if err := c.authorize(); err != nil {
		return err
	}
	if c.resource == resourcePing {
		return c.writeJSON("application/json", struct{}{})
	}
	if err := c.checkWritable(); err != nil {
		return err
	}
	if handler, ok := handlers[kindOf(c.route, c.r)]; ok {
		if err := c.countPull(); err != nil {
			return err
		}
		return handler(c)
	}
	return fail(http.StatusMethodNotAllowed, CodeUnsupported, "%s is not supported here", c.r.Method)
}

var handlers = map[Kind]func(*call) error{
	KindManifestHead: (*call).getManifest, KindManifestGet: (*call).getManifest,
	KindManifestPut: (*call).putManifest, KindManifestDelete: (*call).deleteManifest,
	KindBlobHead: (*call).getBlob, KindBlobGet: (*call).getBlob, KindBlobDelete: (*call).deleteBlob,
	KindUploadStart: (*call).startUpload, KindMount: (*call).startUpload,
	KindUploadStatus: (*call).uploadStatus, KindUploadPatch: (*call).patchUpload,
	KindUploadPut: (*call).putUpload, KindUploadCancel: (*call).cancelUpload,
	KindTags: (*call).listTags, KindReferrers: (*call).listReferrers,
}

// checkWritable refuses what writes where that can't be.
func (c *call) checkWritable() error {
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return nil
	}
	switch kind := kindOf(c.route, c.r); {
	case c.dialect.ReadOnly:
		return fail(http.StatusMethodNotAllowed, CodeUnsupported, "The operation is unsupported.")
	case c.dialect.DiskFull && (kind == KindUploadPut || kind == KindUploadPatch || kind == KindManifestPut):
		return fail(http.StatusInternalServerError, CodeUnknown, "unknown error").with(map[string]any{
			"DriverName": "filesystem", "Enclosed": map[string]any{"Op": "write", "Path": "/var/lib/registry/docker", "Err": 28, "Text": "no space left on device"},
		})
	}
	return nil
}

// createdStatus is what is answered to what was written.
func (c *call) createdStatus() int {
	if c.dialect.CreatedStatus != 0 {
		return c.dialect.CreatedStatus
	}
	return http.StatusCreated
}

// countPull is Docker Hub's limit: https://docs.docker.com/docker-hub/usage/pulls/.
func (c *call) countPull() error {
	limit := int64(c.dialect.PullLimit)
	kind := kindOf(c.route, c.r)
	if limit == 0 || kind != KindManifestGet && kind != KindManifestHead {
		return nil
	}
	pulls := c.registry.pulls.Load()
	if kind == KindManifestGet {
		pulls = c.registry.pulls.Add(1)
	}
	const window = ";w=21600"
	c.w.Header().Set("ratelimit-limit", strconv.FormatInt(limit, 10)+window)
	c.w.Header().Set("ratelimit-remaining", strconv.FormatInt(max(limit-pulls, 0), 10)+window)
	if pulls > limit {
		return fail(http.StatusTooManyRequests, CodeTooManyRequests, "you have reached your pull rate limit")
	}
	return nil
}

// checkProject is Harbor's look at the project, which comes before the user's rights in it. A HEAD without credentials is asked for
// them first.
func (c *call) checkProject() error {
	if !c.dialect.ProjectsMustExist || c.repository == "" || c.resource == resourceCDN ||
		c.r.Method == http.MethodHead && c.dialect.Auth.Scheme != AuthNone && c.r.Header.Get("Authorization") == "" {
		return nil
	}
	project, _, _ := strings.Cut(c.repository, "/")
	c.registry.mu.RLock()
	defer c.registry.mu.RUnlock()
	if _, ok := c.registry.projects[project]; ok {
		return nil
	}
	return fail(http.StatusUnauthorized, CodeUnauthorized, "project %s not found: project %s not found", project, project)
}

// pushTo is the repository that a request writes to.
func (c *call) pushTo() (*repository, error) {
	if c.dialect.RepositoriesMustExist {
		repo, ok := c.registry.lookup(c.repository)
		if !ok {
			return nil, fail(http.StatusNotFound, CodeNameUnknown, "repository %s does not exist", c.repository)
		}
		return repo, nil
	}
	return c.registry.repositoryFor(c.repository), nil
}

// url makes a path and query absolute, by the Host that the client used.
func (c *call) url(pathAndQuery string) string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: c.r.Host}).String() + pathAndQuery
}

// onCDN tells whether the request came to the other host.
func (c *call) onCDN() bool {
	base, err := c.registry.cdnBase()
	if err != nil {
		return false
	}
	_, host, _ := strings.Cut(base, "://")
	return host == c.r.Host
}

// location is what a Location header says.
func (c *call) location(pathAndQuery string) string {
	if c.dialect.RelativeLocation {
		return pathAndQuery
	}
	return c.url(pathAndQuery)
}
