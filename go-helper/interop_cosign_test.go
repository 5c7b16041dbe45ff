//go:build interop

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
	"docker-mirror/go-helper/internal/verify/verifytest"
)

const cosignPolicy = `version = 1
[trust.acme]
keys = ["cosign.pub"]
log = "none"
[[rule]]
images = ["**"]
signed_by = [{ trust = "acme" }]
[[rule.attested]]
predicate = "https://cosign.sigstore.dev/attestation/v1"
`

// Signatures and attestations of cosign's, as tags and as bundles that refer to their image, are verified before an image is locked and copied, and hold at
// the destination. Run by `scripts/test cosign`, as cosign
// takes a quarter of an hour to build.
func TestCosign(t *testing.T) {
	t.Parallel()
	cosign := other{t, os.Getenv("DOCKER_MIRROR_COSIGN"), t.TempDir()}
	if cosign.program == "" {
		t.Fatal("DOCKER_MIRROR_COSIGN names no cosign; `scripts/test cosign` builds it")
	}
	src, dst := startRegistry(t), distributiontest.Start(t)
	cosign.demand("generate-key-pair")
	if err := os.WriteFile(filepath.Join(cosign.home, "predicate.json"), []byte(`{"made": "here"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorkplace(t)
	verifytest.Program(t, filepath.Dir(program))
	w.write("mirror-policy.toml", cosignPolicy)
	list := ""
	images := map[string][]string{"tags": {"--new-bundle-format=false"}, "bundles": {"--new-bundle-format=true"}}
	for name, format := range images {
		digest := pushIndex(t, src.Host+"/"+name+":1")
		at := src.Host + "/" + name + "@" + digest.String()
		offline := append([]string{"--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry", "--yes"}, format...)
		cosign.demand(append(append([]string{"sign"}, offline...), at)...)
		cosign.demand(append(append([]string{"attest", "--type", "custom", "--predicate", "predicate.json"}, offline...), at)...)
		list += src.Host + "/" + name + ":1\n"
	}
	w.write("images.txt", list)
	if err := os.Rename(filepath.Join(cosign.home, "cosign.pub"), w.path("cosign.pub")); err != nil {
		t.Fatal(err)
	}
	w.run(0, "lock", "--policy", "mirror-policy.toml", "images.txt")
	if lock := w.read("images.txt.lock"); strings.Count(lock, `signed = "key sha256:`) != len(images) {
		t.Errorf("locked:\n%s", lock)
	}
	w.run(0, "copy", "--policy", "mirror-policy.toml", "--registry", dst.Host, "--repository", "mirror/{repository}", "--report", "report.json", "images.txt")
	for _, c := range w.report("report.json").Copies {
		if v := c.Verification; v == nil || v.Answer != "verified" || !slices.Contains(v.Predicates, "https://cosign.sigstore.dev/attestation/v1") {
			t.Errorf("%s: %+v", c.Source, v)
		}
	}
	for name, format := range images {
		at := dst.Host + "/mirror/" + name + ":1"
		check := append([]string{"--key", w.path("cosign.pub"), "--insecure-ignore-tlog", "--allow-http-registry"}, format...)
		cosign.demand(append(append([]string{"verify"}, check...), at)...)
		cosign.demand(append(append([]string{"verify-attestation", "--type", "custom"}, check...), at)...)
	}
}
