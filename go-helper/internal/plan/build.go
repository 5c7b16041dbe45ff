package plan

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/platform"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

const defaultRepository = "{repository}"

// Make reads lists and plans them: [spec.ParseAll], [Build], [Check] and [Merge], with the errors of all of them at once, in
// the order of files and lines.
func Make(files []spec.File, s Settings) ([]Copy, error) { return MakeLocked(files, nil, s) }

// Build plans the copies of images, in their order: for each registry, for each tag, one. The error joins a
// *[spec.Error] for each thing wrong; the copies that could be planned are returned beside it.
func Build(images []spec.Image, s Settings) ([]Copy, error) {
	b := &builder{settings: s, templates: map[string]parsed{}, reported: map[spec.Error]bool{}, copies: make([]Copy, 0, len(images))}
	if b.prepare(); len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	for _, image := range images {
		b.image(image)
	}
	if b.homeless != nil {
		b.fail(*b.homeless, noRegistry(s))
	}
	return b.copies, errors.Join(b.errs...)
}

func noRegistry(s Settings) error {
	if flag := s.Names[registriesKey]; flag != "" {
		return fmt.Errorf("no destination registry: name one or more with %s", flag)
	}
	return fmt.Errorf("no destination registry: name one or more, by address or @alias (%s)", knownAliases(s.KnownAliases))
}

// The keys of settings that messages name; an override has the same ones.
const (
	registriesKey = "registries"
	repositoryKey = "repository"
	imageTagsKey  = "image_tags"
	platformsKey  = "platforms"
	indexKey      = "index"
	referrersKey  = "referrers"
)

func knownAliases(aliases []string) string {
	if len(aliases) == 0 {
		return "no registry aliases are configured"
	}
	return "known aliases are " + strings.Join(aliases, ", ")
}

type builder struct {
	settings  Settings
	platforms []v1.Platform
	overrides map[string]overridden
	templates map[string]parsed
	homeless  *spec.Image // the first image that has nowhere to go: it is reported once
	copies    []Copy
	errs      []error
	reported  map[spec.Error]bool
}

// overridden is an Override whose platforms are parsed.
type overridden struct {
	Override
	platforms []v1.Platform
}

type parsed struct {
	template
	err error
}

func (b *builder) fail(image spec.Image, err error) {
	file, line := image.File, image.Line
	for _, err := range flatten(err) {
		found := spec.Error{File: file, Line: line, Msg: err.Error()}
		if !b.reported[found] { // once, not once a registry
			b.reported[found] = true
			b.errs = append(b.errs, &found)
		}
	}
}

func (b *builder) failSettings(format string, args ...any) {
	b.errs = append(b.errs, &spec.Error{File: b.settings.Target, Msg: fmt.Sprintf(format, args...)})
}

// prepare checks what doesn't depend on an image.
func (b *builder) prepare() {
	s := b.settings
	b.platforms = b.parsePlatforms(s.called(platformsKey), s.Platforms)
	b.checkRegistries(s.called(registriesKey), s.Registries)
	b.checkTemplates(s.called(repositoryKey), []string{s.Repository})
	b.checkTemplates(s.called(imageTagsKey), s.ImageTags)
	b.checkChoice(s.called(indexKey), spec.CheckIndex(s.Index))
	b.checkChoice(s.called(referrersKey), spec.CheckReferrers(s.Referrers))
	b.overrides = make(map[string]overridden, len(s.Overrides))
	for _, key := range sortedKeys(s.Overrides) {
		o := s.Overrides[key]
		where := fmt.Sprintf("overrides[%q].", key)
		b.checkRegistries(where+registriesKey, o.Registries)
		b.checkTemplates(where+repositoryKey, []string{o.Repository})
		b.checkTemplates(where+imageTagsKey, o.ImageTags)
		b.checkChoice(where+indexKey, spec.CheckIndex(o.Index))
		b.checkChoice(where+referrersKey, spec.CheckReferrers(o.Referrers))
		b.overrides[key] = overridden{o, b.parsePlatforms(where+platformsKey, o.Platforms)}
	}
}

