package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/stricttoml"
	"docker-mirror/go-helper/internal/suggest"
)

// What is accepted of a policy; real ones stay far below it.
const (
	maxSize  = 1 << 20
	maxRules = 1000
)

// Parse reads a policy strictly. The error joins a *[spec.Error] for each thing wrong.
func Parse(name string, data []byte) (*Policy, error) {
	if len(data) > maxSize {
		return nil, &spec.Error{File: name, Msg: fmt.Sprintf("is larger than %d bytes", maxSize)}
	}
	root, err := stricttoml.Parse(data)
	var problem *strictjson.Problem
	if errors.As(err, &problem) {
		return nil, &spec.Error{File: name, Line: problem.Line, Msg: problem.Msg}
	}
	r := &reader{policy: &Policy{Name: name}}
	r.file(root)
	if len(r.Problems) > 0 {
		slices.SortStableFunc(r.Problems, func(a, b strictjson.Problem) int { return a.Line - b.Line })
		errs := make([]error, len(r.Problems))
		for i, problem := range r.Problems {
			errs[i] = &spec.Error{File: name, Line: problem.Line, Msg: problem.Msg}
		}
		return nil, errors.Join(errs...)
	}
	return r.policy, nil
}

type reader struct {
	strictjson.Decoder
	policy *Policy
}

func (r *reader) file(v strictjson.Value) {
	var rules []strictjson.Value
	r.Object(v, "the policy",
		strictjson.Member{Key: "version", Required: true, Decode: func(v strictjson.Value) {
			if v.Kind != strictjson.Number || v.Text != "1" {
				r.Errorf(v.Line, `"version" must be 1, which is what this docker-mirror knows`)
			}
		}},
		strictjson.Member{Key: "trust", Decode: func(v strictjson.Value) { r.Map(v, "[trust]", r.trust) }},
		strictjson.Member{Key: "rule", Required: true, Decode: func(v strictjson.Value) {
			r.Array(v, "[[rule]]", func(item strictjson.Value) { rules = append(rules, item) })
		}},
	)
	if len(rules) > maxRules {
		r.Errorf(v.Line, "has more than %d rules", maxRules)
		return
	}
	for _, rule := range rules { // after the trusts, wherever those stand
		r.rule(rule)
	}
	r.unreachable()
}

func (r *reader) trust(name string, v strictjson.Value) {
	t := Trust{Name: name, Log: LogRequired, Line: v.Line}
	what := "[trust." + name + "]"
	before := len(r.Problems)
	r.Object(v, what,
		r.text("trusted_root", &t.TrustedRoot),
		strictjson.Member{Key: "keys", Decode: func(v strictjson.Value) {
			if t.Keys = r.Strings(v, `"keys"`); len(v.Items) == 0 {
				r.Errorf(v.Line, `"keys" is empty`)
			}
		}},
		choice(r, "log", &t.Log, LogRequired, LogNone),
	)
	if len(r.Problems) == before {
		switch {
		case t.TrustedRoot == "" && len(t.Keys) == 0:
			r.Errorf(v.Line, `%s has neither "trusted_root" nor "keys"`, what)
		case len(t.Keys) > 0 && t.Log == LogRequired && t.TrustedRoot == "":
			r.Errorf(v.Line, `%s has "keys" and wants their signatures in a log, whose key is in a "trusted_root": name one, or say log = "none"`, what)
		}
	}
	r.policy.Trust = append(r.policy.Trust, t)
}

func (r *reader) rule(v strictjson.Value) {
	rule := Rule{
		File: r.policy.Name, Line: v.Line, Number: len(r.policy.Rules) + 1,
		Evidence: EvidenceLock, Exceptions: true, On: OnIndex,
	}
	before := len(r.Problems)
	var attested []strictjson.Value
	r.Object(v, "[[rule]]",
		r.globs("images", true, &rule.Images, &rule.images, checkImageGlob),
		r.globs("tags", false, &rule.Tags, &rule.tags, checkTagGlob),
		strictjson.Member{Key: "cooldown", Decode: func(v strictjson.Value) {
			if s, ok := r.NonEmpty(v, `"cooldown"`); ok {
				var err error
				if rule.Cooldown, err = parseDuration(s); err != nil {
					r.Errorf(v.Line, `"cooldown" %s`, err)
				}
			}
		}},
		r.boolean("rolling", &rule.Rolling),
		choice(r, "evidence", &rule.Evidence, EvidenceLock),
		r.boolean("exceptions", &rule.Exceptions),
		choice(r, "moved", &rule.Moved, Refuse, Warn, Accept),
		choice(r, "unsigned", &rule.Unsigned, Refuse, Warn, Accept),
		choice(r, "on", &rule.On, OnIndex, OnPlatforms, OnBoth),
		strictjson.Member{Key: "signed_by", Decode: func(v strictjson.Value) { rule.SignedBy = r.authorities(v) }},
		strictjson.Member{Key: "attested", Decode: func(v strictjson.Value) {
			r.Array(v, "[[rule.attested]]", func(item strictjson.Value) { attested = append(attested, item) })
		}},
		r.boolean("reference", &rule.OwnReference),
		r.from(&rule.From),
	)
	for _, v := range attested { // after the rule's own signed_by
		rule.Attested = append(rule.Attested, r.attestation(v, rule.SignedBy))
	}
	if len(r.Problems) == before {
		r.complete(v, &rule)
	}
	r.policy.Rules = append(r.policy.Rules, rule)
}

