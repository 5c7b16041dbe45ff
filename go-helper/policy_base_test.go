package main

import (
	"os"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lock"
)

// reviewed is a git repository whose main branch has a policy and a locked list. Its images are old enough.
type reviewed struct {
	cooling
	old v1.Hash
}

func newReviewed(t *testing.T, policy string) reviewed {
	t.Helper()
	r := reviewed{cooling: newCooling(t, policy)}
	r.old = pushImage(t, r.src.Host+"/app:1", 512, 1)
	r.list("images.txt", r.src, "app:1")
	r.run(0, "lock", "--at="+r.at(0), "images.txt")
	r.git("init", "-q", "-b", "main")
	r.commit("base")
	r.git("checkout", "-q", "-b", "branch")
	return r
}

func (r reviewed) commit(message string) {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
}

// merge has main have what the branch has.
func (r reviewed) merge() {
	r.t.Helper()
	r.commit("branch")
	r.git("branch", "-f", "main", "branch")
}

// observed has main know that the tag names a second digest since the first day.
func (r reviewed) observed() v1.Hash {
	r.t.Helper()
	next := pushImage(r.t, r.src.Host+"/app:1", 512, 1)
	r.lock(0, day, "--observe")
	r.merge()
	return next
}

func (r reviewed) check(code int, after time.Duration, flags ...string) string {
	r.t.Helper()
	return r.lock(code, after, append([]string{"--check", "--base=main"}, flags...)...).stdout.String()
}

// edit changes the lock as who knows how sums are made.
func (r reviewed) edit(old, changed string) {
	r.t.Helper()
	text := r.read("images.txt.lock")
	if !strings.Contains(text, old) {
		r.t.Fatalf("the lock has no %s:\n%s", old, text)
	}
	r.write("images.txt.lock", withSums(r.t, strings.ReplaceAll(text, old, changed)))
}

func TestAChangeThatWaitedOnTheBaseBranchPasses(t *testing.T) {
	t.Parallel()
	r := newReviewed(t, weekLong)
	next := pushImage(t, r.src.Host+"/app:1", 512, 1)
	r.lock(0, day, "--observe")
	r.commit("observe")
	r.check(0, day, "--allow=observations")
	r.merge()
	r.lock(0, 8*day, "--upgrade")
	r.commit("upgrade")
	wantContains(t, "the lock", r.read("images.txt.lock"), `digest = "`+next.String())
	r.check(0, 8*day)
	r.check(0, 100*day) // what passes once passes for ever
	wantContains(t, "a second early", r.check(1, 8*day-time.Second),
		"images.txt.lock:4: error: "+r.src.Host+"/app:1 was first seen at "+r.at(day)+", and may be locked from "+r.at(8*day)+" on (cooldown = \"7d\", main:mirror-policy.toml:2) [lock-immature]")
	wantContains(t, "an upgrade is no observation", r.check(1, 8*day, "--allow=observations"), "has changed in more than what waits: that is no observation [lock-history]")
}