func (b *builder) parsePlatforms(where string, list []string) []v1.Platform {
	var platforms []v1.Platform
	for _, s := range list {
		p, err := platform.Parse(s)
		if err != nil {
			b.failSettings("%s: %s", where, err)
			continue
		}
		platforms = append(platforms, p)
	}
	return platforms
}

func (b *builder) checkRegistries(where string, registries []Registry) {
	for _, r := range registries {
		if _, _, err := splitAddress(r.Address); err != nil {
			b.failSettings("%s: %s", where, err)
		}
		if r.Repository != "" {
			if t := b.template(r.Repository, targetRepository); t.err != nil {
				b.failSettings("%s: repository of %s: %s", where, r.Address, t.err)
			}
		}
		b.checkTemplates(where+": extra_image_tags of "+r.Address, r.ExtraTags)
	}
}

func (b *builder) checkTemplates(where string, templates []string) {
	for _, text := range templates {
		if t := b.template(text); t.err != nil {
			b.failSettings("%s: %s", where, t.err)
		}
	}
}

func (b *builder) checkChoice(where string, err error) {
	if err != nil {
		b.failSettings("%s: %s", where, err)
	}
}

func (b *builder) template(text string, extra ...string) parsed {
	key := strings.Join(extra, ",") + "\x00" + text
	t, ok := b.templates[key]
	if !ok {
		t.template, t.err = parseTemplate(text, extra...)
		b.templates[key] = t
	}
	return t
}

// wanted is what settings, list and overrides together say about one image.
type wanted struct {
	registries []Registry
	repository string
	imageTags  []string
	platforms  []v1.Platform
	index      string
	labels     []string
	referrers  string
}

func (b *builder) image(image spec.Image) {
	matches := b.match(image)
	if image.Destination != nil || image.Skip != nil {
		b.explicit(image, matches)
		return
	}
	w, ok := b.wanted(image, matches)
	if !ok {
		return
	}
	if len(w.registries) == 0 {
		if b.homeless == nil {
			b.homeless = &image
		}
		return
	}
	for _, registry := range w.registries {
		b.toRegistry(image, w, registry)
	}
}

// explicit plans an image that names its own destination: platforms, referrers and labels can come from elsewhere.
func (b *builder) explicit(image spec.Image, matches []match) {
	image.Labels = extend(b.settings.Labels, image.Labels...)
	for _, m := range matches {
		if len(m.Registries) > 0 || m.Repository != "" || len(m.ImageTags) > 0 {
			b.fail(image, fmt.Errorf("the override of %q sets registries, repository or image_tags, but the copy spec names its own dst", m.key))
		}
		image.Labels = extend(image.Labels, m.Labels...)
		image.Index = firstOf(m.Index, image.Index)
		image.Referrers = firstOf(m.Referrers, image.Referrers)
	}
	if image.Skip == nil {
		image.Platforms = b.platformsOf(image, matches)
		image.Index = firstOf(image.Index, b.settings.Index)
		image.Referrers = firstOf(image.Referrers, b.settings.Referrers)
		if image.CopySpec {
			image.Referrers = firstOf(image.Referrers, spec.ReferrersNone)
		}
	}
	b.add(image, asWritten(image), image.Platforms, image.Index)
}

type match struct {
	key string
	overridden
}

// match finds the overrides of an image, the widest first.
func (b *builder) match(image spec.Image) []match {
	if len(b.overrides) == 0 {
		return nil
	}
	var matches []match
	for _, key := range Keys(image) {
		if o, ok := b.overrides[key]; ok {
			matches = append(matches, match{key, o})
		}
	}
	return matches
}

