package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.yaml.in/yaml/v3"

	"docker-mirror/go-helper/internal/pin"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/platform"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/report"
)

// Resolution says which images are to be resolved, and how they are printed.
type Resolution struct {
	Names    []string // none: all
	Platform string   // the manifest of this one in place of its index
	Format   string   // one of [ResolveFormats]; empty is the first
}

// resolved is an image and where it is, with its digest.
type resolved struct {
	consumed
	ref reference.Reference
}

// resolveFormats are the ways to print images, by their names.
var resolveFormats = []struct {
	name  string
	print func([]resolved) ([]byte, error)
}{
	{"ref", printRefs}, {"env", printEnv}, {"json", printJSON}, {"kustomize", printKustomize}, {"imgpkg", printImgpkg},
}

// ResolveFormats are what Resolution.Format can be.
func ResolveFormats() []string {
	var names []string
	for _, f := range resolveFormats {
		names = append(names, f.name)
	}
	return names
}

// Resolve prints where the images of locked lists are, and under which digests.
func Resolve(ctx context.Context, s Streams, lists Lists, settings plan.Settings, r Resolution) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	all, err := lists.consumers(ctx, s, settings, console)
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	var found []resolved
	if err == nil {
		found, err = r.find(all)
	}
	if err != nil {
		return say(console, err)
	}
	for _, f := range resolveFormats {
		if f.name != r.Format && (r.Format != "" || f.name != resolveFormats[0].name) {
			continue
		}
		data, err := f.print(found)
		if err != nil {
			return say(console, err)
		}
		if _, err := s.Out.Write(data); err != nil {
			return say(console, err)
		}
		return CodeDone
	}
	return say(console, fmt.Errorf("--format %s: want one of %s", r.Format, strings.Join(ResolveFormats(), ", ")))
}

// find picks the named images, in the order of the names.
func (r Resolution) find(all []consumed) ([]resolved, error) {
	chosen := all
	var errs []error
	if len(r.Names) > 0 {
		chosen = nil
		var images []pin.Image
		for _, image := range all {
			images = append(images, image.Image)
		}
		set := pin.NewSet(images)
		for _, name := range r.Names {
			image, err := set.Named(name)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			i := slices.IndexFunc(all, func(c consumed) bool { return c.Source == image.Source })
			chosen = append(chosen, all[i])
		}
	}
	var found []resolved
	for _, image := range chosen {
		ref := image.Destinations[0]
		if r.Platform != "" {
			var err error
			if ref.Digest, err = manifestOf(image.entries[0], ref.Digest, r.Platform); err != nil {
				errs = append(errs, err)
			}
		}
		found = append(found, resolved{image, ref})
	}
	return found, errors.Join(errs...)
}

// manifestOf finds a platform's manifest in what the lock says of an index. A single manifest is its own.
func manifestOf(c plan.Copy, digest v1.Hash, text string) (v1.Hash, error) {
	want, err := platform.Parse(text)
	if err != nil {
		return digest, fmt.Errorf("--platform: %w", err)
	}
	entry, err := lockEntry(c)
	if err != nil {
		return digest, err
	}
	if !entry.IsIndex() {
		return digest, nil
	}
	limits, err := c.Platforms()
	if err != nil {
		return digest, err
	}
	if len(limits) > 0 && !slices.ContainsFunc(limits, func(p v1.Platform) bool { return platform.Match(p, want) }) {
		return digest, fmt.Errorf("%s: only some platforms of %s are mirrored, %s is not among them", c.Origin, c.Src, text)
	}
	var has []string
	for _, m := range entry.Platforms {
		have, err := platform.Parse(m.Platform)
		if err == nil && platform.Match(want, have) {
			return m.Digest, nil
		}
		has = append(has, m.Platform)
	}
	return digest, fmt.Errorf("%s: %s has no manifest for %s: it has %s", c.Origin, c.Src, text, strings.Join(has, ", "))
}

