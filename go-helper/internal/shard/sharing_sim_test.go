package shard

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
)

// simSet is a made-up set: few repositories have most of the tags, and images stand on distributions and
// runtimes of skewed use that are rebuilt now and then, on bases of their organisations, and have layers of their own.
type simSet struct {
	copies []plan.Copy
	blobs  [][]int32 // of each image
	sizes  []float64 // MB
}

func newSimSet(seed uint64, repositories, images int) *simSet {
	r := rand.New(rand.NewPCG(seed, 7))
	s := &simSet{}
	known := map[string]int32{}
	blob := func(low, high float64, key string, args ...any) int32 {
		key = fmt.Sprintf(key, args...)
		id, ok := known[key]
		if !ok {
			id = int32(len(s.sizes))
			known[key] = id
			s.sizes = append(s.sizes, low*math.Pow(high/low, r.Float64()))
		}
		return id
	}
	skewed := func(n int) int { return int(float64(n) * math.Pow(r.Float64(), 3)) }
	weights, sum := make([]float64, repositories), 0.0
	for i := range weights {
		weights[i] = math.Pow(1-r.Float64(), -0.6)
		sum += weights[i]
	}
	for repository, weight := range weights {
		organisation, distribution, runtime := skewed(600), skewed(40), skewed(300)
		platforms := 1
		if r.IntN(100) < 35 {
			platforms = 2 + r.IntN(4)
		}
		hasRuntime, ownBase := r.IntN(100) < 40, r.IntN(100) < 30
		for tag := range min(489, 1+int(weight/sum*float64(images-repositories))) {
			built := (repository*7 + tag/2) % 60
			var blobs []int32
			for p := range platforms {
				blobs = append(blobs, blob(3, 80, "d%d-%d-%d", distribution, built, p))
				if hasRuntime {
					blobs = append(blobs, blob(10, 150, "r%d-%d-%d", runtime, built/2, p))
				}
				if ownBase {
					blobs = append(blobs, blob(2, 40, "o%d-%d-%d", organisation, built/6, p))
				}
				blobs = append(blobs, blob(1, 60, "c%d-%d-%d", repository, tag/3, p))
				for own := range 1 + r.IntN(3) {
					blobs = append(blobs, blob(0.5, 60, "i%d-%d-%d-%d", repository, tag, p, own))
				}
			}
			source := fmt.Sprintf("team-%d/app-%d:1.%d", organisation, repository, tag)
			s.copies = append(s.copies, plan.Copy{Src: "quay.io/" + source, Dst: "registry.example/" + source})
			s.blobs = append(s.blobs, blobs)
		}
	}
	return s
}

// simShard is a shard on its way: ten transfers at 10 MB/s each, of images in the plan's order. Seconds.
type simShard struct {
	images []int
	next   [2]int // image and blob
	has    map[int32]bool
	left   map[int]int // blobs that an image lacks
	ends   map[int32][]int
	sum    float64
}

type simEvent struct {
	at    float64
	shard int
	blob  int32 // that has arrived; -1: none
}

type simEvents []simEvent

