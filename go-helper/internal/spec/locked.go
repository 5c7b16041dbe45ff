package spec

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/strictjson"
)

// Locked says which entry of a lock has decided an image's digest.
type Locked struct {
	File string    `json:"file"` // its place, file:line
	Seen time.Time `json:"seen,omitzero"`
	// Because is why a rule was set aside for the digest.
	Because string `json:"because,omitempty"`
	// Signed tells that the lock says who has signed the digest.
	Signed bool `json:"signed,omitempty"`
	// Expect is the digest that the destination is to have, where that isn't the source's: an index is rewritten.
	Expect string `json:"expect,omitempty"`
	// Limited gives the digests of the index once it is rewritten, by the platforms that are left; nil for what is no index.
	Limited map[string]string `json:"-"`
	// Single tells that what is locked is no index, so that platforms don't change it.
	Single bool `json:"-"`
	// Waiting says why nothing is copied yet.
	Waiting string `json:"-"`
}

// locked reads "locked" of a plan's entry.
func locked(d *strictjson.Decoder, v strictjson.Value) *Locked {
	l := &Locked{}
	d.Object(v, `"locked"`,
		strictjson.Member{Key: "file", Required: true, Decode: func(v strictjson.Value) { l.File, _ = d.NonEmpty(v, `"file"`) }},
		strictjson.Member{Key: "seen", Decode: func(v strictjson.Value) {
			if s, ok := d.NonEmpty(v, `"seen"`); ok {
				var err error
				if l.Seen, err = time.Parse(time.RFC3339, s); err != nil {
					d.Errorf(v.Line, `"seen" must be a time, as in 2026-11-03T09:14:00Z, not %q`, s)
				}
			}
		}},
		strictjson.Member{Key: "because", Decode: func(v strictjson.Value) { l.Because, _ = d.NonEmpty(v, `"because"`) }},
		strictjson.Member{Key: "signed", Decode: func(v strictjson.Value) { l.Signed = d.Bool(v, `"signed"`) }},
		strictjson.Member{Key: "expect", Decode: func(v strictjson.Value) {
			if s, ok := d.NonEmpty(v, `"expect"`); ok {
				if _, err := v1.NewHash(s); err != nil {
					d.Errorf(v.Line, `"expect": invalid digest %q: %s`, s, err)
				}
				l.Expect = s
			}
		}},
	)
	return l
}
