package main

import (
	"strings"
	"testing"
)

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
