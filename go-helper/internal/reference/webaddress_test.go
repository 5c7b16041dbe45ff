package reference

import (
	"strings"
	"testing"
)

func TestWebAddressesAreNoImages(t *testing.T) {
	for written, want := range map[string]string{
		"hub.docker.com/r/bitnami/redis":                                                      "Docker Hub's web site, not an image: write docker.io/bitnami/redis",
		"hub.docker.com/r/bitnami/redis/tags":                                                 "write docker.io/bitnami/redis",
		"hub.docker.com/r/bitnami/redis:7.2":                                                  "write docker.io/bitnami/redis:7.2",
		"hub.docker.com/r/bitnami/redis:7.2@" + digest:                                        "write docker.io/bitnami/redis:7.2@" + digest,
		"https://hub.docker.com/r/bitnami/redis/tags?page=2&name=7":                           "write docker.io/bitnami/redis",
		"hub.docker.com/_/nginx":                                                              "write docker.io/library/nginx",
		"hub.docker.com/_/nginx/":                                                             "write docker.io/library/nginx",
		"https://hub.docker.com/layers/library/nginx/1.25/images/sha256-" + hex:               "write docker.io/library/nginx",
		"hub.docker.com/repository/docker/team/app/general":                                   "write docker.io/team/app",
		"hub.docker.com/v2/namespaces/team/repositories/app/tags":                             "write docker.io/team/app",
		"hub.docker.com/bitnami/redis":                                                        "write docker.io/bitnami/redis",
		"hub.docker.com/u/bitnami/x/y":                                                        "write docker.io/NAMESPACE/NAME",
		"Hub.Docker.com/r/a/b":                                                                "write docker.io/a/b",
		"www.docker.com/r/a/b":                                                                "write docker.io/a/b",
		"registry.hub.docker.com/r/a/b":                                                       "write docker.io/a/b",
		"quay.io/repository/prometheus/prometheus":                                            "write quay.io/prometheus/prometheus",
		"https://quay.io/repository/prometheus/prometheus?tab=tags":                           "write quay.io/prometheus/prometheus",
		"quay.io/repository/prometheus/prometheus:v3":                                         "write quay.io/prometheus/prometheus:v3",
		"gallery.ecr.aws/docker/library/nginx":                                                "write public.ecr.aws/docker/library/nginx",
		"gallery.ecr.aws/nginx":                                                               "write public.ecr.aws/ALIAS/NAME",
		"https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/1234/team/app/_/x": "write 1234.dkr.ecr.eu-west-1.amazonaws.com/team/app",
		"https://github.com/orgs/cilium/packages/container/package/cilium":                    "write ghcr.io/cilium/cilium",
		"github.com/stefanprodan/podinfo/pkgs/container/podinfo":                              "write ghcr.io/stefanprodan/podinfo",
		"github.com/stefanprodan/podinfo":                                                     "write ghcr.io/OWNER/NAME",
		"https://gitlab.com/gitlab-org/cli/container_registry/123":                            "write registry.gitlab.com/gitlab-org/cli",
		"https://gitlab.com/gitlab-org/cli/-/container_registry":                              "write registry.gitlab.com/gitlab-org/cli",
		"console.cloud.google.com/artifacts/docker/p/europe-west1/repo/app":                   "write europe-west1-docker.pkg.dev/p/repo/app",
		"console.cloud.google.com/gcr/images/p/GLOBAL/app":                                    "write gcr.io/p/app",
		"https://portal.azure.com/#view/x":                                                    "write REGISTRY.azurecr.io/NAME",
		"https://mcr.microsoft.com/en-us/artifact/mar/dotnet/sdk/tags":                        "write mcr.microsoft.com/dotnet/sdk",
		"mcr.microsoft.com/product/dotnet/sdk/about":                                          "write mcr.microsoft.com/dotnet/sdk",
		"https://catalog.ngc.nvidia.com/orgs/nvidia/teams/k8s/containers/dcgm-exporter":       "write nvcr.io/nvidia/k8s/dcgm-exporter",
		"https://catalog.redhat.com/software/containers/ubi9/x":                               "write registry.access.redhat.com/",
		"artifacthub.io/packages/helm/bitnami/redis":                                          "Artifact Hub, not an image",
		"harbor.example.com/harbor/projects/3/repositories/app":                               "write harbor.example.com/PROJECT/NAME",
		"https://ghcr.io/v2/a/b/manifests/1.2":                                                "write ghcr.io/a/b:1.2",
		"ghcr.io/v2/a/b/manifests/" + digest:                                                  "write ghcr.io/a/b@" + digest,
		"ghcr.io/v2/a/b/tags/list":                                                            "write ghcr.io/a/b",
	} {
		if err := CheckWebAddress(written); err == nil || !strings.HasSuffix(err.Error(), want) && !strings.Contains(err.Error(), want+"NAMESPACE") && !strings.Contains(err.Error(), want+": write") {
			t.Errorf("CheckWebAddress(%q) = %v, want %q at its end", written, err, want)
		}
		if !strings.Contains(written, "://") {
			if ref, err := Parse(written); err == nil {
				t.Errorf("Parse(%q) = %v, want an error", written, ref)
			}
		}
	}
}

func TestImagesAreNoWebAddresses(t *testing.T) {
	for _, written := range []string{
		"quay.io/prometheus/prometheus:v3", "quay.io/repository/x", "mcr.microsoft.com/dotnet/sdk:8.0", "registry.hub.docker.com/library/nginx:1", "registry.gitlab.com/a/b",
		"nexus.example/repository/team/app:1", "registry.example/v2/app:1", "registry.example/v2/manifests/app", "registry.example/harbor/app", "_a/b", "nginx", "console.example/ecr/x",
	} {
		if err := CheckWebAddress(written); err != nil {
			t.Errorf("CheckWebAddress(%q): %v", written, err)
		}
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]string{
		"registry.example:1": "", "registry.example:65535": "", "registry.example:0080": "", "[::1]": "", "[::1]:5000": "", "[2001:db8::1]": "", "10.0.0.1:80": "",
		"registry.example:0":     `"registry.example:0" has the port 0: ports are 1 to 65535`,
		"registry.example:00000": "has the port 00000",
		"registry.example:65536": "has the port 65536",
		"registry.example:99999": "has the port 99999",
		"[::1]:0":                "has the port 0",
		"[::1]:99999":            "has the port 99999",
		"[:::::]:5000":           "no IPv6 address between the brackets",
		"registry.example:":      "is not a host name",
	} {
		ref, err := Parse(host + "/x")
		switch {
		case want == "" && (err != nil || ref.Registry != host):
			t.Errorf("Parse(%s/x) = %v, %v", host, ref, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("Parse(%s/x) = %v, %v, want an error with %q", host, ref, err, want)
		}
	}
}
