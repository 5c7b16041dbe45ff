package plan

import (
	"errors"
	"sort"

	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/strictjson"
)

// Settings say where the images of a list go. The zero value says nothing: only images that name their own destination
// can be planned with it.
type Settings struct {
	Target     string `json:"target,omitempty"`      // address, for messages
	Directory  string `json:"directory,omitempty"`   // the target's, from the build root
	TargetName string `json:"target_name,omitempty"` // for {target_name}

	Registries []Registry `json:"registries,omitempty"`
	Repository string     `json:"repository,omitempty"` // template; empty is "{repository}"
	ImageTags  []string   `json:"image_tags,omitempty"` // templates; none is the source's tag
	Platforms  []string   `json:"platforms,omitempty"`  // for images that name none
	Index      string     `json:"index,omitempty"`      // for images that don't say: rewritten, sparse; empty is rewritten
	Referrers  string     `json:"referrers,omitempty"`  // for images that don't say: none, signatures, all, require; empty is the run's choice

	// Labels are those of all images, for choosing a part of a plan.
	Labels []string `json:"tags,omitempty"`

	// Overrides are keyed on the AS name or on any spelling of the image.
	Overrides map[string]Override `json:"overrides,omitempty"`
	// BuildArgs are the values of {build_args.X}.
	BuildArgs map[string]string `json:"build_args,omitempty"`
	// AllowEmpty makes a list without images no error.
	AllowEmpty bool `json:"allow_empty,omitempty"`

	// KnownAliases are named where no registry is given.
	KnownAliases []string `json:"known_aliases,omitempty"`
	// KnownRegistries are what an alias that a list itself names is looked up in.
	KnownRegistries []Registry `json:"known_registries,omitempty"`

	// Names are what messages call settings that don't come from a file, by their keys there: the flags of a command line.
	Names map[string]string `json:"-"`
}

// called is what messages call a setting.
func (s *Settings) called(key string) string { return firstOf(s.Names[key], key) }

// Registry is one to copy to.
type Registry struct {
	Address    string   `json:"address"`                    // host[:port], with a path prefix where one is wanted
	Alias      string   `json:"alias,omitempty"`            // "@name", for messages
	Repository string   `json:"repository,omitempty"`       // template that takes the place of the images'
	ExtraTags  []string `json:"extra_image_tags,omitempty"` // templates, beside the images' own
	SkipPush   bool     `json:"skip_push,omitempty"`        // plan what is skipped, copy nothing
}

// Override changes the settings for the images that its key matches: lists extend, strings replace.
type Override struct {
	Registries []Registry `json:"registries,omitempty"`
	Repository string     `json:"repository,omitempty"`
	ImageTags  []string   `json:"image_tags,omitempty"`
	Platforms  []string   `json:"platforms,omitempty"`
	Index      string     `json:"index,omitempty"`
	Referrers  string     `json:"referrers,omitempty"`
	Labels     []string   `json:"tags,omitempty"`
}

// ReadSettings reads a settings file strictly. The error joins a *[spec.Error] for each thing wrong.
func ReadSettings(file string, data []byte) (Settings, error) {
	var s Settings
	d := &strictjson.Decoder{}
	values, err := strictjson.Parse(data)
	var problem *strictjson.Problem
	switch {
	case errors.As(err, &problem):
		d.Problems = append(d.Problems, *problem)
	case len(values) != 1:
		d.Errorf(1, "want one JSON object, not %d values", len(values))
	default:
		s.decode(d, values[0])
	}
	sort.SliceStable(d.Problems, func(i, j int) bool { return d.Problems[i].Line < d.Problems[j].Line })
	var errs []error
	for _, problem := range d.Problems {
		errs = append(errs, &spec.Error{File: file, Line: problem.Line, Msg: problem.Msg})
	}
	return s, errors.Join(errs...)
}

func (s *Settings) decode(d *strictjson.Decoder, v strictjson.Value) {
	d.Object(v, "settings",
		stringMember(d, "target", &s.Target),
		stringMember(d, "directory", &s.Directory),
		stringMember(d, "target_name", &s.TargetName),
		registriesMember(d, "registries", &s.Registries),
		stringMember(d, "repository", &s.Repository),
		stringsMember(d, "image_tags", &s.ImageTags),
		stringsMember(d, "platforms", &s.Platforms),
		stringMember(d, "index", &s.Index),
		stringMember(d, "referrers", &s.Referrers),
		stringsMember(d, "tags", &s.Labels),
		strictjson.Member{Key: "overrides", Decode: func(v strictjson.Value) {
			s.Overrides = map[string]Override{}
			d.Map(v, `"overrides"`, func(key string, v strictjson.Value) { s.Overrides[key] = override(d, key, v) })
		}},
		strictjson.Member{Key: "build_args", Decode: func(v strictjson.Value) {
			s.BuildArgs = map[string]string{}
			d.Map(v, `"build_args"`, func(key string, v strictjson.Value) {
				if value, ok := d.String(v, "build arg "+key); ok {
					s.BuildArgs[key] = value
				}
			})
		}},
		boolMember(d, "allow_empty", &s.AllowEmpty),
		stringsMember(d, "known_aliases", &s.KnownAliases),
		registriesMember(d, "known_registries", &s.KnownRegistries),
	)
}

func override(d *strictjson.Decoder, key string, v strictjson.Value) Override {
	var o Override
	d.Object(v, "the override of "+key,
		registriesMember(d, "registries", &o.Registries),
		stringMember(d, "repository", &o.Repository),
		stringsMember(d, "image_tags", &o.ImageTags),
		stringsMember(d, "platforms", &o.Platforms),
		stringMember(d, "index", &o.Index),
		stringMember(d, "referrers", &o.Referrers),
		stringsMember(d, "tags", &o.Labels),
	)
	return o
}

func registriesMember(d *strictjson.Decoder, key string, into *[]Registry) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) {
		d.Array(v, `"`+key+`"`, func(v strictjson.Value) {
			var r Registry
			d.Object(v, "registry",
				strictjson.Member{Key: "address", Required: true, Decode: func(v strictjson.Value) { r.Address, _ = d.NonEmpty(v, `"address"`) }},
				stringMember(d, "alias", &r.Alias),
				stringMember(d, "repository", &r.Repository),
				stringsMember(d, "extra_image_tags", &r.ExtraTags),
				boolMember(d, "skip_push", &r.SkipPush),
			)
			*into = append(*into, r)
		})
	}}
}

func stringMember(d *strictjson.Decoder, key string, into *string) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) { *into, _ = d.String(v, `"`+key+`"`) }}
}

func stringsMember(d *strictjson.Decoder, key string, into *[]string) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) { *into = d.Strings(v, `"`+key+`"`) }}
}

func boolMember(d *strictjson.Decoder, key string, into *bool) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) { *into = d.Bool(v, `"`+key+`"`) }}
}
