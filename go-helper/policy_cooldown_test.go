package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
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

func TestMovedTags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, rule, tag string
		code            int
		says            string
	}{
		{"a full version", "", "v1.2.3", 1, `a tag that is a full version is not expected to move (mirror-policy.toml:2)`},
		{"another tag", "", "stable", 0, ""},
		{"refuse", `moved = "refuse"`, "stable", 1, `moved = "refuse" (mirror-policy.toml:2)`},
		{"warn", `moved = "warn"`, "v1.2.3", 0, "(mirror-policy.toml:2 warns of it)"},
		{"accept", `moved = "accept"`, "v1.2.3", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCooling(t, "version = 1\n[[rule]]\nimages = [\"**\"]\n"+test.rule)
			first := pushImage(t, c.src.Host+"/app:"+test.tag, 512, 1)
			c.list("images.txt", c.src, "app:"+test.tag)
			c.lock(0, 0)
			second := pushImage(t, c.src.Host+"/app:"+test.tag, 512, 1)
			p := c.lock(test.code, 0, "--upgrade")
			if test.says != "" {
				wantContains(t, "stderr", p.stderr.String(), test.says, first.String(), second.String())
			} else if strings.Contains(p.stderr.String(), "policy") {
				t.Errorf("stderr:\n%s", &p.stderr)
			}
			want := second
			if test.code != 0 {
				want = first
			}
			wantContains(t, "the lock", c.read("images.txt.lock"), `digest = "`+want.String())
			c.lock(0, 0, "--upgrade="+c.src.Host+"/app:"+test.tag) // who names it means it
			wantContains(t, "the lock", c.read("images.txt.lock"), `digest = "`+second.String())
		})
	}
}

func TestAnExceptionIsMadeWithAReason(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	pushImage(t, c.src.Host+"/app:v1.2.3", 512, 1)
	c.list("images.txt", c.src, "app:v1.2.3")
	c.lock(0, 0)
	fixed := pushImage(t, c.src.Host+"/app:v1.2.3", 512, 1)
	image := c.src.Host + "/app:v1.2.3"
	wantContains(t, "stderr", c.lock(2, 0, "--now="+image).stderr.String(), "--now and --because go together")
	c.src.Log().Reset()
	c.write("strict.toml", weekLong+"exceptions = false\n")
	p := c.run(2, "lock", "--policy=strict.toml", "--now="+image, "--because=CVE-2026-1234", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "strict.toml:2: --now="+image+": the image's rule allows no exceptions")
	if n := c.src.Log().Total(); n != 0 {
		t.Errorf("%d requests", n)
	}
	c.lock(0, day, "--now="+image, "--because=CVE-2026-1234")
	wantContains(t, "the lock", c.read("images.txt.lock"), `digest = "`+fixed.String(), `because = "CVE-2026-1234"`, "seen = "+c.at(day))
	c.run(0, "lint", "--policy=mirror-policy.toml", "--at="+c.at(day), "images.txt")
	p = c.run(1, "lint", "--policy=strict.toml", "--at="+c.at(day), "images.txt")
	wantContains(t, "lint", p.stdout.String(), "has a reason, and its rule allows no exceptions (strict.toml:2) [because]")
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

func TestAClockBehindALockIsRefused(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.list("images.txt", c.src, "app:1")
	c.lock(0, day)
	c.src.Log().Reset()
	p := c.lock(2, 0, "--upgrade")
	wantContains(t, "stderr", p.stderr.String(), "images.txt.lock:4: "+c.src.Host+"/app:1 was seen at "+c.at(day)+", and it is "+c.at(0)+" by this machine's clock")
	if n := c.src.Log().Total(); n != 0 {
		t.Errorf("%d requests", n)
	}
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

// A proxy before the registry says what time it is.
func TestAClockThatIsNotTheRegistrysIsRefused(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	pushImage(t, c.src.Host+"/app:1", 512, 1)
	behind := &url.URL{Scheme: "http", Host: c.src.Host}
	for apart, says := range map[time.Duration]string{
		-day:            "this machine's clock is 24h0m0s ahead of that of ",
		day:             "this machine's clock is 24h0m0s behind that of ",
		5 * time.Minute: "",
	} {
		proxy := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) },
			ModifyResponse: func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(apart).UTC().Format(http.TimeFormat))
				return nil
			},
		})
		host := strings.TrimPrefix(proxy.URL, "http://")
		c.write("images.txt", host+"/app:1\n")
		code := 0
		if says != "" {
			code = 2
		}
		p := c.run(code, "lock", "--policy=mirror-policy.toml", "images.txt")
		wantContains(t, "stderr", p.stderr.String(), says)
		if c.exists("images.txt.lock") != (says == "") {
			t.Errorf("%s apart: is the lock there? %v", apart, says != "")
		}
		if says == "" {
			if err := os.Remove(c.path("images.txt.lock")); err != nil {
				t.Error(err)
			}
		} else {
			c.run(0, "lock", "images.txt") // without a policy no age counts
			c.run(2, "lock", "--check", "--online", "--policy=mirror-policy.toml", "images.txt")
			if err := os.Remove(c.path("images.txt.lock")); err != nil {
				t.Error(err)
			}
		}
		proxy.Close()
	}
}
