package engine_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// multi is an index of three platforms, each with its attestation, as BuildKit makes them.
type multi struct {
	index    v1.Descriptor
	children map[string]v1.Descriptor // by architecture; the attestation's under "of" and that
}

var architectures = []string{"amd64", "arm64", "s390x"}

func pushMulti(t *testing.T, p *pusher, tag string) multi {
	t.Helper()
	m := multi{children: map[string]v1.Descriptor{}}
	var platforms, proofs []entry
	for _, a := range architectures {
		m.children[a] = p.image("x", "", ociManifest, content(tag+a, 3000), content("shared", 2000))
		m.children["of "+a] = p.image("x", "", ociManifest, content(tag+"proof of "+a, 100))
		platforms = append(platforms, entry{platform: a, of: m.children[a]})
		proofs = append(proofs, entry{of: m.children["of "+a], extra: object{
			"platform":    object{"os": "unknown", "architecture": "unknown"},
			"annotations": object{"vnd.docker.reference.digest": m.children[a].Digest.String(), "vnd.docker.reference.type": "attestation-manifest"},
		}})
	}
	m.index = p.index("x", tag, ociIndex, append(platforms, proofs...)...)
	return m
}

// of makes a copy of x:tag, limited to architectures under the original digest; all of it without any.
func sparseCopy(t *testing.T, source, destination, tag string, architectures ...string) engine.Copy {
	t.Helper()
	c := engine.Copy{Source: ref(t, source+"/x:"+tag), Destination: ref(t, destination+"/m/x:"+tag), Sparse: len(architectures) > 0}
	for _, a := range architectures {
		c.Platforms = append(c.Platforms, v1.Platform{OS: "linux", Architecture: a})
	}
	return c
}

// wantThere compares what of an index is at the destination, past HTTP.
func (m multi) wantThere(t *testing.T, destination *devregistry.Server, architectures ...string) {
	t.Helper()
	for name, child := range m.children {
		_, _, there := destination.Manifest("m/x", child.Digest.String())
		if want := slices.Contains(architectures, strings.TrimPrefix(name, "of ")); there != want {
			t.Errorf("manifest %s is there: %v, want %v", name, there, want)
		}
	}
}

func lenient(t *testing.T) (source, destination *devregistry.Server) {
	t.Helper()
	source, destination = pair(t)
	destination.SetDialect(devregistry.Dialect{SparseIndexes: true})
	return source, destination
}

func TestSparseIndex(t *testing.T) {
	source, destination := lenient(t)
	m := pushMulti(t, newPusher(t, source.Host), "v")
	list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}

	results := run(t, list, engine.Options{DryRun: true})
	wantStatus(t, list, results, engine.StatusPlanned)
	if results[0].Subset == nil {
		t.Error("the dry run doesn't say what is left out")
	}
	results = run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	want, _, _ := source.Manifest("x", "v")
	if got, mediaType, _ := destination.Manifest("m/x", "v"); string(got) != string(want) || mediaType != ociIndex {
		t.Errorf("the index is not the source's: %s %s", mediaType, got)
	}
	m.wantThere(t, destination, "amd64")
	if destination.HasBlob("m/x", hashOf(t, content("varm64", 3000))) {
		t.Error("a blob that nothing needs was copied")
	}
	r := results[0]
	if r.Digest != m.index.Digest || r.SourceDigest != m.index.Digest {
		t.Errorf("digests %s, %s; want %s", r.Digest, r.SourceDigest, m.index.Digest)
	}
	if s := r.Subset; s == nil || !s.Sparse || s.Manifests != 6 || s.Kept != 2 || len(s.LeftOut) != 2 ||
		s.LeftOut[0].Architecture != "arm64" || s.LeftOut[1].Architecture != "s390x" {
		t.Errorf("subset %+v", s)
	}

	// Again: every wanted child is asked for, at the destination alone.
	source.Log().Reset()
	destination.Log().Reset()
	results = run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusUnchanged)
	if results[0].Subset == nil {
		t.Error("an unchanged copy doesn't say what is left out")
	}
	if counts := source.Log().Counts(); counts[devregistry.KindManifestGet] != 0 || counts[devregistry.KindManifestHead] != 1 {
		t.Errorf("the source was asked %v", counts)
	}
	if counts := destination.Log().Counts(); counts[devregistry.KindManifestGet] != 1 || counts[devregistry.KindManifestHead] != 1+2 || counts[devregistry.KindManifestPut] != 0 {
		t.Errorf("the destination was asked %v", counts)
	}

	// What was wanted and is gone comes again.
	if err := destination.RemoveManifest("m/x", m.children["of amd64"].Digest); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	m.wantThere(t, destination, "amd64")

	// More of it is not "unchanged".
	list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64", "s390x")}
	wantStatus(t, list, run(t, list, engine.Options{DryRun: true}), engine.StatusPlanned)
	results = run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	m.wantThere(t, destination, "amd64", "s390x")
	// And less of it is.
	list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "s390x")}
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
}

// A wanted entry that is an index itself is wanted with all that it names.
func TestANestedIndexIsKeptWhole(t *testing.T) {
	for _, sparse := range []bool{false, true} {
		source, destination := lenient(t)
		p := newPusher(t, source.Host)
		deep := p.image("x", "", ociManifest, content("deep", 100))
		inner := p.index("x", "", ociIndex, entry{platform: "arm64", of: deep}, entry{of: p.image("x", "", ociManifest, content("no platform", 100))})
		other := p.image("x", "", ociManifest, content("other", 100))
		p.index("x", "v", ociIndex,
			entry{platform: "amd64", of: inner, extra: object{"mediaType": ociIndex}}, entry{platform: "arm64", of: other}, entry{of: other})
		list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
		list[0].Sparse = sparse
		results := run(t, list, engine.Options{})
		wantStatus(t, list, results, engine.StatusCopied)
		if s := results[0].Subset; s == nil || s.Sparse != sparse || s.Manifests != 3 || s.Kept != 1 {
			t.Errorf("subset %+v", s)
		}
		checkMirrored(t, source, destination, engine.Copy{
			Source:      ref(t, source.Host+"/x@"+inner.Digest.String()),
			Destination: ref(t, destination.Host+"/m/x@"+inner.Digest.String()),
		})
		if _, _, there := destination.Manifest("m/x", other.Digest.String()); there {
			t.Error("what nobody wants was copied")
		}
		wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
	}
}

