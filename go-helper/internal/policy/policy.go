// Package policy is what may become locked: how old a digest must be, who must have signed it, whether its tag may move.
// The first rule that matches an image holds, alone. Pure functions over bytes; who verifies stands elsewhere.
package policy

import (
	"fmt"
	"path/filepath"
	"time"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// FileName is what a policy is usually called.
const FileName = "mirror-policy.toml"

// Policy is a file of rules.
type Policy struct {
	Name  string // of the file, for messages; files that it names are relative to it
	Trust []Trust
	Rules []Rule
}

// Trust is a [trust.NAME] table: what signatures are verified with. It is keyless where it has no Keys.
type Trust struct {
	Name        string
	TrustedRoot string   // file of Sigstore's trusted root, json or jsonl
	Keys        []string // files of public keys, PEM
	Log         Log
	Line        int
}

// Log says whether a signature must be in a transparency log.
type Log string

// The values of "log".
const (
	LogRequired Log = "required"
	LogNone     Log = "none"
)

// Reaction is what becomes of an image of which something isn't so.
type Reaction string

// The values of "moved" and "unsigned".
const (
	Refuse Reaction = "refuse"
	Warn   Reaction = "warn"
	Accept Reaction = "accept"
)

// On says which manifests must carry the signature.
type On string

// The values of "on".
const (
	OnIndex     On = "index" // what is locked: the index, or the manifest of an image that has none
	OnPlatforms On = "platforms"
	OnBoth      On = "both"
)

// Evidence says what shows a digest's age.
type Evidence string

// The values of "evidence".
const (
	// EvidenceLock is the line in git that has seen the digest.
	EvidenceLock Evidence = "lock"
)

// Rule is a [[rule]] table, its defaults filled in.
type Rule struct {
	File   string
	Line   int
	Number int // from 1, in the file's order

	Images []string // globs over the repository in full; those after ! leave out
	Tags   []string // likewise over the tag; none: all

	// Cooldown is how long a digest must have been seen under its name before it may be locked.
	Cooldown time.Duration
	// Rolling promotes the newest digest that is old enough, though the tag has left it.
	Rolling  bool
	Evidence Evidence
	// Exceptions tells whether --now … --because may set the rule aside.
	Exceptions bool
	// Moved is what the rule says itself; empty: it depends on the tag, see [Rule.MovedTag].
	Moved Reaction

	// Unsigned is what becomes of an image that has no signature at all. Only that may be tolerated: a signature that won't do,
	// or that couldn't be looked for, always fails the image.
	Unsigned Reaction
	On       On
	SignedBy []Authority // one of them must have signed
	Attested []Attestation
	// OwnReference wants the signature's docker-reference to be the image's repository ("reference").
	OwnReference bool
	// From is where signatures are looked for: a repository, or [FromOrigin]; empty: where the image is read.
	From string

	images, tags matcher
}

// FromOrigin looks for signatures at the image's own registry, past a pull-through cache.
const FromOrigin = "origin"

// Authority is who may sign: an identity of a keyless trust, or whoever has one of the trust's keys.
type Authority struct {
	Trust            string  // name of a [Trust] that there is
	Issuer           string  // exact
	Subject          Pattern // of the certificate; that of the called workflow, where workflows are reused
	SourceRepository Pattern // of the certificate's extensions; zero: any
	SourceRef        Pattern
	Line             int
}

// Attestation is a statement that must be there about the same manifests.
type Attestation struct {
	Predicate string // type, exact
	Where     []Condition
	SignedBy  []Authority // the rule's own, where it says none itself
	Line      int
}

// Condition is what a statement must say at a place.
type Condition struct {
	Pointer string // RFC 6901, from the statement on
	Value   Pattern
}

// NoRuleError says that a policy says nothing of an image.
type NoRuleError struct {
	Policy string
	Image  string
}

func (e *NoRuleError) Error() string {
	return fmt.Sprintf(`%s has no rule for %s: a policy says what holds for every image; end it with a rule for images = ["**"]`, e.Policy, e.Image)
}

// For gives the first rule that matches an image. Without a tag, it matches no rule that has tags.
func (p *Policy) For(ref reference.Reference) (*Rule, error) {
	for i := range p.Rules {
		if p.Rules[i].Matches(ref) {
			return &p.Rules[i], nil
		}
	}
	return nil, &NoRuleError{p.Name, ref.String()}
}

// Demands tells whether any rule wants something verified.
func (p *Policy) Demands() bool {
	for i := range p.Rules {
		if p.Rules[i].Demands() {
			return true
		}
	}
	return false
}

// Cools tells whether any rule has a cooldown.
func (p *Policy) Cools() bool {
	for i := range p.Rules {
		if p.Rules[i].Cooldown > 0 {
			return true
		}
	}
	return false
}

// TrustOf gives the trust of a name, nil where there is none.
func (p *Policy) TrustOf(name string) *Trust {
	for i := range p.Trust {
		if p.Trust[i].Name == name {
			return &p.Trust[i]
		}
	}
	return nil
}

// Path is where a file stands that the policy names.
func (p *Policy) Path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(filepath.Dir(p.Name), file)
}

// Keyed tells whether signatures are made with the trust's own keys.
func (t *Trust) Keyed() bool { return len(t.Keys) > 0 }

// Matches tells whether the rule speaks of an image.
func (r *Rule) Matches(ref reference.Reference) bool {
	return r.images.match(ref.Name()) && (len(r.Tags) == 0 || ref.Tag != "" && r.tags.match(ref.Tag))
}

// Ripe is when a digest that was first seen then has cooled down.
func (r *Rule) Ripe(seen time.Time) time.Time { return seen.Add(r.Cooldown) }

// Place is where the rule stands.
func (r *Rule) Place() string { return spec.Image{File: r.File, Line: r.Line}.Place() }

// Demands tells whether the rule wants anything verified.
func (r *Rule) Demands() bool { return len(r.SignedBy) > 0 || len(r.Attested) > 0 }

// RefusesUnsigned tells whether what has no signature at all is refused.
func (r *Rule) RefusesUnsigned() bool { return r.Demands() && r.Unsigned == Refuse }

// MovedTag is what becomes of a locked image whose tag names something else now: where the rule doesn't say it, a tag that is
// a full version is not expected to.
func (r *Rule) MovedTag(tag string) Reaction {
	switch {
	case r.Moved != "":
		return r.Moved
	case fullVersion.MatchString(tag):
		return Refuse
	}
	return Accept
}
