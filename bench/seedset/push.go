package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// pusher uploads each blob once and mounts it into the other repositories.
type pusher struct {
	registry string
	client   *http.Client

	mu    sync.Mutex
	blobs map[string]*pushedBlob
}

type pushedBlob struct {
	mu           sync.Mutex
	repositories []string // those that have it
}

func newPusher(registry string) *pusher {
	return &pusher{
		registry: registry,
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}},
		blobs:    map[string]*pushedBlob{},
	}
}

// do sends a request and wants one of these statuses.
func (p *pusher) do(method, target, contentType string, body io.Reader, size int64, want ...int) (*http.Response, error) {
	request, err := http.NewRequest(method, target, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.ContentLength = size
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(want, response.StatusCode) {
		return nil, fmt.Errorf("%s %s: %s %s", method, target, response.Status, answer)
	}
	return response, nil
}

func (p *pusher) manifest(repository, reference, mediaType string, body []byte) error {
	_, err := p.do(http.MethodPut, p.registry+"/v2/"+repository+"/manifests/"+reference, mediaType,
		bytes.NewReader(body), int64(len(body)), http.StatusCreated)
	return err
}

func (p *pusher) blob(repository, digest string, size int64, write func(io.Writer) error) error {
	p.mu.Lock()
	pushed := p.blobs[digest]
	if pushed == nil {
		pushed = &pushedBlob{}
		p.blobs[digest] = pushed
	}
	p.mu.Unlock()
	pushed.mu.Lock()
	defer pushed.mu.Unlock()
	if slices.Contains(pushed.repositories, repository) {
		return nil
	}
	start := p.registry + "/v2/" + repository + "/blobs/uploads/"
	if len(pushed.repositories) > 0 {
		start += "?" + url.Values{"mount": {digest}, "from": {pushed.repositories[0]}}.Encode()
	}
	response, err := p.do(http.MethodPost, start, "", nil, 0, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusAccepted {
		location, err := response.Request.URL.Parse(response.Header.Get("Location"))
		if err != nil {
			return err
		}
		query := location.Query()
		query.Set("digest", digest)
		location.RawQuery = query.Encode()
		reader, writer := io.Pipe()
		go func() { writer.CloseWithError(write(writer)) }()
		_, err = p.do(http.MethodPut, location.String(), "application/octet-stream", reader, size, http.StatusCreated)
		reader.Close() // ends the writer where the registry didn't read to the end
		if err != nil {
			return err
		}
	}
	pushed.repositories = append(pushed.repositories, repository)
	return nil
}
