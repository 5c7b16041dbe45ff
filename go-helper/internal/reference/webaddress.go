package reference

import (
	"fmt"
	"regexp"
	"strings"
)

// site is a web site about images: people copy its addresses from the browser, and some read like references.
type site struct {
	name   string
	pages  []page
	images string // what images are called in general; empty: it is a registry, too, and what is no page of it is an image
}

// isPage tells whether a path may be that of a page on a host that is a registry, too: most references end their check here.
func isPage(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	switch first {
	case "repository", "_", "r", "layers", "v2", "product", "artifact":
		return true
	}
	return len(first) == len("en-us") && first[2] == '-'
}

type page struct {
	path  *regexp.Regexp
	image string // what it is about, as $1, $2 …, and $region
}

func about(path, image string) page { return page{regexp.MustCompile("^" + path), image} }

const awsConsole = "console.aws.amazon.com"

// sites are found by their host, without www.; that of the AWS console without the region before it.
var sites = func() map[string]site {
	dockerHub := site{"Docker Hub's web site", []page{
		about(`_/([^/]+)`, "docker.io/library/$1"),
		about(`(?:r|layers|repository/docker|v2/repositories)/([^/]+/[^/]+)`, "docker.io/$1"),
		about(`v2/namespaces/([^/]+)/repositories/([^/]+)`, "docker.io/$1/$2"),
		about(`([^/]+/[^/]+)$`, "docker.io/$1"),
	}, "docker.io/NAMESPACE/NAME"}
	return map[string]site{
		"hub.docker.com": dockerHub,
		"docker.com":     dockerHub,
		// Also a name of the registry itself: only its pages are none of its images.
		"registry.hub.docker.com": {dockerHub.name, dockerHub.pages[:3], ""},
		"quay.io":                 {"Quay's web site", []page{about(`repository/([^/]+/[^/]+)`, "quay.io/$1")}, ""},
		"gallery.ecr.aws":         {"the ECR Public Gallery", []page{about(`([^/]+/.+)`, "public.ecr.aws/$1")}, "public.ecr.aws/ALIAS/NAME"},
		awsConsole: {"the AWS console", []page{
			about(`ecr/repositories/private/(\d+)/(.+?)(?:/_/.*)?$`, "$1.dkr.ecr.$region.amazonaws.com/$2"),
		}, "ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME"},
		"github.com": {"GitHub's web site", []page{
			about(`(?:orgs/|users/)?([^/]+)/packages/container/(?:package/)?([^/]+)`, "ghcr.io/$1/$2"),
			about(`([^/]+)/[^/]+/pkgs/container/([^/]+)`, "ghcr.io/$1/$2"),
		}, "ghcr.io/OWNER/NAME"},
		"gitlab.com": {"GitLab's web site", []page{
			about(`(.+?)(?:/-)?/container_registry`, "registry.gitlab.com/$1"),
		}, "registry.gitlab.com/GROUP/PROJECT"},
		"console.cloud.google.com": {"the Google Cloud console", []page{
			about(`artifacts/docker/([^/]+)/([^/]+)/([^/]+)/([^/]+)`, "$2-docker.pkg.dev/$1/$3/$4"),
			about(`(?:gcr/images|artifacts/gcr)/([^/]+)/(?i:global)/(.+)`, "gcr.io/$1/$2"),
		}, "LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/NAME"},
		"portal.azure.com": {"the Azure portal", nil, "REGISTRY.azurecr.io/NAME"},
		"mcr.microsoft.com": {"Microsoft's catalog", []page{
			about(`(?:[a-z]{2}-[a-z]{2}/)?(?:product|artifact/mar)/(.+?)(?:/(?:about|tags?|details)(?:/.*)?)?$`, "mcr.microsoft.com/$1"),
		}, ""},
		"catalog.ngc.nvidia.com": {"NVIDIA's catalog", []page{
			about(`orgs/([^/]+)/teams/([^/]+)/containers/([^/]+)`, "nvcr.io/$1/$2/$3"),
			about(`orgs/([^/]+)/containers/([^/]+)`, "nvcr.io/$1/$2"),
		}, "nvcr.io/ORG/NAME"},
		"catalog.redhat.com": {"Red Hat's catalog", nil, "registry.access.redhat.com/NAMESPACE/NAME or registry.redhat.io/NAMESPACE/NAME"},
		"artifacthub.io":     {"Artifact Hub", nil, "HOST/NAME: its page names the registry"},
	}
}()

// request is one of the distribution API, out of a log or of curl.
var request = regexp.MustCompile(`^v2/(.+)/(?:(?:manifests|blobs)/([^/]+)|tags/list)$`)

var (
	// afterPath is what an address may have that says nothing of the image.
	afterPath = regexp.MustCompile(`/?(?:[?#].*)?$`)
	// identifier is what people put to such an address.
	identifier = regexp.MustCompile(`(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@[a-z0-9]+:[0-9a-f]+)?$`)
)

// CheckWebAddress refuses the address of a page about an image, or of a request for it, and says what to write. [Parse] asks it, too; it knows
// addresses with their scheme (https://) as well.
func CheckWebAddress(s string) error {
	bare := s
	if i := strings.Index(s, "://"); i >= 0 {
		bare = s[i+len("://"):]
	}
	host, path, hasPath := strings.Cut(bare, "/")
	if !hasPath {
		return nil
	}
	host = strings.TrimPrefix(strings.ToLower(host), "www.")
	web, known := sites[host]
	region, rest, _ := strings.Cut(host, ".")
	if !known && rest == awsConsole {
		web, known = sites[rest], true
	}
	if !known {
		if image, site := ofAnyHost(host, path); image != "" {
			return noImage(s, site, image)
		}
		return nil
	}
	if web.images == "" && !isPage(path) {
		return nil
	}
	path = afterPath.ReplaceAllString(path, "")
	suffix := identifier.FindString(path)
	path = strings.TrimSuffix(path, suffix)
	for _, page := range web.pages {
		if m := page.path.FindStringSubmatchIndex(path); m != nil {
			image := strings.ReplaceAll(page.image, "$region", region)
			return noImage(s, web.name, string(page.path.ExpandString(nil, image, path, m))+suffix)
		}
	}
	if web.images != "" {
		return noImage(s, web.name, web.images)
	}
	return nil
}

func noImage(s, site, image string) error {
	return fmt.Errorf("%q is an address of %s, not an image: write %s", s, site, image)
}

// ofAnyHost is for paths that no image has, or hardly any.
func ofAnyHost(host, path string) (image, site string) {
	switch {
	case strings.HasPrefix(path, "harbor/projects/"):
		return host + "/PROJECT/NAME", "Harbor's web site"
	case !strings.HasPrefix(path, "v2/"): // most
		return "", ""
	}
	m := request.FindStringSubmatch(afterPath.ReplaceAllString(path, ""))
	switch {
	case m == nil:
		return "", ""
	case strings.Contains(m[2], ":"):
		image = host + "/" + m[1] + "@" + m[2]
	case m[2] != "":
		image = host + "/" + m[1] + ":" + m[2]
	default:
		image = host + "/" + m[1]
	}
	return image, "the registry's API"
}
