package lock

import (
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/spec"
)

func images(t *testing.T, name, text string) []spec.Image {
	t.Helper()
	listed, err := spec.Parse(name, spec.FormatAuto, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return listed
}

func read(t *testing.T, f *File) *File {
	t.Helper()
	again, err := Parse("images.txt.lock", Format(f))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func plain(source, digest string) Image {
	return Image{Source: source, Digest: hash(digest), MediaType: "application/vnd.oci.image.manifest.v1+json", Seen: seen}
}

func TestALockDecidesWhatImagesAre(t *testing.T) {
	t.Parallel()
	f := read(t, &File{
		Selects: []Select{{Source: "quay.io/a/b", Policy: "latest=2", Tags: []string{"2.0", "3.0"}}},
		Images: []Image{
			plain("docker.io/library/nginx:1", "a"), plain("docker.io/library/redis@"+hash("b").String(), "b"),
			plain("quay.io/a/b:2.0", "c"), plain("quay.io/a/b:3.0", "d"), plain("quay.io/x/y:1", "e"),
		},
	})
	list := `
[[image]]
source = "nginx:1"
[[image]]
source = "quay.io/x/y:1@` + hash("e").String() + `"
[[image]]
source = "quay.io/a/b"
[image.select]
latest = 2
order = "semver"
[[image]]
source = "redis"
variants = { seven = "` + hash("b").Hex + `" }
`
	applied, problems := f.Apply(images(t, "images.toml", list))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, image := range applied {
		if image.Select != nil || image.Locked == nil || !image.Locked.Seen.Equal(seen) {
			t.Errorf("%s: %+v", image.Ref, image.Locked)
		}
		got = append(got, image.Ref.String()+" "+image.Locked.File)
	}
	want := []string{
		"docker.io/library/nginx:1@" + hash("a").String() + " images.txt.lock:9",
		"quay.io/x/y:1@" + hash("e").String() + " images.txt.lock:37",
		"quay.io/a/b:2.0@" + hash("c").String() + " images.txt.lock:23",
		"quay.io/a/b:3.0@" + hash("d").String() + " images.txt.lock:30",
		"docker.io/library/redis@" + hash("b").String() + " images.txt.lock:16",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Half a lock is never used, and each problem names both sides.
func TestAStaleLockNamesBothSides(t *testing.T) {
	t.Parallel()
	lines := func(parts ...string) string { return strings.Join(parts, "\n") + "\n" }
	nginx, selected := plain("docker.io/library/nginx:1", "a"), plain("quay.io/a/b:2", "c")
	toml := "[[image]]\nsource = \"quay.io/a/b\"\nselect = { latest = 2 }\n"
	for _, tt := range []struct {
		name, list, text string
		lock             *File
		want             []string
	}{
		{
			"an image without an entry", "images.txt", lines("nginx:1", "nginx:2"), &File{Images: []Image{nginx}},
			[]string{"images.txt:2: docker.io/library/nginx:2 has no entry in images.txt.lock"},
		},
		{
			"an entry nobody asks for", "images.txt", "# none\n", &File{Images: []Image{nginx}},
			[]string{"images.txt.lock:4: the list has no docker.io/library/nginx:1"},
		},
		{
			"a pin that differs", "images.txt", lines("nginx:1@" + hash("b").String()), &File{Images: []Image{nginx}},
			[]string{"images.txt:1: docker.io/library/nginx:1 is pinned to " + hash("b").String() + " here, and locked to " + hash("a").String() + " at images.txt.lock:4"},
		},
		{
			"two pins of one tag", "images.txt", lines("nginx:1@"+hash("a").String(), "nginx:1@"+hash("b").String()), &File{Images: []Image{nginx}},
			[]string{"images.txt:2: docker.io/library/nginx:1 is pinned to " + hash("b").String() + " here and to " + hash("a").String() + " at images.txt:1"},
		},
		{
			"a policy without an entry", "images.toml", toml, &File{Images: []Image{selected}},
			[]string{`images.toml:1: quay.io/a/b has no [[select]] entry in images.txt.lock for the policy "latest=2"`, "images.txt.lock:4: the list has no quay.io/a/b:2"},
		},
		{
			"a policy that differs", "images.toml", toml, &File{Selects: []Select{{Source: "quay.io/a/b", Policy: "latest=3", Tags: []string{"2"}}}, Images: []Image{selected}},
			[]string{`images.toml:1: the tags of quay.io/a/b are selected by "latest=2" here, and by "latest=3" at images.txt.lock:4`},
		},
		{
			"a policy nobody asks for", "images.toml", "[[image]]\nsource = \"nginx:1\"\n", &File{Selects: []Select{{Source: "quay.io/a/b", Policy: "latest=3"}}, Images: []Image{nginx}},
			[]string{`images.txt.lock:4: the list has no policy "latest=3" for quay.io/a/b`},
		},
		{
			"a selected tag without an entry", "images.toml", toml, &File{Selects: []Select{{Source: "quay.io/a/b", Policy: "latest=2", Tags: []string{"2", "3"}}}, Images: []Image{selected}},
			[]string{"images.toml:1: quay.io/a/b:3 has no entry in images.txt.lock"},
		},
		{
			"mode higher", "r.yaml", "images:\n  b:\n    source: quay.io/a/b\n    destination: r.example/b\n    mode: higher\n", &File{},
			[]string{`r.yaml:3: quay.io/a/b can't be locked: mode "higher" depends on the tags that the destination has`},
		},
	} {
		_, problems := read(t, tt.lock).Apply(images(t, tt.list, tt.text))
		var got []string
		for _, problem := range problems {
			if problem.Rule != Stale {
				t.Errorf("%s: rule %s", tt.name, problem.Rule)
			}
			got = append(got, problem.Error())
		}
		if len(got) != len(tt.want) || !strings.HasPrefix(strings.Join(got, "\n"), tt.want[0]) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// A merge that takes one side's digest and the other's platforms is a text that merges, and no entry that anybody reviewed.
func TestAnEditedEntryIsNotApplied(t *testing.T) {
	t.Parallel()
	text := strings.Replace(string(Format(&File{Images: []Image{plain("docker.io/library/nginx:1", "a")}})), hash("a").Hex, hash("b").Hex, 1)
	f, err := Parse("images.txt.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, problems := f.Apply(images(t, "images.txt", "nginx:1\n"))
	if len(problems) != 1 || problems[0].Rule != Edited || !strings.Contains(problems[0].Error(), "images.txt.lock:4: the entry of docker.io/library/nginx:1 was edited") {
		t.Errorf("%v", problems)
	}
}

func TestAnImageThatWaitsHasNoDigest(t *testing.T) {
	t.Parallel()
	f := read(t, &File{Images: []Image{{Source: "docker.io/library/nginx:1", Next: []Next{{hash("a"), seen}}}}})
	applied, problems := f.Apply(images(t, "images.txt", "nginx:1\n"))
	if len(problems) > 0 || applied[0].Ref.HasDigest() || applied[0].Locked.Waiting != "is cooling down, first seen 2026-11-03 09:14 UTC" {
		t.Errorf("%+v, %v", applied[0].Locked, problems)
	}
}

func TestAPolicysTextIsTheSameForTheSamePolicy(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, policy := range []string{
		`{ semver = [">=1, <2", "^3"], exclude = ["*-rc*", "b"], latest = 1 }`,
		`{ latest = 1, order = "semver", exclude = ["b", "*-rc*"], semver = ["^3", ">=1, <2"] }`,
	} {
		image := images(t, "i.toml", "[[image]]\nsource = \"quay.io/a/b\"\nselect = "+policy+"\n")[0]
		texts = append(texts, PolicyText(*image.Select))
	}
	if texts[0] != texts[1] {
		t.Errorf("%q", texts)
	}
	image := images(t, "i.toml", "[[image]]\nsource = \"quay.io/a/b\"\nselect = { semver = \">=1, <2\", latest = 3, order = \"natural\", pinned_major = 0, include = \"a b\", allow_empty = true, mode = \"semver\", replace_tag = true, compatibility = \"alpine\" }\n")[0]
	const want = `allow_empty=true compatibility=alpine include="a b" latest=3 mode=semver order=natural pinned_major=0 semver=">=1, <2"`
	if got := PolicyText(*image.Select); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
