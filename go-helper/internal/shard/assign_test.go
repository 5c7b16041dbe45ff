package shard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/tags"
)

// randomPlan has repositories with few tags and some with many, fan-outs, common destinations, policies and what is skipped.
func randomPlan(r *rand.Rand) []plan.Copy {
	var copies []plan.Copy
	for repository := range 1 + r.IntN(30) {
		source := fmt.Sprintf("quay.io/team-%d/app", repository)
		destination := fmt.Sprintf("registry.example/mirror/app-%d", repository)
		if r.IntN(8) == 0 {
			destination = "registry.example/all"
		}
		switch r.IntN(12) {
		case 0:
			copies = append(copies, plan.Copy{Src: source + ":{tag}", Dst: destination + ":{tag}", Select: &tags.Policy{Latest: r.IntN(40)}})
		case 1:
			copies = append(copies, plan.Copy{Src: source + ":1", Skip: &spec.Skip{Destination: destination, Reason: "windows"}})
		}
		count := 1 + r.IntN(6)
		if r.IntN(6) == 0 {
			count = 1 + r.IntN(300)
		}
		registries := 1 + r.IntN(3)
		for tag := range count {
			for registry := range registries {
				dst := fmt.Sprintf("%s:%d-%d", destination, repository, tag)
				if registry > 0 {
					dst = fmt.Sprintf("other-%d.example/app-%d:%d", registry, repository, tag)
				}
				copies = append(copies, plan.Copy{Src: fmt.Sprintf("%s:v1.%d", source, tag), Dst: dst})
			}
		}
	}
	return copies
}

func TestAssignDividesAnyPlan(t *testing.T) {
	t.Parallel()
	cut := 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		copies := randomPlan(r)
		n := 1 + r.IntN(20)
		shards := Assign(copies, n)
		if len(shards) != len(copies) || slices.Min(shards) < 0 || slices.Max(shards) >= n {
			t.Fatalf("seed %d: %d copies, %d shards of %d: %v", seed, len(copies), len(shards), n, shards)
		}
		if !slices.Equal(shards, Assign(slices.Clone(copies), n)) {
			t.Fatalf("seed %d: not the same again", seed)
		}
		inOneShard(t, seed, copies, shards)
		order := r.Perm(len(copies))
		shuffled := make([]plan.Copy, len(copies))
		for to, from := range order {
			shuffled[to] = copies[from]
		}
		for to, shard := range Assign(shuffled, n) {
			if shard != shards[order[to]] {
				t.Fatalf("seed %d: the order of a plan decides where %s goes", seed, shuffled[to].Src)
			}
		}
		cut += repositoriesCut(copies, shards)
	}
	if cut < 20 {
		t.Errorf("only %d repositories were cut", cut)
	}
}

// inOneShard checks what no cut may part.
func inOneShard(t *testing.T, seed uint64, copies []plan.Copy, shards []int) {
	t.Helper()
	where := map[string]int{}
	together := func(what string, shard int) {
		if other, seen := where[what]; seen && other != shard {
			t.Fatalf("seed %d: %s is in shards %d and %d", seed, what, other, shard)
		}
		where[what] = shard
	}
	sources := map[string]map[string]bool{} // by destination
	for _, c := range copies {
		source, destination := plan.Repositories(c)
		if sources[destination] == nil {
			sources[destination] = map[string]bool{}
		}
		sources[destination][source] = true
	}
	policies := map[string]bool{}
	for _, c := range copies {
		if source, _ := plan.Repositories(c); c.Select != nil {
			policies[source] = true
		}
	}
	for i, c := range copies {
		source, destination := plan.Repositories(c)
		together("the source "+c.Src, shards[i])
		if destination != "" && len(sources[destination]) > 1 {
			together("the common destination "+destination, shards[i])
		}
		if policies[source] {
			together("the repository with a policy "+source, shards[i])
		}
	}
}

func repositoriesCut(copies []plan.Copy, shards []int) int {
	where := map[string]map[int]bool{}
	for i, c := range copies {
		source, _ := plan.Repositories(c)
		if where[source] == nil {
			where[source] = map[int]bool{}
		}
		where[source][shards[i]] = true
	}
	cut := 0
	for _, shards := range where {
		if len(shards) > 1 {
			cut++
		}
	}
	return cut
}

// A long tail of repositories, the largest with a tenth of all tags.
func skewedPlan(repositories int) []plan.Copy {
	var copies []plan.Copy
	for repository := range repositories {
		for tag := range 1 + repositories/(2*(repository+1)) {
			copies = append(copies, plan.Copy{
				Src: fmt.Sprintf("quay.io/team/app-%d:v1.%d", repository, tag),
				Dst: fmt.Sprintf("registry.example/app-%d:v1.%d", repository, tag),
			})
		}
	}
	return copies
}

func TestAssignBalances(t *testing.T) {
	t.Parallel()
	copies := skewedPlan(1000)
	for _, n := range []int{2, 4, 16, 64} {
		counts := make([]int, n)
		for _, shard := range Assign(copies, n) {
			counts[shard]++
		}
		if most := slices.Max(counts); float64(most) > 1.05*float64(len(copies))/float64(n) {
			t.Errorf("%d shards of %d copies: %v", n, len(copies), counts)
		}
	}
}

// What is cut is cut between tags that are far from each other.
func TestAssignKeepsNeighboursTogether(t *testing.T) {
	t.Parallel()
	var copies []plan.Copy
	for tag := range 64 {
		copies = append(copies, plan.Copy{Src: fmt.Sprintf("quay.io/a/b:v1.%d", tag), Dst: fmt.Sprintf("registry.example/b:v1.%d", tag)})
	}
	shards := Assign(copies, 4)
	changes := 0
	for i := 1; i < len(shards); i++ {
		if shards[i] != shards[i-1] {
			changes++
		}
	}
	if changes > 7 { // eight pieces of eight
		t.Errorf("%d changes: %v", changes, shards)
	}
}

func TestAssignOfFew(t *testing.T) {
	t.Parallel()
	if got := Assign(nil, 4); len(got) != 0 {
		t.Error(got)
	}
	if got := Assign([]plan.Copy{{Src: "quay.io/a/b:1", Dst: "r.example/b:1"}}, 4); !slices.Equal(got, []int{0}) {
		t.Error(got)
	}
	// What can't be read is an error elsewhere; here it must not panic.
	if got := Assign([]plan.Copy{{}, {Src: "::", Dst: "::"}, {Src: "a"}}, 2); len(got) != 3 {
		t.Error(got)
	}
}

func BenchmarkAssign(b *testing.B) {
	copies := skewedPlan(12_000)
	b.ReportMetric(float64(len(copies)), "copies")
	for b.Loop() {
		Assign(copies, 16)
	}
}
