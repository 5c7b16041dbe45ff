package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/reference"
)

const whole = `version = 1

[trust.sigstore]
trusted_root = "trust/sigstore.json"
[trust.acme]
keys = ["trust/acme.pub"]
log = "none"

[[rule]]
images = ["quay.io/cilium/**", "!quay.io/cilium/*-ci"]
tags = ["v*"]
cooldown = "7d"
moved = "warn"
unsigned = "warn"
on = "both"
reference = true
from = "quay.io/cilium/signatures"
signed_by = [{ trust = "sigstore", issuer = "https://token.actions.githubusercontent.com",
               subject = "https://github.com/cilium/cilium/.github/workflows/*@refs/tags/v*", source_repository = "https://github.com/cilium/cilium" },
             { trust = "acme" }]
  [[rule.attested]]
  predicate = "https://slsa.dev/provenance/v1"
  where = { "/predicate/buildDefinition/buildType" = "https://example.com/*" }

[[rule]]
images = ["**"]
cooldown = "1d12h"
rolling = true
exceptions = false
`

func TestAWholePolicyIsRead(t *testing.T) {
	p, err := Parse("ci/mirror-policy.toml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	first, last := p.Rules[0], p.Rules[1]
	if first.Cooldown != 7*24*time.Hour || first.Moved != Warn || first.Unsigned != Warn || first.On != OnBoth || !first.OwnReference || first.From != "quay.io/cilium/signatures" || !first.Exceptions {
		t.Errorf("the first rule: %+v", first)
	}
	if len(first.SignedBy) != 2 || !first.SignedBy[0].Subject.Match("https://github.com/cilium/cilium/.github/workflows/build.yaml@refs/tags/v1.16.1") {
		t.Errorf("its signers: %+v", first.SignedBy)
	}
	if len(first.Attested) != 1 || len(first.Attested[0].SignedBy) != 2 || first.Attested[0].Where[0].Pointer != "/predicate/buildDefinition/buildType" {
		t.Errorf("its attestations, signed by who signs the image where they don't say: %+v", first.Attested)
	}
	if last.Cooldown != 36*time.Hour || !last.Rolling || last.Exceptions || last.Unsigned != Accept || last.Evidence != EvidenceLock || last.Demands() {
		t.Errorf("the last rule: %+v", last)
	}
	if got := p.Path(p.Trust[0].TrustedRoot); got != "ci/trust/sigstore.json" {
		t.Errorf("the trusted root stands in %s, beside the policy", got)
	}
	if !p.Demands() || !p.TrustOf("acme").Keyed() || p.TrustOf("other") != nil {
		t.Error("trust is not what the policy says")
	}
}

func TestTheFirstRuleThatMatchesHolds(t *testing.T) {
	p, err := Parse("p.toml", []byte(`version = 1
[[rule]]
images = ["quay.io/cilium/**", "!quay.io/cilium/*-ci"]
tags = ["v*"]
[[rule]]
images = ["docker.io/library/*"]
[[rule]]
images = ["quay.io/**/deep"]
`))
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]int{
		"quay.io/cilium/cilium:v1.16.1":   1,
		"quay.io/cilium/sub/thing:v1":     1,
		"quay.io/cilium/cilium:latest":    0,
		"quay.io/cilium/cilium-ci:v1":     0,
		"quay.io/ciliumx/cilium:v1":       0,
		"nginx:1.27":                      2,
		"bitnami/nginx:1.27":              0,
		"quay.io/deep:1":                  3,
		"quay.io/a/b/deep:1":              3,
		"evil.example/quay.io/cilium/x:1": 0,
	} {
		ref, err := reference.Parse(image)
		if err != nil {
			t.Fatal(err)
		}
		rule, err := p.For(ref)
		switch {
		case want == 0 && (err == nil || !strings.Contains(err.Error(), "p.toml has no rule for ")):
			t.Errorf("%s: rule %+v, error %v, and no rule is right", image, rule, err)
		case want > 0 && (err != nil || rule.Number != want):
			t.Errorf("%s: rule %+v, error %v, and rule %d is right", image, rule, err, want)
		}
	}
}