func (e simEvents) Len() int           { return len(e) }
func (e simEvents) Less(i, j int) bool { return e[i].at < e[j].at }
func (e simEvents) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)        { *e = append(*e, x.(simEvent)) }
func (e *simEvents) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// loaded plays n shards at once and gives the MB that they load, and the one that loads most. What an image has is told of when it is committed, and known to the
// others after a delay; a negative one is never.
func (s *simSet) loaded(n int, delay float64) (sum, most float64) {
	shards := make([]*simShard, n)
	for i := range shards {
		shards[i] = &simShard{has: map[int32]bool{}, left: map[int]int{}, ends: map[int32][]int{}}
	}
	for image, shard := range Assign(s.copies, n) {
		shards[shard].images = append(shards[shard].images, image)
	}
	told := make([]float64, len(s.sizes))
	for i := range told {
		told[i] = math.Inf(1)
	}
	var events simEvents
	for i := range shards {
		for range 10 {
			events = append(events, simEvent{float64(i) / 100, i, -1}) // not quite at once
		}
	}
	heap.Init(&events)
	commit := func(image int, now float64) {
		for _, b := range s.blobs[image] {
			if delay >= 0 && s.sizes[b] >= 1 {
				told[b] = min(told[b], now+delay)
			}
		}
	}
	for len(events) > 0 {
		e := heap.Pop(&events).(simEvent)
		shard := shards[e.shard]
		if e.blob >= 0 {
			for _, image := range shard.ends[e.blob] {
				if shard.left[image]--; shard.left[image] == 0 {
					delete(shard.left, image)
					commit(image, e.at)
				}
			}
			delete(shard.ends, e.blob)
		}
		if b, ok := s.nextOf(shard, told, e.at, commit); ok {
			sum += s.sizes[b]
			shard.sum += s.sizes[b]
			most = max(most, shard.sum)
			heap.Push(&events, simEvent{e.at + s.sizes[b]/10, e.shard, b})
		}
	}
	return sum, most
}

// nextOf gives the next blob that a shard has to load. What it has, what is on its way, and what others have told of, costs nothing.
func (s *simSet) nextOf(shard *simShard, told []float64, now float64, commit func(int, float64)) (int32, bool) {
	for shard.next[0] < len(shard.images) {
		image := shard.images[shard.next[0]]
		blobs := s.blobs[image]
		if shard.next[1] == 0 {
			shard.left[image] = 1 // until all of them have been looked at
		}
		for shard.next[1] < len(blobs) {
			b := blobs[shard.next[1]]
			shard.next[1]++
			_, coming := shard.ends[b]
			switch {
			case coming:
				shard.ends[b] = append(shard.ends[b], image)
				shard.left[image]++
			case shard.has[b]:
			case told[b] <= now:
				shard.has[b] = true
			default:
				shard.has[b], shard.ends[b] = true, []int{image}
				shard.left[image]++
				return b, true
			}
		}
		if shard.left[image]--; shard.left[image] == 0 {
			delete(shard.left, image)
			commit(image, now)
		}
		shard.next = [2]int{shard.next[0] + 1, 0}
	}
	return 0, false
}

// How many bytes shards load of a set that is large enough for them, in multiples of one process: `go test -v -run SharingCurve`.
func TestSharingCurve(t *testing.T) {
	t.Parallel()
	counts, delays, set := []int{16}, []float64{-1, 10}, newSimSet(1, 400, 8000)
	if testing.Verbose() {
		counts, delays, set = []int{1, 2, 4, 8, 16, 64}, []float64{-1, 10, 60, 300}, newSimSet(1, 5000, 100_000)
	}
	var distinct float64
	for _, size := range set.sizes {
		distinct += size
	}
	table := fmt.Sprintf("%d images, %d blobs, %.1f TB\n| shards | nothing shared | busiest shard | told after 10 s | 60 s | 300 s |\n", len(set.copies), len(set.sizes), distinct/1e6)
	for _, n := range counts {
		row := []string{fmt.Sprint(n)}
		for _, delay := range delays {
			sum, most := set.loaded(n, delay)
			times := sum / distinct
			row = append(row, fmt.Sprintf("%.3f", times))
			if delay < 0 {
				row = append(row, fmt.Sprintf("%.2f", most*float64(n)/sum))
			}
			switch {
			case n == 1 && math.Abs(times-1) > 1e-9:
				t.Errorf("one process loads %.3f times the bytes", times)
			case n == 16 && delay < 0 && times < 1.1:
				t.Errorf("16 shards that share nothing load %.3f times the bytes, which shows nothing", times)
			case n == 16 && delay == 10 && times > 1.02:
				t.Errorf("16 shards that are told after 10 s load %.3f times the bytes", times)
			}
		}
		table += "| " + strings.Join(row, " | ") + " |\n"
	}
	t.Log(table)
}
