package plan_test

import (
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
)

// A destination with a digest says more than one with the tag alone: both stay.
func TestMergeKeepsDestinationsThatAreWrittenDifferently(t *testing.T) {
	copies := read(t, `[{"src": "a@`+testDigest+`", "dst": "r.example/z:1"}, {"src": "a@`+testDigest+`", "dst": "r.example/z:1@`+testDigest+`"}]`)
	if got := arrows(plan.Merge(copies)); len(got) != 2 {
		t.Errorf("left: %q", got)
	}
}

func TestAConflictNamesEachPlaceOnce(t *testing.T) {
	copies := read(t, `[{"src": "a", "dst": "r.example/x"}, {"src": "b", "dst": "r.example/x"}]`)
	for i := range copies {
		copies[i].Origin = "a.txt:7"
	}
	if err := plan.Check(copies); err == nil || !strings.HasPrefix(err.Error(), "a.txt:7: destination") {
		t.Errorf("%v", err)
	}
}

// Only tags that the entry's template makes tell what a destination has.
func TestForeignTagsOfADestinationDontCount(t *testing.T) {
	c := read(t, `[{"src": "a", "dst": "r.example/a:m-{tag}-x", "select": {"mode": "higher"}}]`)[0]
	copies, err := plan.Expand(c, []string{"1.0.0", "2.0.0"}, []string{"m-1.0.0-x", "zz9.0.0-x", "m-9.0.0-y"})
	if got := arrows(copies); err != nil || len(got) != 1 || got[0] != "docker.io/library/a:2.0.0 -> r.example/a:m-2.0.0-x" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestASkippedEntryIsNotExpanded(t *testing.T) {
	c := read(t, `[{"src": "a", "dst": "r.example/a", "select": {"semver": [">=1"]}}]`)[0]
	c.Skip = &spec.Skip{Destination: "r.example/a", Reason: "skip_push"}
	copies, err := plan.Expand(c, []string{"1.0.0", "2.0.0"}, nil)
	if err != nil || len(copies) != 1 || copies[0].Skip == nil || copies[0].Src != c.Src {
		t.Errorf("%+v, %v", copies, err)
	}
}
