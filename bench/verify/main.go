// Verify checks that a destination registry holds, for each image of a set, the same manifest bytes as the
// source, with all children of indexes, and every blob in its right size (-deep: with its right content).
//
// It prints what it found as JSON and exits with 0 when everything is there, 1 when not.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// Result is what was found; First tells of the first thing that is wrong.
type Result struct {
	Images    int    `json:"images"`
	ImagesOK  int    `json:"images_ok"`
	Manifests int    `json:"manifests"`
	Wrong     int    `json:"wrong"` // manifests and blobs that are missing or differ
	First     string `json:"first"`
}

func main() {
	result, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(2)
	}
	_ = json.NewEncoder(os.Stdout).Encode(result)
	if result.ImagesOK != result.Images || result.Wrong > 0 {
		os.Exit(1)
	}
}

func run(args []string) (Result, error) {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	v := &verifier{
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true}},
		checked: map[string]*blobCheck{},
	}
	set := flags.String("set", "", "description that seedset wrote")
	flags.StringVar(&v.source, "source", "", "source registry, http://host:port")
	flags.StringVar(&v.destination, "destination", "", "destination registry, http://host:port")
	flags.StringVar(&v.sourcePrefix, "source-prefix", "lib/", "what repositories begin with there")
	flags.StringVar(&v.destinationPrefix, "destination-prefix", "mirror/", "what repositories begin with there")
	flags.BoolVar(&v.deep, "deep", false, "download and hash every blob of the destination, once")
	if err := flags.Parse(args); err != nil {
		return Result{}, err
	}
	var description struct {
		Images []struct{ Repository, Tag, Digest string }
	}
	data, err := os.ReadFile(*set)
	if err != nil {
		return Result{}, err
	}
	if err := json.Unmarshal(data, &description); err != nil {
		return Result{}, fmt.Errorf("%s: %w", *set, err)
	}
	if len(description.Images) == 0 {
		return Result{}, errors.New(*set + ": no images")
	}

	var group sync.WaitGroup
	slots := make(chan struct{}, 6)
	for _, image := range description.Images {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			v.finish(v.image(image.Repository, image.Tag, image.Digest))
		})
	}
	group.Wait()
	return v.result, nil
}

type verifier struct {
	client                          *http.Client
	source, destination             string
	sourcePrefix, destinationPrefix string
	deep                            bool

	mu      sync.Mutex
	result  Result
	checked map[string]*blobCheck // by repository and digest, or by digest for content
}

type blobCheck struct {
	once sync.Once
	ok   bool
}

func (v *verifier) finish(ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Images++
	if ok {
		v.result.ImagesOK++
	}
}

// wrong notes a fault and returns false.
func (v *verifier) wrong(format string, args ...any) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Wrong++
	if v.result.First == "" {
		v.result.First = fmt.Sprintf(format, args...)
	}
	return false
}

type answer struct {
	status    int
	mediaType string
	body      []byte
}

// manifest gets a manifest as it is; an error is an answer without a status.
func (v *verifier) manifest(registry, repository, reference string) answer {
	request, err := http.NewRequest(http.MethodGet, registry+"/v2/"+repository+"/manifests/"+reference, nil)
	if err != nil {
		return answer{mediaType: err.Error()}
	}
	request.Header.Set("Accept", strings.Join([]string{
		"application/vnd.oci.image.manifest.v1+json",
		"application/vnd.oci.image.index.v1+json",
		"application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.docker.distribution.manifest.list.v2+json",
	}, ","))
	response, err := v.client.Do(request)
	if err != nil {
		return answer{mediaType: err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{mediaType: err.Error()}
	}
	return answer{response.StatusCode, response.Header.Get("Content-Type"), body}
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// image checks one tag: its manifests and blobs, and that it is the image that the set describes.
func (v *verifier) image(repository, tag, digest string) bool {
	body, ok := v.tree(repository, tag)
	if ok && digestOf(body) != digest {
		return v.wrong("%s:%s is not the set's digest", repository, tag)
	}
	return ok
}

// tree checks a manifest and all below it and returns the destination's bytes of it.
func (v *verifier) tree(repository, reference string) ([]byte, bool) {
	want := v.manifest(v.source, v.sourcePrefix+repository, reference)
	if want.status != http.StatusOK {
		return nil, v.wrong("source %s %s: %d %s", repository, reference, want.status, want.mediaType)
	}
	got := v.manifest(v.destination, v.destinationPrefix+repository, reference)
	v.mu.Lock()
	v.result.Manifests++
	v.mu.Unlock()
	if got.status != http.StatusOK {
		return nil, v.wrong("%s %s: %d", repository, reference, got.status)
	}
	if !bytes.Equal(want.body, got.body) || want.mediaType != got.mediaType {
		return nil, v.wrong("%s %s: other bytes or type (%d and %d bytes, %s and %s)", repository, reference,
			len(want.body), len(got.body), want.mediaType, got.mediaType)
	}
	type descriptor struct {
		Digest string
		Size   int64
	}
	var manifest struct {
		Manifests []descriptor
		Config    *descriptor
		Layers    []descriptor
	}
	if err := json.Unmarshal(want.body, &manifest); err != nil {
		return nil, v.wrong("%s %s: %v", repository, reference, err)
	}
	ok := true
	for _, child := range manifest.Manifests {
		_, childOK := v.tree(repository, child.Digest)
		ok = childOK && ok
	}
	blobs := manifest.Layers
	if manifest.Config != nil {
		blobs = append(blobs, *manifest.Config)
	}
	for _, blob := range blobs {
		ok = v.once(repository+"@"+blob.Digest, func() bool { return v.blob(repository, blob.Digest, blob.Size) }) && ok
	}
	return got.body, ok
}

// once runs a check that several images ask for, and gives all of them its result.
func (v *verifier) once(key string, check func() bool) bool {
	v.mu.Lock()
	c := v.checked[key]
	if c == nil {
		c = &blobCheck{}
		v.checked[key] = c
	}
	v.mu.Unlock()
	c.once.Do(func() { c.ok = check() })
	return c.ok
}

func (v *verifier) blob(repository, digest string, size int64) bool {
	target := v.destination + "/v2/" + v.destinationPrefix + repository + "/blobs/" + digest
	response, err := v.client.Head(target)
	if err != nil {
		return v.wrong("blob %s of %s: %v", digest, repository, err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ContentLength != size {
		return v.wrong("blob %s of %s: status %d, %d bytes, want %d", digest, repository, response.StatusCode, response.ContentLength, size)
	}
	if !v.deep {
		return true
	}
	return v.once(digest, func() bool {
		response, err := v.client.Get(target)
		if err != nil {
			return v.wrong("blob %s of %s: %v", digest, repository, err)
		}
		defer response.Body.Close()
		hash := sha256.New()
		if _, err := io.Copy(hash, response.Body); err != nil || "sha256:"+hex.EncodeToString(hash.Sum(nil)) != digest {
			return v.wrong("blob %s of %s: wrong content (%v)", digest, repository, err)
		}
		return true
	})
}