func TestATagOfAFullVersionMayNotMove(t *testing.T) {
	for tag, want := range map[string]Reaction{
		"1.27.3": Refuse, "v1.16.1": Refuse, "1.27.3-alpine": Refuse, "2024.10.0_1": Refuse, "8.0.0.1": Refuse,
		"1.27": Accept, "latest": Accept, "v1": Accept, "": Accept, "1.2.x": Accept, "stable-1.2.3": Accept,
	} {
		if got := (&Rule{}).MovedTag(tag); got != want {
			t.Errorf("%q: %s, and %s is right", tag, got, want)
		}
	}
	if got := (&Rule{Moved: Warn}).MovedTag("1.2.3"); got != Warn {
		t.Errorf("a rule that says warn: %s", got)
	}
}

// A branch may have any name, a certificate any text around the right one.
func TestAnIdentityFitsAsAWhole(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"https://github.com/good/repo/*@refs/tags/v*", "https://github.com/good/repo/b.yml@refs/tags/v1", true},
		{"https://github.com/good/repo/*@refs/tags/v*", "https://github.com/good/repo/b.yml@refs/heads/a@refs/tags/v1", false},
		{"https://github.com/good/repo/*@refs/tags/v*", "https://github.com/good/repo/b.yml@refs/tags/v1/x", false},
		{"https://github.com/good/repo", "https://github.com/good/repository", false},
		{"https://github.com/good/repo", "https://evil.example/https://github.com/good/repo", false},
		{`/https://github\.com/good/.+/`, "https://github.com/evil/https://github.com/good/x", false},
		{`/https://github\.com/good/.+/`, "https://github.com/good/x", true},
		{`/a|b/`, "xb", false},
		{`/a/`, "a\nb", false},
		{"a.b", "axb", false},
	} {
		p, err := NewPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(c.value); got != c.want {
			t.Errorf("%s with %q: %t", c.pattern, c.value, got)
		}
	}
	if (Pattern{}).Match("") {
		t.Error("no pattern fits nothing")
	}
}

