package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/verify/verifytest"
)

// signing is a workplace with a policy that wants acme's key, and two registries.
type signing struct {
	*workplace
	src, dst *devregistry.Server
	key      verifytest.Key
}

func newSigning(t *testing.T, rule string) *signing {
	t.Helper()
	verifytest.Program(t, filepath.Dir(program)) // beside it
	s := &signing{newWorkplace(t), startRegistry(t), startRegistry(t), verifytest.NewKey(t)}
	s.write("trust/acme.pub", string(s.key.PEM(t)))
	s.rule(rule)
	return s
}

// rule writes the policy with one rule, given its further lines.
func (s *signing) rule(rule string) {
	s.t.Helper()
	s.write("mirror-policy.toml", "version = 1\n[trust.acme]\nkeys = [\"trust/acme.pub\"]\nlog = \"none\"\n\n[[rule]]\nimages = [\"**\"]\n"+
		"signed_by = [{ trust = \"acme\" }]\n"+rule)
}

// push pushes an image, signed or not.
func (s *signing) push(image string, signed bool) v1.Hash {
	s.t.Helper()
	digest := pushImage(s.t, s.src.Host+"/"+image, 512, 1)
	if signed {
		s.sign(image, digest)
	}
	return digest
}

func (s *signing) sign(image string, digest v1.Hash) {
	s.t.Helper()
	repository := s.src.Host + "/" + strings.Split(image, ":")[0]
	verifytest.SignTag(s.t, repository, digest, ".sig", s.key.Signature(s.t, digest.String(), repository))
}

func (s *signing) copy(code int, flags ...string) *process {
	s.t.Helper()
	return s.run(code, append([]string{"copy", "--policy", "mirror-policy.toml", "--registry", s.dst.Host, "--report", "report.json", "images.txt"}, flags...)...)
}

func (s *signing) lock(code int, flags ...string) *process {
	s.t.Helper()
	return s.run(code, append([]string{"lock", "--policy", "mirror-policy.toml", "images.txt"}, flags...)...)
}

func TestWhatIsNotSignedIsNotCopied(t *testing.T) {
	t.Parallel()
	s := newSigning(t, "")
	s.push("good:1", true)
	s.push("bad:1", false)
	s.list("images.txt", s.src, "good:1", "bad:1")
	for _, flags := range [][]string{{"--dry-run"}, nil} {
		p := s.copy(1, flags...)
		wantContains(t, "stderr", p.stderr.String(), "bad:1", "it is not signed, and mirror-policy.toml:6 wants it to be")
		r := s.report("report.json")
		if r.Totals.Refused != 1 || r.Totals.Failed != 1 {
			t.Errorf("totals %+v", r.Totals)
		}
		for _, c := range r.Copies {
			want := "verified"
			if strings.Contains(c.Source, "bad") {
				want = "unsigned"
			}
			if v := c.Verification; v == nil || v.Answer != want || v.Passed != (want == "verified") || v.Rule != "mirror-policy.toml:6" || (v.Signer != nil) != v.Passed {
				t.Errorf("%s: reported %+v", c.Source, v)
			}
		}
	}
	for _, e := range s.dst.Log().Entries() {
		if strings.HasPrefix(e.Path, "/v2/bad/") && e.Method != http.MethodHead && e.Method != http.MethodGet {
			t.Errorf("the destination was sent %s %s", e.Method, e.Path)
		}
	}
	// What is there already isn't asked about.
	s.list("images.txt", s.src, "good:1")
	s.src.Log().Reset()
	s.copy(0)
	wantRequests(t, s.src, map[devregistry.Kind]int{devregistry.KindManifestHead: 1})

	s.rule("unsigned = \"warn\"\n")
	s.list("images.txt", s.src, "bad:1")
	p := s.copy(0)
	wantContains(t, "stderr", p.stderr.String(), "WARNING: "+s.src.Host+"/bad:1 is not signed (mirror-policy.toml:6)")
	if v := s.report("report.json").Copies[0].Verification; v == nil || v.Answer != "unsigned" || !v.Passed {
		t.Errorf("reported %+v", v)
	}
}

