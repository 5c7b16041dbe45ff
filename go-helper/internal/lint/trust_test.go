package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/policy"
)

const trustPolicy = `version = 1
[trust.sigstore]
trusted_root = "trust/sigstore.json"
[[rule]]
images = ["**"]
signed_by = [{ trust = "sigstore", issuer = "https://issuer.example", subject = "a@b.example" }]
`

func TestCheckTrust(t *testing.T) {
	p, err := policy.Parse("mirror-policy.toml", []byte(trustPolicy))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	past := policy.Period{Start: now.AddDate(-3, 0, 0), End: now.AddDate(-1, 0, 0)}
	longPast := policy.Period{Start: now.AddDate(-9, 0, 0), End: now.AddDate(-5, 0, 0)}
	future := policy.Period{Start: now.AddDate(1, 0, 0)}
	open := policy.Period{Start: now.AddDate(-1, 0, 0)}
	said := func(kind, why string) string {
		return fmt.Sprintf("mirror-policy.toml:2: warn: no %s of trust/sigstore.json is valid today (%s): what is signed from now on can't be verified with it; "+
			"refresh it, with cosign trusted-root create for Sigstore's own [trust-expired]", kind, why)
	}
	for name, test := range map[string]struct {
		root policy.TrustedRoot
		want []string
	}{
		"nothing in it":     {policy.TrustedRoot{}, nil},
		"one of two valid":  {policy.TrustedRoot{CertificateAuthorities: []policy.Period{past, open}}, nil},
		"ends now":          {policy.TrustedRoot{CertificateAuthorities: []policy.Period{{Start: past.Start, End: now}}}, nil},
		"authorities ended": {policy.TrustedRoot{CertificateAuthorities: []policy.Period{past, longPast}, Clocks: []policy.Period{open}}, []string{said("certificate authority", "the last ended at 2025-01-01T00:00:00Z")}},
		"logs yet to begin": {policy.TrustedRoot{CertificateLogs: []policy.Period{future}}, []string{said("certificate log", "the first begins at 2027-01-01T00:00:00Z")}},
		"no time at all":    {policy.TrustedRoot{Clocks: []policy.Period{past, future}}, []string{said("transparency log or timestamp authority", "the last ended at 2025-01-01T00:00:00Z")}},
	} {
		var got []string
		for _, finding := range CheckTrust(p, map[string]*policy.TrustedRoot{"sigstore": &test.root}, now, Defaults()) {
			got = append(got, finding.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	rules := Defaults()
	rules[TrustExpired] = Off
	if found := CheckTrust(p, map[string]*policy.TrustedRoot{"sigstore": {Clocks: []policy.Period{past}}}, now, rules); len(found) > 0 {
		t.Errorf("switched off: %v", found)
	}
}
