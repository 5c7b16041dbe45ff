package policy

import (
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// Explain says which rule holds for an image, which come before it and don't, and what it demands; a line each.
func (p *Policy) Explain(ref reference.Reference) (string, error) {
	rule, err := p.For(ref)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("%s", ref)
	for i := range p.Rules[:rule.Number-1] {
		other := &p.Rules[i]
		say("  %s: doesn't hold, %s", other.Place(), other.whyNot(ref))
	}
	say("  %s: holds, as images = %s%s", rule.Place(), list(rule.Images), ifAny(", tags = ", rule.Tags))
	if rule.Cooldown == 0 {
		say("  cooldown: none")
	} else {
		say("  cooldown: a digest must have been seen under this name for %s before it is locked%s", FormatDuration(rule.Cooldown), rule.rollingText())
	}
	say("  moved: %s", rule.movedText(ref.Tag))
	if rule.Exceptions {
		say("  exceptions: allowed, by lock --now=IMAGE --because=TEXT")
	} else {
		say("  exceptions: none")
	}
	p.explainSigned(say, rule)
	return b.String(), nil
}

func (p *Policy) explainSigned(say func(string, ...any), rule *Rule) {
	if !rule.Demands() {
		say("  signatures: none wanted")
		return
	}
	on := map[On]string{OnIndex: "the index, or the image if there is none", OnPlatforms: "each platform", OnBoth: "the index and each platform"}[rule.On]
	for _, a := range rule.SignedBy {
		say("  signed by: %s (%s), on %s", a, spec.Image{File: p.Name, Line: a.Line}.Place(), on)
	}
	for _, a := range rule.Attested {
		say("  attested: %s (%s)", a.Predicate, spec.Image{File: p.Name, Line: a.Line}.Place())
		for _, c := range a.Where {
			say("    where %s is %s", c.Pointer, c.Value)
		}
		for _, by := range a.SignedBy {
			say("    by %s", by)
		}
	}
	if rule.OwnReference {
		say("  reference: the signature must name this repository")
	}
	if rule.From != "" {
		say("  from: signatures are looked for at %s", rule.From)
	}
	say("  unsigned: %s", rule.Unsigned)
}

// String names who may sign.
func (a Authority) String() string {
	if a.Issuer == "" {
		return "the keys of [trust." + a.Trust + "]"
	}
	s := fmt.Sprintf("subject %s of issuer %s, by [trust.%s]", a.Subject, a.Issuer, a.Trust)
	if !a.SourceRepository.IsZero() {
		s += ", source repository " + a.SourceRepository.String()
	}
	if !a.SourceRef.IsZero() {
		s += ", source ref " + a.SourceRef.String()
	}
	return s
}

// whyNot says what of a rule doesn't fit an image.
func (r *Rule) whyNot(ref reference.Reference) string {
	switch {
	case !r.images.match(ref.Name()):
		return "as images = " + list(r.Images)
	case ref.Tag == "":
		return "as it has tags, and the image has none"
	}
	return "as tags = " + list(r.Tags)
}

func (r *Rule) rollingText() string {
	if r.Rolling {
		return "; the newest that is old enough is taken, though the tag may have left it (rolling)"
	}
	return ""
}

func (r *Rule) movedText(tag string) string {
	reaction := r.MovedTag(tag)
	switch {
	case r.Moved != "":
		return string(reaction)
	case reaction == Refuse:
		return string(reaction) + ", as " + tag + " is a full version"
	}
	return string(reaction) + ", as the tag is no full version"
}

func list(globs []string) string { return `["` + strings.Join(globs, `", "`) + `"]` }

func ifAny(prefix string, globs []string) string {
	if len(globs) == 0 {
		return ""
	}
	return prefix + list(globs)
}