func (b *builder) platformsOf(image spec.Image, matches []match) []v1.Platform {
	platforms := image.Platforms
	if platforms == nil {
		platforms = b.platforms
	}
	seen := map[string]bool{}
	var all []v1.Platform
	add := func(list []v1.Platform) {
		for _, p := range list {
			if !seen[p.String()] {
				seen[p.String()] = true
				all = append(all, p)
			}
		}
	}
	add(platforms)
	for _, m := range matches {
		add(m.platforms)
	}
	return all
}

func (b *builder) wanted(image spec.Image, matches []match) (wanted, bool) {
	s := b.settings
	w := wanted{
		registries: s.Registries,
		repository: firstOf(image.Repository, s.Repository, defaultRepository),
		imageTags:  image.ImageTags,
		platforms:  b.platformsOf(image, matches),
		index:      firstOf(image.Index, s.Index),
		labels:     extend(b.settings.Labels, image.Labels...),
		referrers:  firstOf(image.Referrers, s.Referrers),
	}
	ok := true
	if image.Registries != nil {
		w.registries = nil
		for _, name := range image.Registries {
			registry, err := b.lookUp(name)
			if err != nil {
				b.fail(image, err)
				ok = false
				continue
			}
			w.registries = append(w.registries, registry)
		}
	}
	if len(w.imageTags) == 0 {
		w.imageTags = s.ImageTags
	}
	if len(w.imageTags) == 0 {
		w.imageTags = defaultTags(image)
	}
	for _, m := range matches {
		w.registries = append(w.registries[:len(w.registries):len(w.registries)], m.Registries...)
		w.repository = firstOf(m.Repository, w.repository)
		w.imageTags = extend(w.imageTags, m.ImageTags...)
		w.labels = extend(w.labels, m.Labels...)
		w.index = firstOf(m.Index, w.index)
		w.referrers = firstOf(m.Referrers, w.referrers)
	}
	return w, ok
}

// defaultTags is the source's tag, or the digest's hex where there is only a digest.
func defaultTags(image spec.Image) []string {
	if image.Select != nil || firstOf(image.Tag, image.Ref.Tag) != "" {
		return []string{"{tag}"}
	}
	return []string{"{digest}"}
}

// lookUp finds a registry that a list names itself: an @alias, or an address that may well be a known one's.
func (b *builder) lookUp(name string) (Registry, error) {
	for _, known := range slices.Concat(b.settings.KnownRegistries, b.settings.Registries) {
		if name == known.Alias || name == known.Address {
			return known, nil
		}
	}
	if strings.HasPrefix(name, "@") {
		return Registry{}, fmt.Errorf("unknown registry alias %s: %s", name, knownAliases(b.settings.KnownAliases))
	}
	_, _, err := splitAddress(name)
	return Registry{Address: name}, err
}

func (b *builder) toRegistry(image spec.Image, w wanted, registry Registry) {
	host, prefix, err := splitAddress(registry.Address)
	if err != nil {
		b.fail(image, err)
		return
	}
	repository, err := b.repository(image, w, registry)
	if err != nil {
		b.fail(image, err)
		return
	}
	if prefix != "" {
		repository = prefix + "/" + repository
	}
	if host == reference.DockerHub && !strings.Contains(repository, "/") {
		repository = "library/" + repository // which is what `docker push` makes of it
	}
	if strings.Contains(repository, tagPlaceholder) && image.Select != nil && image.Select.NeedsDestination() {
		b.fail(image, fmt.Errorf("mode %q looks at the tags that the destination has, so {tag} can't be in its repository (%s)", image.Select.Mode, repository))
		return
	}
	if err := destinationError(reference.CheckRepository(host, strings.ReplaceAll(repository, policyTag(image), "x"))); err != nil {
		b.fail(image, err)
		return
	}
	for _, tagTemplate := range extend(w.imageTags, registry.ExtraTags...) {
		tag, err := b.expand(image, tagTemplate)
		if err == nil {
			err = destinationError(reference.CheckTag(strings.ReplaceAll(tag, policyTag(image), "x")))
		}
		if err != nil {
			b.fail(image, err)
			continue
		}
		c := Copy{
			Src:       image.Ref.String(),
			Dst:       host + "/" + repository + ":" + tag,
			Transform: limit(w.platforms, w.index),
			Origin:    image.Place(),
			Name:      image.Name,
			Labels:    w.labels,
			Referrers: w.referrers,
			Select:    image.Select,
		}
		if image.Select != nil {
			c.Src = image.Ref.Name() + ":" + tagPlaceholder
		}
		if registry.SkipPush {
			c.Skip = &spec.Skip{Destination: c.Dst, Reason: "skip_push is set for registry " + firstOf(registry.Alias, registry.Address)}
			c.Src, c.Dst, c.Select = c.sourceRepository(), "", nil
		}
		b.add(image, c, w.platforms, w.index)
	}
}

