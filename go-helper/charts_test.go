package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry/toolstest"
)

var update = flag.Bool("update", false, "write the lists of testprojects/charts again")

const chartLists = "../testprojects/charts/3rdparty"

// chart is something that real clusters are made of: a chart, or manifests that are rendered already, in a Go module.
type chart struct {
	list      string // its folder in testprojects/charts/3rdparty
	module    string // with its version
	sum       string // as in go.sum
	path      string // in the module: the chart's folder, or a file of manifests
	namespace string
	values    []string // helm's --set
	deep      bool
	only      []string // images that nothing but --deep finds
}

var charts = []chart{
	{
		list: "argo-cd", module: "github.com/argoproj/argo-cd/v2@v2.12.3", sum: "h1:Bi4QahHTnKl3esU5MplQP1wraGhaTpvgAV4GsMqc3Zc=",
		path: "manifests/ha/install.yaml",
	},
	{
		list: "argo-workflows", module: "github.com/argoproj/argo-workflows/v3@v3.5.11", sum: "h1:omkwJ8hMeboY2vxRbMJVm5oCTbygNupMdYHI4ia9Fyc=",
		path: "manifests/quick-start-minimal.yaml", deep: true,
	},
	{
		// The chart's own version is only set when it is released.
		list: "cert-manager", module: "github.com/cert-manager/cert-manager@v1.21.2", sum: "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
		path: "deploy/charts/cert-manager", namespace: "cert-manager", deep: true,
		values: []string{
			"crds.enabled=true", "image.tag=v1.21.2", "webhook.image.tag=v1.21.2", "cainjector.image.tag=v1.21.2",
			"acmesolver.image.tag=v1.21.2", "startupapicheck.image.tag=v1.21.2",
		},
		only: []string{"quay.io/jetstack/cert-manager-acmesolver:v1.21.2"},
	},
	{
		list: "cilium", module: "github.com/cilium/cilium@v1.16.1", sum: "h1:7FiLrRJbO3d/RE423FUN0GxhrFDQBYRwr1veHN7uBys=",
		path: "install/kubernetes/cilium", namespace: "kube-system",
		values: []string{"hubble.relay.enabled=true", "hubble.ui.enabled=true", "clustermesh.useAPIServer=true"},
	},
	{
		list: "cloudnative-pg", module: "github.com/cloudnative-pg/cloudnative-pg@v1.24.1", sum: "h1:U1ETvJXvJzv3wpsfuL3RvpyNTb9273etXvYAOE0CgFk=",
		path: "releases/cnpg-1.24.1.yaml", deep: true,
	},
	{
		list: "eck-operator", module: "github.com/elastic/cloud-on-k8s/v2@v2.14.0", sum: "h1:Q0G3s8i9vH2hD7IXsuBBwJBlY50X1JRsyAKe9sDn0dc=",
		path: "deploy/eck-operator", namespace: "elastic-system", deep: true,
	},
	{
		list: "gatekeeper", module: "github.com/open-policy-agent/gatekeeper/v3@v3.17.1", sum: "h1:yoeJ/Ag23TKAWN0p/v0Rhyog7GEURLtluQ3wnttTWCY=",
		path: "charts/gatekeeper", namespace: "gatekeeper-system", deep: true,
	},
	{
		list: "kyverno", module: "github.com/kyverno/kyverno@v1.12.5", sum: "h1:wDo1KZaG++T3Lp3mN2Z5Cwo/7bHAkX+mxrTSxJH/z10=",
		path: "charts/kyverno", namespace: "kyverno",
	},
	{
		list: "metrics-server", module: "sigs.k8s.io/metrics-server@v0.7.2", sum: "h1:0t1FhxdEHKHF/SduSRdkNHIYb24TpHqew2B/64GzOq8=",
		path: "charts/metrics-server", namespace: "kube-system",
	},
	{
		// Its images are in the operator's own configuration.
		list: "postgres-operator", module: "github.com/zalando/postgres-operator@v1.13.0", sum: "h1:T9Mb+ZRQyTxXbagIK66GLVGCwM3661aX2lOkNpax4s8=",
		path: "charts/postgres-operator", namespace: "postgres", deep: true,
		only: []string{
			"ghcr.io/zalando/postgres-operator/logical-backup:v1.13.0", "ghcr.io/zalando/spilo-16:3.3-p1", "registry.opensource.zalan.do/acid/pgbouncer:master-32",
		},
	},
	{
		list:   "prometheus-operator",
		module: "github.com/prometheus-operator/prometheus-operator@v0.76.0", sum: "h1:EjGJiQVF3BUy/iygeRlN6iMBIAySMGZobEm7+7A95pI=",
		path: "bundle.yaml", deep: true,
		only: []string{"quay.io/prometheus-operator/prometheus-config-reloader:v0.76.0"},
	},
	{
		// A chart's values, as its templates need a chart that the module lacks: every image is in parts.
		list: "rook", module: "github.com/rook/rook@v1.15.5", sum: "h1:5CaeHUDnVYVC38en60XBCwSRh84jrgk8GrMyMO96lLg=",
		path: "deploy/charts/rook-ceph/values.yaml", deep: true,
		only: []string{
			"docker.io/rook/ceph:v1.15.5", "quay.io/cephcsi/cephcsi:v3.12.2", "quay.io/csiaddons/k8s-sidecar:v0.9.1", "registry.k8s.io/sig-storage/csi-attacher:v4.6.1",
			"registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.11.1", "registry.k8s.io/sig-storage/csi-provisioner:v5.0.1",
			"registry.k8s.io/sig-storage/csi-resizer:v1.11.1", "registry.k8s.io/sig-storage/csi-snapshotter:v8.0.1",
		},
	},
}

