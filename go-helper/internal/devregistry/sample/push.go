package sample

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Pushed tells what is where.
type Pushed struct {
	Repository string  `json:"repository"`
	Tag        string  `json:"tag"` // empty: by digest alone
	Digest     v1.Hash `json:"digest"`
	MediaType  string  `json:"mediaType"`
	About      string  `json:"about"`
}

// Push puts the set into the registry at base, a URL such as `http://127.0.0.1:5000`, each repository's name behind
// prefix. What is there is not sent again. It is for registries of one's own: it sends no credentials and tries
// nothing twice. A nil client is http.DefaultClient.
func Push(ctx context.Context, client *http.Client, base, prefix string) ([]Pushed, error) {
	images, err := Set()
	if err != nil {
		return nil, err
	}
	return PushImages(ctx, client, base, prefix, images)
}

// PushImages is Push for some of the set.
func PushImages(ctx context.Context, client *http.Client, base, prefix string, images []Image) ([]Pushed, error) {
	if client == nil {
		client = http.DefaultClient
	}
	p := &pusher{client: client, base: strings.TrimSuffix(base, "/"), origins: map[v1.Hash]string{}}
	var pushed []Pushed
	for _, image := range images {
		repository := prefix + image.Repository
		reference := image.Tag
		if reference == "" {
			reference = image.Digest.String()
		}
		if err := p.manifest(ctx, repository, reference, image.Manifest); err != nil {
			return pushed, fmt.Errorf("pushing %s of %s: %w", reference, repository, err)
		}
		pushed = append(pushed, Pushed{repository, image.Tag, image.Digest, string(image.MediaType), image.About})
	}
	return pushed, nil
}

type pusher struct {
	client *http.Client
	base   string
	// origins knows a repository for each blob that has one, to mount from.
	origins map[v1.Hash]string
}

// manifest pushes blobs, then children, then the manifest itself.
func (p *pusher) manifest(ctx context.Context, repository, reference string, m Manifest) error {
	for _, blob := range m.Blobs {
		if err := p.blob(ctx, repository, blob); err != nil {
			return fmt.Errorf("blob %s: %w", blob.Digest, err)
		}
	}
	for _, child := range m.Children {
		if err := p.manifest(ctx, repository, child.Digest.String(), child); err != nil {
			return err
		}
	}
	resp, err := p.send(ctx, http.MethodPut, p.base+"/v2/"+repository+"/manifests/"+reference, m.Body, string(m.MediaType))
	if err != nil {
		return err
	}
	return want(resp, http.StatusCreated)
}

func (p *pusher) blob(ctx context.Context, repository string, blob Blob) error {
	target := p.base + "/v2/" + repository + "/blobs/"
	head, err := p.send(ctx, http.MethodHead, target+blob.Digest.String(), nil, "")
	if err != nil {
		return err
	}
	if head.StatusCode == http.StatusOK {
		p.origins[blob.Digest] = repository
		return nil
	}
	target += "uploads/"
	if origin, ok := p.origins[blob.Digest]; ok {
		target += "?" + url.Values{"mount": {blob.Digest.String()}, "from": {origin}}.Encode()
	}
	start, err := p.send(ctx, http.MethodPost, target, nil, "")
	if err != nil {
		return err
	}
	p.origins[blob.Digest] = repository
	if start.StatusCode == http.StatusCreated {
		return nil // mounted
	}
	if err := want(start, http.StatusAccepted); err != nil {
		return err
	}
	location, err := start.Location()
	if err != nil {
		return fmt.Errorf("upload's Location: %w", err)
	}
	query := location.Query()
	query.Set("digest", blob.Digest.String())
	location.RawQuery = query.Encode()
	done, err := p.send(ctx, http.MethodPut, location.String(), blob.Content, "application/octet-stream")
	if err != nil {
		return err
	}
	return want(done, http.StatusCreated)
}

// answer is a response whose body has been read.
type answer struct {
	*http.Response
	body []byte
}

const maxErrorBody = 4 * kib

func (p *pusher) send(ctx context.Context, method, target string, body []byte, contentType string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", method, target, err)
	}
	return answer{resp, content}, nil
}

func want(a answer, status int) error {
	if a.StatusCode == status {
		return nil
	}
	return fmt.Errorf("%s %s: %s: %s", a.Request.Method, a.Request.URL.Redacted(), a.Status, bytes.TrimSpace(a.body))
}
