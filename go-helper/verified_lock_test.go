package main

import (
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

func TestWhatIsNotSignedIsNotLocked(t *testing.T) {
	t.Parallel()
	s := newSigning(t, "")
	signed := s.push("app:1", true)
	s.push("other:1", false)
	s.list("images.txt", s.src, "app:1", "other:1")
	p := s.lock(1)
	wantContains(t, "stderr", p.stderr.String(), "images.txt:2: could not be locked: sha256:", "it is not signed, and mirror-policy.toml:6 wants it to be")
	lock := s.read("images.txt.lock")
	wantContains(t, "lock", lock, signed.String(), `signed = "key sha256:`)
	if strings.Contains(lock, "other") {
		t.Errorf("locked:\n%s", lock)
	}
	// An unsigned push keeps the old entry.
	s.push("app:1", false)
	s.list("images.txt", s.src, "app:1")
	s.lock(1, "--upgrade")
	if got := s.read("images.txt.lock"); got != lock {
		t.Errorf("the lock has become\n%s", got)
	}
	// Nothing missing, nothing asked.
	s.src.Log().Reset()
	s.lock(0)
	wantRequests(t, s.src, nil)

	s.rule("unsigned = \"accept\"\n")
	s.list("images.txt", s.src, "app:1", "other:1")
	s.lock(0)
	if lock := s.read("images.txt.lock"); strings.Count(lock, "signed = ") != 1 || !strings.Contains(lock, "other:1") {
		t.Errorf("locked:\n%s", lock)
	}
}

// What was locked before the policy wanted signatures is asked about by the next lock.
func TestALockFromBeforeThePolicyIsMadeGood(t *testing.T) {
	t.Parallel()
	s := newSigning(t, "")
	digest := s.push("app:1", false)
	s.list("images.txt", s.src, "app:1")
	s.run(0, "lock", "images.txt")
	before := s.read("images.txt.lock")
	found := []string{"images.txt.lock:4: error: " + s.src.Host + "/app:1 doesn't say who has signed it, and mirror-policy.toml:6 refuses what isn't signed", "[lock-unsigned]"}
	wantContains(t, "lint", s.run(1, "lint", "--policy=mirror-policy.toml", "images.txt").stdout.String(), found...)
	wantContains(t, "check", s.lock(1, "--check").stdout.String(), found...)
	wantContains(t, "stderr", s.lock(1).stderr.String(), "it is not signed")
	if got := s.read("images.txt.lock"); got != before {
		t.Errorf("the lock has become\n%s", got)
	}
	s.sign("app:1", digest)
	s.lock(0)
	wantContains(t, "lock", s.read("images.txt.lock"), digest.String(), `signed = "key sha256:`)
	s.run(0, "lint", "--policy=mirror-policy.toml", "images.txt")
	s.lock(0, "--check")
}

// Who has taken a signature away may have done more.
func TestASignatureThatIsGoneAfterLockingIsMissed(t *testing.T) {
	t.Parallel()
	s := newSigning(t, "unsigned = \"accept\"\n")
	digest := s.push("app:1", true)
	s.list("images.txt", s.src, "app:1")
	s.lock(0)
	p := s.lock(0, "--check", "--online")
	wantRequests(t, s.dst, nil)
	if strings.Contains(p.stdout.String(), "[signed]") {
		t.Errorf("check says\n%s", &p.stdout)
	}
	s.run(0, "plan", "--registry", s.dst.Host, "-o", "plan.json", "images.txt")
	remove(t, s.src, "app", "sha256-"+digest.Hex+".sig")
	const missed = "it was signed when it was locked, and is not signed any longer"
	wantContains(t, "copy", s.copy(1).stderr.String(), missed)
	wantContains(t, "mirror", s.run(1, "mirror", "--policy", "mirror-policy.toml", "--batch", s.writeBatch("", [2]string{"a:images", s.read("plan.json")})).stderr.String(), missed)
	wantContains(t, "check", s.lock(1, "--check", "--online").stdout.String(), "images.txt.lock:4: error: "+s.src.Host+"/app:1: "+missed+" [signed]")
	wantNothingWritten(t, s.dst)
}

func remove(t *testing.T, registry *devregistry.Server, repository, reference string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, registry.URL+"/v2/"+repository+"/manifests/"+reference, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusAccepted {
		t.Fatalf("%s of %s: %s", request.Method, reference, answer.Status)
	}
}