// Every way in which looking for signatures breaks ends in a failure by its name, whatever the rule tolerates.
func TestSignaturesThatCouldNotBeLookedForFailByTheirCause(t *testing.T) {
	t.Parallel()
	later := http.Header{"Retry-After": {"3600"}}
	for name, tt := range map[string]struct {
		which func(devregistry.Request) bool
		fault devregistry.Fault
		cause string
	}{
		"listing throttled": {is(devregistry.KindReferrers), devregistry.Fault{Status: http.StatusTooManyRequests, Header: later}, "429"},
		"listing broken":    {is(devregistry.KindReferrers), devregistry.Fault{Status: http.StatusBadGateway, Header: later}, "502"},
		"signature lost":    {is(devregistry.KindBlobGet), devregistry.Fault{Status: http.StatusNotFound, Code: "BLOB_UNKNOWN"}, "404"},
		"tag throttled": {
			func(r devregistry.Request) bool { return strings.HasSuffix(r.Reference, ".sig") },
			devregistry.Fault{Status: http.StatusTooManyRequests, Header: later},
			"429",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigning(t, "unsigned = \"accept\"\n")
			s.push("app:1", name == "signature lost")
			s.list("images.txt", s.src, "app:1")
			s.src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(tt.which, tt.fault)})
			p := s.copy(1)
			wantContains(t, "stderr", p.stderr.String(), "whether it is signed as mirror-policy.toml:6 wants could not be found out", tt.cause)
			if v := s.report("report.json").Copies[0].Verification; v == nil || v.Answer != "undecided" || v.Passed {
				t.Errorf("reported %+v", v)
			}
			wantNothingWritten(t, s.dst)
			p = s.lock(1)
			wantContains(t, "lock", p.stderr.String(), "images.txt:1: could not be locked", "could not be found out", tt.cause)
			if s.exists("images.txt.lock") {
				t.Errorf("locked:\n%s", s.read("images.txt.lock"))
			}
			for _, said := range []string{p.stdout.String(), p.stderr.String()} {
				if strings.Contains(said, "not signed") {
					t.Errorf("says that it is not signed:\n%s", said)
				}
			}
		})
	}
}

func TestAVerifierThatIsMissingEndsTheRunBeforeItBegins(t *testing.T) {
	t.Parallel()
	s := newSigning(t, "")
	s.push("app:1", true)
	s.list("images.txt", s.src, "app:1")
	elsewhere := filepath.Join(t.TempDir(), "docker-mirror")
	content, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(elsewhere, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		program string
		flags   []string
		said    string
	}{
		"not beside it":   {elsewhere, nil, "mirror-policy.toml wants signatures: signatures are verified by docker-mirror-verify, which is not beside this program"},
		"named, missing":  {program, []string{"--verifier", "/nonexistent/verify"}, "--verifier: stat /nonexistent/verify"},
		"another program": {program, []string{"--verifier", program}, "is not docker-mirror-verify"},
		"a broken key":    {program, nil, "mirror-policy.toml: trust.acme: key: there is no public key in PEM"},
		"a missing key":   {program, nil, "mirror-policy.toml:2: [trust.acme] keys: "},
	} {
		t.Run(name, func(t *testing.T) {
			s.write("trust/acme.pub", string(s.key.PEM(t)))
			switch name {
			case "a broken key":
				s.write("trust/acme.pub", "no key")
			case "a missing key":
				if err := os.Remove(s.path("trust/acme.pub")); err != nil {
					t.Fatal(err)
				}
			}
			s.src.Log().Reset()
			for _, args := range [][]string{{"copy", "--registry", s.dst.Host, "images.txt"}, {"lock", "images.txt"}} {
				p := s.command(append(append(args, "--policy", "mirror-policy.toml"), tt.flags...)...)
				p.cmd.Path = tt.program
				said := p.demand(2).stderr.String()
				if wantContains(t, args[0], said, tt.said); strings.Count(said, tt.said) != 1 {
					t.Errorf("%s says it more than once:\n%s", args[0], said)
				}
			}
			if n := s.src.Log().Total() + s.dst.Log().Total(); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
	// Where nothing is demanded, none is needed.
	s.write("mirror-policy.toml", "version = 1\n[[rule]]\nimages = [\"**\"]\n")
	s.copy(0, "--verifier", "/nonexistent/verify")
}

// A hundred images, two tags each: each is asked about once, whoever wants it.
func TestAHundredSignaturesAreAskedForOnce(t *testing.T) {
	t.Parallel()
	s := newSigning(t, "")
	var images []string
	const n = 100
	for i := range n {
		name := "app" + strings.Repeat("x", i)
		digest := s.push(name+":1", true)
		pushAgain(t, s.src, name, "1", "2")
		_ = digest
		images = append(images, name+":1", name+":2")
	}
	s.list("images.txt", s.src, images...)
	s.src.Log().Reset()
	s.copy(0, "--referrers", "none")
	counts := map[string]int{}
	for _, e := range s.src.Log().Entries() {
		switch {
		case e.Kind == devregistry.KindReferrers:
			counts["listings"]++
		case strings.HasSuffix(e.Path, ".sig"):
			counts[e.Method+" .sig"]++
		}
	}
	for what, want := range map[string]int{"listings": n, "HEAD .sig": n, "GET .sig": n} {
		if counts[what] != want {
			t.Errorf("%d %s, not %d", counts[what], what, want)
		}
	}
	r := s.report("report.json")
	if i := slices.IndexFunc(r.Copies, func(c report.Copy) bool { return c.Verification == nil || c.Verification.Answer != "verified" }); i >= 0 {
		t.Errorf("reported %+v", r.Copies[i])
	}
}

// pushAgain names an image by another tag.
func pushAgain(t *testing.T, registry *devregistry.Server, repository, tag, another string) {
	t.Helper()
	body, mediaType, ok := registry.Manifest(repository, tag)
	if !ok {
		t.Fatalf("%s:%s isn't there", repository, tag)
	}
	if err := registry.PlantManifest(repository, another, mediaType, body); err != nil {
		t.Fatal(err)
	}
}
