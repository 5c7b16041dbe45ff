package tags

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// What replicant 824b891 was seen to do with these tags.
var replicantTags = []string{
	"latest", "1", "1.2", "1.2.0", "1.2.3", "01.2.3", "v1.3.0", "2", "2.0", "2.0.0", "0.9.1", "1.3.0-alpine", "1.3.0-alpine3.18", "2.1.0-rc1", "20240131",
	"edge",
}

func major(n uint64) *uint64 { return &n }

func TestReplicantsModes(t *testing.T) {
	for _, test := range []struct {
		name        string
		policy      Policy
		destination []string
		want        string
	}{
		{"highest", Policy{Mode: ModeHighest}, nil, "2.0.0"},
		{"highest that is there", Policy{Mode: ModeHighest}, []string{"2.0.0"}, ""},
		{"highest that is there, replaced", Policy{Mode: ModeHighest, ReplaceTag: true}, []string{"2.0.0"}, "2.0.0"},
		{"highest of a major", Policy{Mode: ModeHighest, PinnedMajor: major(1)}, nil, "v1.3.0"},
		{"highest of major 0", Policy{Mode: ModeHighest, PinnedMajor: major(0)}, nil, "0.9.1"},
		{"highest, compatible", Policy{Mode: ModeHighest, Compatibility: "alpine"}, nil, "1.3.0-alpine"},
		{"higher", Policy{Mode: ModeHigher}, []string{"1.2.3", "latest"}, "v1.3.0 2 2.0 2.0.0"},
		{"higher, the destination's flavour is not compared", Policy{Mode: ModeHigher}, []string{"1.2.3", "9.9.9-alpine"}, "v1.3.0 2 2.0 2.0.0"},
		{"higher than all", Policy{Mode: ModeHigher}, []string{"3.0.0"}, ""},
		{"semver", Policy{Mode: ModeSemver}, nil, "0.9.1 1 1.2 1.2.0 01.2.3 1.2.3 v1.3.0 2 2.0 2.0.0"},
		{"semver, some there", Policy{Mode: ModeSemver}, []string{"1", "1.2", "1.2.0", "0.9.1", "2"}, "01.2.3 1.2.3 v1.3.0 2.0 2.0.0"},
		{"semver, compatible", Policy{Mode: ModeSemver, Compatibility: "alpine3.18"}, nil, "1.3.0-alpine3.18"},
		{"all", Policy{Mode: ModeAll, ReplaceTag: true}, []string{"edge"}, strings.Join(replicantTags, " ")},
		{"all, one there", Policy{Mode: ModeAll}, []string{"latest"}, strings.Join(replicantTags[1:], " ")},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.policy.Select(replicantTags, test.destination)
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("got %q, %v, want %q", strings.Join(got, " "), err, test.want)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	source := []string{
		"1.24.0", "1.25.0", "1.25.1", "1.25.1-alpine", "1.25.2-alpine", "1.26.0-rc1", "1.26", "v1.27.0", "latest", "stable", "build-9", "build-10", "build-010",
		"20240131", "1.25.0", "sha-abc",
	}
	for _, test := range []struct {
		name   string
		policy Policy
		want   string
	}{
		{"everything, each once", Policy{}, "1.24.0 1.25.0 1.25.1 1.25.1-alpine 1.25.2-alpine 1.26.0-rc1 1.26 v1.27.0 latest stable build-9 build-10 build-010 20240131 sha-abc"},
		{"range", Policy{Semver: []string{"^1.25, <1.27"}}, "1.25.0 1.25.1 1.26"},
		{"ranges are alternatives", Policy{Semver: []string{"~1.24", ">=1.27"}}, "1.24.0 v1.27.0"},
		{"range with ||", Policy{Semver: []string{"~1.24 || >=1.27"}}, "1.24.0 v1.27.0"},
		{"range that admits pre-releases", Policy{Semver: []string{">=1.26.0-0"}}, "1.26.0-rc1 1.26 v1.27.0"},
		{"range and flavour", Policy{Semver: []string{">=1.25.2"}, Compatibility: "alpine"}, "1.25.2-alpine"},
		{"glob", Policy{Include: []string{"1.25.*"}}, "1.25.0 1.25.1 1.25.1-alpine 1.25.2-alpine"},
		{"globs fit the whole tag", Policy{Include: []string{"1.2?"}}, "1.26"},
		{"regular expression", Policy{Include: []string{"/^v?1\\.2[67]/"}}, "1.26.0-rc1 1.26 v1.27.0"},
		{"excluded", Policy{Include: []string{"1.2*"}, Exclude: []string{"*-alpine", "/rc/"}}, "1.24.0 1.25.0 1.25.1 1.26"},
		{"latest", Policy{Latest: 2}, "1.26 v1.27.0"},
		{"latest of a range", Policy{Latest: 2, Semver: []string{"~1.25"}}, "1.25.0 1.25.1"},
		{"latest of fewer", Policy{Latest: 9, Semver: []string{"~1.24"}}, "1.24.0"},
		{"latest by name", Policy{Latest: 2, Order: OrderNatural, Include: []string{"build-*"}}, "build-010 build-10"},
		{"latest as listed", Policy{Latest: 2, Order: OrderListed, Include: []string{"build-*"}}, "build-10 build-010"},
		{"latest with a mode", Policy{Mode: ModeSemver, Latest: 1}, "v1.27.0"},
		{"major", Policy{PinnedMajor: major(1), Exclude: []string{"v*"}, Latest: 1}, "1.26"},
		{"nothing, allowed", Policy{Include: []string{"none"}, AllowEmpty: true}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.policy.Select(source, nil)
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("got  %q, %v\nwant %q", strings.Join(got, " "), err, test.want)
			}
		})
	}
}

