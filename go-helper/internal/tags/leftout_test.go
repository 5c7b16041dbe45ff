package tags

import (
	"errors"
	"strings"
	"testing"
)

const signed = "sha256-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func selected(t *testing.T, p Policy, source string) string {
	t.Helper()
	got, err := p.Select(strings.Fields(source), nil)
	if err != nil && !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	return strings.Join(got, " ")
}

func TestSignaturesAreNeverSelected(t *testing.T) {
	source := strings.Join([]string{"1.0.0", signed, signed + ".sig", signed + ".att", signed + ".sbom", "sha256-abc", "sha512-" + strings.Repeat("0", 128) + ".sig"}, " ")
	for _, policy := range []Policy{
		{},
		{Include: []string{"*"}},
		{Mode: ModeAll, ReplaceTag: true},
		{Latest: 9, Order: OrderNatural},
		{Latest: 9, Order: OrderListed, Exclude: []string{"x"}},
	} {
		if got := selected(t, policy, source); got != "1.0.0 sha256-abc" {
			t.Errorf("%+v selects %q", policy, got)
		}
	}
	if got := selected(t, Policy{Include: []string{"sha256-*.sig"}}, source); got != signed+".sig" {
		t.Errorf("asked for: %q", got)
	}
	if got := (Policy{Include: []string{"x"}}).LeftOut([]string{signed + ".sig"}); got != "1 signatures or attachments, which come along with their images ("+signed+".sig)" {
		t.Errorf("left out: %q", got)
	}
}

func TestUnderscoresAreBuildMetadata(t *testing.T) {
	for _, test := range []struct {
		policy       Policy
		source, want string
	}{
		{Policy{Semver: []string{"^1.2"}}, "1.1.0_1 1.2.0_1 1.3.0_up2.0.0 2.0.0_1 1.2.1_a_b", "1.2.0_1 1.3.0_up2.0.0"},
		{Policy{Latest: 1}, "1.2.0_9 1.2.0_10", "1.2.0_10"},
		{Policy{Latest: 1}, "1.2.0_9 1.2.0 1.2.0_10", "1.2.0"},
		{Policy{Latest: 1}, "1.2.0 1.2.1_1", "1.2.1_1"},
		{Policy{Compatibility: "rc.1"}, "1.2.0-rc.1_5 1.2.0", "1.2.0-rc.1_5"},
		{Policy{Latest: 1}, "17.0.2_8 17.0.2_8-jdk-alpine 17.0.2_8-jre", "17.0.2_8"},
		{Policy{Latest: 1, Compatibility: "jre"}, "17.0.2_8 17.0.2_9-jre 17.0.2_10-jre 17.0.2_11-jdk", "17.0.2_10-jre"},
		{Policy{Semver: []string{"~17.0.1"}, Compatibility: "jre"}, "17.0.2_8-jre 17.1.0_8-jre", "17.0.2_8-jre"},
		{Policy{Semver: []string{"^1.2"}}, "1.3.0_up2.0.0-rc1", "1.3.0_up2.0.0-rc1"},
		{Policy{Mode: ModeSemver, ReplaceTag: true}, "1.2.0_1 1.2.0", "1.2.0"}, // replicant's modes are exact
	} {
		if got := selected(t, test.policy, test.source); got != test.want {
			t.Errorf("%+v of %s: %q, want %q", test.policy, test.source, got, test.want)
		}
	}
}

func TestYearsAreReadWhereTheyAreNamed(t *testing.T) {
	source := "1.2.0 2023.9.1 2024.2.0 2024.10.0 v2024.9.3 20240131"
	for _, test := range []struct {
		policy Policy
		want   string
	}{
		{Policy{Latest: 9}, "1.2.0"},
		{Policy{Semver: []string{">=1"}}, "1.2.0"},
		{Policy{Semver: []string{">=2024.1"}}, "2024.2.0 v2024.9.3 2024.10.0"},
		{Policy{Semver: []string{"^2023 || ~v2024.10"}}, "2023.9.1 2024.10.0"},
		{Policy{Semver: []string{">=1.2024"}}, ""},
		{Policy{PinnedMajor: major(2024), Latest: 1}, "2024.10.0"},
		{Policy{Mode: ModeSemver, ReplaceTag: true, Semver: []string{">=2024"}}, ""},
	} {
		if got := selected(t, test.policy, source); got != test.want {
			t.Errorf("%+v: %q, want %q", test.policy, got, test.want)
		}
	}
}

