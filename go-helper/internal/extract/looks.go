package extract

import (
	"regexp"
	"strings"

	"docker-mirror/go-helper/internal/reference"
)

// isTemplate tells whether text is filled in later: by Helm, a shell, Kubernetes, Tekton, Argo or a person.
func isTemplate(s string) bool {
	return strings.Contains(s, "{{") || strings.Contains(s, "}}") || strings.Contains(s, "${") || strings.Contains(s, "$(") || strings.Contains(s, "$[") ||
		strings.HasPrefix(s, "$") || strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") || strings.Contains(s, "%s")
}

// withoutScheme takes off what marks an image among addresses of other things.
func withoutScheme(s string) (bare string, marked bool) {
	for _, scheme := range []string{"oci://", "docker://"} {
		if bare, ok := strings.CutPrefix(s, scheme); ok {
			return bare, true
		}
	}
	return s, false
}

// versionTag is how a tag looks that can't be a port.
var versionTag = regexp.MustCompile(`^v?\d+\.\d`)

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// hasHost tells whether a reference names its registry.
func hasHost(s string) bool {
	host, _, hasPath := strings.Cut(s, "/")
	return hasPath && (strings.ContainsAny(host, ".:") || host == "localhost")
}

// hasIdentifier tells whether a reference has a tag or a digest.
func hasIdentifier(s string) bool {
	return strings.Contains(s, "@") || strings.Contains(s[strings.LastIndexByte(s, '/')+1:], ":")
}

// notImages are what files are called whose path looks like a repository.
var notImages = regexp.MustCompile(`(?i)\.(?:png|jpe?g|svg|gif|ico|webp|iso|qcow2|img|vmdk|ova|raw|ya?ml|json|tar|t?gz|zip|html?|txt|pem|crt|key|sh|conf|so)$`)

// platforms read like repositories of Docker Hub.
var platforms = regexp.MustCompile(`^(?:linux|windows|darwin)/[a-z0-9]+(?:/v\d+)?$`)

func isFile(s string) bool { return notImages.MatchString(s) }

// registries are hosts, and the ends of hosts, that have nothing but images.
var registries = regexp.MustCompile(`(?:^|\.)(?:docker\.io|quay\.io|ghcr\.io|gcr\.io|pkg\.dev|registry\.k8s\.io|azurecr\.(?:io|cn|us)|dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|` +
	`public\.ecr\.aws|mcr\.microsoft\.com|nvcr\.io|icr\.io|cr\.l5d\.io|cr\.fluentbit\.io|docker\.elastic\.co|docker\.n8n\.io|registry\.gitlab\.com|ocir\.io|lscr\.io|cgr\.dev|` +
	`registry\.redhat\.io|registry\.access\.redhat\.com|registry\.connect\.redhat\.com|registry\.suse\.com|container-registry\.oracle\.com|artifactory\.[a-z0-9.-]+|jfrog\.io|` +
	`registry\.opensource\.zalan\.do|xpkg\.upbound\.io|docker\.cloudsmith\.io)$|^(?:registry|harbor|docker|cr)\.[a-z0-9.-]+$`)

// isKnownHost tells whether a reference's host is that of a registry.
func isKnownHost(s string) bool {
	ref, err := reference.Parse(s)
	return err == nil && hasHost(s) && registries.MatchString(ref.Registry)
}
