//go:build kubernetes

package main

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
)

// The chart on the real kube-apiserver and Job controller, run by `scripts/test kubernetes`.
func TestKubernetes(t *testing.T) {
	c := startCluster(t)
	for name, test := range map[string]func(*testing.T, *cluster){
		"shards mirror the whole set":        testShardsOnKubernetes,
		"a killed shard is tried again":      testKilledShardOnKubernetes,
		"an evicted shard isn't counted":     testEvictedShardOnKubernetes,
		"wrong lists fail the Job at once":   testWrongListsOnKubernetes,
		"a missing tag fails only its shard": testMissingTagOnKubernetes,
		"a misspelt field is refused":        testMisspeltFieldOnKubernetes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// kubernetesSet is a set of forty images, and where they shall arrive.
type kubernetesSet struct {
	list     string
	digests  map[string]v1.Hash
	src, dst *devregistry.Server
}

func seedKubernetes(t *testing.T) kubernetesSet {
	t.Helper()
	set := kubernetesSet{digests: map[string]v1.Hash{}, src: startRegistry(t), dst: startRegistry(t)}
	for i := range 40 {
		image := fmt.Sprintf("team/app-%d:v1", i)
		set.digests[image] = pushImage(t, set.src.Host+"/"+image, 2048, 2)
		set.list += set.src.Host + "/" + image + "\n"
	}
	set.src.Log().Reset()
	return set
}

func (s kubernetesSet) wantArrived(t *testing.T) {
	t.Helper()
	for image, want := range s.digests {
		if got := digestAt(t, s.dst.Host+"/"+image); got != want {
			t.Errorf("%s is %s, want %s", image, got, want)
		}
	}
}

func testShardsOnKubernetes(t *testing.T, c *cluster) {
	w, set := newWorkplace(t), seedKubernetes(t)
	r := c.install(t, "shards", w.values(set.list, set.dst.Host, 2))
	j, why := r.ended()
	if why != "Complete" || j.Status.CompletedIndexes != "0-3" || j.Status.Failed != 0 {
		t.Fatalf("%s: %+v", why, j.Status)
	}
	set.wantArrived(t)
	w.run(0, append([]string{"report", "merge", "-o", "report.json"}, r.reports()...)...)
	if merged := w.report("report.json"); merged.Totals.Copied != len(set.digests) || len(merged.Shards) != 4 {
		t.Errorf("merged: %+v of %d shards", merged.Totals, len(merged.Shards))
	}
}

// stall lets one shard wait for a blob until it is told to go on, and gives the number of those who wait.
func (s kubernetesSet) stall() *atomic.Int64 {
	var waiting atomic.Int64
	s.src.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindBlobGet || r.Repository != "team/app-7" {
			return nil
		}
		waiting.Add(1)
		return &devregistry.Fault{StallDownload: devregistry.AfterBytes(100)}
	}})
	return &waiting
}

// onlyOneRuns waits until all other shards have ended and that one is in the middle of a copy.
func (r release) onlyOneRuns(waiting *atomic.Int64) (left pod) {
	r.t.Helper()
	r.eventually("one shard waits, and all others have ended", func() bool {
		succeeded := 0
		for _, p := range r.pods() {
			switch p.Status.Phase {
			case "Succeeded":
				succeeded++
			case "Running":
				left = p
			}
		}
		return succeeded == 3 && waiting.Load() > 0
	})
	return left
}

// ofIndex gives the pods of a shard by how they ended.
func (r release) ofIndex(index string) map[int]pod {
	r.t.Helper()
	pods := map[int]pod{}
	for _, p := range r.pods() {
		if p.index() == index {
			code, _ := p.exit()
			pods[code] = p
		}
	}
	return pods
}

