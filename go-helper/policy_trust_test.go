package main

import "testing"

func TestATrustedRootThatHasRunOutIsFound(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("images.txt", "registry.example/app:1\n")
	w.write("ci/mirror-policy.toml", `version = 1
[trust.sigstore]
trusted_root = "trust/sigstore.json"
[[rule]]
images = ["**"]
signed_by = [{ trust = "sigstore", issuer = "https://issuer.example", subject = "a@b.example" }]
`)
	lint := func(code int, flags ...string) *process {
		return w.run(code, append(append([]string{"lint", "--policy=ci/mirror-policy.toml", "--at=2026-01-01T00:00:00Z"}, flags...), "images.txt")...)
	}
	wantContains(t, "no file", lint(2).stderr.String(), "ci/mirror-policy.toml:2: [trust.sigstore] trusted_root: ", "no such file")
	lint(0, "--rule=trust-expired=off") // which doesn't read it

	w.write("ci/trust/sigstore.json", `{"certificateAuthorities":[{"validFor":{"start":"2020-01-01T00:00:00Z","end":"2025-12-31T23:59:59Z"}}]}`)
	const found = "no certificate authority of trust/sigstore.json is valid today (the last ended at 2025-12-31T23:59:59Z)"
	wantContains(t, "stdout", lint(0).stdout.String(), "ci/mirror-policy.toml:2: warn: "+found, "[trust-expired]")
	wantContains(t, "stdout", lint(1, "--rule=trust-expired=error").stdout.String(), "ci/mirror-policy.toml:2: error: "+found)
	wantContains(t, "files", w.run(0, "policy", "files", "--policy=ci/mirror-policy.toml").stdout.String(), "ci/trust/sigstore.json\n")
}