func printRefs(all []resolved) ([]byte, error) {
	var b bytes.Buffer
	for _, r := range all {
		b.WriteString(r.ref.String() + "\n")
	}
	return b.Bytes(), nil
}

// printEnv prints a variable an image, called as the image is.
func printEnv(all []resolved) ([]byte, error) {
	var b bytes.Buffer
	seen := map[string]resolved{}
	var errs []error
	for _, r := range all {
		name := strings.Map(func(c rune) rune {
			if 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
				return c
			}
			return '_'
		}, strings.ToUpper(r.called()))
		if '0' <= name[0] && name[0] <= '9' {
			name = "_" + name
		}
		if first, twice := seen[name]; twice {
			errs = append(errs, fmt.Errorf("%s and %s would both be %s: give them names (AS) in their list, or name those that are wanted", first.Source, r.Source, name))
			continue
		}
		seen[name] = r
		fmt.Fprintf(&b, "%s=%s\n", name, r.ref)
	}
	return b.Bytes(), errors.Join(errs...)
}

func (c consumed) called() string {
	if c.name != "" {
		return c.name
	}
	return path.Base(c.Source.Repository)
}

func printJSON(all []resolved) ([]byte, error) {
	type image struct {
		Name       string `json:"name"`
		Source     string `json:"source"`
		Ref        string `json:"ref"`
		Repository string `json:"repository"` // with the registry
		Tag        string `json:"tag"`
		Digest     string `json:"digest"`
	}
	images := []image{}
	for _, r := range all {
		images = append(images, image{r.called(), r.Source.String(), r.ref.String(), r.ref.Name(), r.ref.Tag, r.ref.Digest.String()})
	}
	data, err := json.MarshalIndent(images, "", "  ")
	return append(data, '\n'), err
}

// written are the ways in which manifests spell a source: in full and, for Docker Hub, in short.
func written(source reference.Reference) []string {
	source.Digest = v1.Hash{}
	full := source.Name()
	if source.Registry != reference.DockerHub {
		return []string{full}
	}
	return []string{strings.TrimPrefix(source.Repository, "library/"), full}
}

// printKustomize prints the images of a kustomization, which knows them by their repositories.
func printKustomize(all []resolved) ([]byte, error) {
	type image struct {
		Name    string `yaml:"name"`
		NewName string `yaml:"newName"`
		Digest  string `yaml:"digest"`
	}
	var content struct {
		Images []image `yaml:"images"`
	}
	seen := map[string]reference.Reference{}
	var errs []error
	for _, r := range all {
		for _, name := range written(r.Source) {
			if first, twice := seen[name]; twice {
				errs = append(errs, fmt.Errorf("kustomize knows images by their repositories, and there are %s and %s: name the one that is wanted", first, r.Source))
				break
			}
			seen[name] = r.Source
			content.Images = append(content.Images, image{name, r.ref.Name(), r.ref.Digest.String()})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return marshalYAML(content)
}

// printImgpkg prints an ImagesLock (https://carvel.dev/imgpkg/docs/latest/resources/#imageslock) that `kbld -f` takes, too.
func printImgpkg(all []resolved) ([]byte, error) {
	type image struct {
		Annotations map[string]string `yaml:"annotations"`
		Image       string            `yaml:"image"`
	}
	content := struct {
		APIVersion string  `yaml:"apiVersion"`
		Images     []image `yaml:"images"`
		Kind       string  `yaml:"kind"`
	}{APIVersion: "imgpkg.carvel.dev/v1alpha1", Kind: "ImagesLock"}
	for _, r := range all {
		for _, name := range written(r.Source) {
			id := name
			if r.Source.Tag != "" {
				id += ":" + r.Source.Tag
			} else {
				id += "@" + r.Source.Digest.String()
			}
			content.Images = append(content.Images, image{map[string]string{"kbld.carvel.dev/id": id}, r.ref.Name() + "@" + r.ref.Digest.String()})
		}
	}
	return marshalYAML(content)
}

func marshalYAML(content any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("---\n")
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(content); err != nil {
		return nil, err
	}
	return b.Bytes(), encoder.Close()
}
