package main

import (
	"strings"
	"testing"
	"time"
)

// A subject that a pattern lets pass can have anything in it, and is read again in the lock, in reports and by people.
func TestASubjectIsNoTextForATerminal(t *testing.T) {
	t.Parallel()
	k := newKeyless(t, "")
	id := released(time.Minute)
	id.Subject = "release\x1b[2J\n\"@acme.test"
	k.bundle("app", k.push("app:1", false), id)
	k.list("images.txt", k.src, "app:1")
	policy := k.read("mirror-policy.toml")
	subject := `subject = "https://github.com/acme/app/.github/workflows/*@refs/tags/v*", source_repository = "` + sources + `"`
	k.write("mirror-policy.toml", strings.Replace(policy, subject, `subject = "release*@acme.test"`, 1))
	k.lock(0)
	const cleaned = `release\x1b[2J\n"@acme.test`
	wantContains(t, "the lock", k.read("images.txt.lock"), strings.ReplaceAll(strings.ReplaceAll(cleaned, `\`, `\\`), `"`, `\"`))
	k.lock(0, "--check", "--online") // which reads it
	k.copy(0)
	if v := k.report("report.json").Copies[0].Verification; v == nil || v.Signer == nil || v.Signer.Subject != cleaned {
		t.Errorf("reported %+v", v)
	}
	k.write("mirror-policy.toml", policy)
	k.run(0, "plan", "--registry", k.dst.Host+"/again", "-o", "plan.json", "images.txt")
	p := k.run(1, "copy", "--policy", "mirror-policy.toml", "plan.json")
	wantContains(t, "stderr", p.stderr.String(), `signed by release\x1b[2J`)
	if said := k.read("images.txt.lock") + p.stderr.String(); strings.Contains(said, "\x1b") {
		t.Errorf("a control character comes through:\n%q", said)
	}
}
