package main

import (
	"net/http"
	"regexp"
	"strings"
)

// A group is what a request is about.
type group string

const (
	groupPing     group = "ping"
	groupManifest group = "manifest"
	groupBlob     group = "blob"
	groupUpload   group = "upload"
	groupToken    group = "token"
	groupOther    group = "other"
)

// A kind is what a request asks of the distribution API.
type kind struct {
	name       string // what it is counted as, such as "manifest HEAD tag"
	group      group
	repository string
	reference  string // tag or digest
	mount      bool
}

var (
	manifestPath  = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)
	blobPath      = regexp.MustCompile(`^/v2/(.+)/blobs/([^/]+:[^/]+)$`)
	uploadPath    = regexp.MustCompile(`^/v2/(.+)/blobs/uploads/(.*)$`)
	tagsPath      = regexp.MustCompile(`^/v2/(.+)/tags/list$`)
	referrersPath = regexp.MustCompile(`^/v2/(.+)/referrers/([^/]+)$`)
)

// kindOf names a request after the endpoints of the distribution spec.
func kindOf(r *http.Request) kind {
	path := r.URL.Path
	if path == "/v2/" || path == "/v2" {
		return kind{name: "ping", group: groupPing}
	}
	if path == tokenPath {
		return kind{name: "token", group: groupToken}
	}
	if m := uploadPath.FindStringSubmatch(path); m != nil {
		query := r.URL.Query()
		k := kind{name: "upload " + r.Method, group: groupUpload, repository: m[1], reference: query.Get("digest")}
		switch {
		case r.Method == http.MethodPost && query.Get("mount") != "":
			k.name, k.mount, k.reference = "upload POST mount", true, query.Get("mount")
		case r.Method == http.MethodPost && query.Get("digest") != "" && r.ContentLength != 0:
			k.name = "upload POST single"
		}
		return k
	}
	if m := manifestPath.FindStringSubmatch(path); m != nil {
		by := "tag"
		switch {
		case strings.Contains(m[2], ":"):
			by = "digest"
		case strings.HasPrefix(m[2], "sha256-"), strings.HasPrefix(m[2], "sha512-"):
			by = "fallback tag" // of referrers, where a registry has no referrers API
		}
		return kind{name: "manifest " + r.Method + " " + by, group: groupManifest, repository: m[1], reference: m[2]}
	}
	if m := blobPath.FindStringSubmatch(path); m != nil {
		name := "blob " + r.Method
		if r.Header.Get("Range") != "" {
			name += " range"
		}
		return kind{name: name, group: groupBlob, repository: m[1], reference: m[2]}
	}
	if m := referrersPath.FindStringSubmatch(path); m != nil {
		return kind{name: "referrers", group: groupOther, repository: m[1], reference: m[2]}
	}
	if m := tagsPath.FindStringSubmatch(path); m != nil {
		return kind{name: "tags/list", group: groupOther, repository: m[1]}
	}
	return kind{name: "other " + r.Method, group: groupOther}
}
