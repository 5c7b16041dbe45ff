package shard

import (
	"cmp"
	"container/heap"
	"slices"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/tags"
)

// policyWeight is how many copies an entry with a tag policy counts for where the policy doesn't say how many it takes.
const policyWeight = 20

// Assign gives for each copy of a plan the shard, from 0 to n-1, that makes it.
//
// Copies that share a repository, as source or as destination, stay together, so that an image that goes to several
// registries is downloaded once. Only large groups are cut, between tags that are far from each other. The groups go,
// heaviest first, to the shard that has the least (the rule "longest processing time first").
func Assign(copies []plan.Copy, n int) []int {
	shards := make([]int, len(copies))
	if n <= 1 {
		return shards
	}
	images := make([]image, len(copies))
	for i, c := range copies {
		images[i] = imageOf(c)
	}
	most := min(32, max(8, (len(copies)+32*n-1)/(32*n)))
	var pieces []piece
	for _, component := range components(images) {
		pieces = append(pieces, cut(images, component, most)...)
	}
	slices.SortFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(b.weight, a.weight), compare(images[a.images[0]], images[b.images[0]]))
	})
	lightest := make(loads, n)
	for i := range lightest {
		lightest[i].shard = i
	}
	for _, p := range pieces {
		for _, i := range p.images {
			shards[i] = lightest[0].shard
		}
		lightest[0].weight += p.weight
		heap.Fix(&lightest, 0)
	}
	return shards
}

// image is what counts of a copy.
type image struct {
	src, dst            string // as in the plan
	source, destination string // their repositories
	policy              bool
	weight              int
}

func imageOf(c plan.Copy) image {
	i := image{src: c.Src, dst: c.Dst, weight: 1}
	i.source, i.destination = plan.Repositories(c)
	if c.Select != nil {
		i.policy, i.weight = true, cmp.Or(c.Select.Latest, policyWeight)
	}
	return i
}

// compare puts versions that follow each other, which share layers, beside each other.
func compare(a, b image) int {
	return cmp.Or(tags.CompareNatural(a.src, b.src), cmp.Compare(a.src, b.src), cmp.Compare(a.dst, b.dst))
}

// components parts images into those that share repositories, each in order.
func components(images []image) [][]int {
	sets := disjoint{}
	for _, i := range images {
		if i.destination != "" {
			sets.join(i.source, i.destination)
		}
	}
	return grouped(len(images), func(i int) string { return sets.find(images[i].source) })
}

// grouped parts the numbers below n by their keys, in the order in which those come up.
func grouped(n int, key func(int) string) [][]int {
	var groups [][]int
	index := map[string]int{}
	for i := range n {
		k := key(i)
		at, seen := index[k]
		if !seen {
			at = len(groups)
			index[k] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

// piece goes to one shard.
type piece struct {
	images []int
	weight int
}

func (p *piece) add(images []image, more []int) {
	for _, i := range more {
		p.images = append(p.images, i)
		p.weight += images[i].weight
	}
}

// cut parts a component into pieces of at most so many copies, unless less would part what belongs together.
func cut(images []image, component []int, most int) []piece {
	slices.SortFunc(component, func(a, b int) int { return compare(images[a], images[b]) })
	var whole piece
	whole.add(images, component)
	if len(component) <= most || slices.ContainsFunc(component, func(i int) bool { return images[i].policy }) {
		return []piece{whole} // which tags a policy takes isn't known, and may be others when the next shard asks
	}
	even := (len(component) + most - 1) / most // pieces
	size := (len(component) + even - 1) / even
	var pieces []piece
	var open piece
	for _, group := range inseparable(images, component) {
		if len(open.images) > 0 && len(open.images)+len(group) > size {
			pieces, open = append(pieces, open), piece{}
		}
		open.add(images, group)
	}
	return append(pieces, open)
}

// inseparable parts a component into what a cut leaves together: the copies of one source, and those from several repositories
// into one, whose attachments two processes would write to the same tags.
func inseparable(images []image, component []int) [][]int {
	sources := map[string]string{} // of a destination: its only one, or "" if there are several
	for _, i := range component {
		source, seen := sources[images[i].destination]
		if seen && source != images[i].source {
			source = ""
		} else {
			source = images[i].source
		}
		sources[images[i].destination] = source
	}
	sets := disjoint{}
	for _, i := range component {
		if d := images[i].destination; d != "" && sources[d] == "" {
			sets.join(images[i].src, "into "+d)
		}
	}
	groups := grouped(len(component), func(at int) string { return sets.find(images[component[at]].src) })
	for _, group := range groups {
		for j, at := range group {
			group[j] = component[at]
		}
	}
	return groups
}

// disjoint are sets of names (union-find, by path halving); what was not joined is a set of its own.
type disjoint map[string]string

func (d disjoint) find(name string) string {
	for {
		parent, joined := d[name]
		if !joined {
			return name
		}
		if grandparent, more := d[parent]; more {
			d[name] = grandparent
		}
		name = parent
	}
}

func (d disjoint) join(a, b string) {
	if a, b = d.find(a), d.find(b); a != b {
		d[a] = b
	}
}

// loads is a heap, with the lightest shard first.
type loads []load

type load struct{ weight, shard int }

func (l loads) Len() int { return len(l) }
func (l loads) Less(i, j int) bool {
	return l[i].weight < l[j].weight || l[i].weight == l[j].weight && l[i].shard < l[j].shard
}
func (l loads) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *loads) Push(any)     {} // the number of shards is fixed
func (l *loads) Pop() any     { return nil }
