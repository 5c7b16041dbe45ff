package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recorded reads what sigstore-go keeps of public instances for its own tests, in the module cache.
func recorded(t testing.TB, path ...string) []byte {
	t.Helper()
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sigstore/sigstore-go")
	dir, err := list.Output()
	must(t, err)
	data, err := os.ReadFile(filepath.Join(append([]string{strings.TrimSpace(string(dir)), "pkg", "testing", "data"}, path...)...))
	must(t, err)
	return data
}

// release is the provenance of sigstore.js 2.0.0, as the public instance has signed and logged it.
func release(t testing.TB) (hello, question) {
	t.Helper()
	const digest = "sha512:46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c"
	return hello{protocol, map[string]material{"sigstore": {Roots: [][]byte{recorded(t, "trusted-roots", "public-good.json")}}}},
		question{
			ID: 1, Kind: kindBundle, Subject: digest, Bytes: recorded(t, "bundles", "sigstore.js@2.0.0-provenance.sigstore.json"),
			Predicate: "https://slsa.dev/provenance/v1",
			Where: []condition{{
				"/predicate/buildDefinition/externalParameters/workflow/repository", *exactly("https://github.com/sigstore/sigstore-js"),
			}},
			Authorities: []authority{{
				Trust: "sigstore", Log: "required", Issuer: issuer,
				Subject:          glob("https://github.com/sigstore/sigstore-js/.github/workflows/*@refs/heads/main"),
				SourceRepository: exactly("https://github.com/sigstore/sigstore-js"), SourceRef: exactly("refs/heads/main"),
			}},
		}
}

func TestARecordedBundleOfThePublicInstanceVerifies(t *testing.T) {
	t.Parallel()
	h, q := release(t)
	c, err := newChecker(h.Trust)
	must(t, err)
	a := c.answer(q)
	wants(t, a, "")
	if a.OK && (a.Signer.SourceRepository != "https://github.com/sigstore/sigstore-js" || len(a.Times) != 1 || a.Times[0].Time.Year() != 2023) {
		t.Errorf("said %+v", a)
	}
	for name, change := range map[string]func(*question){
		"from another repository": func(q *question) { q.Authorities[0].SourceRepository = exactly("https://github.com/sigstore/other") },
		"from another ref":        func(q *question) { q.Authorities[0].SourceRef = exactly("refs/tags/v2.0.0") },
		"of another package":      func(q *question) { q.Subject = image },
		"with a word changed":     func(q *question) { q.Bytes = altered(t, q.Bytes, "sigstore@2.0.0", "sigstore@2.0.1") },
	} {
		t.Run(name, func(t *testing.T) {
			_, q := release(t)
			change(&q)
			if a := c.answer(q); a.OK {
				t.Error("verified")
			}
		})
	}
}

// altered changes what a bundle says.
func altered(t testing.TB, bundle []byte, old, new string) []byte {
	t.Helper()
	var all map[string]json.RawMessage
	must(t, json.Unmarshal(bundle, &all))
	var envelope map[string]any
	must(t, json.Unmarshal(all["dsseEnvelope"], &envelope))
	payload, err := base64.StdEncoding.DecodeString(envelope["payload"].(string))
	must(t, err)
	if !bytes.Contains(payload, []byte(old)) {
		t.Fatalf("it doesn't say %s", old)
	}
	envelope["payload"] = bytes.Replace(payload, []byte(old), []byte(new), 1)
	all["dsseEnvelope"], err = json.Marshal(envelope)
	must(t, err)
	out, err := json.Marshal(all)
	must(t, err)
	return out
}

// The trusted root of the public instance knows who issued the certificate of an instance for tests as little as its log.
func TestARecordedBundleOfAnotherInstance(t *testing.T) {
	t.Parallel()
	q := question{
		ID: 1, Kind: kindBundle, Bytes: recorded(t, "bundles", "othername.sigstore.json"),
		Authorities: []authority{{Trust: "v", Log: "required", Issuer: "http://oidc.local:8080", Subject: exactly("foo!oidc.local")}},
	}
	var b struct {
		MessageSignature struct{ MessageDigest struct{ Digest []byte } }
	}
	must(t, json.Unmarshal(q.Bytes, &b))
	q.Subject = "sha256:" + hex.EncodeToString(b.MessageSignature.MessageDigest.Digest)
	for root, refused := range map[string]string{"scaffolding.json": "", "public-good.json": "refresh the trusted root"} {
		c, err := newChecker(map[string]material{"v": {Roots: [][]byte{recorded(t, "trusted-roots", root)}}})
		must(t, err)
		wants(t, c.answer(q), refused)
	}
}

// program builds the program itself.
func program(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

// cage is a command that runs another one in a namespace without a network, where not even loopback is up; or, where nobody lets us make one, with hardly
// more descriptors than Go's runtime takes, so that there are none for connections.
func cage(t *testing.T) []string {
	t.Helper()
	for _, namespace := range [][]string{{"unshare", "-rn"}, {"sudo", "-n", "unshare", "-n"}} {
		out, err := exec.Command(namespace[0], append(namespace[1:], "true")...).CombinedOutput()
		if err == nil {
			return namespace
		}
		t.Logf("%s: %v: %s", strings.Join(namespace, " "), err, out)
	}
	return []string{"sh", "-c", `ulimit -n 8 && exec "$@"`, "sh"}
}

func TestTheProgramVerifiesWithoutNetworkFilesAndEnvironment(t *testing.T) {
	t.Parallel()
	h, q := release(t)
	var in bytes.Buffer
	to := json.NewEncoder(&in)
	must(t, to.Encode(h))
	must(t, to.Encode(q))
	caged := cage(t)
	var out, stderr bytes.Buffer
	verify := exec.Command(caged[0], append(caged[1:], program(t))...)
	verify.Env, verify.Dir, verify.Stdin, verify.Stdout, verify.Stderr = []string{}, t.TempDir(), &in, &out, &stderr
	if err := verify.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	lines := json.NewDecoder(&out)
	var w welcome
	var a answer
	must(t, lines.Decode(&w))
	must(t, lines.Decode(&a))
	if w != (welcome{Name: name, Protocol: protocol}) {
		t.Errorf("it said %+v", w)
	}
	wants(t, a, "")
	if files, err := os.ReadDir(verify.Dir); err != nil || len(files) > 0 {
		t.Errorf("it left %v, %v", files, err)
	}
}

// A hundred signatures, parsing of questions and answers included.
func BenchmarkHundredSignatures(b *testing.B) {
	h, q := release(b)
	var in bytes.Buffer
	to := json.NewEncoder(&in)
	must(b, to.Encode(h))
	for range 100 {
		must(b, to.Encode(q))
	}
	before := processorTime(b)
	for b.Loop() {
		var out bytes.Buffer
		must(b, serve(bytes.NewReader(in.Bytes()), &out))
		if bytes.Count(out.Bytes(), []byte(`"ok":true`)) != 100 {
			b.Fatal(out.String()[:1000])
		}
	}
	// Not how long it takes, which is the business of whatever else runs on the machine.
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N)/100, "µs-processor/signature")
}
