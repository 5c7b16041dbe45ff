package extract

import (
	"cmp"
	"strings"

	"docker-mirror/go-helper/internal/strictjson"
)

// fluxChart is a chart that a resource of Flux's releases: it says which, and another resource says where from.
type fluxChart struct {
	at             strictjson.Value
	file, asker    string
	chart, version string
	repository     string // "namespace/name" of a HelmRepository
}

// flux notes the HelmRepositories that are registries, and what is released from them (Flux, "Helm Repositories" and "Helm Releases").
// They may stand in any order, and in several files.
func (f *finder) flux(v strictjson.Value, kind string) {
	spec, _ := member(v, "spec")
	metadata, _ := member(v, "metadata")
	namespace := text(metadata, "namespace")
	switch {
	case kind == "HelmRepository" && group(v) == "source.toolkit.fluxcd.io":
		place, isRegistry := strings.CutPrefix(text(spec, "url"), "oci://")
		if !isRegistry {
			place = "" // it serves charts over HTTP
		}
		f.fluxRepositories[namespace+"/"+text(metadata, "name")] = place
	case kind == "HelmRelease" && group(v) == "helm.toolkit.fluxcd.io":
		template, _ := member(spec, "chart")
		chart, _ := member(template, "spec")
		f.released(chart, namespace)
	case kind == "HelmChart" && group(v) == "source.toolkit.fluxcd.io":
		f.released(spec, namespace)
	}
}

// released notes a chart: chart, version and sourceRef of a HelmChart's spec, or of a HelmRelease's template for one.
func (f *finder) released(spec strictjson.Value, namespace string) {
	source, _ := member(spec, "sourceRef")
	if text(source, "kind") != "HelmRepository" || text(spec, "chart") == "" {
		return
	}
	at, _ := member(spec, "chart")
	at.Line = f.lineOf(at)
	f.fluxCharts = append(f.fluxCharts, fluxChart{
		at: at, file: f.file, asker: f.asker, chart: text(spec, "chart"), version: text(spec, "version"),
		repository: cmp.Or(text(source, "namespace"), namespace) + "/" + text(source, "name"),
	})
}

// joinFlux takes the charts whose repositories were found, once all files were read.
func (f *finder) joinFlux() {
	f.line = 0
	for _, c := range f.fluxCharts {
		f.file, f.asker = c.file, c.asker
		place, known := f.fluxRepositories[c.repository]
		switch {
		case !known:
			f.leave(c.at, c.chart, "is a chart of the HelmRepository "+c.repository+", which isn't among these manifests")
		case place != "":
			f.noted[place] = true // no longer a place of charts that nobody asks for
			f.chart(c.at, strings.TrimSuffix(place, "/")+"/"+c.chart, c.version)
		}
	}
}

// chart takes a chart that is in a registry, where its version is one.
func (f *finder) chart(v strictjson.Value, image, version string) {
	if !versionTag.MatchString(version) || strings.ContainsAny(version, "*x <>=|") {
		f.leave(v, image, "has the version "+version+", which is none or a range: select.semver of an image set takes that")
		return
	}
	f.guess(v, image+":"+strings.ReplaceAll(version, "+", "_")) // as Helm writes it
}
