package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/layout"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/spec"
)

// layouts are the OCI layouts that take the place of registries in a run. To the engine they are registries, whose
// repositories are the sources' names in full; the zero value is none.
type layouts struct {
	from, to         *layout.Layout
	fromHost, toHost string
	names            map[*entry]string // that the entries have in `to`
}

// layoutHost is what messages and the report call a layout.
func layoutHost(paths []string) string {
	if len(paths) == 1 {
		return "oci-layout:" + paths[0]
	}
	return fmt.Sprintf("oci-layout:%s and %d more", paths[0], len(paths)-1)
}

// checkLayouts has the wording of the flags.
func (s Settings) checkLayouts() (err error) {
	if s.ToLayout != "" && len(s.FromLayout) > 0 {
		err = errors.New("--to-layout and --from-layout exclude each other: a layout is a folder of files, which can be copied as it is")
	}
	if len(s.Bases) > 0 && s.ToLayout == "" {
		err = errors.Join(err, errors.New("--base says what --to-layout leaves out, and goes with it"))
	}
	if s.Part.Share != "" && s.ToLayout != "" {
		err = errors.Join(err, errors.New("--share tells what registries have, and doesn't go with --to-layout"))
	}
	return err
}

// openSource opens --from-layout.
func (s *session) openSource() (err error) {
	if len(s.FromLayout) == 0 {
		return nil
	}
	if s.layouts.from, err = layout.Open(s.FromLayout...); err != nil {
		return fmt.Errorf("--from-layout %s: %w", strings.Join(s.FromLayout, " "), err)
	}
	s.layouts.fromHost = layoutHost(s.FromLayout)
	if err := s.layouts.from.Unfinished(); err != nil {
		s.console.Notice(s.layouts.fromHost + ": " + err.Error())
	}
	for _, damage := range s.layouts.from.Damages() {
		s.console.Notice(damage.Error() + "; what stands before that is read")
	}
	if absent := s.layouts.from.Absent(); len(absent) > 0 {
		s.console.Notice("of the archive these parts are missing: " + strings.Join(absent, ", "))
	}
	return nil
}

// openDestination opens --to-layout, once all input is known to be good. What only looks creates nothing.
func (s *session) openDestination() (err error) {
	if s.ToLayout == "" {
		return nil
	}
	open := layout.Create
	if s.DryRun || s.Verify && !s.Force {
		open = func(dir string) (*layout.Layout, error) {
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				return layout.Empty(), nil
			}
			return layout.Open(dir)
		}
	}
	if s.layouts.to, err = open(s.ToLayout); err != nil {
		return fmt.Errorf("--to-layout %s: %w", s.ToLayout, err)
	}
	s.layouts.toHost = layoutHost([]string{s.ToLayout})
	for _, base := range s.Bases {
		if baseErr := s.layouts.to.Base(base); baseErr != nil {
			err = errors.Join(err, fmt.Errorf("--base %w", baseErr))
		}
	}
	return err
}

// lists reads the lists. Where an OCI layout is read and no list is named, the list is what the layout has.
func (s *session) lists(ctx context.Context, lists Lists) ([]spec.File, error) {
	if s.layouts.from == nil || len(lists.Files) > 0 {
		return lists.read(ctx, s.In, s.console.Notice)
	}
	var text strings.Builder
	if err := s.layouts.from.Unfinished(); err != nil {
		return nil, fmt.Errorf("--from-layout %s: %w, or name the list", strings.Join(s.FromLayout, " "), err)
	}
	names := s.layouts.from.Names()
	var left []string
	for _, name := range s.layouts.from.Bare() {
		left = append(left, strconv.Quote(name))
	}
	for _, name := range names {
		if ref, err := reference.Parse(name.Name); err != nil || ref.String() != name.Name {
			left = append(left, strconv.Quote(name.Name)) // whatever is in it
			continue
		}
		if len(name.Platforms) > 0 {
			fmt.Fprintf(&text, "--platform=%s ", strings.Join(name.Platforms, ","))
		}
		fmt.Fprintln(&text, name.Name)
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("--from-layout %s: %s can't be copied by the name: no full reference; name a list of the others", strings.Join(s.FromLayout, " "), layout.Some(left))
	}
	return []spec.File{{Name: filepath.Join(s.FromLayout[0], "index.json"), Format: spec.FormatText, Data: []byte(text.String())}}, nil
}

// noRegistry is the destination of lists that name none, as their images go to a layout.
var noRegistry = plan.Registry{Address: "oci-layout.invalid", Repository: "{source_registry}/{repository}"}

