package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry"
)

const weekLong = "version = 1\n[[rule]]\nimages = [\"**\"]\ncooldown = \"7d\"\n"

// cooling is a workplace with a policy and a clock.
type cooling struct {
	*workplace
	src   *devregistry.Server
	start time.Time
}

func newCooling(t *testing.T, policy string) cooling {
	t.Helper()
	c := cooling{newWorkplace(t), startRegistry(t), time.Now().UTC().Truncate(time.Second)}
	c.write("mirror-policy.toml", policy)
	return c
}

// at is a time since the start, as locks and flags have it.
func (c cooling) at(after time.Duration) string { return c.start.Add(after).Format(time.RFC3339) }

func (c cooling) lock(code int, after time.Duration, flags ...string) *process {
	c.t.Helper()
	return c.run(code, append(append([]string{"lock", "--policy=mirror-policy.toml", "--at=" + c.at(after)}, flags...), "images.txt")...)
}

// retag has a tag name what was pushed before.
func (c cooling) retag(repository string, digest v1.Hash, tag string) {
	c.t.Helper()
	old, err := name.NewDigest(c.src.Host + "/" + repository + "@" + digest.String())
	if err != nil {
		c.t.Fatal(err)
	}
	image, err := remote.Image(old)
	if err != nil {
		c.t.Fatal(err)
	}
	push(c.t, c.src.Host+"/"+repository+":"+tag, image)
}

func wantDigest(t *testing.T, reference string, want v1.Hash) {
	t.Helper()
	if got := digestAt(t, reference); got != want {
		t.Errorf("%s is %s, want %s", reference, got, want)
	}
}

const day = 24 * time.Hour

func TestADigestWaitsForItsCooldownAndIsThenLocked(t *testing.T) {
	t.Parallel()
	c, dst := newCooling(t, weekLong), startRegistry(t)
	first := pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.list("images.txt", c.src, "app:1")
	c.lock(0, 0)
	wantContains(t, "the first lock", c.read("images.txt.lock"), first.String(), `because = "adopted: the list had no lock before"`)

	second := pushImage(t, c.src.Host+"/app:1", 512, 1)
	p := c.lock(0, day, "--upgrade")
	wantContains(t, "stdout", p.stdout.String(), "waits "+c.src.Host+"/app:1 ", "first seen "+c.at(day))
	waiting := c.read("images.txt.lock")
	wantContains(t, "the lock", waiting, `digest = "`+first.String(), `  "`+second.String()+" "+c.at(day))

	c.lock(0, 8*day-time.Second, "--upgrade") // a second before its time
	if c.read("images.txt.lock") != waiting {
		t.Errorf("the lock has changed:\n%s", c.read("images.txt.lock"))
	}
	c.run(0, "copy", "--registry", dst.Host, "images.txt")
	wantDigest(t, dst.Host+"/app:1", first) // what waits is never mirrored

	p = c.lock(0, 8*day, "--upgrade")
	wantContains(t, "stdout", p.stdout.String(), "matured "+c.src.Host+"/app:1 ")
	matured := c.read("images.txt.lock")
	wantContains(t, "the lock", matured, `digest = "`+second.String(), "seen = "+c.at(day))
	if strings.Contains(matured, "next") || strings.Contains(matured, "because") {
		t.Errorf("the lock:\n%s", matured)
	}
	c.run(0, "copy", "--registry", dst.Host, "images.txt")
	wantDigest(t, dst.Host+"/app:1", second)
}

func TestAnImageThatIsNewToALockWaits(t *testing.T) {
	t.Parallel()
	c, dst := newCooling(t, weekLong), startRegistry(t)
	pushImage(t, c.src.Host+"/old:1", 512, 1)
	added := pushImage(t, c.src.Host+"/new:1", 512, 1)
	c.list("images.txt", c.src, "old:1")
	c.lock(0, 0)
	c.list("images.txt", c.src, "old:1", "new:1")
	c.lock(0, 0)
	if strings.Contains(c.read("images.txt.lock"), `digest = "`+added.String()) {
		t.Errorf("it is locked:\n%s", c.read("images.txt.lock"))
	}
	p := c.run(0, "copy", "--registry", dst.Host, "images.txt")
	wantContains(t, "copy", p.stdout.String()+p.stderr.String(), "1 skipped")
	c.lock(0, 7*day, "--upgrade")
	wantContains(t, "the lock", c.read("images.txt.lock"), `digest = "`+added.String())

	// One that the list pins waits as well.
	pinned := pushImage(t, c.src.Host+"/pinned:1", 512, 1)
	c.list("images.txt", c.src, "old:1", "new:1", "pinned:1@"+pinned.String())
	c.lock(0, 7*day)
	c.run(0, "copy", "--registry", dst.Host, "images.txt")
	ref, err := name.ParseReference(dst.Host + "/pinned:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(ref); err == nil {
		t.Error("a pinned image was copied before its time")
	}
	c.lock(0, 14*day, "--upgrade")
	c.run(0, "copy", "--registry", dst.Host, "images.txt")
	wantDigest(t, dst.Host+"/pinned:1", pinned)
}

