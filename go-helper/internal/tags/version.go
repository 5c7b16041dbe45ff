package tags

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// class is why a tag isn't selected; "" where it is. The texts follow a number in messages.
type class string

const (
	wanted        class = ""
	classAttached class = "signatures or attachments, which come along with their images"
	classPattern  class = "left out by include or exclude"
	classNone     class = "without a version"
	classParts    class = "of four or more parts, which semantic versions don't have"
	classOther    class = "with numbers, but no semantic version"
	classDay      class = "named by a day"
	classDate     class = "taken for dates, as the first number is above 1024"
	classSuffix   class = "with a suffix, which semantic versions take for a pre-release"
	classPre      class = "pre-releases"
	classFlavour  class = "of another compatibility"
	classMajor    class = "of another major version"
	classRange    class = "outside the ranges"
)

// maxMajor is where replicant stops to believe in versions: 20240131 is a date.
const maxMajor = 1024

// maxYear is how far calendar versions go, where the policy itself names a year.
const maxYear = 9999

var (
	// attached is a tag of cosign's or of the referrers tag schema (OCI distribution spec, "Referrers tag schema").
	attached = regexp.MustCompile(`^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.[a-z]+)?$`)
	fourPart = regexp.MustCompile(`^(v?\d+\.\d+\.\d+)(?:\.\d+)+(?:[-_+.].*)?$`)
	numbered = regexp.MustCompile(`\d+\.\d`)
	// dated has a day in it: MinIO's RELEASE.2024-01-05T22-17-24Z.
	dated = regexp.MustCompile(`\d{4}-[01]\d-[0-3]\d`)
	// built is a build's number with a flavour behind it: OpenJDK's 17.0.2_8-jdk-alpine.
	built = regexp.MustCompile(`^([^-_]+)_(\d+(?:\.\d+)*)-([A-Za-z].*)$`)
	// preRelease is what developers call versions before a release, as the first word of a suffix: rc1, beta.2, SNAPSHOT.
	preRelease = regexp.MustCompile(`(?i)^(?:a|alpha|b|beta|c|cr|rc|pre|preview|prerelease|m|milestone|ea|dev|develop|devel|snapshot|nightly|canary|next|edge|unstable|test|experimental)[-.]?\d*(?:[-.]|$)`)
	year       = regexp.MustCompile(`(?:^|[^0-9.])v?(\d{4})(?:[^0-9]|$)`)
)

// classify reads a tag as a version and tells why it isn't wanted. The order of the conditions is replicant's.
func (c compiled) classify(text string) (*semver.Version, class) {
	v, err := c.read(text)
	switch {
	case err != nil && fourPart.MatchString(text):
		first, err := semver.NewVersion(fourPart.FindStringSubmatch(text)[1])
		if err != nil { // a number that is too large
			return nil, classParts
		}
		return nil, c.unless(first, classParts)
	case err != nil && numbered.MatchString(text):
		return nil, classOther
	case err != nil && dated.MatchString(text):
		return nil, classDay
	case err != nil:
		return nil, classNone
	case v.Major() > c.highestMajor():
		return nil, c.unless(v, classDate)
	}
	switch {
	case c.Compatibility != "":
		if v.Prerelease() != c.Compatibility {
			return v, classFlavour
		}
	case v.Prerelease() != "" && len(c.ranges) == 0:
		return v, suffixClass(v)
	}
	if c.PinnedMajor != nil && v.Major() != *c.PinnedMajor {
		return v, classMajor
	}
	if len(c.ranges) > 0 && !c.inRange(c.plain(v)) {
		// Ranges leave pre-releases out, unless they have one themselves.
		if plain := semver.New(v.Major(), v.Minor(), v.Patch(), "", ""); v.Prerelease() != "" && c.inRange(plain) {
			return v, suffixClass(v)
		}
		return v, classRange
	}
	return v, wanted
}

// unless gives why a tag that isn't ranked wouldn't be wanted anyway, else class.
func (c compiled) unless(v *semver.Version, class class) class {
	switch {
	case c.PinnedMajor != nil && v.Major() != *c.PinnedMajor:
		return classMajor
	case len(c.ranges) > 0 && !c.inRange(semver.New(v.Major(), v.Minor(), v.Patch(), "", "")):
		return classRange
	}
	return class
}

func (c compiled) inRange(v *semver.Version) bool {
	return slices.ContainsFunc(c.ranges, func(r *semver.Constraints) bool { return r.Check(v) })
}

// read reads a tag as a version. A tag can't have the + of build metadata: Helm writes _ in its place, and so do others. What comes behind a
// build's number is a flavour all the same, and no version is above another one for it. replicant's modes don't know that.
func (c compiled) read(text string) (*semver.Version, error) {
	v, err := semver.NewVersion(text)
	if err == nil || c.Mode != "" || !strings.Contains(text, "_") {
		return v, err
	}
	if m := built.FindStringSubmatch(text); m != nil {
		return semver.NewVersion(m[1] + "-" + m[3] + "+" + m[2])
	}
	return semver.NewVersion(strings.Replace(text, "_", "+", 1))
}

// highestMajor is the largest number that is taken for a major version: that of a year, where the policy names one.
func (c compiled) highestMajor() uint64 {
	if c.Mode != "" {
		return maxMajor
	}
	if c.PinnedMajor != nil && *c.PinnedMajor > maxMajor {
		return maxYear
	}
	for _, text := range c.Semver {
		for _, m := range year.FindAllStringSubmatch(text, -1) {
			if n, err := strconv.Atoi(m[1]); err == nil && n > maxMajor {
				return maxYear
			}
		}
	}
	return maxMajor
}

func suffixClass(v *semver.Version) class {
	if preRelease.MatchString(v.Prerelease()) {
		return classPre
	}
	return classSuffix
}
