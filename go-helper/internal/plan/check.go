package plan

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
)

// Conflict is a set rule that some copies of a plan break.
type Conflict struct {
	Msg    string // what is wrong, with every place
	Copies []int  // indexes of the copies that take part, ascending
}

func (c *Conflict) Error() string { return c.Msg }

// Check tells which set rules a plan breaks; the error joins a *[Conflict] each.
func Check(copies []Copy) error { return join(Conflicts(copies)) }

func join(conflicts []Conflict) error {
	errs := make([]error, len(conflicts))
	for i := range conflicts {
		errs[i] = &conflicts[i]
	}
	return errors.Join(errs...)
}

// place is a registry, a repository and what is read from or written to there.
type place struct{ name, identifier string }

// read is what a source resolves to: the digest where there is one, its tag then being only a label.
func read(ref reference.Reference) place { return place{ref.Name(), ref.Identifier()} }

// written is what a destination names: the tag where there is one.
func written(ref reference.Reference) place {
	if ref.Tag != "" {
		return place{ref.Name(), ref.Tag}
	}
	return place{ref.Name(), ref.Digest.String()}
}

// resolved is a copy whose references are parsed; err says that they can't be, or [errNotReady].
type resolved struct {
	src, dst  reference.Reference
	platforms string // one spelling a set
	sparse    bool   // the index keeps its digest
	referrers string
	err       error
}

var errNotReady = errors.New("not a copy to be made")

func (r resolved) equal(o resolved) bool {
	return read(r.src) == read(o.src) && r.platforms == o.platforms && r.sparse == o.sparse && r.referrers == o.referrers
}

func resolve(c Copy) resolved {
	if !c.Ready() {
		return resolved{err: errNotReady}
	}
	r := resolved{referrers: c.Referrers, sparse: c.Sparse()}
	var platforms []v1.Platform
	if r.src, r.err = c.Source(); r.err != nil {
		return r
	}
	if r.dst, r.err = c.Destination(); r.err != nil {
		return r
	}
	if platforms, r.err = c.Platforms(); r.err != nil {
		return r
	}
	names := make([]string, len(platforms))
	for i, p := range platforms {
		names[i] = p.String()
	}
	sort.Strings(names)
	r.platforms = strings.Join(names, ",")
	return r
}

func resolveAll(copies []Copy) []resolved {
	all := make([]resolved, len(copies))
	for i, c := range copies {
		all[i] = resolve(c)
	}
	return all
}

// ontoItself tells whether an entry's policy would copy every tag onto itself.
func ontoItself(c Copy) bool {
	if c.Select == nil || c.Skip != nil {
		return false
	}
	repository, tag := splitDestination(c.Dst)
	src, err := c.Source()
	return err == nil && repository == src.Name() && tag == tagPlaceholder
}

// Conflicts finds every set rule that a plan breaks:
//   - a reference can't be both a source and a destination;
//   - a digest on a destination needs the same digest on its source, and no transform but a sparse index;
//   - two copies to one destination must be equal.
//
// Entries that aren't [Copy.Ready] take no part, but for a policy that would copy every tag onto itself.
func Conflicts(copies []Copy) []Conflict { return conflicts(copies, resolveAll(copies)) }

func conflicts(copies []Copy, all []resolved) []Conflict {
	var found []Conflict
	conflict := func(indexes []int, format string, args ...any) {
		found = append(found, Conflict{Msg: at(copies, indexes) + fmt.Sprintf(format, args...), Copies: indexes})
	}
	sources := make(map[place][]int, len(copies))
	destinations := make(map[place][]int, len(copies))
	for i, r := range all {
		switch {
		case r.err == nil:
			sources[read(r.src)] = append(sources[read(r.src)], i)
			destinations[written(r.dst)] = append(destinations[written(r.dst)], i)
		case !errors.Is(r.err, errNotReady):
			conflict([]int{i}, "%s", r.err)
		case ontoItself(copies[i]):
			conflict([]int{i}, "%s is both a source and a destination: the tags that the policy selects", copies[i].sourceRepository())
		}
	}

	bothReported := make(map[place]bool)
	for i, r := range all {
		if r.err != nil {
			continue
		}
		dst := written(r.dst)
		if readers := sources[dst]; len(readers) > 0 && !bothReported[dst] {
			bothReported[dst] = true
			conflict(union(readers, destinations[dst]), "%s is both a source and a destination", r.dst)
		}
		if r.dst.HasDigest() && r.dst.Digest != r.src.Digest {
			conflict([]int{i}, "explicit digest on destination %s is inconsistent with source %s", r.dst, r.src)
		}
		if r.dst.HasDigest() && r.platforms != "" && !r.sparse {
			conflict([]int{i}, "destination %s has an explicit digest, but also requests transforms: only a sparse index keeps its digest", r.dst)
		}
		first := destinations[dst][0]
		switch {
		case first == i:
		case read(r.src) != read(all[first].src):
			conflict([]int{first, i}, "destination %s requests inconsistent copies from %s and %s", r.dst, r.src, all[first].src)
		case r.platforms != all[first].platforms || r.sparse != all[first].sparse:
			conflict([]int{first, i}, "destination %s requests inconsistent copies from %s and %s: of %s and of %s",
				r.dst, r.src, all[first].src, platformsOrAll(r), platformsOrAll(all[first]))
		case r.referrers != all[first].referrers:
			conflict([]int{first, i}, "destination %s requests inconsistent copies from %s and %s: with referrers %q and %q",
				r.dst, r.src, all[first].src, r.referrers, all[first].referrers)
		}
	}
	return found
}

func union(a, b []int) []int {
	seen := map[int]bool{}
	var all []int
	for _, i := range append(append([]int{}, a...), b...) {
		if !seen[i] {
			seen[i] = true
			all = append(all, i)
		}
	}
	sort.Ints(all)
	return all
}

func platformsOrAll(r resolved) string {
	if r.platforms == "" {
		return "all platforms"
	}
	if r.sparse {
		return r.platforms + " in a sparse index"
	}
	return r.platforms
}

// at names the places of copies, each once: "a.txt:1, b.txt:7: ".
func at(copies []Copy, indexes []int) string {
	const most = 6
	var places []string
	seen := make(map[string]bool, len(indexes))
	for _, i := range indexes {
		if origin := copies[i].Origin; origin != "" && !seen[origin] {
			seen[origin] = true
			places = append(places, origin)
		}
	}
	if len(places) > most {
		places = append(places[:most:most], fmt.Sprintf("%d more", len(places)-most))
	}
	if joined := strings.Join(places, ", "); joined != "" {
		return joined + ": "
	}
	return ""
}

// Merge leaves only the first of equal copies to a destination. What breaks a set rule stays.
func Merge(copies []Copy) []Copy { return merge(copies, resolveAll(copies)) }

func merge(copies []Copy, all []resolved) []Copy {
	merged := make([]Copy, 0, len(copies))
	firsts := make(map[place]int, len(copies))
	for i, r := range all {
		if r.err == nil {
			first, duplicate := firsts[written(r.dst)]
			if duplicate && all[first].equal(r) && all[first].dst == r.dst {
				continue
			}
			if !duplicate {
				firsts[written(r.dst)] = i
			}
		}
		merged = append(merged, copies[i])
	}
	return merged
}
