package report

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

// split makes reports of shards from the report of a whole, each copy in any of them.
func split(whole *Report, n int, r *rand.Rand) []Named {
	parts := make([]Named, n)
	for i := range parts {
		parts[i] = Named{fmt.Sprintf("report-%d.json", i), &Report{
			Version: whole.Version, Command: whole.Command, Started: whole.Started.Add(time.Duration(i) * time.Second),
			Shard: &Shard{Index: i, Count: n, Plan: "sha256:1"}, Registries: map[string]Registry{},
		}}
	}
	for i, c := range whole.Copies {
		p := parts[r.IntN(n)]
		c.Entry = i + 1
		p.Copies = append(p.Copies, c)
		host := fmt.Sprintf("registry-%d.example", i%3)
		p.Registries[host] = p.Registries[host].plus(Registry{Requests: map[string]int64{"manifest HEAD": 2}, BytesUp: c.Bytes.Up, Retries: 1})
	}
	for i, p := range parts {
		p.Finish(whole.Finished.Add(-time.Duration(i)*time.Second), 0)
	}
	r.Shuffle(n, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return parts
}

func TestMergeIsTheWholeAgain(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		whole := &Report{Version: "1", Command: "copy", Started: start, Registries: map[string]Registry{}}
		for i := range r.IntN(60) {
			status := []engine.Status{engine.StatusCopied, engine.StatusUnchanged, engine.StatusSkipped, engine.StatusFailed}[r.IntN(4)]
			c := Copy{Source: fmt.Sprint("src", r.IntN(10)), Destination: fmt.Sprint("dst", i), Status: status, Bytes: engine.Bytes{Up: r.Int64N(100), Down: r.Int64N(100)}}
			whole.Copies = append(whole.Copies, c)
			host := fmt.Sprintf("registry-%d.example", i%3)
			whole.Registries[host] = whole.Registries[host].plus(Registry{Requests: map[string]int64{"manifest HEAD": 2}, BytesUp: c.Bytes.Up, Retries: 1})
		}
		whole.Finish(start.Add(time.Hour), 0)
		n := 1 + r.IntN(9)
		merged, missing, err := Merge(split(whole, n, r))
		if err != nil || len(missing) > 0 || len(merged.Shards) != n {
			t.Fatalf("seed %d: %v, missing %v, %d shards", seed, err, missing, len(merged.Shards))
		}
		for i, s := range merged.Shards {
			if s.Index != i {
				t.Errorf("seed %d: shards %+v", seed, merged.Shards)
			}
		}
		merged.Shards = nil
		if !reflect.DeepEqual(merged, whole) {
			got, _ := json.Marshal(merged)
			want, _ := json.Marshal(whole)
			t.Fatalf("seed %d:\n%s\nwant\n%s", seed, got, want)
		}
	}
}

// ended is the report of shard 0, 1 … of 4.
func ended(index, code int, change ...func(*Report)) Named {
	r := &Report{Command: "copy", Shard: &Shard{Index: index, Count: 4, Plan: "sha256:1"}}
	for _, change := range change {
		change(r)
	}
	r.Finish(time.Now(), code)
	return Named{fmt.Sprintf("%d.json", index), r}
}

func TestMergeRefusesWhatDoesNotGoTogether(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		other Named
		want  string
	}{
		"no shard":        {ended(1, 0, func(r *Report) { r.Shard = nil }), "1.json: is not the report of a shard: only runs with --shard have one"},
		"another count":   {ended(1, 0, func(r *Report) { r.Shard.Count = 8 }), "1.json: is of 8 shards, and 0.json of 4"},
		"another plan":    {ended(1, 0, func(r *Report) { r.Shard.Plan = "sha256:2" }), "1.json: is of another plan than 0.json"},
		"twice":           {Named{"again.json", ended(0, 0).Report}, "again.json: is shard 0, and so is 0.json"},
		"no such shard":   {ended(4, 0), "4.json: is shard 4 of 4, which can't be"},
		"a dry run":       {ended(1, 0, func(r *Report) { r.DryRun = true }), "1.json: is of another kind of run than 0.json (copy --dry-run, copy)"},
		"another command": {ended(1, 0, func(r *Report) { r.Command = "mirror" }), "(mirror, copy)"},
	} {
		_, _, err := Merge([]Named{ended(0, 0), c.other})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	// A shard with bad input has not seen the plan.
	_, _, err := Merge([]Named{ended(0, 2, func(r *Report) { r.Shard.Plan = "" }), ended(1, 0), ended(2, 0, func(r *Report) { r.Shard.Plan = "sha256:2" })})
	if err == nil || !strings.Contains(err.Error(), "2.json: is of another plan than 1.json") {
		t.Error(err)
	}
}

func TestMergeOfEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		codes   []int
		code    int
		missing []int
	}{
		{[]int{0, 0, 0, 0}, 0, nil},
		{[]int{0, 130, 0, 0}, 130, nil},
		{[]int{130, 1, 0, 0}, 1, nil},
		{[]int{1, 130, 2, 1}, 2, nil},
		{[]int{0, 0}, 0, []int{2, 3}},
	} {
		var reports []Named
		for i, code := range c.codes {
			reports = append(reports, ended(i, code))
		}
		merged, missing, err := Merge(reports)
		if err != nil || merged.ExitCode != c.code || !slices.Equal(missing, c.missing) {
			t.Errorf("%v: %v, %v, missing %v", c.codes, merged.ExitCode, err, missing)
		}
	}
}

func TestMergeSums(t *testing.T) {
	t.Parallel()
	number := func(n int64) *int64 { return &n }
	part := func(index int, left, planned int64) Named {
		return ended(index, 1, func(r *Report) {
			r.Errors = []string{"the same", fmt.Sprint("of ", index)}
			r.Targets = []Target{{Address: "a:a", ExitCode: index, Totals: Totals{Copied: 2}, Causes: []string{"c"}}, {Address: fmt.Sprint("b:", index)}}
			r.Registries = map[string]Registry{"r": {Requests: map[string]int64{"ping": 1}, Throttled: 2, BytesDown: 3, RateLimit: &RateLimit{Remaining: left}}}
			r.DockerHub = &DockerHub{PullsSpent: 5, PullsPlanned: number(planned), PullsLeft: number(left)}
		})
	}
	merged, _, err := Merge([]Named{part(0, 70, 1), part(1, 50, 2), ended(2, 0), part(3, 60, 4)})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(merged.Errors, "; "); got != "the same; of 0; of 1; of 3" {
		t.Error(got)
	}
	if len(merged.Targets) != 4 || merged.Targets[0].Totals.Copied != 6 || merged.Targets[0].ExitCode != 1 || len(merged.Targets[0].Causes) != 1 {
		t.Errorf("targets %+v", merged.Targets)
	}
	r := merged.Registries["r"]
	if r.Requests["ping"] != 3 || r.Throttled != 6 || r.BytesDown != 9 || r.RateLimit.Remaining != 50 {
		t.Errorf("registry %+v, limit %+v", r, r.RateLimit)
	}
	if hub := merged.DockerHub; hub.PullsSpent != 15 || *hub.PullsPlanned != 7 || *hub.PullsLeft != 50 || hub.Limit != nil {
		t.Errorf("docker hub %+v", hub)
	}
}
