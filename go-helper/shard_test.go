package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/report"
)

// shardedSet is a set whose images share layers in a repository, and a few base layers across repositories.
type shardedSet struct {
	list    string
	digests map[string]v1.Hash
	own     map[v1.Hash]bool // layers that only one repository has
}

// seedSharded pushes repositories of three tags and one of forty, whose tags no cut keeps in one shard.
func seedSharded(t *testing.T, w *workplace, src *devregistry.Server) shardedSet {
	t.Helper()
	set := shardedSet{digests: map[string]v1.Hash{}, own: map[v1.Hash]bool{}}
	var lines strings.Builder
	bases := []v1.Layer{randomLayer(t, 20_000), randomLayer(t, 20_000), randomLayer(t, 20_000)}
	for i := range 21 {
		repository, tags := fmt.Sprintf("team-%d/app", i), 3
		if i == 0 {
			tags = 40
		}
		common := randomLayer(t, 8_000)
		for tag := range tags {
			own := randomLayer(t, 2_000)
			image := pushLayers(t, fmt.Sprintf("%s/%s:v1.%d", src.Host, repository, tag), bases[i%len(bases)], common, own)
			for _, layer := range []v1.Layer{common, own} {
				digest, err := layer.Digest()
				if err != nil {
					t.Fatal(err)
				}
				set.own[digest] = i > 0
			}
			digest, err := image.Digest()
			if err != nil {
				t.Fatal(err)
			}
			set.digests[fmt.Sprintf("%s:v1.%d", repository, tag)] = digest
			fmt.Fprintf(&lines, "%s/%s:v1.%d\n", src.Host, repository, tag)
		}
	}
	set.list = w.write("images.txt", lines.String())
	src.Log().Reset()
	return set
}

func (s shardedSet) wantAt(t *testing.T, host string) {
	t.Helper()
	for ref, want := range s.digests {
		if got := digestAt(t, host+"/"+ref); got != want {
			t.Errorf("%s is %s, want %s", ref, got, want)
		}
	}
}

// runShards runs all shards at once, each on a machine of its own: nothing is shared but the list.
func (w *workplace) runShards(n int, args ...string) {
	w.t.Helper()
	processes := make([]*process, n)
	for i := range processes {
		machine := &workplace{w.t, w.dir, w.t.TempDir()}
		processes[i] = machine.command(append(args, fmt.Sprintf("--shard=%d/%d", i, n), fmt.Sprintf("--report=report-%d.json", i))...).start()
	}
	for i, p := range processes {
		if code := p.wait(); code != 0 {
			w.t.Fatalf("shard %d: exit code %d: %s", i, code, &p.stderr)
		}
	}
}

func TestShardsMirrorTheWholeSet(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, alone, dst := startRegistry(t), startRegistry(t), startRegistry(t)
	set := seedSharded(t, w, src)
	w.run(0, "copy", "--registry", alone.Host, "--report", "alone.json", set.list)
	bytes, requests := src.Log().DownloadedBytes(), src.Log().Total()+alone.Log().Total()
	src.Log().Reset()

	w.runShards(4, "copy", "--registry", dst.Host, set.list)
	sharded, asked := src.Log().DownloadedBytes(), src.Log().Total()+dst.Log().Total()
	set.wantAt(t, dst.Host)
	downloads := src.Log().Downloads()
	for digest, only := range set.own {
		if only && downloads[digest] != 1 {
			t.Errorf("a layer of one repository was downloaded %d times", downloads[digest])
		}
	}
	t.Logf("one machine: %d bytes down, %d requests; 4 shards: %d bytes (%.2f), %d requests (%.2f)",
		bytes, requests, sharded, float64(sharded)/float64(bytes), asked, float64(asked)/float64(requests))
	// At worst each shard loads the bases and what the cut repository has in common, and asks both ends to log in.
	if sharded < bytes || sharded > bytes+3*(3*20_000+8_000)+10_000 {
		t.Errorf("%d bytes, and %d on one machine", sharded, bytes)
	}
	if asked > requests+requests/20 {
		t.Errorf("%d requests, and %d on one machine", asked, requests)
	}

	set.wantMerged(t, w, src)
	set.wantUnchanged(t, w, src, dst)
}