func TestATagThatLeavesADigestWithdrawsIt(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	first := pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.list("images.txt", c.src, "app:1")
	c.lock(0, 0)
	bad := pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.lock(0, day, "--observe")
	good := pushImage(t, c.src.Host+"/app:1", 512, 1)
	p := c.lock(0, 2*day, "--upgrade")
	wantContains(t, "stderr", p.stderr.String(), "the cooldown starts anew")
	c.lock(0, 8*day, "--upgrade") // when the bad one would have matured
	text := c.read("images.txt.lock")
	wantContains(t, "the lock", text, `digest = "`+first.String(), `  "`+good.String()+" "+c.at(2*day))
	if strings.Contains(text, bad.String()) {
		t.Errorf("the lock:\n%s", text)
	}
	// And one that returns has its clock start anew.
	c.retag("app", bad, "1")
	c.lock(0, 9*day, "--upgrade")
	wantContains(t, "the lock", c.read("images.txt.lock"), `  "`+bad.String()+" "+c.at(9*day))
	c.retag("app", first, "1")
	c.lock(0, 10*day, "--upgrade")
	if text := c.read("images.txt.lock"); strings.Contains(text, "next") {
		t.Errorf("the tag names what is locked, and something waits:\n%s", text)
	}
}

func TestARollingRuleTakesTheNewestThatIsOldEnoughAndThere(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong+"rolling = true\n")
	first := pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.list("images.txt", c.src, "app:1")
	c.lock(0, 0)
	a := pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.lock(0, day, "--observe")
	b := pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.lock(0, 2*day, "--observe")
	pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.lock(0, 7*day, "--upgrade")
	wantContains(t, "the lock", c.read("images.txt.lock"), `digest = "`+first.String())
	deleteTag(t, c.src, "app", b.String())
	c.lock(0, 9*day, "--upgrade") // both are old enough, and the newer one is gone
	text := c.read("images.txt.lock")
	wantContains(t, "the lock", text, `digest = "`+a.String(), "seen = "+c.at(day), c.at(7*day))
	if strings.Contains(text, b.String()) {
		t.Errorf("the lock:\n%s", text)
	}
}

func TestALockedDigestThatIsTooYoungIsFound(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.list("images.txt", c.src, "app:1")
	c.run(0, "lock", "--at="+c.at(0), "images.txt") // without the policy
	young := func(after time.Duration, code int) {
		for _, command := range [][]string{{"lint"}, {"lock", "--check"}} {
			p := c.run(code, append(command, "--policy=mirror-policy.toml", "--at="+c.at(after), "images.txt")...)
			if code != 0 {
				wantContains(t, command[0], p.stdout.String(), "images.txt.lock:4: error: "+c.src.Host+"/app:1 was first seen at "+c.at(0)+", and may be locked from "+c.at(7*day)+
					" on (cooldown = \"7d\", mirror-policy.toml:2) [lock-immature]")
			}
		}
	}
	young(7*day-time.Second, 1)
	young(7*day, 0)
	c.write("mirror-policy.toml", "version = 1\n[[rule]]\nimages = [\"quay.io/**\"]\n")
	p := c.run(1, "lint", "--policy=mirror-policy.toml", "images.txt")
	wantContains(t, "lint", p.stdout.String(), "is matched by no rule of mirror-policy.toml [no-rule]")
	p = c.lock(1, 0, "--upgrade")
	wantContains(t, "stderr", p.stderr.String(), "mirror-policy.toml has no rule for "+c.src.Host+"/app:1")
}

// Releases come more often than the cooldown, and the newest is all that the list wants.
func TestAPolicyOfTagsGetsOnWhenSomethingMatures(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	pushImage(t, c.src.Host+"/app:v1.0.0", 512, 1)
	c.write("images.toml", "[[image]]\nsource = \""+c.src.Host+"/app\"\nselect = { latest = 1 }\n")
	lock := func(after time.Duration) string {
		c.run(0, "lock", "--policy=mirror-policy.toml", "--at="+c.at(after), "--upgrade", "images.toml")
		return c.read("images.toml.lock")
	}
	lock(0)
	pushImage(t, c.src.Host+"/app:v1.1.0", 512, 1)
	wantContains(t, "the lock", lock(day), `tags = ["v1.0.0", "v1.1.0"]`)
	pushImage(t, c.src.Host+"/app:v1.2.0", 512, 1)
	wantContains(t, "the lock", lock(4*day), `tags = ["v1.0.0", "v1.1.0", "v1.2.0"]`)
	wantContains(t, "the lock", lock(8*day), `tags = ["v1.1.0", "v1.2.0"]`)
	text := lock(11 * day)
	wantContains(t, "the lock", text, `tags = ["v1.2.0"]`)
	if strings.Count(text, "[[image]]") != 1 {
		t.Errorf("the lock:\n%s", text)
	}
	c.run(0, "lock", "--check", "--policy=mirror-policy.toml", "--at="+c.at(11*day), "images.toml")
}

// It came past the checks of locks, or they weren't made.
func TestALockedDigestThatIsTooYoungIsNotMirrored(t *testing.T) {
	t.Parallel()
	c, dst := newCooling(t, weekLong), startRegistry(t)
	pushImage(t, c.src.Host+"/young:1", 512, 1)
	pushImage(t, c.src.Host+"/old:1", 512, 1)
	c.list("young.txt", c.src, "young:1")
	c.list("old.txt", c.src, "old:1")
	c.run(0, "lock", "young.txt") // without the policy
	c.run(0, "lock", "--at="+c.at(-8*day), "old.txt")
	p := c.run(1, "copy", "--policy=mirror-policy.toml", "--registry", dst.Host, "young.txt", "old.txt")
	wantContains(t, "stderr", p.stderr.String(), "young:1", "it was first seen at ", "(young.txt.lock:4), and may be mirrored from ", `(cooldown = "7d", mirror-policy.toml:2)`)
	digestAt(t, dst.Host+"/old:1")
	ref, err := name.ParseReference(dst.Host + "/young:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(ref); err == nil {
		t.Error("it was copied")
	}
}