// settings are those of the lists: for a layout no registry need be named.
func (l *layouts) settings(s plan.Settings, toLayout bool) plan.Settings {
	if toLayout && len(s.Registries) == 0 {
		s.Registries = []plan.Registry{noRegistry}
	}
	return s
}

// host gives the client's options for a host.
func (s *session) host(host string) registry.HostOptions {
	switch {
	case s.layouts.to != nil && host == s.layouts.toHost:
		return registry.HostOptions{Local: s.layouts.to}
	case s.layouts.from != nil && host == s.layouts.fromHost:
		return registry.HostOptions{Local: s.layouts.from}
	}
	return s.config.host(host)
}

// readFrom is where a source is read.
func (s *session) readFrom(ref reference.Reference) reference.Reference {
	if s.layouts.from == nil {
		return s.config.source(ref)
	}
	ref.Repository, ref.Registry = ref.Name(), s.layouts.fromHost
	return ref
}

// options are the engine's: what it remembers of registries says nothing of a folder, in which it is cheap to look.
func (l *layouts) options(o engine.Options) engine.Options {
	if l.to != nil {
		o.CachePath, o.SparsePath, o.CheckPlatforms = "", "", true
	}
	return o
}

// readElsewhere reads what a bundle leaves out from where an earlier one has brought it: the destinations of the repositories
// that had it.
func (l *layouts) readElsewhere(pool *registry.Pool, copies []engine.Copy) {
	if l.from == nil {
		return
	}
	places := map[string][]reference.Reference{} // by the repository in the layout
	for _, c := range copies {
		if to := (reference.Reference{Registry: c.Destination.Registry, Repository: c.Destination.Repository}); !slices.Contains(places[c.Source.Repository], to) {
			places[c.Source.Repository] = append(places[c.Source.Repository], to)
		}
	}
	l.from.ReadElsewhere(func(ctx context.Context, blob layout.Blob, offset int64) (io.ReadCloser, error) {
		err := fmt.Errorf("none of these repositories is among the destinations")
		for _, repository := range blob.Repositories {
			for _, place := range places[repository] {
				client := pool.Client(place.Registry)
				if _, statErr := client.StatBlob(ctx, place.Repository, blob.Digest); statErr != nil {
					err = statErr
					continue
				}
				r, openErr := client.OpenBlob(ctx, place.Repository, blob.Digest, offset)
				if openErr == nil && r.Offset == offset {
					return r, nil
				}
				if openErr == nil {
					openErr = errors.Join(errors.New("it can't be read from its middle"), r.Close())
				}
				err = openErr
			}
		}
		return nil, err
	})
}

// hint says what to do where the layout that is read is damaged or not whole; empty where it isn't that.
func (l *layouts) hint(err error) string {
	var mismatch *registry.DigestMismatchError
	var refused *registry.Error
	switch {
	case l.from == nil:
		return ""
	case errors.As(err, &refused) && refused.Host == l.fromHost && errors.Is(err, registry.ErrNotFound) && l.unnamed(refused):
		return "the bundle was made without this image, or from a list that names it otherwise: its bundle.json says what it has"
	case errors.As(err, &refused) && refused.Host == l.fromHost && errors.Is(err, registry.ErrNotFound):
		return "copy what the bundle is based on first, or carry one that was made without --base; `docker-mirror bundle verify` tells what is missing"
	case !errors.As(err, &mismatch):
		return ""
	}
	where := l.from.Where(mismatch.Want)
	if where == "" {
		return ""
	}
	return fmt.Sprintf("%s is damaged: carry it again, or have `docker-mirror bundle pack` make it again; `docker-mirror bundle verify` finds all that is", where)
}

// unnamed tells whether the layout that is read has no image of a name, at all.
func (l *layouts) unnamed(refused *registry.Error) bool {
	return refused.HasCode("MANIFEST_UNKNOWN") && !slices.ContainsFunc(l.from.Names(), func(n layout.Name) bool {
		return n.Name == refused.Repository+":"+refused.Reference || n.Name == refused.Repository+"@"+refused.Reference || n.Digest.String() == refused.Reference
	})
}

// finish says that all which was to go to a layout was tried.
func (l *layouts) finish() {
	if l.to != nil {
		l.to.Finish()
	}
}

func (l *layouts) close() error {
	var errs []error
	for _, opened := range []*layout.Layout{l.from, l.to} {
		if opened != nil {
			errs = append(errs, opened.Close())
		}
	}
	l.from, l.to = nil, nil
	return errors.Join(errs...)
}