// wantMerged checks the reports in one: it says what the whole run's says, in its order.
func (s shardedSet) wantMerged(t *testing.T, w *workplace, src *devregistry.Server) {
	t.Helper()
	files := []string{"report-2.json", "report-0.json", "report-3.json", "report-1.json"}
	p := w.run(0, append([]string{"report", "merge", "-o", "report.json"}, files...)...)
	wantContains(t, "stderr", p.stderr.String(), fmt.Sprintf("%d copied; ", len(s.digests)))
	merged, whole := w.report("report.json"), w.report("alone.json")
	if merged.ExitCode != 0 || merged.Totals.Copied != len(s.digests) || len(merged.Shards) != 4 || merged.Shard != nil {
		t.Errorf("merged: exit code %d, %+v, %+v", merged.ExitCode, merged.Totals, merged.Shards)
	}
	if merged.Totals.Bytes.Down != sumOf(merged.Shards, func(s report.ShardRun) int64 { return s.Totals.Bytes.Down }) || merged.Registries[src.Host].BytesDown < merged.Totals.Bytes.Down {
		t.Errorf("bytes: %+v, %+v", merged.Totals, merged.Registries)
	}
	origins := func(r report.Report) (all []string) {
		for _, c := range r.Copies {
			all = append(all, c.Origin+" "+c.Source+" "+c.Digest)
		}
		return all
	}
	if !slices.Equal(origins(merged), origins(whole)) {
		t.Errorf("copies:\n%v\nwant\n%v", origins(merged), origins(whole))
	}
	counts := make([]int, 4)
	for i, shard := range merged.Shards {
		counts[i] = shard.Totals.Copied
	}
	if slices.Max(counts)-slices.Min(counts) > 3 {
		t.Errorf("the shards had %v images", counts)
	}
}

// wantUnchanged runs all shards again: nothing moves.
func (s shardedSet) wantUnchanged(t *testing.T, w *workplace, src, dst *devregistry.Server) {
	t.Helper()
	src.Log().Reset()
	w.runShards(4, "copy", "--registry", dst.Host, s.list)
	for _, e := range src.Log().Entries() {
		if e.Method != http.MethodHead && e.Kind != devregistry.KindPing {
			t.Errorf("no-op sent %s %s", e.Method, e.Path)
		}
	}
	p := w.run(1, "report", "merge", "-o", "report.json", "report-0.json", "report-3.json")
	wantContains(t, "stderr", p.stderr.String(), "no report of shard 1-2 of 4")
	if r := w.report("report.json"); r.ExitCode != 1 || len(r.Errors) != 1 {
		t.Errorf("merged of two: %d, %v", r.ExitCode, r.Errors)
	}
	w.run(0, "report", "merge", "--partial", "-o", "report.json", "report-0.json", "report-3.json")
}

func sumOf[T any](all []T, of func(T) int64) (sum int64) {
	for _, v := range all {
		sum += of(v)
	}
	return sum
}

func TestAnInterruptedShardIsRunAgain(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	set := seedSharded(t, w, src)
	shard := func(i int) []string {
		return []string{"copy", "--registry", dst.Host, "--progress", "json", fmt.Sprintf("--shard=%d/3", i), fmt.Sprintf("--report=report-%d.json", i), set.list}
	}
	w.run(0, shard(0)...)
	w.run(0, shard(2)...)

	w.run(0, "plan", "--registry", dst.Host, "--shard=1/3", "-o", "mine.json", set.list)
	var mine []struct{ Src string }
	w.readJSON("mine.json", &mine)
	last := strings.TrimPrefix(mine[len(mine)-1].Src, src.Host+"/")
	repository, _, _ := strings.Cut(last, ":")
	src.SetFaults(stallBlob(repository))
	p := w.command(shard(1)...).start()
	eventually(t, "some images are copied", func() bool { return strings.Contains(p.stderr.String(), `"status":"copied"`) })
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 130 {
		t.Fatalf("exit code %d: %s", code, &p.stderr)
	}
	w.run(130, "report", "merge", "-o", "report.json", "report-0.json", "report-1.json", "report-2.json")
	if r := w.report("report.json"); !r.Interrupted || r.Totals.Failed+r.Totals.Skipped == 0 {
		t.Errorf("merged: %+v", r.Totals)
	}

	src.SetFaults(devregistry.Faults{})
	w.run(0, shard(1)...)
	set.wantAt(t, dst.Host)
	w.run(0, "report", "merge", "-o", "report.json", "report-0.json", "report-1.json", "report-2.json")
	if r := w.report("report.json"); r.Interrupted || r.Totals.Copied+r.Totals.Unchanged != len(set.digests) {
		t.Errorf("merged: %+v", r.Totals)
	}
}