// moduleFolder has the go command download a module, and gives where it is.
func moduleFolder(t *testing.T, module, sum string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
	command.Dir = t.TempDir() // in no module
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	var downloaded struct{ Dir, Sum, Error string }
	if parseErr := json.Unmarshal(output, &downloaded); parseErr != nil || err != nil || downloaded.Dir == "" {
		t.Fatalf("go mod download %s: %v %s\n%s", module, err, downloaded.Error, &stderr)
	}
	if downloaded.Sum != sum {
		t.Fatalf("%s has the sum %s, want %s", module, downloaded.Sum, sum)
	}
	return downloaded.Dir
}

// render gives what the cluster would be told.
func (c chart) render(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(moduleFolder(t, c.module, c.sum), filepath.FromSlash(c.path))
	if strings.HasSuffix(path, ".yaml") {
		manifests, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return manifests
	}
	args := []string{"template", c.list, path, "--namespace", c.namespace, "--kube-version", "1.31.0"}
	for _, value := range c.values {
		args = append(args, "--set", value)
	}
	home := t.TempDir()
	helm := exec.CommandContext(t.Context(), toolstest.Build(t, toolstest.Helm), args...)
	helm.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	var stdout, stderr bytes.Buffer
	helm.Stdout, helm.Stderr = &stdout, &stderr
	if err := helm.Run(); err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.Bytes()
}

var (
	documentEnd = regexp.MustCompile(`(?m)^---$`)
	definition  = regexp.MustCompile(`(?m)^kind: CustomResourceDefinition$`)
	imageLine   = regexp.MustCompile(`(?m)^ +(?:- )?image: *["']?([^"'\s]+)["']?$`)
)

// imageLines finds images as a person with grep would.
func imageLines(manifests []byte) []string {
	var images []string
	for _, document := range documentEnd.Split(string(manifests), -1) {
		if definition.MatchString(document) {
			continue
		}
		for _, line := range imageLine.FindAllStringSubmatch(document, -1) {
			images = append(images, line[1])
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}

func listed(list string) []string {
	var images []string
	for line := range strings.Lines(list) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			images = append(images, line)
		}
	}
	slices.Sort(images)
	return images
}

// What is extracted of real charts and manifests is what people found in them: the lists of testprojects/charts.
func TestCharts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: not downloading charts")
	}
	for _, c := range charts {
		t.Run(c.list, func(t *testing.T) {
			t.Parallel()
			manifests := c.render(t)
			w := newWorkplace(t)
			args := []string{"extract"}
			if c.deep {
				args = append(args, "--deep")
			}
			w.write("rendered.yaml", string(manifests))
			got := w.run(0, append(args, "rendered.yaml")...).stdout.String()

			file := filepath.Join(chartLists, c.list, "images.txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			wanted, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if want := string(wanted); got != want {
				t.Errorf("extracted\n%s\nwant\n%s", got, want)
			}
			images := listed(got)
			if want := slices.Concat(imageLines(manifests), c.only); !equalSets(images, want) {
				t.Errorf("extracted %q, but grep finds %q", images, want)
			}

			// For CI: as it is, and with a version that the chart doesn't ask for.
			check := append(args, "--check", "images.txt", "rendered.yaml")
			w.write("images.txt", string(wanted))
			w.run(0, check...)
			w.write("images.txt", strings.Replace(string(wanted), images[0], "registry.example/old:1", 1))
			wantContains(t, "stderr", w.run(1, check...).stderr.String(), "registry.example/old:1", images[0], "stale")

			w.write("images.txt", string(wanted))
			plan := w.run(0, "plan", "--registry", "mirror.example", "--repository", "{source_registry}/{repository}", "images.txt").stdout.String()
			if n := strings.Count(plan, `"dst":`); n != len(images) {
				t.Errorf("%d copies are planned of %d images", n, len(images))
			}
		})
	}
}

func equalSets(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
