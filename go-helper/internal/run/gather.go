package run

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
)

// gather leaves of all copies of a source one, which goes to the layout with the platforms and attachments that any of them wants.
func (l *layouts) gather(entries []*entry) []*entry {
	if l.to == nil {
		return entries
	}
	l.names = map[*entry]string{}
	digests := map[string]map[v1.Hash]bool{} // by name
	for _, e := range entries {
		if source, err := e.Source(); err == nil && source.Tag != "" {
			name := source.Name() + ":" + source.Tag
			if digests[name] == nil {
				digests[name] = map[v1.Hash]bool{}
			}
			digests[name][source.Digest] = true
		}
	}
	var kept []*entry
	first := map[string]*entry{}
	for _, e := range entries {
		source, err := e.Source()
		if err != nil || e.settled() || e.Skip != nil {
			kept = append(kept, e)
			continue
		}
		name := source.Name() + ":" + source.Tag
		if source.Tag == "" || source.HasDigest() && len(digests[name]) > 1 {
			name = source.Name() + "@" + source.Digest.String()
		}
		leader := first[name]
		if leader == nil {
			first[name], l.names[e] = e, name
			kept = append(kept, e)
			continue
		}
		leader.join(e)
	}
	return kept
}

// join makes one copy of two of a source.
func (e *entry) join(o *entry) {
	for _, a := range o.askers {
		e.askers = append(e.askers, a)
		e.copy.AlsoAskedBy = append(e.copy.AlsoAskedBy, a.Asker)
	}
	switch {
	case e.Transform == nil || o.Transform == nil || len(e.Transform.LimitPlatforms) == 0 || len(o.Transform.LimitPlatforms) == 0:
		e.Transform, e.copy.Platforms = nil, nil
	default:
		all := slices.Clone(e.Transform.LimitPlatforms)
		for _, p := range o.Transform.LimitPlatforms {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
		e.Transform = &plan.Transform{LimitPlatforms: all}
		e.copy.Platforms = all
	}
	order := append([]string{""}, ReferrersChoices()...)
	if slices.Index(order, o.Referrers) > slices.Index(order, e.Referrers) {
		e.Referrers = o.Referrers
	}
}

// place makes a copy go to the layout: under the digest of its source, with those of its platforms that are wanted.
func (l *layouts) place(e *entry, c *engine.Copy) {
	if l.to == nil {
		return
	}
	name := l.names[e]
	c.Destination = reference.Reference{Registry: l.toHost, Repository: c.Source.Name(), Tag: c.Source.Tag}
	if strings.Contains(name, "@") {
		c.Destination.Tag, c.Destination.Digest = "", c.Source.Digest
	}
	c.Sparse, c.Expect = len(c.Platforms) > 0, v1.Hash{}
	platforms := make([]string, len(c.Platforms))
	for i, p := range c.Platforms {
		platforms[i] = p.String()
	}
	l.to.Want(name, platforms)
}

// tagsAt is where the tags are that a policy compares with: those of the source that the layout has, where images go to one.
func (l *layouts) tagsAt(source, destination reference.Reference) reference.Reference {
	if l.to == nil {
		return destination
	}
	return reference.Reference{Registry: l.toHost, Repository: source.Name()}
}