func testKilledShardOnKubernetes(t *testing.T, c *cluster) {
	w, set := newWorkplace(t), seedKubernetes(t)
	waiting := set.stall()
	r := c.install(t, "killed", w.values(set.list, set.dst.Host, 2))
	killed := r.onlyOneRuns(waiting)
	if err := syscall.Kill(r.process(killed), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	set.src.SetFaults(devregistry.Faults{})
	j, why := r.ended()
	if why != "Complete" || j.Status.CompletedIndexes != "0-3" || j.Status.Failed != 1 {
		t.Errorf("%s: %+v", why, j.Status)
	}
	pods := r.ofIndex(killed.index())
	if len(pods) != 2 || pods[128+int(syscall.SIGKILL)].Metadata.Name != killed.Metadata.Name || pods[0].Metadata.Name == "" {
		t.Errorf("pods of index %s: %+v", killed.index(), pods)
	}
	set.wantArrived(t)
	w.run(0, append([]string{"report", "merge", "-o", "report.json"}, r.reports()...)...)
	if totals := w.report("report.json").Totals; totals.Copied+totals.Unchanged != len(set.digests) {
		t.Errorf("merged: %+v", totals)
	}
}

// No retries are left: what is evicted isn't counted.
func testEvictedShardOnKubernetes(t *testing.T, c *cluster) {
	w, set := newWorkplace(t), seedKubernetes(t)
	waiting := set.stall()
	r := c.install(t, "evicted", w.values(set.list, set.dst.Host, 0))
	evicted := r.onlyOneRuns(waiting)
	eviction := fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": "evicted"}}`, evicted.Metadata.Name)
	answer, status := c.request(t, http.MethodPost, path.Join("/api/v1/namespaces/evicted/pods", evicted.Metadata.Name, "eviction"), "application/json", []byte(eviction))
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	r.eventually("another pod has the shard", func() bool {
		return slices.ContainsFunc(r.pods(), func(p pod) bool {
			return p.index() == evicted.index() && p.Metadata.Name != evicted.Metadata.Name
		})
	})
	set.src.SetFaults(devregistry.Faults{})
	if j, why := r.ended(); why != "Complete" || j.Status.CompletedIndexes != "0-3" {
		t.Errorf("%s: %+v", why, j.Status)
	}
	set.wantArrived(t)
}

func testWrongListsOnKubernetes(t *testing.T, c *cluster) {
	w, set := newWorkplace(t), seedKubernetes(t)
	r := c.install(t, "wrong", w.values(set.list+"Not/A/Reference:!\n", set.dst.Host, 2))
	j, why := r.ended()
	if why != "PodFailurePolicy" {
		t.Errorf("%s: %+v", why, j.Status)
	}
	said := 0
	for _, p := range r.pods() {
		code, message := p.exit()
		if code != 2 {
			continue
		}
		said++
		wantContains(t, "the termination message", message, "images.txt:41", "Not/A/Reference:!")
	}
	if said == 0 {
		t.Error("no pod ended with 2")
	}
	if n := set.src.Log().Total() + set.dst.Log().Total(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func testMissingTagOnKubernetes(t *testing.T, c *cluster) {
	w, set := newWorkplace(t), seedKubernetes(t)
	missing := set.src.Host + "/team/app-7:missing"
	r := c.install(t, "missing", w.values(set.list+missing+"\n", set.dst.Host, 1))
	j, why := r.ended()
	if why != "FailedIndexes" || len(j.Status.FailedIndexes) != 1 || j.Status.Failed != 2 {
		t.Fatalf("%s: %+v", why, j.Status)
	}
	for _, p := range r.pods() {
		code, message := p.exit()
		if p.index() != j.Status.FailedIndexes {
			if code != 0 {
				t.Errorf("pod %s: %d %s", p.Metadata.Name, code, message)
			}
			continue
		}
		if code != 1 {
			t.Errorf("pod %s: %d", p.Metadata.Name, code)
		}
		wantContains(t, "the termination message", message, missing)
	}
	set.wantArrived(t)
	w.run(1, append([]string{"report", "merge", "-o", "report.json"}, r.reports()...)...)
	if totals := w.report("report.json").Totals; totals.Failed != 1 || totals.Copied+totals.Unchanged != len(set.digests) {
		t.Errorf("merged: %+v", totals)
	}
}

func testMisspeltFieldOnKubernetes(t *testing.T, c *cluster) {
	w := newWorkplace(t)
	values := w.values("alpine:3.22\n", "registry.example", 2)
	for kind, args := range map[string][]string{"jobs": nil, "cronjobs": {"--set", "schedule=17 3 * * *"}} {
		manifest := c.runHelm(t, append([]string{"template", "mirror", chartFolder, "--kube-version", "1.37.0", "--values", values, "--show-only", "templates/job.yaml"}, args...)...)
		post := func(manifest string) (string, int) {
			answer, status := c.request(t, http.MethodPost, "/apis/batch/v1/namespaces/default/"+kind+"?dryRun=All&fieldValidation=Strict", "application/yaml", []byte(manifest))
			return string(answer), status
		}
		if answer, status := post(manifest); status != http.StatusCreated {
			t.Errorf("%s: %d %s", kind, status, answer)
		}
		answer, status := post(strings.Replace(manifest, "backoffLimitPerIndex:", "backoffLimitPerIndx:", 1))
		if status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", kind, status, answer)
		}
		wantContains(t, kind, answer, "strict decoding error: unknown field", "backoffLimitPerIndx")
	}
}