func TestShardsOfAPlan(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	var lines strings.Builder
	for i := range 50 {
		fmt.Fprintf(&lines, "quay.io/team-%d/app:%d AS app-%d\n", i%20, i, i)
	}
	list := w.write("images.txt", lines.String())
	whole := w.run(0, "plan", "--registry", "r.example", list).stdout.String()
	var together []string
	for i := range 3 {
		part := w.run(0, "plan", "--registry", "r.example", fmt.Sprintf("--shard=%d/3", i), list).stdout.String()
		together = append(together, entries(part)...)
	}
	slices.Sort(together)
	want := entries(whole)
	slices.Sort(want)
	if !slices.Equal(together, want) {
		t.Errorf("the shards have\n%s\nand the plan\n%s", strings.Join(together, "\n"), whole)
	}

	// What is wrong anywhere is wrong for all of them, in the same words; nothing is sent.
	w.write("bad.txt", "quay.io/a/b:1\nr.example/a/b:1\n")
	var said []string
	for i := range 3 {
		p := w.run(2, "copy", "--registry", "r.example", fmt.Sprintf("--shard=%d/3", i), "--report", fmt.Sprintf("bad-%d.json", i), "bad.txt")
		said = append(said, p.stderr.String())
	}
	if said[0] != said[1] || said[0] != said[2] || !strings.Contains(said[0], "is both a source and a destination") {
		t.Errorf("%q", said)
	}
	p := w.run(2, "report", "merge", "-o", "bad.json", "bad-0.json", "bad-1.json", "bad-2.json")
	wantContains(t, "stderr", p.stderr.String(), "is both a source and a destination")
	if strings.Count(p.stderr.String(), "both a source") != 1 {
		t.Errorf("told more than once: %s", &p.stderr)
	}
}

// entries are the lines of a plan.
func entries(plan string) (all []string) {
	for line := range strings.Lines(plan) {
		if strings.HasPrefix(line, "{") {
			all = append(all, strings.TrimRight(line, ",\n"))
		}
	}
	return all
}

func TestShardsThatAreNot(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	list := w.write("images.txt", src.Host+"/app:1\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--shard=16/16"}, "counting starts at 0, so the last of 16 shards is 15/16"},
		{[]string{"--shard=1"}, "want INDEX/COUNT, such as 0/4"},
		{[]string{"--shards-at-once=2"}, "--shards-at-once goes with --shard"},
		{[]string{"--shard=0/2", "--shards-at-once=-1"}, "--shards-at-once must be at least 1"},
	} {
		for _, command := range []string{"copy", "plan"} {
			p := w.run(2, append(append([]string{command, "--registry", dst.Host}, c.args...), list)...)
			wantContains(t, "stderr", p.stderr.String(), c.want)
		}
	}
	// One with nothing to do is done.
	p := w.run(0, "copy", "--registry", dst.Host, "--shard=1/2", "--report=report.json", list)
	wantContains(t, "stderr", p.stderr.String(), "shard 1/2 has nothing to do: others have the 1 image of the plan")
	if r := w.report("report.json"); r.Shard == nil || r.Shard.Index != 1 || r.Shard.Count != 2 || !strings.HasPrefix(r.Shard.Plan, "sha256:") || dst.Log().Total() > 0 {
		t.Errorf("report %+v, %d requests", r.Shard, dst.Log().Total())
	}
	p = w.run(0, "plan", "--registry", dst.Host, "--shard=1/2", list)
	wantContains(t, "stderr", p.stderr.String(), "shard 1/2 has nothing to do")
	wantContains(t, "stdout", p.stdout.String(), "[")
	p = w.run(0, "copy", "--registry", dst.Host, "--shard=0/2", list)
	wantContains(t, "stdout", p.stdout.String(), string(engine.StatusCopied)+" "+dst.Host)
}
