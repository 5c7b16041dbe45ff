package extract

import (
	"slices"
	"testing"

	"docker-mirror/go-helper/internal/spec"
)

// Flux says in one resource which chart, and in another where from.
func TestFluxChartsAreJoinedWithTheirRepositories(t *testing.T) {
	t.Parallel()
	release := func(name, chart, version, source string) string {
		return "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: " + name + ", namespace: apps}\n" +
			"spec: {chart: {spec: {chart: " + chart + ", version: \"" + version + "\", sourceRef: {kind: HelmRepository, " + source + "}}}}\n"
	}
	repository := func(name, more string) string {
		return "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: " + name + ", namespace: flux-system}\nspec: {" + more + "}\n"
	}
	releases := release("a", "podinfo", "6.7.1", "name: own, namespace: flux-system") +
		release("b", "build", "1.2.3+4", "name: own, namespace: flux-system") +
		release("c", "ranged", ">=1.0", "name: own, namespace: flux-system") +
		release("d", "elsewhere", "1.0.0", "name: own") + // in its own namespace, where there is none
		release("e", "plain", "1.0.0", "name: http, namespace: flux-system") +
		"---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata: {name: f, namespace: flux-system}\n" +
		"spec: {chart: chart, version: 2.0.0, sourceRef: {kind: HelmRepository, name: own}}\n" +
		"---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata: {name: g}\n" +
		"spec: {chart: ./charts/g, version: 2.0.0, sourceRef: {kind: GitRepository, name: git}}\n"
	repositories := repository("own", `type: oci, url: "oci://ghcr.io/a/charts/"`) + repository("http", `url: "https://charts.example"`) +
		repository("unused", `type: oci, url: "oci://ghcr.io/a/unused"`)

	result, err := Images([]spec.File{{Name: "releases", Data: []byte(releases)}, {Name: "repositories", Data: []byte(repositories)}}, Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	var images []string
	for _, image := range result.Images {
		images = append(images, image.Source+" for "+image.Askers[0])
	}
	if want := []string{
		"ghcr.io/a/charts/build:1.2.3_4 for HelmRelease apps/b",
		"ghcr.io/a/charts/chart:2.0.0 for HelmChart flux-system/f",
		"ghcr.io/a/charts/podinfo:6.7.1 for HelmRelease apps/a",
	}; !slices.Equal(images, want) {
		t.Errorf("found\n%q, want\n%q", images, want)
	}
	var left []string
	for _, l := range result.LeftOut {
		left = append(left, l.String())
	}
	if want := []string{
		`repositories:15: HelmRepository flux-system/unused: "ghcr.io/a/unused": is a place of charts: list those that are released from it`,
		`releases:15: HelmRelease apps/c: "ghcr.io/a/charts/ranged": has the version >=1.0, which is none or a range: select.semver of an image set takes that`,
		`releases:20: HelmRelease apps/d: "elsewhere": is a chart of the HelmRepository apps/own, which isn't among these manifests`,
	}; !slices.Equal(left, want) {
		t.Errorf("left out\n%q, want\n%q", left, want)
	}
}
