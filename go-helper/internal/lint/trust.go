package lint

import (
	"fmt"
	"time"

	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/spec"
)

// TrustExpired is a trusted root of which nothing is valid today: what is signed from now on can't be verified with it.
const TrustExpired Rule = "trust-expired"

// CheckTrust looks through the trusted roots of a policy, which are given by the names of their trusts.
func CheckTrust(p *policy.Policy, roots map[string]*policy.TrustedRoot, now time.Time, rules Rules) []Finding {
	level := rules[TrustExpired]
	if level == Off || level == "" {
		return nil
	}
	var findings []Finding
	for _, trust := range p.Trust {
		root := roots[trust.Name]
		if root == nil {
			continue
		}
		for _, kind := range []struct {
			name    string
			periods []policy.Period
		}{
			{"certificate authority", root.CertificateAuthorities},
			{"certificate log", root.CertificateLogs},
			{"transparency log or timestamp authority", root.Clocks},
		} {
			if expired := expiry(kind.periods, now); expired != "" {
				findings = append(findings, Finding{
					spec.Image{File: p.Name, Line: trust.Line}.Place(), level, TrustExpired,
					fmt.Sprintf("no %s of %s is valid today (%s): what is signed from now on can't be verified with it; refresh it, with cosign trusted-root create for Sigstore's own",
						kind.name, trust.TrustedRoot, expired),
				})
			}
		}
	}
	return findings
}

// expiry says why none of some periods holds; nothing where there are none, or one does.
func expiry(periods []policy.Period, now time.Time) string {
	if len(periods) == 0 {
		return ""
	}
	var last, next time.Time
	for _, period := range periods {
		switch {
		case period.Holds(now):
			return ""
		case now.Before(period.Start):
			if next.IsZero() || period.Start.Before(next) {
				next = period.Start
			}
		case period.End.After(last):
			last = period.End
		}
	}
	if last.IsZero() {
		return "the first begins at " + next.UTC().Format(time.RFC3339)
	}
	return "the last ended at " + last.UTC().Format(time.RFC3339)
}
