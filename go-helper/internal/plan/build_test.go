package plan_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
)

const (
	testHex    = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	testDigest = "sha256:" + testHex
)

// arrows writes copies one a line.
func arrows(copies []plan.Copy) []string {
	all := []string{}
	for _, c := range copies {
		s := c.Src + " -> " + c.Dst
		if c.Transform != nil {
			s += " for " + strings.Join(c.Transform.LimitPlatforms, ",")
		}
		if len(c.Labels) > 0 {
			s += " labelled " + strings.Join(c.Labels, ",")
		}
		if c.Skip != nil {
			s += "skip " + c.Skip.Destination + ": " + c.Skip.Reason
		}
		if c.Select != nil {
			s += " select"
		}
		all = append(all, s)
	}
	return all
}

func lines(err error) []string {
	if err == nil {
		return []string{}
	}
	return strings.Split(err.Error(), "\n")
}

func to(addresses ...string) []plan.Registry {
	var registries []plan.Registry
	for _, address := range addresses {
		registries = append(registries, plan.Registry{Address: address})
	}
	return registries
}

func TestBuild(t *testing.T) {
	for _, test := range []struct {
		name     string
		list     string
		settings plan.Settings
		want     []string
	}{
		{
			"defaults", "nginx:1.25\nquay.io/cilium/cilium:v1\nbitnami/redis\nlocalhost:5000/x@" + testDigest + "\ny:2@" + testDigest,
			plan.Settings{Registries: to("r.example", "europe-docker.pkg.dev/project/mirror/")},
			[]string{
				"docker.io/library/nginx:1.25 -> r.example/nginx:1.25",
				"docker.io/library/nginx:1.25 -> europe-docker.pkg.dev/project/mirror/nginx:1.25",
				"quay.io/cilium/cilium:v1 -> r.example/cilium/cilium:v1",
				"quay.io/cilium/cilium:v1 -> europe-docker.pkg.dev/project/mirror/cilium/cilium:v1",
				"docker.io/bitnami/redis:latest -> r.example/bitnami/redis:latest",
				"docker.io/bitnami/redis:latest -> europe-docker.pkg.dev/project/mirror/bitnami/redis:latest",
				"localhost:5000/x@" + testDigest + " -> r.example/x:" + testHex,
				"localhost:5000/x@" + testDigest + " -> europe-docker.pkg.dev/project/mirror/x:" + testHex,
				"docker.io/library/y:2@" + testDigest + " -> r.example/y:2",
				"docker.io/library/y:2@" + testDigest + " -> europe-docker.pkg.dev/project/mirror/y:2",
			},
		},
		{
			"every placeholder", "registry.k8s.io:443/sig/pause:3.9@" + testDigest + " AS sandbox",
			plan.Settings{
				Registries: to("r.example"), Directory: "3rdparty/k8s/core", TargetName: "images", BuildArgs: map[string]string{"N": "42"},
				Repository: "{source_registry}/{repository}/{name}/{parent_directory}/{directory}/{target_name}", ImageTags: []string{"{tag}-{build_args.N}", "d-{digest}"},
			},
			[]string{
				"registry.k8s.io:443/sig/pause:3.9@" + testDigest + " -> r.example/registry.k8s.io-443/sig/pause/sandbox/k8s/core/images:3.9-42",
				"registry.k8s.io:443/sig/pause:3.9@" + testDigest + " -> r.example/registry.k8s.io-443/sig/pause/sandbox/k8s/core/images:d-" + testHex,
			},
		},
		{
			"{full_directory} and a name without AS", "quay.io/a/b:1",
			plan.Settings{Registries: to("r.example"), Directory: "x/y", Repository: "{full_directory}/{name}"},
			[]string{"quay.io/a/b:1 -> r.example/x/y/b:1"},
		},
		{
			"a registry's own repository, tags and skip_push", "nginx:1",
			plan.Settings{Repository: "mirror/{repository}", Registries: []plan.Registry{
				{Address: "a.example", Repository: "own/{target_repository}", ExtraTags: []string{"{tag}", "stable"}},
				{Address: "b.example", Alias: "@prod", SkipPush: true},
				{Address: "c.example", SkipPush: true},
			}},
			[]string{
				"docker.io/library/nginx:1 -> a.example/own/mirror/nginx:1",
				"docker.io/library/nginx:1 -> a.example/own/mirror/nginx:stable",
				"docker.io/library/nginx:1 -> skip b.example/mirror/nginx:1: skip_push is set for registry @prod",
				"docker.io/library/nginx:1 -> skip c.example/mirror/nginx:1: skip_push is set for registry c.example",
			},
		},
		{
			"Docker Hub as a destination", "quay.io/a/b:1\nquay.io/c:1",
			plan.Settings{Registries: to("index.docker.io")},
			[]string{"quay.io/a/b:1 -> docker.io/a/b:1", "quay.io/c:1 -> docker.io/library/c:1"},
		},
		{
			"platforms: a line's own come first", "--platform=linux/arm64 a:1\nb:1",
			plan.Settings{Registries: to("r.example"), Platforms: []string{"linux/amd64"}},
			[]string{
				"docker.io/library/a:1 -> r.example/a:1 for linux/arm64",
				"docker.io/library/b:1 -> r.example/b:1 for linux/amd64",
			},
		},
		{
			"overrides extend lists and replace strings, the narrower key later", "nginx:1.25 AS web\nnginx:1.26\nquay.io/a/b:1",
			plan.Settings{Registries: to("r.example"), Platforms: []string{"linux/amd64"}, Overrides: map[string]plan.Override{
				"web":                     {ImageTags: []string{"web-{tag}"}, Repository: "web/{repository}", Labels: []string{"frontend"}},
				"docker.io/library/nginx": {Registries: to("s.example"), Repository: "all/{repository}", Platforms: []string{"linux/arm64", "linux/amd64"}, Labels: []string{"nginx"}},
				"b":                       {Repository: "never"},
			}},
			[]string{
				"docker.io/library/nginx:1.25 -> r.example/web/nginx:1.25 for linux/amd64,linux/arm64 labelled nginx,frontend",
				"docker.io/library/nginx:1.25 -> r.example/web/nginx:web-1.25 for linux/amd64,linux/arm64 labelled nginx,frontend",
				"docker.io/library/nginx:1.25 -> s.example/web/nginx:1.25 for linux/amd64,linux/arm64 labelled nginx,frontend",
				"docker.io/library/nginx:1.25 -> s.example/web/nginx:web-1.25 for linux/amd64,linux/arm64 labelled nginx,frontend",
				"docker.io/library/nginx:1.26 -> r.example/all/nginx:1.26 for linux/amd64,linux/arm64 labelled nginx",
				"docker.io/library/nginx:1.26 -> s.example/all/nginx:1.26 for linux/amd64,linux/arm64 labelled nginx",
				"quay.io/a/b:1 -> r.example/a/b:1 for linux/amd64",
			},
		},
		{
			"overrides extend the labels of all images", "nginx:1\na:1",
			plan.Settings{Registries: to("r.example"), Labels: []string{"team"}, Overrides: map[string]plan.Override{"a": {Labels: []string{"app", "team"}}}},
			[]string{
				"docker.io/library/nginx:1 -> r.example/nginx:1 labelled team",
				"docker.io/library/a:1 -> r.example/a:1 labelled team,app",
			},
		},
		{
			"equal lines are one copy", "nginx\ndocker.io/library/nginx:latest\nnginx:latest",
			plan.Settings{Registries: to("r.example", "r.example")},
			[]string{"docker.io/library/nginx:latest -> r.example/nginx:latest"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			copies, err := plan.Make([]spec.File{{Name: "images.txt", Data: []byte(test.list)}}, test.settings)
			if err != nil {
				t.Fatal(err)
			}
			if got := arrows(copies); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

func TestBuildRefuses(t *testing.T) {
	long := strings.Repeat("a", 130)
	for _, test := range []struct {
		name     string
		list     string
		settings plan.Settings
		want     []string
	}{
		{
			"no registry is said once", "nginx\nredis",
			plan.Settings{KnownAliases: []string{"@dev", "@prod"}},
			[]string{"images.txt:1: no destination registry: name one or more, by address or @alias (known aliases are @dev, @prod)"},
		},
		{
			"no registry, no aliases", "nginx",
			plan.Settings{},
			[]string{"images.txt:1: no destination registry: name one or more, by address or @alias (no registry aliases are configured)"},
		},
		{
			"unknown placeholders, once and at the target", "nginx\nredis",
			plan.Settings{Target: "3rdparty:images", Registries: to("r.example"), Repository: "{repo}", ImageTags: []string{"{tag", "}", "{}", "{{tag}}"}},
			[]string{
				"3rdparty:images: repository: unknown placeholder {repo} in template \"{repo}\": known are {digest}, {directory}, {full_directory}, {name}, " +
					"{parent_directory}, {repository}, {source_registry}, {tag}, {target_name} and {build_args.X}",
				`3rdparty:images: image_tags: unbalanced '{' in template "{tag"`,
				`3rdparty:images: image_tags: unbalanced '}' in template "}"`,
				`3rdparty:images: image_tags: unknown placeholder {} in template "{}": known are {digest}, {directory}, {full_directory}, {name}, ` +
					"{parent_directory}, {repository}, {source_registry}, {tag}, {target_name} and {build_args.X}",
				`3rdparty:images: image_tags: unbalanced '{' in template "{{tag}}"`,
			},
		},
		{
			"bad registries", "nginx",
			plan.Settings{Registries: to("@prod", "prod", "https://r.example", "me:hunter2@r.example", "r.example:port", "r.example:99999", "quay.io/repository/team", "gallery.ecr.aws", "R.example/UP")},
			[]string{
				`registries: registry @prod is an alias, which means nothing here: want an address`,
				`registries: registry "prod" is not a host name: it needs a dot or a port, as in registry.example or localhost:5000`,
				`registries: registry "https://r.example": leave the https:// out`,
				`registries: a registry address has a user name or password in it: credentials come from the keychain`,
				`registries: registry "r.example:port": "r.example:port" is not a host name; want a host name with an optional port and path`,
				`registries: registry "r.example:99999": "r.example:99999" has the port 99999: ports are 1 to 65535; want a host name with an optional port and path`,
				`registries: registry "quay.io/repository/team": "quay.io/repository/team/NAME" is an address of Quay's web site, not an image: write quay.io/team/NAME`,
				`registries: registry "gallery.ecr.aws": "gallery.ecr.aws/NAME" is an address of the ECR Public Gallery, not an image: write public.ecr.aws/ALIAS/NAME`,
				`registries: registry "R.example/UP": repository "UP": a repository can't have upper-case letters`,
			},
		},
		{
			"bad platforms and overrides", "nginx",
			plan.Settings{Registries: to("r.example"), Platforms: []string{"arm64"}, Overrides: map[string]plan.Override{
				"b": {Platforms: []string{"x/"}, Registries: to("c")}, "a": {Repository: "{x}", ImageTags: []string{"{y}"}},
			}},
			[]string{
				`platforms: invalid platform "arm64": want os/arch[/variant], as in linux/arm64`,
				`overrides["a"].repository: unknown placeholder {x} in template "{x}": known are …`,
				`overrides["a"].image_tags: unknown placeholder {y} in template "{y}": known are …`,
				`overrides["b"].registries: registry "c" is not a host name: it needs a dot or a port, as in registry.example or localhost:5000`,
				`overrides["b"].platforms: invalid platform "x/": want os/arch[/variant], as in linux/arm64`,
			},
		},
		{
			"what a registry would refuse, at the line", "nginx AS Web\nnginx:1\nredis AS " + long,
			plan.Settings{Registries: to("r.example"), Repository: "{name}/{name}", ImageTags: []string{"-{tag}", "{name}"}},
			[]string{
				`images.txt:1: destination repository "Web/Web": a repository can't have upper-case letters`,
				`images.txt:2: destination tag "-1": a tag is made of letters, digits, '_', '.' and '-', and begins with none of the last two`,
				"images.txt:3: destination r.example/" + long[:40] + "… is longer than 255 characters, which registries refuse",
			},
		},
		{
			"tag too long", "nginx AS " + long,
			plan.Settings{Registries: to("r.example"), ImageTags: []string{"{name}"}},
			[]string{`images.txt:1: destination tag "` + long[:40] + `"… is longer than 128 characters, which registries refuse`},
		},
		{
			"no build args at all", "redis:1",
			plan.Settings{Registries: to("r.example"), Repository: "{build_args.X}"},
			[]string{`images.txt:1: template "{build_args.X}": {build_args.X}: there is no build arg X (known are: none)`},
		},
		{
			"values that aren't there", "nginx@" + testDigest + "\nredis:1",
			plan.Settings{Registries: to("r.example"), Directory: "top", Repository: "{target_name}/{parent_directory}/{build_args.X}", ImageTags: []string{"{tag}", "{digest}"}, BuildArgs: map[string]string{"Y": "hunter2", "Z": ""}},
			[]string{
				`images.txt:1: template "{target_name}/{parent_directory}/{build_args.X}": {target_name} has no value here: there is no target`,
				`images.txt:1: template "{target_name}/{parent_directory}/{build_args.X}": {parent_directory} has no value here: the list's directory has no parent below the build root`,
				`images.txt:1: template "{target_name}/{parent_directory}/{build_args.X}": {build_args.X}: there is no build arg X (known are: Y, Z)`,
				`images.txt:2: template "{target_name}/{parent_directory}/{build_args.X}": {target_name} has no value here: there is no target`,
				`images.txt:2: template "{target_name}/{parent_directory}/{build_args.X}": {parent_directory} has no value here: the list's directory has no parent below the build root`,
				`images.txt:2: template "{target_name}/{parent_directory}/{build_args.X}": {build_args.X}: there is no build arg X (known are: Y, Z)`,
			},
		},
		{
			"{tag} and {digest} where there is none", "nginx@" + testDigest + "\nredis:1",
			plan.Settings{Registries: to("r.example"), ImageTags: []string{"{tag}", "{digest}"}},
			[]string{
				`images.txt:1: template "{tag}": {tag} has no value here: the source has only a digest`,
				`images.txt:2: template "{digest}": {digest} has no value here: the source is not pinned by a digest`,
			},
		},
		{
			"lists and plan at once, in the order of lines", "nginx AS Web\nnginx:1\nnginx:2\nNginx",
			plan.Settings{Registries: to("r.example"), Repository: "{name}", ImageTags: []string{"x"}},
			[]string{
				`images.txt:1: destination repository "Web": a repository can't have upper-case letters`,
				"images.txt:2, images.txt:3: destination r.example/nginx:x requests inconsistent copies from docker.io/library/nginx:2 and docker.io/library/nginx:1",
				`images.txt:4: image reference "Nginx" does not match expected format: a repository can't have upper-case letters`,
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := plan.Make([]spec.File{{Name: "images.txt", Data: []byte(test.list)}}, test.settings)
			got := lines(err)
			for i := range got {
				if i < len(test.want) && strings.HasSuffix(test.want[i], "…") {
					got[i] = got[i][:min(len(got[i]), len(test.want[i])-len("…"))] + "…"
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret is in the message")
			}
		})
	}
}

func TestAnOverrideMeansAnImageInEverySpelling(t *testing.T) {
	for _, test := range []struct {
		line string
		keys []string
	}{
		{"nginx:1.25", []string{
			"nginx", "nginx:1.25", "library/nginx", "library/nginx:1.25", "docker.io/nginx", "docker.io/nginx:1.25", "docker.io/library/nginx",
			"docker.io/library/nginx:1.25", "index.docker.io/library/nginx:1.25",
		}},
		{"docker.io/library/nginx AS web", []string{"nginx", "nginx:latest", "web"}},
		{"index.docker.io/bitnami/redis:7", []string{"bitnami/redis", "bitnami/redis:7", "docker.io/bitnami/redis", "index.docker.io/bitnami/redis:7"}},
		{"Quay.io/a/b:1@" + testDigest, []string{
			"quay.io/a/b", "quay.io/a/b:1", "quay.io/a/b@" + testDigest, "quay.io/a/b:1@" + testDigest, "Quay.io/a/b:1@" + testDigest,
		}},
	} {
		for _, key := range test.keys {
			copies, err := plan.Make(textFile(test.line), plan.Settings{
				Registries: to("r.example"), Overrides: map[string]plan.Override{key: {Labels: []string{"found"}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(copies) != 1 || !reflect.DeepEqual(copies[0].Labels, []string{"found"}) {
				t.Errorf("%s: the key %q does not match", test.line, key)
			}
		}
		for _, key := range []string{"nginx:1.2", "a/b", "redis", "x/nginx", "", "nginx@" + testDigest, "b"} {
			copies, err := plan.Make(textFile(test.line), plan.Settings{
				Registries: to("r.example"), Overrides: map[string]plan.Override{key: {Labels: []string{"found"}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(copies[0].Labels) > 0 {
				t.Errorf("%s: the key %q matches", test.line, key)
			}
		}
	}
}

func TestCopySpecsKeepTheirDestination(t *testing.T) {
	files := []spec.File{{Name: "s.json", Data: []byte(`[
{"src": "nginx", "dst": "r.example/a:1"},
{"src": "redis", "dst": "r.example/b:1", "transform": {"limitPlatforms": ["linux/arm64"]}, "name": "cache"},
{"src": "x", "skip": {"dst": "s.example/x:1", "reason": "because"}},
{"src": "y", "dst": "r.example/y", "select": {"latest": 1}}]`)}}
	copies, err := plan.Make(files, plan.Settings{
		Registries: to("never.example"), Repository: "never", ImageTags: []string{"never"}, Platforms: []string{"linux/amd64"},
		Overrides: map[string]plan.Override{"cache": {Labels: []string{"l"}, Platforms: []string{"linux/386"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docker.io/library/nginx:latest -> r.example/a:1 for linux/amd64",
		"docker.io/library/redis:latest -> r.example/b:1 for linux/arm64,linux/386 labelled l",
		"docker.io/library/x -> skip s.example/x:1: because",
		"docker.io/library/y:{tag} -> r.example/y:{tag} for linux/amd64 select",
	}
	if got := arrows(copies); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	_, err = plan.Make(files, plan.Settings{Overrides: map[string]plan.Override{"cache": {Repository: "x"}}})
	if want := `s.json:3: the override of "cache" sets registries, repository or image_tags, but the copy spec names its own dst`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A plan of 10,000 lines is to take half a second and 100 MiB at most.
func BenchmarkMake10000Lines(b *testing.B) {
	var list strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&list, "--platform=linux/amd64,linux/arm64 quay.io/team%d/image%d:v1.%d AS image%d\n", i%100, i, i%7, i)
	}
	files := []spec.File{{Name: "images.txt", Data: []byte(list.String())}}
	settings := plan.Settings{
		Registries: to("a.example", "b.example"), Repository: "mirror/{repository}", Overrides: map[string]plan.Override{"image17": {ImageTags: []string{"x"}}},
	}
	b.ReportAllocs()
	for b.Loop() {
		copies, err := plan.Make(files, settings)
		if err != nil || len(copies) != 20002 {
			b.Fatal(len(copies), err)
		}
	}
}