func TestASparseIndexOfAllItNamesIsWhole(t *testing.T) {
	source, destination := pair(t) // which would refuse any other
	m := pushMulti(t, newPusher(t, source.Host), "v")
	newPusher(t, source.Host).image("x", "single", ociManifest, content("single", 100))
	list := []engine.Copy{
		sparseCopy(t, source.Host, destination.Host, "v", architectures...),
		sparseCopy(t, source.Host, destination.Host, "single", "arm64"),
	}
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	if results[0].Subset != nil || results[1].Subset != nil {
		t.Errorf("subsets %+v, %+v of what is whole", results[0].Subset, results[1].Subset)
	}
	m.wantThere(t, destination, architectures...)
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)

	list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "riscv64")}
	if err := run(t, list, engine.Options{})[0].Err; err == nil || !strings.Contains(err.Error(), "none of the requested platforms") {
		t.Errorf("no platform matches: %v", err)
	}
}

func TestARegistryThatRefusesSparseIndexes(t *testing.T) {
	for name, dialect := range map[string]devregistry.Dialect{
		"all must be there":       {},
		"some platforms must be":  {SparseIndexes: true, RequiredPlatforms: []string{"linux/arm64"}},
		"as distribution answers": devregistry.Distribution,
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			pushMulti(t, newPusher(t, source.Host), "v")
			destination.SetDialect(dialect)
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
			err := run(t, list, engine.Options{})[0].Err
			var refused *engine.SparseRefusedError
			if !errors.As(err, &refused) || refused.Manifests != 6 || refused.LeftOut != 4 {
				t.Fatalf("%v", err)
			}
			for _, want := range []string{"refuses an index of which not all is there", "left out: 4 of 6 manifests", "MANIFEST_BLOB_UNKNOWN"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q doesn't say %q", err, want)
				}
			}
			if _, _, ok := destination.Manifest("m/x", "v"); ok {
				t.Error("there is a tag")
			}
			if puts := destination.Log().Select(func(e devregistry.Entry) bool { return e.Kind == devregistry.KindManifestPut && e.Reference == "v" }); len(puts) != 1 {
				t.Errorf("the index was sent %d times", len(puts))
			}
			if n := destination.Log().Counts()[devregistry.KindBlobHead]; n > 4 {
				t.Errorf("%d HEADs for blobs: none of them is missing", n)
			}
		})
	}
}

// Another reason is not taken for that.
func TestASparseIndexThatMayNotBeWritten(t *testing.T) {
	source, destination := lenient(t)
	pushMulti(t, newPusher(t, source.Host), "v")
	destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindManifestPut && r.Reference == "v"
	}, devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied})})
	list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
	if err := run(t, list, engine.Options{})[0].Err; err == nil || errors.As(err, new(*engine.SparseRefusedError)) {
		t.Errorf("%v", err)
	}
}

// The index keeps its digest, so what speaks of it still does.
func TestAttachmentsOfASparseIndex(t *testing.T) {
	source, destination := lenient(t)
	p := newPusher(t, source.Host)
	m := pushMulti(t, p, "v")
	ofIndex := p.attach("x", cosignType, m.index, content("of the index", 50))
	ofKept := p.attach("x", cosignType, m.children["amd64"], content("of amd64", 50))
	ofOther := p.attach("x", cosignType, m.children["arm64"], content("of arm64", 50))
	list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
	list[0].Referrers = engine.ReferrersAll
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	if results[0].Attached != 2 {
		t.Errorf("%d attachments, want 2", results[0].Attached)
	}
	for digest, want := range map[v1.Hash]bool{ofIndex.Digest: true, ofKept.Digest: true, ofOther.Digest: false} {
		if _, _, ok := destination.Manifest("m/x", digest.String()); ok != want {
			t.Errorf("attachment %s is there: %v, want %v", digest, ok, want)
		}
	}
	wantSubjectsFirst(t, destination, "m/x")
	// One that is wanted now brings its own.
	list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64", "arm64")}
	list[0].Referrers = engine.ReferrersAll
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	if _, _, ok := destination.Manifest("m/x", ofOther.Digest.String()); !ok {
		t.Error("the attachment of what was added is missing")
	}
}

// wantSubjectsFirst looks at the order in which a repository got its manifests.
func wantSubjectsFirst(t *testing.T, destination *devregistry.Server, repository string) {
	t.Helper()
	written := map[v1.Hash]bool{}
	puts := destination.Log().Select(func(e devregistry.Entry) bool {
		return e.Kind == devregistry.KindManifestPut && e.Repository == repository && e.Status == http.StatusCreated
	})
	withSubject := 0
	for _, put := range puts {
		body, _, ok := destination.Manifest(repository, put.Reference)
		if !ok {
			t.Fatalf("%s is gone", put.Reference)
		}
		m, err := v1.ParseManifest(strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != nil {
			withSubject++
			if !written[m.Subject.Digest] {
				t.Errorf("%s was written before its subject %s", put.Reference, m.Subject.Digest)
			}
		}
		written[hashOf(t, body)] = true
	}
	if withSubject == 0 {
		t.Error("nothing has a subject")
	}
}
