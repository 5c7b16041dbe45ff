package lock

import (
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/policy"
)

// A digest that is new since the revision says who has signed it, where the rule there refuses what isn't signed.
func TestWhatIsNewSaysWhoHasSignedIt(t *testing.T) {
	const unsigned = "x.lock:7: a.example/x:1 doesn't say who has signed it, and mirror-policy.toml:5 refuses what isn't signed: docker-mirror lock verifies it"
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	image := Image{Source: "a.example/x:1", Line: 7, Seen: now, Digest: v1.Hash{Algorithm: "sha256", Hex: "01"}}
	signed := image
	signed.Signed = "key sha256:02"
	waiting := image
	waiting.Digest = v1.Hash{}
	for name, test := range map[string]struct {
		image Image
		known []*File
		rule  string
		want  string
	}{
		"unsigned":          {image, nil, "refuse", unsigned},
		"tolerated":         {image, nil, "accept", ""},
		"signed":            {signed, nil, "refuse", ""},
		"waits":             {waiting, nil, "refuse", ""},
		"as it is at REF":   {image, []*File{{Name: "x.lock", Images: []Image{image}}}, "refuse", ""},
		"another is at REF": {image, []*File{{Name: "x.lock", Images: []Image{{Source: image.Source, Digest: v1.Hash{Algorithm: "sha256", Hex: "03"}}}}}, "refuse", unsigned},
	} {
		p, err := policy.Parse("mirror-policy.toml", []byte("version = 1\n[trust.acme]\nkeys = [\"acme.pub\"]\nlog = \"none\"\n[[rule]]\nimages = [\"**\"]\nunsigned = \""+test.rule+"\"\nsigned_by = [{ trust = \"acme\" }]\n"))
		if err != nil {
			t.Fatal(err)
		}
		file := File{Name: "x.lock", Images: []Image{test.image}}
		var got string
		for _, problem := range file.Changed(Since{Known: NewKnown(test.known), Name: "main", Policy: p, Now: now}) {
			if problem.Rule != Unsigned {
				t.Errorf("%s: %v", name, problem)
			}
			got += problem.At.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