// repository expands the template that applies: a registry's own comes first, as in Pants.
func (b *builder) repository(image spec.Image, w wanted, registry Registry) (string, error) {
	if registry.Repository == "" {
		return b.expand(image, w.repository)
	}
	t := b.template(registry.Repository, targetRepository)
	if t.err != nil {
		return "", t.err
	}
	return t.expand(func(placeholder string) (string, error) {
		if placeholder == targetRepository {
			return b.expand(image, w.repository)
		}
		return b.value(image, placeholder)
	})
}

// policyTag is what stands for the tags that a policy will select; such text can't be in a tag.
func policyTag(image spec.Image) string {
	if image.Select == nil {
		return "\x00"
	}
	return tagPlaceholder
}

func destinationError(err error) error {
	if err != nil {
		return fmt.Errorf("destination %w", err)
	}
	return nil
}

func (b *builder) expand(image spec.Image, text string) (string, error) {
	t := b.template(text)
	if t.err != nil {
		return "", t.err
	}
	return t.expand(func(placeholder string) (string, error) { return b.value(image, placeholder) })
}

// value is what a placeholder stands for.
func (b *builder) value(image spec.Image, placeholder string) (string, error) {
	ref := image.Ref
	var value, missing string
	switch placeholder {
	case "name":
		value = firstOf(image.Name, path.Base(ref.Repository))
	case "repository":
		value = ref.Repository
		if ref.Registry == reference.DockerHub {
			value = strings.TrimPrefix(value, "library/")
		}
	case "source_registry":
		value = strings.ReplaceAll(ref.Registry, ":", "-") // a colon can't be in a repository
	case "directory":
		value, missing = base(b.settings.Directory), "the list lies in no directory below the build root"
	case "parent_directory":
		value, missing = base(path.Dir(b.settings.Directory)), "the list's directory has no parent below the build root"
	case "full_directory":
		value, missing = b.settings.Directory, "the list lies in no directory below the build root"
	case "target_name":
		value, missing = b.settings.TargetName, "there is no target"
	case "tag":
		value, missing = firstOf(image.Tag, ref.Tag), "the source has only a digest"
		if image.Select != nil {
			value = policyTag(image)
		}
	case "digest":
		switch missing = "the source is not pinned by a digest"; {
		case image.Select != nil:
			missing = "a tag policy chooses the images"
		case ref.HasDigest():
			value = ref.Digest.Hex
		}
	default:
		arg := strings.TrimPrefix(placeholder, buildArgs)
		value, ok := b.settings.BuildArgs[arg]
		if !ok {
			return "", fmt.Errorf("{%s}: there is no build arg %s (known are: %s)", placeholder, arg, cmp.Or(strings.Join(sortedKeys(b.settings.BuildArgs), ", "), "none"))
		}
		return value, nil
	}
	if value == "" {
		return "", fmt.Errorf("{%s} has no value here: %s", placeholder, missing)
	}
	return value, nil
}

func base(directory string) string {
	if b := path.Base(directory); b != "." && b != "/" {
		return b
	}
	return ""
}
