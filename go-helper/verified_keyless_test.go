package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/verify/verifytest"
)

const (
	actions  = "https://token.actions.githubusercontent.com"
	workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1"
	sources  = "https://github.com/acme/app"
)

// keyless is a workplace whose policy wants certificates of acme's workflow, of a Sigstore instance of its own.
type keyless struct {
	*signing
	instance *verifytest.Instance
}

func newKeyless(t *testing.T, rule string) *keyless {
	t.Helper()
	k := &keyless{newSigning(t, ""), verifytest.NewInstance(t)}
	k.write("trust/sigstore.json", string(k.instance.Root(t)))
	k.rule(rule)
	return k
}

// rule writes the policy with one rule, given its further lines.
func (k *keyless) rule(rule string) {
	k.t.Helper()
	k.write("mirror-policy.toml", "version = 1\n[trust.sigstore]\ntrusted_root = \"trust/sigstore.json\"\n\n[[rule]]\nimages = [\"**\"]\n"+
		"signed_by = [{ trust = \"sigstore\", issuer = \""+actions+"\", subject = \"https://github.com/acme/app/.github/workflows/*@refs/tags/v*\", "+
		"source_repository = \""+sources+"\" }]\n"+rule)
}

// released is acme's workflow, so long ago.
func released(ago time.Duration) verifytest.Identity {
	return verifytest.Identity{Issuer: actions, Subject: workflow, Repository: sources, At: time.Now().Add(-ago)}
}

// bundle attaches a signature that refers to its manifest, and tag one by cosign's tag.
func (k *keyless) bundle(repository string, digest v1.Hash, by verifytest.Identity) v1.Hash {
	k.t.Helper()
	return verifytest.Refer(k.t, k.src.Host+"/"+repository, digest, k.instance.Bundle(k.t, by, digest, verifytest.SignaturePredicate, nil))
}

func (k *keyless) tag(repository string, digest v1.Hash, by verifytest.Identity) {
	k.t.Helper()
	at := k.src.Host + "/" + repository
	verifytest.SignTag(k.t, at, digest, ".sig", k.instance.Signature(k.t, by, digest, at))
}

func (k *keyless) mirror(code int) *process {
	k.t.Helper()
	k.run(0, "plan", "--registry", k.dst.Host, "-o", "plan.json", "images.txt")
	batch := k.writeBatch("mirror.json", [2]string{"a:images", k.read("plan.json")})
	return k.run(code, "mirror", "--policy", "mirror-policy.toml", "--batch", batch)
}

func TestWhatAWorkflowHasSignedIsLockedAndMirrored(t *testing.T) {
	t.Parallel()
	k := newKeyless(t, "")
	k.bundle("bundle", k.push("bundle:1", false), released(time.Minute))
	k.tag("tag", k.push("tag:1", false), released(time.Minute))
	k.list("images.txt", k.src, "bundle:1", "tag:1")
	k.lock(0)
	lock := k.read("images.txt.lock")
	if n := strings.Count(lock, "Z "+actions+" "+workflow+`"`); n != 2 {
		t.Errorf("%d are signed in\n%s", n, lock)
	}
	if p := k.lock(0, "--check", "--online"); p.stdout.Len() > 0 {
		t.Errorf("check says\n%s", &p.stdout)
	}
	k.mirror(0)
	for _, c := range k.report("mirror.json").Copies {
		if v := c.Verification; v == nil || v.Answer != "verified" || v.Signer == nil || v.Signer.Subject != workflow || v.Signer.Issuer != actions || v.SignedAt == nil {
			t.Errorf("%s: reported %+v", c.Source, v)
		}
	}
	for _, image := range []string{"bundle:1", "tag:1"} {
		wantDigest(t, k.dst.Host+"/"+image, digestAt(t, k.src.Host+"/"+image))
	}
}

