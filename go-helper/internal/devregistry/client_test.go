package devregistry_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// client speaks to one server, a request a call, and never retries.
type client struct {
	t      *testing.T
	server *devregistry.Server
	http   *http.Client
	header http.Header
}

func start(t *testing.T, opts devregistry.Options) *client {
	t.Helper()
	return newClient(t, devregistrytest.Start(t, opts))
}

func newClient(t *testing.T, s *devregistry.Server) *client {
	t.Helper()
	// A connection a request: net/http sends a request again by itself where a kept connection breaks.
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{t: t, server: s, header: http.Header{}, http: &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type answer struct {
	*http.Response
	body []byte
	// err is what reading the body came to.
	err error
}

// try sends a request; the error is one before there was an answer.
func (c *client) try(method, target string, body []byte, header ...string) (answer, error) {
	c.t.Helper()
	if target[0] == '/' {
		target = c.server.URL + target
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = c.header.Clone()
	req.Header.Set("Accept", string(types.OCIManifestSchema1))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	return answer{resp, content, err}, nil
}

func (c *client) do(method, target string, body []byte, header ...string) answer {
	c.t.Helper()
	a, err := c.try(method, target, body, header...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *client) want(status int, method, target string, body []byte, header ...string) answer {
	c.t.Helper()
	a := c.do(method, target, body, header...)
	if a.StatusCode != status {
		c.t.Fatalf("%s %s: %d, want %d\n%s", method, target, a.StatusCode, status, a.body)
	}
	return a
}

func (a answer) code() string {
	var doc struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(a.body, &doc); err != nil || len(doc.Errors) == 0 {
		return ""
	}
	return doc.Errors[0].Code
}

func (c *client) location(a answer) *url.URL {
	c.t.Helper()
	u, err := a.Location()
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

func withDigest(u *url.URL, h v1.Hash) string {
	query := u.Query()
	query.Set("digest", h.String())
	with := *u
	with.RawQuery = query.Encode()
	return with.String()
}

func content(n int, salt string) ([]byte, v1.Hash) {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(salt))).Read(b)
	return b, hashOf(b)
}

func hashOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// upload opens an upload and gives its Location.
func (c *client) upload(repository string) *url.URL {
	c.t.Helper()
	return c.location(c.want(http.StatusAccepted, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil))
}

func (c *client) push(repository string, blob []byte) v1.Hash {
	c.t.Helper()
	h := hashOf(blob)
	c.want(http.StatusCreated, http.MethodPut, withDigest(c.upload(repository), h), blob)
	return h
}

// pushImage pushes a config, a layer and a manifest that refers to them.
func (c *client) pushImage(repository, tag string, layer []byte) v1.Hash {
	c.t.Helper()
	config := []byte("{}")
	body, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: c.push(repository, config), Size: int64(len(config))},
		Layers: []v1.Descriptor{{MediaType: types.OCILayer, Digest: c.push(repository, layer), Size: int64(len(layer))}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.want(http.StatusCreated, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, body, "Content-Type", string(types.OCIManifestSchema1))
	return hashOf(body)
}

func (c *client) mount(to, from string, h v1.Hash) answer {
	c.t.Helper()
	return c.do(http.MethodPost, "/v2/"+to+"/blobs/uploads/?"+url.Values{"mount": {h.String()}, "from": {from}}.Encode(), nil)
}