// The rows of docs/policy.md's table of attacks. The branch's author knows how sums are made.
func TestAttacksOnTheAgeOfADigest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		attack func(r reviewed) (after time.Duration, flags []string)
		code   int
		says   []string
	}{
		{"a line that waits is dated back", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.lock(0, 9*day, "--observe")
			r.edit(r.at(9*day)+`",`, r.at(2*day)+`",`)
			return 9 * day, nil
		}, 1, []string{"which is too long ago for a line that main doesn't have", "[lock-history]"}},
		{"a line that main has is dated back", func(r reviewed) (time.Duration, []string) {
			r.observed()
			r.edit(r.at(day)+`",`, r.at(0)+`",`)
			return day, nil
		}, 1, []string{"and main has it since", "[lock-history]"}},
		{"a digest is dated back while it is promoted", func(r reviewed) (time.Duration, []string) {
			r.observed()
			r.run(0, "lock", "--at="+r.at(2*day), "--upgrade", "images.txt")
			r.edit("seen = "+r.at(day), "seen = "+r.at(-30*day))
			return 2 * day, nil
		}, 1, []string{"says that its digest was seen at", "[lock-history]"}},
		{"seen of a kept digest changes", func(r reviewed) (time.Duration, []string) {
			r.edit("seen = "+r.at(0), "seen = "+r.at(-30*day))
			return 0, nil
		}, 1, []string{"has the digest that it has at main, but says that it was seen at", "[lock-history]"}},
		{"a digest is written without having waited", func(r reviewed) (time.Duration, []string) {
			bad := pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.edit(r.old.String(), bad.String())
			r.edit("seen = "+r.at(0), "seen = "+r.at(-30*day))
			return 0, nil
		}, 1, []string{"which main doesn't know: it must wait there for 7d first (main:mirror-policy.toml:2)", "[lock-immature]"}},
		{"the list pins a digest", func(r reviewed) (time.Duration, []string) {
			bad := pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.list("images.txt", r.src, "app:1@"+bad.String())
			r.run(0, "lock", "--at="+r.at(0), "images.txt") // without the policy
			return 0, nil
		}, 1, []string{"which main doesn't know", "[lock-immature]"}},
		{"the policy is relaxed in the same branch", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.write("mirror-policy.toml", "version = 1\n[[rule]]\nimages = [\"**\"]\n")
			r.lock(0, 0, "--upgrade")
			return 0, nil
		}, 1, []string{"(main:mirror-policy.toml:2)", "[lock-immature]"}},
		{"the branch's configuration names another policy", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.write("lax.toml", "version = 1\n[[rule]]\nimages = [\"**\"]\n")
			r.write("pants.toml", "[docker-mirror]\npolicy = \"lax.toml\"\n")
			r.run(0, "lock", "--policy=lax.toml", "--at="+r.at(0), "--upgrade", "images.txt")
			return 0, nil // the pipeline gives --policy
		}, 1, []string{"which main doesn't know", "[lock-immature]"}},
		{"a reason where the policy at main allows none", func(r reviewed) (time.Duration, []string) {
			r.write("mirror-policy.toml", weekLong+"exceptions = false\n")
			r.merge()
			r.write("mirror-policy.toml", weekLong)
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.lock(0, 0, "--now="+r.src.Host+"/app:1", "--because=trust me")
			return 0, nil
		}, 1, []string{"has a reason, and its rule allows no exceptions (main:mirror-policy.toml:2)", "[because]"}},
		{"the lock is deleted", func(r reviewed) (time.Duration, []string) {
			r.git("rm", "-q", "images.txt.lock")
			return 0, nil
		}, 1, []string{"images.txt: error: has no lock", "[unlocked]"}},
		{"the lock is deleted and made anew at once", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.git("rm", "-q", "images.txt.lock")
			r.lock(0, 0) // says that it is adopted
			return 0, nil
		}, 1, []string{"is locked as if its list had been there without a lock, which it wasn't at main", "[lock-immature]"}},
		{"the list is copied under another name", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.list("copied.txt", r.src, "app:1")
			r.run(0, "lock", "--policy=mirror-policy.toml", "--at="+r.at(0), "copied.txt")
			return 0, []string{"copied.txt"}
		}, 1, []string{"copied.txt.lock:4: error: ", "is locked as if its list had been there without a lock", "[lock-immature]"}},
		{"a tag is moved late to what was pushed early", func(r reviewed) (time.Duration, []string) {
			early := pushImage(r.t, r.src.Host+"/app:staging", 512, 1)
			r.retag("app", early, "1")
			r.lock(0, 30*day, "--upgrade")
			wantContains(r.t, "the lock", r.read("images.txt.lock"), early.String()+" "+r.at(30*day))
			r.run(0, "lock", "--at="+r.at(30*day), "--upgrade", "images.txt") // without the policy
			return 30 * day, nil
		}, 1, []string{"which main doesn't know", "[lock-immature]"}},
		{"a time that is yet to come", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.lock(0, 10*day, "--observe")
			return 9 * day, nil
		}, 1, []string{"which is yet to come", "[lock-history]"}},
		{"something beside locks changes in what is to merge by itself", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/app:1", 512, 1)
			r.lock(0, day, "--observe")
			r.write("pants.toml", "[docker-mirror]\n")
			return day, []string{"--allow=observations"}
		}, 1, []string{"pants.toml: error: has changed since main: that is no observation [lock-history]"}},
		{"the list changes in what is to merge by itself", func(r reviewed) (time.Duration, []string) {
			pushImage(r.t, r.src.Host+"/new:1", 512, 1)
			r.list("images.txt", r.src, "app:1", "new:1")
			r.lock(0, day)
			return day, []string{"--allow=observations"}
		}, 1, []string{"images.txt: error: has changed since main: that is no observation"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newReviewed(t, weekLong)
			after, flags := test.attack(r)
			r.commit("attack")
			wantContains(t, "stdout", r.check(test.code, after, flags...), test.says...)
		})
	}
}