func TestWhatIsWrongWithAPolicyIsToldWithItsLine(t *testing.T) {
	const all = "[[rule]]\nimages = [\"**\"]\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"everything at once": {
			"version = 2\n[[rule]]\nimages = [\"nginx\"]\ncoldown = \"7d\"\nmoved = \"refused\"\n",
			[]string{
				`p.toml:1: "version" must be 1`,
				`p.toml:3: "images": "nginx" names no registry`,
				`p.toml:4: unknown key "coldown"`,
				`p.toml:5: "moved": "refused" is none of its values: did you mean "refuse"?`,
			},
		},
		"no rule":              {"version = 1\n", []string{`p.toml:1: `, `"rule"`}},
		"no images":            {"version = 1\n[[rule]]\ncooldown = \"1d\"\n", []string{`p.toml:2: `, `"images"`}},
		"only left out":        {"version = 1\n[[rule]]\nimages = [\"!quay.io/x\"]\n", []string{`p.toml:3: "images" matches nothing`}},
		"a tag among images":   {"version = 1\n[[rule]]\nimages = [\"quay.io/x:1\"]\n", []string{`p.toml:3: "images": "quay.io/x:1" has a tag`}},
		"never reached":        {"version = 1\n" + all + all, []string{`p.toml:4: is never reached`}},
		"cooldown":             {"version = 1\n" + all + "cooldown = \"7 days\"\n", []string{`p.toml:4: "cooldown" must be weeks, days, hours and minutes`}},
		"rolling for nothing":  {"version = 1\n" + all + "rolling = true\n", []string{`p.toml:4: "rolling" is about the cooldown`}},
		"age by signature":     {"version = 1\n" + all + "cooldown = \"1d\"\nevidence = \"signature\"\n", []string{`p.toml:5: "evidence"`, "want one of lock"}},
		"unsigned by nobody":   {"version = 1\n" + all + "unsigned = \"refuse\"\n", []string{`p.toml:4: "unsigned" = "refuse", but the rule doesn't say who must sign`}},
		"signature of nobody":  {"version = 1\n" + all + "on = \"both\"\n", []string{`p.toml:4: "on" is about signatures`}},
		"unknown trust":        {"version = 1\n[trust.acme]\nkeys = [\"k\"]\nlog = \"none\"\n" + all + "signed_by = [{ trust = \"acne\" }]\n", []string{`p.toml:7: there is no [trust.acne]: did you mean "acme"?`}},
		"keyless without both": {"version = 1\n[trust.s]\ntrusted_root = \"r\"\n" + all + "signed_by = [{ trust = \"s\", issuer = \"x\" }]\n", []string{`p.toml:6: needs "issuer" and "subject"`}},
		"identity of a key":    {"version = 1\n[trust.k]\nkeys = [\"k\"]\nlog = \"none\"\n" + all + "signed_by = [{ trust = \"k\", subject = \"x\" }]\n", []string{`p.toml:7: [trust.k] has keys`}},
		"keys and a log":       {"version = 1\n[trust.k]\nkeys = [\"k\"]\n" + all, []string{`p.toml:2: [trust.k] has "keys" and wants their signatures in a log`}},
		"an empty trust":       {"version = 1\n[trust.k]\n" + all, []string{`p.toml:2: [trust.k] has neither "trusted_root" nor "keys"`}},
		"a group closed":       {"version = 1\n[trust.s]\ntrusted_root = \"r\"\n" + all + "signed_by = [{ trust = \"s\", issuer = \"x\", subject = \"/a)|(.*/\" }]\n", []string{`p.toml:6: "subject" is no regular expression`}},
		"a pointer":            {"version = 1\n[trust.k]\nkeys = [\"k\"]\nlog = \"none\"\n" + all + "signed_by = [{ trust = \"k\" }]\n[[rule.attested]]\npredicate = \"x\"\nwhere = { \"a~2\" = \"b\" }\n", []string{`p.toml:10: "where": "a~2" is no JSON pointer`}},
		"attested by nobody":   {"version = 1\n" + all + "[[rule.attested]]\npredicate = \"x\"\n", []string{`p.toml:4: neither [[rule.attested]] nor its rule has "signed_by"`}},
		"from":                 {"version = 1\n[trust.k]\nkeys = [\"k\"]\nlog = \"none\"\n" + all + "signed_by = [{ trust = \"k\" }]\nfrom = \"nginx\"\n", []string{`p.toml:8: "from" must be a repository in full`}},
		"no TOML":              {"version = \n", []string{`p.toml:1: invalid TOML`}},
		"a control character":  {"version = 1\n[trust.s]\ntrusted_root = \"a\\u001bb\"\n" + all, []string{`p.toml:3: "trusted_root" has a control character in it`}},
		"too large":            {strings.Repeat("#", maxSize+1), []string{`p.toml: is larger than`}},
	} {
		_, err := Parse("p.toml", []byte(c.text))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q isn't told by: %v", name, want, err)
			}
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "7d": 168 * time.Hour, "1w": 168 * time.Hour, "36h": 36 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"7", "-1d", "7days", "1h1d", "9999d", "1.5d", " 1d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
	got := []string{FormatDuration(0), FormatDuration(36 * time.Hour), FormatDuration(90 * time.Minute)}
	if want := []string{"0", "1d12h", "1h30m"}; !slices.Equal(got, want) {
		t.Errorf("%q, and %q is right", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("p.toml", data)
		if (p == nil) == (err == nil) {
			t.Errorf("policy %v, error %v", p, err)
		}
	})
}
