package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// making is a reviewed repository in which a target makes a list that is no file of it, as `pants lock` hands it over.
type making struct {
	reviewed
	list string
}

func newMaking(t *testing.T) making {
	t.Helper()
	m := making{newReviewed(t, weekLong), filepath.Join(t.TempDir(), "images.txt")}
	pushImage(t, m.src.Host+"/made:1", 512, 1)
	if err := os.WriteFile(m.list, []byte(m.src.Host+"/made:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// made is the batch's entry of a list and its lock.
func (m making) made(target, lock string) map[string]any {
	return map[string]any{
		"list": m.list, "list_name": "images.txt", "target": target, "lock": m.path(lock), "lock_name": lock,
		"settings": map[string]any{"target": target}, "pins": []any{},
	}
}

// goal runs the lock goal on lists, and on those that it leaves out.
func (m making) goal(code int, after time.Duration, lists, unlocked []map[string]any, flags ...string) *process {
	m.t.Helper()
	data, err := json.Marshal(map[string]any{"lists": lists, "unlocked": unlocked})
	if err != nil {
		m.t.Fatal(err)
	}
	batch := filepath.Join(m.t.TempDir(), "lists.json")
	if err := os.WriteFile(batch, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return m.run(code, append([]string{"lock", "--batch=" + batch, "--policy=mirror-policy.toml", "--at=" + m.at(after)}, flags...)...)
}

// The images of a BUILD file, and lists that commands generate: a revision has their locks, and can't show that it had them.
func TestAListThatATargetMakesIsJudgedByItsLock(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	lists := []map[string]any{m.made("a:made", "made.image.lock")}
	const check, base = "--check", "--base=main"

	wantContains(t, "unlocked", m.goal(1, 0, lists, nil, check).stdout.String(), "a:made: error: has no lock", "[unlocked]")
	m.goal(0, 0, lists, nil)
	m.commit("adopt")
	m.goal(0, 0, lists, nil, check)
	wantContains(t, "adopted", m.goal(1, 0, lists, nil, check, base).stdout.String(),
		"made.image.lock:4: error: "+m.src.Host+"/made:1 is locked as if its list had been there without a lock, and main can't show that it was, as a target makes the list", "[lock-immature]")

	m.git("rm", "-q", "made.image.lock")
	m.goal(0, 0, lists, nil, "--observe")
	m.commit("observe")
	m.goal(0, 0, lists, nil, check, base)
	wantContains(t, "a new lock", m.goal(1, 0, lists, nil, check, base, "--allow=observations").stdout.String(),
		"made.image.lock: error: is new: that is no observation [lock-history]")
	m.merge()
	m.goal(0, 7*day, lists, nil, "--upgrade")
	m.commit("upgrade")
	wantContains(t, "the lock", m.read("made.image.lock"), "digest = ")
	m.goal(0, 7*day, lists, nil, check, base)
	m.goal(1, 7*day-time.Second, lists, nil, check, base)
	m.merge()

	bad := pushImage(t, m.src.Host+"/made:1", 512, 1)
	m.goal(0, 8*day, lists, nil, "--observe")
	m.commit("observe again")
	m.goal(0, 8*day, lists, nil, check, base, "--allow=observations")
	m.run(0, "lock", "--at="+m.at(8*day), "--upgrade", "--batch="+m.write("batch.json", `{"lists":[{"list":"`+m.list+`","lock":"made.image.lock"}]}`)) // without the policy
	wantContains(t, "too early", m.goal(1, 8*day, lists, nil, check, base).stdout.String(), "locked to "+bad.String()+", which main doesn't know", "[lock-immature]")
}

func TestAListThatIsLetOutOfItsLockIsFound(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	left := []map[string]any{{"target": "a:images", "lock": m.path("images.txt.lock")}, {"target": "a:never", "lock": m.path("never.txt.lock")}}
	m.goal(0, 0, nil, left, "--check")
	p := m.goal(1, 0, nil, left, "--check", "--base=main")
	if got, want := p.stdout.String(), "a:images: error: is not to be locked any longer, and main has its lock: images.txt.lock [unlocked]\n"; got != want {
		t.Errorf("said %q, not %q", got, want)
	}
	// Where no list is left, what has changed is judged all the same.
	m.write("pants.toml", "[docker-mirror]\nlock = \"off\"\n")
	m.commit("off")
	m.goal(0, 0, nil, nil, "--check", "--base=main")
	wantContains(t, "observations", m.goal(1, 0, nil, nil, "--check", "--base=main", "--allow=observations").stdout.String(), "pants.toml: error: has changed since main")
}

func TestTargetsOfOneListAndOfOneLock(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	m.goal(0, 0, []map[string]any{m.made("a:one", "one.image.lock"), m.made("a:two", "two.image.lock")}, nil)
	if one, two := m.read("one.image.lock"), m.read("two.image.lock"); one != two {
		t.Errorf("one list has two locks:\n%s\n%s", one, two)
	}
	first := m.made("a:x@image=one", "x.image.lock")
	m.list = m.path("images.txt")
	second := m.made("a:x@image=two", "x.image.lock")
	m.src.Log().Reset()
	p := m.goal(2, 0, []map[string]any{first, second}, nil)
	wantContains(t, "stderr", p.stderr.String(), "x.image.lock would be the lock of a:x@image=one and of a:x@image=two: give each one of its own")
	if m.exists("x.image.lock") || m.src.Log().Total() > 0 {
		t.Error("something was locked")
	}
}

// A generated list is no file that a user could open.
func TestMistakesInAListThatATargetMakesNameTheTarget(t *testing.T) {
	t.Parallel()
	m := newMaking(t)
	const bad = "not an image\n"
	if err := os.WriteFile(m.list, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	p := m.goal(2, 0, []map[string]any{m.made("a:made", "made.image.lock")}, nil)
	if lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], "images.txt:1: ") || lines[1] != "images.txt is the list of a:made" {
		t.Errorf("said %q", lines)
	}

	toml := filepath.Join(t.TempDir(), "images.toml")
	if err := os.WriteFile(toml, []byte("origin = \"a:image\"\n[[image]]\nsource = \"Nginx\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := m.made("a:image", "image.image.lock")
	image["list"], image["list_name"] = toml, "__docker_mirror_images/a.image.toml"
	p = m.goal(2, 0, []map[string]any{image}, nil)
	if said := p.stderr.String(); !strings.HasPrefix(said, "a:image: ") || strings.Contains(said, "is the list of") {
		t.Errorf("said %q", said)
	}
}