// complete fills in what depends on the rest, and finds what means nothing beside it.
func (r *reader) complete(v strictjson.Value, rule *Rule) {
	if rule.Unsigned == "" && rule.Demands() {
		rule.Unsigned = Refuse
	}
	if rule.Unsigned == "" {
		rule.Unsigned = Accept
	}
	has := func(key string) (line int, ok bool) {
		for _, field := range v.Fields {
			if field.Key == key {
				return field.Line, true
			}
		}
		return 0, false
	}
	if line, _ := has("unsigned"); rule.Unsigned != Accept && !rule.Demands() {
		r.Errorf(line, `"unsigned" = %q, but the rule doesn't say who must sign: it has neither "signed_by" nor "attested"`, rule.Unsigned)
	}
	for _, key := range []string{"on", "reference", "from"} {
		if line, ok := has(key); ok && !rule.Demands() {
			r.Errorf(line, `%q is about signatures, but the rule has neither "signed_by" nor "attested"`, key)
		}
	}
	for _, key := range []string{"rolling", "evidence"} {
		if line, ok := has(key); ok && rule.Cooldown == 0 {
			r.Errorf(line, `%q is about the cooldown, but the rule has none`, key)
		}
	}
}

// unreachable finds rules behind one that matches every image.
func (r *reader) unreachable() {
	for i, rule := range r.policy.Rules {
		if slices.Equal(rule.Images, []string{"**"}) && len(rule.Tags) == 0 && i+1 < len(r.policy.Rules) {
			r.Errorf(r.policy.Rules[i+1].Line, "is never reached: the first rule that matches holds, and the one on line %d matches every image", rule.Line)
			return
		}
	}
}

func (r *reader) text(key string, into *string) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) {
		*into, _ = r.NonEmpty(v, quoted(key))
		if strings.ContainsFunc(*into, unicode.IsControl) {
			r.Errorf(v.Line, "%q has a control character in it", key)
		}
	}}
}

func (r *reader) boolean(key string, into *bool) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) { *into = r.Bool(v, quoted(key)) }}
}

// choice reads one of some words.
func choice[T ~string](r *reader, key string, into *T, words ...T) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) {
		s, ok := r.NonEmpty(v, quoted(key))
		if !ok {
			return
		}
		if *into = T(s); slices.Contains(words, *into) {
			return
		}
		known := make([]string, len(words))
		for i, word := range words {
			known[i] = string(word)
		}
		hint := "want one of " + strings.Join(known, ", ")
		if closest := suggest.Closest(s, known); closest != "" {
			hint = fmt.Sprintf("did you mean %q?", closest)
		}
		r.Errorf(v.Line, "%q: %q is none of its values: %s", key, s, hint)
	}}
}

func (r *reader) globs(key string, required bool, into *[]string, compiled *matcher, check func(string) error) strictjson.Member {
	return strictjson.Member{Key: key, Required: required, Decode: func(v strictjson.Value) {
		r.Array(v, quoted(key), func(item strictjson.Value) {
			glob, ok := r.String(item, "an entry of "+quoted(key))
			if !ok {
				return
			}
			if err := check(glob); err != nil {
				r.Errorf(item.Line, "%q: %s", key, err)
				return
			}
			*into = append(*into, glob)
			compiled.add(glob)
		})
		if v.Kind == strictjson.Array && !slices.ContainsFunc(v.Items, func(item strictjson.Value) bool { return !strings.HasPrefix(item.Text, "!") }) {
			r.Errorf(v.Line, "%q matches nothing: it has no glob without !", key)
		}
	}}
}

func quoted(key string) string { return `"` + key + `"` }