func TestSelectingNothingIsAnError(t *testing.T) {
	for _, test := range []struct {
		policy              Policy
		source, destination []string
		want                error
	}{
		{Policy{Mode: ModeHighest}, nil, nil, ErrNone},
		{Policy{Semver: []string{">=9"}}, replicantTags, nil, ErrNone},
		{Policy{Mode: ModeHigher}, replicantTags, []string{"latest"}, ErrNothingBelow},
		{Policy{Mode: ModeHigher, AllowEmpty: true}, replicantTags, nil, ErrNothingBelow},
		{Policy{Mode: ModeHigher}, replicantTags, []string{"9.0.0"}, nil},
		{Policy{Mode: ModeSemver, AllowEmpty: true}, []string{"edge"}, nil, nil},
	} {
		got, err := test.policy.Select(test.source, test.destination)
		if len(got) != 0 || !errors.Is(err, test.want) {
			t.Errorf("%+v: %q, %v, want %v", test.policy, got, err, test.want)
		}
	}
}

func TestValidateTellsEverything(t *testing.T) {
	err := Policy{
		Mode: "highst", Order: "alphabetical", Latest: -1, Semver: []string{">>1", "^1"}, Include: []string{"[", "/(/", "a/b", ""}, Exclude: []string{"[a"}, ReplaceTag: true,
	}.Validate()
	want := []string{
		`unknown mode "highst": did you mean "highest"?`,
		`unknown order "alphabetical": known are semver, natural, listed`,
		`latest must not be below zero, but is -1`,
		`semver: bad range ">>1": improper constraint: ">>1"`,
		`include: bad glob "["`,
		"include: bad regular expression /(/: error parsing regexp: missing closing ): `(`",
		`include: bad pattern "a/b": want a glob, or a regular expression between slashes`,
		`include: bad glob ""`,
		`exclude: bad glob "[a"`,
	}
	if err == nil || !reflect.DeepEqual(strings.Split(err.Error(), "\n"), want) {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
	for _, policy := range []Policy{
		{Mode: ModeAll, Compatibility: "alpine"},
		{Mode: ModeAll, PinnedMajor: major(1)},
		{ReplaceTag: true},
		{Order: OrderNatural},
	} {
		if err := policy.Validate(); err == nil {
			t.Errorf("%+v is valid, though a part of it has no effect", policy)
		}
	}
}

func TestSelectLeavesItsArgumentsAlone(t *testing.T) {
	source := []string{"3.0.0", "1.0.0", "2.0.0"}
	if _, err := (Policy{Mode: ModeSemver, Latest: 1}).Select(source, []string{"1.0.0"}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(source, []string{"3.0.0", "1.0.0", "2.0.0"}) {
		t.Errorf("source is now %q", source)
	}
}

// Whatever is selected is in the source, each once; the same question has the same answer.
func FuzzSelect(f *testing.F) {
	f.Add("1.0.0 2.0.0 latest", "1.0.0", "higher", "^1", "*", "", 1, "semver", "")
	f.Add("build-9 build-10", "", "", "", "/build/", "[", 2, "natural", "alpine")
	f.Fuzz(func(t *testing.T, source, destination, mode, semver, include, exclude string, latest int, order, compatibility string) {
		p := Policy{Mode: Mode(mode), Latest: latest, Order: Order(order), Compatibility: compatibility}
		for field, value := range map[*[]string]string{&p.Semver: semver, &p.Include: include, &p.Exclude: exclude} {
			if value != "" {
				*field = []string{value}
			}
		}
		got, err := p.Select(strings.Fields(source), strings.Fields(destination))
		again, againErr := p.Select(strings.Fields(source), strings.Fields(destination))
		if !reflect.DeepEqual(got, again) || (err == nil) != (againErr == nil) {
			t.Fatalf("%+v: %q, then %q", p, got, again)
		}
		if p.Validate() != nil && err == nil {
			t.Fatalf("%+v is invalid, but selected %q", p, got)
		}
		seen := map[string]bool{}
		for _, tag := range got {
			if seen[tag] || !strings.Contains(" "+strings.Join(strings.Fields(source), " ")+" ", " "+tag+" ") {
				t.Fatalf("%+v selected %q of %q", p, got, source)
			}
			seen[tag] = true
		}
	})
}