func TestWhatIsLeftOutIsSaidByClass(t *testing.T) {
	const natural = `; order = "natural" with latest and include ranks tags by name, numbers as numbers`
	const suffix = `; compatibility = "SUFFIX" selects those with one exact suffix, and order = "natural" with latest and include ranks any tags by name, numbers as numbers`
	for _, test := range []struct {
		name   string
		policy Policy
		source string
		want   string
	}{
		{"four parts", Policy{Latest: 1}, "1.2.3.4 1.2.3.10 v1.2.3.9-x latest", "3 of four or more parts, which semantic versions don't have (1.2.3.10), 1 without a version (latest)" + natural},
		{"four parts outside", Policy{Semver: []string{"^2"}}, "1.2.3.4", "1 outside the ranges (1.2.3.4)"},
		{"dates", Policy{Latest: 1}, "2024.10.0 2024.9.0 20230101", `3 taken for dates, as the first number is above 1024 (20230101)` + natural + `, and a range that names a year (">=2024.1") reads years`},
		{"dates outside", Policy{Semver: []string{"^1"}}, "2024.10.0", "1 outside the ranges (2024.10.0)"},
		{"dates of another major", Policy{PinnedMajor: major(1)}, "2024.10.0", "1 of another major version (2024.10.0)"},
		{"Debian's", Policy{Semver: []string{"^7"}}, "7.2.4-debian-11-r0 7.2.4-debian-11-r12", "2 with a suffix, which semantic versions take for a pre-release (7.2.4-debian-11-r0)" + suffix},
		{"rebuilds", Policy{Latest: 1}, "1.2.3-r3 1.2.3-1", "2 with a suffix, which semantic versions take for a pre-release (1.2.3-1)" + suffix},
		{"pre-releases", Policy{Latest: 1}, "1.2.3-rc1 1.2.3-beta.2 1.2.3-SNAPSHOT 1.2.3-alpha", "4 pre-releases (1.2.3-rc1)"},
		{"pre-releases of a range", Policy{Semver: []string{"~1.2"}}, "1.2.3-rc1 1.3.0-rc1", "1 pre-releases (1.2.3-rc1), 1 outside the ranges (1.3.0-rc1)"},
		{"flavours", Policy{Compatibility: "alpine"}, "1.2.3 1.2.3-alpine3", "2 of another compatibility (1.2.3)"},
		{"others", Policy{Latest: 1}, "release-1.2 1.2.3a 1.2.3_a_b", "3 with numbers, but no semantic version (1.2.3a)" + natural},
		{"days", Policy{Latest: 1}, "RELEASE.2024-01-05T22-17-24Z RELEASE.2023-12-23T07-19-11Z latest", "2 named by a day (RELEASE.2024-01-05T22-17-24Z), 1 without a version (latest)" + natural},
		{"numbers that are too large", Policy{Latest: 1}, "20240131123456789012.1.2.3 v1.0.20240131123456789012.1", "2 of four or more parts, which semantic versions don't have (20240131123456789012.1.2.3)" + natural},
		{"builds of a flavour", Policy{Latest: 1}, "17.0.2_8-jdk 17.0.2_8-jre", "2 with a suffix, which semantic versions take for a pre-release (17.0.2_8-jdk)" + suffix},
		{"patterns", Policy{Include: []string{"a"}, Exclude: []string{"b"}}, "b c", "2 left out by include or exclude (b)"},
		{"each once", Policy{Latest: 1}, "latest latest", "1 without a version (latest)"},
		{"nothing", Policy{}, "a b", ""},
	} {
		source := strings.Fields(test.source)
		if got := test.policy.LeftOut(source); got != test.want {
			t.Errorf("%s:\n  got  %s\n  want %s", test.name, got, test.want)
		}
		if test.want == "" {
			continue
		}
		if _, err := test.policy.Select(source, nil); err == nil || !errors.Is(err, ErrNone) || !strings.HasSuffix(err.Error(), "): "+test.want) {
			t.Errorf("%s: Select's error is %v", test.name, err)
		}
		quiet := test.policy
		quiet.AllowEmpty = true
		if got := quiet.Notice(source); !strings.HasPrefix(got, "selects none of the ") || !strings.HasSuffix(got, test.want) {
			t.Errorf("%s, allowed: %s", test.name, got)
		}
	}
}

// A notice is for where the tags that aren't ranked look newer than those that are.
func TestNoticeWhereTheWrongOnesMayBeSelected(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy Policy
		source string
		want   string // in the notice; empty: there is none
	}{
		{"years after versions", Policy{Latest: 1}, "1.2.0 2024.10.0", "the highest tag selected is 1.2.0, but others look newer: 1 taken for dates"},
		{"rebuilds that are newer", Policy{Semver: []string{"^1"}}, "1.2.0 1.2.1-r3", "but others look newer: 1 with a suffix"},
		{"four parts", Policy{Mode: ModeHighest}, "1.2.3 1.2.3.1", "but others look newer: 1 of four or more parts"},
		{"flavours of what is selected", Policy{Semver: []string{"^1"}}, "1.27.1 1.27.1-alpine 1.27-alpine 1.26.9-debian-11-r0", ""},
		{"dates outside the range", Policy{Semver: []string{"^3"}}, "3.1.0 20240329", ""},
		{"pre-releases", Policy{Latest: 1}, "1.2.0 1.3.0-rc1", ""},
		{"words", Policy{Latest: 1}, "1.2.0 latest main sha-1234567", ""},
		{"days", Policy{Latest: 1}, "1.2.0 nightly-2024-01-05", ""},
		{"not by version", Policy{Latest: 1, Order: OrderNatural}, "1.2.0 1.2.0.1", ""},
		{"nothing there", Policy{Latest: 1}, "", ""},
	} {
		got := test.policy.Notice(strings.Fields(test.source))
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
