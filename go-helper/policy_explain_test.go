package main

import (
	"strings"
	"testing"
)

func TestAPolicyIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("mirror-policy.toml", `version = 1
[trust.acme]
keys = ["acme.pub"]
log = "none"
[[rule]]
images = ["quay.io/cilium/*", "!quay.io/cilium/*-ci"]
tags = ["v*"]
cooldown = "36h"
exceptions = false
signed_by = [{ trust = "acme" }]
[[rule]]
images = ["docker.io/library/*"]
`)
	p := w.run(0, "policy", "explain", "quay.io/cilium/cilium:v1.16.1", "nginx:1.27")
	want := strings.TrimPrefix(`
quay.io/cilium/cilium:v1.16.1
  mirror-policy.toml:5: holds, as images = ["quay.io/cilium/*", "!quay.io/cilium/*-ci"], tags = ["v*"]
  cooldown: a digest must have been seen under this name for 1d12h before it is locked
  moved: refuse, as v1.16.1 is a full version
  exceptions: none
  signed by: the keys of [trust.acme] (mirror-policy.toml:10), on the index, or the image if there is none
  unsigned: refuse

docker.io/library/nginx:1.27
  mirror-policy.toml:5: doesn't hold, as images = ["quay.io/cilium/*", "!quay.io/cilium/*-ci"]
  mirror-policy.toml:11: holds, as images = ["docker.io/library/*"]
  cooldown: none
  moved: accept, as the tag is no full version
  exceptions: allowed, by lock --now=IMAGE --because=TEXT
  signatures: none wanted
`, "\n")
	if got := p.stdout.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p = w.run(2, "policy", "explain", "quay.io/cilium/cilium:latest", "nginx::")
	wantContains(t, "stderr", p.stderr.String(), "mirror-policy.toml has no rule for quay.io/cilium/cilium:latest", `image reference "nginx::"`)
	w.write("mirror-policy.toml", "version = 1\n[[rule]]\nimages = [\"**\"]\ncoldown = \"7d\"\n")
	p = w.run(2, "policy", "explain", "nginx")
	wantContains(t, "stderr", p.stderr.String(), `mirror-policy.toml:4: unknown key "coldown" in [[rule]]: did you mean "cooldown"?`)
}

func TestHostilePoliciesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	for data, says := range map[string]string{
		strings.Repeat("#\n", 1<<20): "is larger than 1048576 bytes",
		"version = 1\n" + strings.Repeat("[[rule]]\nimages = [\"a.b/c\"]\n", 1001):                   "has more than 1000 rules",
		"version = 1\n[[rule]]\nimages = [\"a.b/" + strings.Repeat("*", 1001) + "\"]\n":              "is longer than 1000 bytes",
		"version = 1\n[[rule]]\nimages = " + strings.Repeat("[", 10000) + strings.Repeat("]", 10000): "mirror-policy.toml:3: ",
		"version = 1\n[[rule]]\nimages = [\"a.b/\u001b[2Jc\"]\n":                                     "mirror-policy.toml:3: ",
	} {
		w.write("mirror-policy.toml", data)
		p := w.run(2, "policy", "explain", "nginx")
		wantContains(t, "stderr", p.stderr.String(), says)
		if strings.Contains(p.stderr.String(), "\x1b") {
			t.Error("a control character reaches the terminal")
		}
	}
}

// Pants builds what verifies signatures only where this says so.
func TestWhatAPolicyNeeds(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	const trust = "[trust.acme]\nkeys = [\"acme.pub\"]\nlog = \"none\"\n"
	const rule = "[[rule]]\nimages = [\"**\"]\n"
	for name, c := range map[string]struct{ policy, says string }{
		"a cooldown":                  {rule + "cooldown = \"7d\"\n", ""},
		"a trust that nobody uses":    {trust + rule + "cooldown = \"7d\"\n", ""},
		"signatures":                  {trust + rule + "signed_by = [{ trust = \"acme\" }]\n", "docker-mirror-verify\n"},
		"signatures that are to come": {trust + rule + "signed_by = [{ trust = \"acme\" }]\nunsigned = \"accept\"\n", "docker-mirror-verify\n"},
		"signatures of the last rule": {
			trust + "[[rule]]\nimages = [\"a.b/**\"]\n" + rule + "[[rule.attested]]\npredicate = \"https://p.example\"\nsigned_by = [{ trust = \"acme\" }]\n",
			"docker-mirror-verify\n",
		},
	} {
		w.write("mirror-policy.toml", "version = 1\n"+c.policy)
		if says := w.run(0, "policy", "demands").stdout.String(); says != c.says {
			t.Errorf("%s: says %q, not %q", name, says, c.says)
		}
	}
	w.write("mirror-policy.toml", "version = 1\n")
	wantContains(t, "stderr", w.run(2, "policy", "demands").stderr.String(), `the policy has no "rule"`)
}