// What is refused is neither locked nor copied, and both identities are told.
func TestWhatSomebodyElseHasSignedIsRefused(t *testing.T) {
	t.Parallel()
	k := newKeyless(t, "unsigned = \"accept\"\n") // which doesn't tolerate other signatures
	wanted := "https://github.com/acme/app/.github/workflows/*@refs/tags/v* is wanted"
	said := map[string][]string{}
	for repository, tt := range map[string]struct {
		change func(*verifytest.Identity)
		said   []string
	}{
		"subject": {func(id *verifytest.Identity) {
			id.Subject = "https://github.com/evil/app/.github/workflows/release.yml@refs/tags/v1"
		}, []string{"signed by https://github.com/evil/app/", wanted}},
		"within": {func(id *verifytest.Identity) { id.Subject = "https://evil.test/" + workflow }, []string{"signed by https://evil.test/" + workflow, wanted}},
		"branch": {func(id *verifytest.Identity) {
			id.Subject = strings.Replace(workflow, "refs/tags", "refs/heads/a@refs/tags", 1)
		}, []string{"@refs/heads/a@refs/tags/v1, and", wanted}},
		"issuer": {func(id *verifytest.Identity) { id.Issuer = "https://idp.test" }, []string{"signed by " + workflow + ", as https://idp.test says, and " + actions + " is to say so"}},
		"called": {func(id *verifytest.Identity) { id.Repository = "https://github.com/evil/caller" }, []string{"signed from source repository https://github.com/evil/caller, and " + sources + " is wanted"}},
	} {
		id := released(time.Minute)
		tt.change(&id)
		k.bundle(repository, k.push(repository+":1", false), id)
		said[repository] = tt.said
	}
	var images []string
	for repository := range said {
		images = append(images, repository+":1")
	}
	k.list("images.txt", k.src, images...)
	p := k.lock(1)
	if k.exists("images.txt.lock") && strings.Contains(k.read("images.txt.lock"), "[[image]]") {
		t.Errorf("locked:\n%s", k.read("images.txt.lock"))
	}
	lines := strings.Split(p.stderr.String(), "\n")
	k.copy(1)
	wantNothingWritten(t, k.dst)
	for _, c := range k.report("report.json").Copies {
		repository := strings.TrimSuffix(strings.TrimPrefix(c.Source, k.src.Host+"/"), ":1")
		if v := c.Verification; v == nil || v.Answer != "refused" || v.Passed {
			t.Errorf("%s: reported %+v", c.Source, v)
			continue
		}
		wantContains(t, c.Source, strings.Join(c.Verification.Reasons, "\n"), said[repository]...)
		i := slices.IndexFunc(images, func(image string) bool { return image == repository+":1" })
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.Contains(line, "images.txt:"+string(rune('1'+i))+": could not be locked") && strings.Contains(line, said[repository][0])
		}) {
			t.Errorf("lock doesn't say why %s isn't locked:\n%s", repository, &p.stderr)
		}
	}
}

