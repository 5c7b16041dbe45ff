package froms

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
)

// List is a list of images, by its plan.
type List struct {
	Target string // address
	Copies []plan.Copy
}

// tag is one that a list mirrors to a repository.
type tag struct {
	tag, target, origin string
}

// Mirrors is what is mirrored where.
type Mirrors struct {
	exclusive []string            // addresses that hold nothing but what lists mirror there
	tags      map[string][]tag    // by repository
	patterns  []*regexp.Regexp    // of references whose tags policies will select
	skipped   map[string]struct{} // references that this run of the lists leaves out
}

// placeholder is what stands in a destination for what isn't known before tags are listed.
var placeholder = regexp.MustCompile(`\\\{[^{}]*\\\}`)

// NewMirrors takes the plans of all lists.
func NewMirrors(lists []List, exclusive []string) (*Mirrors, error) {
	m := &Mirrors{tags: map[string][]tag{}, skipped: map[string]struct{}{}}
	for _, address := range exclusive {
		host, path, _ := strings.Cut(strings.TrimSuffix(address, "/"), "/")
		ref, err := reference.Parse(host + "/" + strings.Trim(path+"/x", "/"))
		if err != nil || !strings.ContainsAny(host, ".:") && host != "localhost" || strings.HasPrefix(path, "/") || ref.Tag != reference.DefaultTag || ref.HasDigest() {
			return nil, fmt.Errorf("%q is no registry, and no path in one: want registry.example or registry.example/path", address)
		}
		m.exclusive = append(m.exclusive, reference.CanonicalHost(host)+strings.TrimSuffix("/"+path, "/")+"/")
	}
	for _, list := range lists {
		for _, c := range list.Copies {
			m.add(list.Target, c)
		}
	}
	return m, nil
}

func (m *Mirrors) add(target string, c plan.Copy) {
	destination := c.Dst
	if c.Skip != nil {
		destination = c.Skip.Destination
	}
	if strings.Contains(destination, "{") {
		pattern := placeholder.ReplaceAllString(regexp.QuoteMeta(destination), ".*")
		m.patterns = append(m.patterns, regexp.MustCompile("^"+pattern+"$"))
		return
	}
	ref, err := reference.Parse(destination)
	switch {
	case err != nil:
	case c.Skip != nil:
		m.skipped[ref.Name()+":"+ref.Tag] = struct{}{}
	default:
		m.tags[ref.Name()] = append(m.tags[ref.Name()], tag{ref.Tag, target, c.Origin})
	}
}

// Why tells why no list provides an image that is taken from a mirror, and what to do; empty where one does, where it is
// taken from elsewhere, and where it can't be told.
func (m *Mirrors) Why(image string) string {
	ref, err := reference.Parse(image)
	if err != nil {
		return "" // for Docker to tell
	}
	known := m.tags[ref.Name()]
	if len(known) == 0 && !slices.ContainsFunc(m.exclusive, func(address string) bool { return strings.HasPrefix(ref.Name(), address) }) {
		return ""
	}
	if m.provides(ref, known) {
		return ""
	}
	if len(known) == 0 {
		return fmt.Sprintf("no list mirrors to %s, from where %s is taken: add the image to a list, or take it from elsewhere", ref.Name(), spelled(ref))
	}
	nearest := nearest(ref.Tag, known)
	return fmt.Sprintf("no list mirrors %s: name %s:%s, which %s mirrors (%s), or add the tag to that list", spelled(ref), ref.Name(), nearest.tag, nearest.target, nearest.origin)
}

func spelled(ref reference.Reference) string {
	if ref.Tag != "" {
		return ref.Name() + ":" + ref.Tag
	}
	return ref.String()
}

func (m *Mirrors) provides(ref reference.Reference, known []tag) bool {
	if ref.Tag == "" && (len(known) > 0 || m.mayHave(ref.Name()+":x")) {
		return true // which digests tags have had isn't known
	}
	if slices.ContainsFunc(known, func(t tag) bool { return t.tag == ref.Tag }) {
		return true
	}
	if _, skipped := m.skipped[ref.Name()+":"+ref.Tag]; skipped {
		return true
	}
	return m.mayHave(ref.Name() + ":" + ref.Tag)
}

func (m *Mirrors) mayHave(reference string) bool {
	return slices.ContainsFunc(m.patterns, func(p *regexp.Regexp) bool { return p.MatchString(reference) })
}

// nearest is the tag that begins most like the one wanted; of several, the last that is listed.
func nearest(wanted string, known []tag) tag {
	var best tag
	length := -1
	for _, t := range known {
		if n := alike(wanted, t.tag); n >= length {
			best, length = t, n
		}
	}
	return best
}

func alike(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