func TestAListThatIsRenamedOrCopiedKeepsItsAge(t *testing.T) {
	t.Parallel()
	r := newReviewed(t, weekLong)
	r.observed()
	r.git("mv", "images.txt", "renamed.txt")
	r.git("mv", "images.txt.lock", "renamed.txt.lock")
	r.commit("rename")
	r.run(0, "lock", "--check", "--base=main", "--policy=mirror-policy.toml", "--at="+r.at(day), "renamed.txt")
}

func TestAListWithoutALockIsAdoptedOnce(t *testing.T) {
	t.Parallel()
	r := newReviewed(t, weekLong)
	pushImage(t, r.src.Host+"/web:1", 512, 1)
	r.list("web.txt", r.src, "web:1")
	r.merge()
	r.run(0, "lock", "--policy=mirror-policy.toml", "--at="+r.at(0), "web.txt")
	r.commit("adopt")
	p := r.run(0, "lock", "--check", "--base=main", "--policy=mirror-policy.toml", "--at="+r.at(0), "web.txt")
	wantContains(t, "stdout", p.stdout.String(), "web.txt.lock: warn: is the first lock of a list that main has without one")
}

// CI has a clone of depth 1, and the base branch fetched with depth 1.
func TestAShallowCloneIsEnough(t *testing.T) {
	t.Parallel()
	r := newReviewed(t, weekLong)
	r.observed()
	r.lock(0, 8*day, "--upgrade")
	r.commit("upgrade")
	shallow := r
	shallow.workplace = newWorkplace(t)
	r.git("clone", "-q", "--depth=1", "--branch=branch", "file://"+r.dir, shallow.dir)
	p := shallow.lock(2, 8*day, "--check", "--base=origin/main")
	wantContains(t, "stderr", p.stderr.String(), `git knows no commit "origin/main": a shallow clone has to fetch it first`)
	shallow.git("fetch", "-q", "--depth=1", "origin", "main:refs/remotes/origin/main")
	shallow.lock(0, 8*day, "--check", "--base=origin/main")
}

func TestBasesThatCantJudge(t *testing.T) {
	t.Parallel()
	r := newReviewed(t, weekLong)
	for _, test := range []struct {
		flags []string
		says  string
	}{
		{[]string{"--base=--upload-pack=touch pwned"}, `git knows no commit "--upload-pack=touch pwned"`},
		{[]string{"--base=nowhere"}, `git knows no commit "nowhere"`},
		{[]string{"--base=main:images.txt"}, `git knows no commit "main:images.txt"`},
		{[]string{"--base=main", "--at=" + r.at(-day)}, "by this machine's clock: set the clock"},
		{[]string{"--base=main", "--policy="}, "--base needs --policy"},
	} {
		p := r.lock(2, day, append([]string{"--check"}, test.flags...)...)
		wantContains(t, "stderr", p.stderr.String(), test.says)
	}
	if r.exists("pwned") {
		t.Error("git has run what a revision's name says")
	}
	// The base branch has seen what is yet to come: this clock is behind.
	pushImage(t, r.src.Host+"/app:1", 512, 1)
	r.lock(0, 20*day, "--observe")
	r.merge()
	p := r.lock(2, 10*day, "--check", "--base=main")
	wantContains(t, "stderr", p.stderr.String(), "main:images.txt.lock:4: ", "by this machine's clock")
}

// What a repository's own configuration and attributes would have git run isn't run.
func TestNothingOfTheRepositoryIsRun(t *testing.T) {
	t.Parallel()
	r := newReviewed(t, weekLong)
	r.git("config", "diff.evil.textconv", "touch pwned;cat")
	r.git("config", "diff.external", "touch pwned;true")
	r.git("config", "core.fsmonitor", "touch pwned;false")
	r.git("config", "core.pager", "touch pwned;cat")
	r.write(".gitattributes", "*.lock diff=evil\n")
	if err := os.WriteFile(r.path(".git/hooks/post-checkout"), []byte("#!/bin/sh\ntouch pwned\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.check(0, day)
	if r.exists("pwned") {
		t.Error("something was run")
	}
}

// withSums gives a lock with the sums that it should have.
func withSums(t *testing.T, text string) string {
	t.Helper()
	f, err := lock.Parse("images.txt.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(lock.Format(f))
}