// index pushes an index of two platforms.
func (k *keyless) index(image string) (digest v1.Hash, platforms []v1.Hash) {
	k.t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, architecture := range []string{"amd64", "arm64"} {
		child, err := random.Image(512, 1)
		if err != nil {
			k.t.Fatal(err)
		}
		own, err := child.Digest()
		if err != nil {
			k.t.Fatal(err)
		}
		platforms = append(platforms, own)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: child, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	return push(k.t, k.src.Host+"/"+image, index), platforms
}

func TestWhichManifestsOfAnIndexMustBeSigned(t *testing.T) {
	t.Parallel()
	k := newKeyless(t, "")
	index, platforms := k.index("index:1")
	k.bundle("index", index, released(time.Minute))
	_, children := k.index("children:1")
	for _, digest := range children {
		k.bundle("children", digest, released(time.Minute))
	}
	for on, want := range map[string]map[string][]string{ // nil: verified
		"index":     {"index": nil, "children": {"unsigned"}},
		"platforms": {"index": {"unsigned"}, "children": nil},
		"both":      {"index": {"refused", platforms[0].String() + ": it is not signed", platforms[1].String()}, "children": {"refused", ": it is not signed"}},
	} {
		k.rule("on = \"" + on + "\"\n")
		for repository, refused := range want {
			list := on + "-" + repository + ".txt"
			k.list(list, k.src, repository+":1")
			code := min(len(refused), 1)
			k.run(code, "copy", "--dry-run", "--policy", "mirror-policy.toml", "--registry", k.dst.Host, "--report", "report.json", "--lock", "off", list)
			v := k.report("report.json").Copies[0].Verification
			if refused == nil {
				refused = []string{"verified"}
			}
			if v == nil || v.Answer != refused[0] {
				t.Errorf("on = %s: %s: reported %+v", on, repository, v)
				continue
			}
			wantContains(t, on+" "+repository, strings.Join(v.Reasons, "\n"), refused[1:]...)
			k.run(code, "lock", "--policy", "mirror-policy.toml", list)
			if locked := k.exists(list+".lock") && strings.Contains(k.read(list+".lock"), "signed = "); locked != (code == 0) {
				t.Errorf("on = %s: %s: locked: %v", on, repository, locked)
			}
		}
	}
}

// An old release that is put back under its tag was signed well enough, once.
func TestAReleaseThatIsPutBackIsNotLocked(t *testing.T) {
	t.Parallel()
	k := newKeyless(t, "moved = \"accept\"\n")
	older := k.push("app:stable", false)
	k.bundle("app", older, released(30*time.Minute))
	newer := k.push("app:stable", false)
	k.tag("app", newer, released(10*time.Minute))
	k.list("images.txt", k.src, "app:stable")
	k.lock(0)
	locked := k.read("images.txt.lock")
	wantContains(t, "lock", locked, newer.String())
	retag(t, k.src.Host+"/app", older, "stable")
	p := k.lock(1, "--upgrade")
	wantContains(t, "lock", p.stderr.String(), older.String()+" was signed at ", ", before the locked "+newer.String(), "it is an older image under the same tag")
	if got := k.read("images.txt.lock"); got != locked {
		t.Errorf("the lock has become\n%s", got)
	}
	k.mirror(0)
	wantDigest(t, k.dst.Host+"/app:stable", newer)
	// Who means it says so.
	k.lock(0, "--now="+k.src.Host+"/app:stable", "--because=1.2 loses data")
	wantContains(t, "lock", k.read("images.txt.lock"), older.String(), "1.2 loses data")
}

func retag(t *testing.T, repository string, digest v1.Hash, tag string) {
	t.Helper()
	ref, err := name.NewDigest(repository + "@" + digest.String())
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	push(t, repository+":"+tag, image)
}

func TestCertifiedSignaturesThatAreGoneOrCannotBeLookedFor(t *testing.T) {
	t.Parallel()
	k := newKeyless(t, "unsigned = \"accept\"\n")
	digest := k.push("app:1", false)
	bundle := k.bundle("app", digest, released(time.Minute))
	k.push("never:1", false)
	k.list("images.txt", k.src, "app:1", "never:1")
	k.lock(0)
	if lock := k.read("images.txt.lock"); strings.Count(lock, "signed = ") != 1 || !strings.Contains(lock, "never:1") {
		t.Errorf("locked:\n%s", lock)
	}
	k.list("app.txt", k.src, "app:1")
	later := http.Header{"Retry-After": {"3600"}}
	for what, tt := range map[string]struct {
		which func(devregistry.Request) bool
		fault devregistry.Fault
		cause string
	}{
		"listing throttled": {is(devregistry.KindReferrers), devregistry.Fault{Status: http.StatusTooManyRequests, Header: later}, "429"},
		"bundle broken": {func(r devregistry.Request) bool {
			return r.Kind == devregistry.KindManifestGet && r.Reference == bundle.String()
		}, devregistry.Fault{Status: http.StatusServiceUnavailable, Header: later}, "503"},
		"content lost": {is(devregistry.KindBlobGet), devregistry.Fault{Status: http.StatusNotFound, Code: "BLOB_UNKNOWN"}, "404"},
	} {
		k.src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(tt.which, tt.fault)})
		p := k.run(1, "copy", "--policy", "mirror-policy.toml", "--registry", k.dst.Host, "--report", "report.json", "app.txt")
		wantContains(t, what, p.stderr.String(), "whether it is signed as mirror-policy.toml:5 wants could not be found out", tt.cause)
		if v := k.report("report.json").Copies[0].Verification; v == nil || v.Answer != "undecided" || v.Passed {
			t.Errorf("%s: reported %+v", what, v)
		}
	}
	k.src.SetFaults(devregistry.Faults{})
	remove(t, k.src, "app", bundle.String())
	wantContains(t, "copy", k.copy(1).stderr.String(), "it was signed when it was locked, and is not signed any longer")
	for _, c := range k.report("report.json").Copies {
		if passed := strings.Contains(c.Source, "/never:1"); c.Verification != nil && c.Verification.Passed != passed {
			t.Errorf("%s: reported %+v", c.Source, c.Verification)
		}
	}
	// Nothing of what was signed is there, and what never was is.
	if _, _, there := k.dst.Manifest("app", "1"); there {
		t.Error("app:1 is copied")
	}
	wantDigest(t, k.dst.Host+"/never:1", digestAt(t, k.src.Host+"/never:1"))
	k.rule("")
	k.list("other.txt", k.src, "never:1")
	wantContains(t, "lock", k.run(1, "lock", "--policy", "mirror-policy.toml", "other.txt").stderr.String(), "it is not signed, and mirror-policy.toml:5 wants it to be")
}
