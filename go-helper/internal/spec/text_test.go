package spec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	testHex    = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	testDigest = "sha256:" + testHex
)

// describe writes an image on one line, so that tables stay readable.
func describe(i Image) string {
	s := fmt.Sprintf("%s %s", i.Place(), i.Ref)
	if i.Name != "" {
		s += " AS " + i.Name
	}
	for n, p := range i.Platforms {
		if n == 0 {
			s += " for "
		} else {
			s += ","
		}
		s += p.String()
	}
	if i.Destination != nil {
		s += " -> " + i.Destination.String()
	}
	return s
}

func describeAll(images []Image) []string {
	all := []string{}
	for _, i := range images {
		all = append(all, describe(i))
	}
	return all
}

// messages takes a joined error apart.
func messages(t *testing.T, err error) []string {
	t.Helper()
	all := []string{}
	if err == nil {
		return all
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	for _, err := range joined.Unwrap() {
		var at *Error
		if !errors.As(err, &at) {
			t.Errorf("%v (%T) is no *Error", err, err)
		}
		all = append(all, err.Error())
	}
	return all
}

func TestTextTakesWhatFollowsFROM(t *testing.T) {
	images, err := Parse("images.txt", FormatAuto, []byte("\xef\xbb\xbf# comment\r\n"+
		"nginx\r\n"+
		"\r\n"+
		"  quay.io/cilium/cilium:v1.15   AS  cilium  \r\n"+
		"\t--platform=linux/amd64,linux/arm64/v8 registry.k8s.io/pause:3.9@"+testDigest+" as Pause_1.x\n"+
		"   # indented comment\n"+
		"redis@"+testDigest+" # with a comment after it\n"+
		"#nginx:1\n"+
		"localhost:5000/a/b:c"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"images.txt:2 docker.io/library/nginx:latest",
		"images.txt:4 quay.io/cilium/cilium:v1.15 AS cilium",
		"images.txt:5 registry.k8s.io/pause:3.9@" + testDigest + " AS Pause_1.x for linux/amd64,linux/arm64",
		"images.txt:7 docker.io/library/redis@" + testDigest,
		"images.txt:9 localhost:5000/a/b:c",
	}
	if got := describeAll(images); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if images[0].Source != "nginx" {
		t.Errorf("Source = %q, want it as written", images[0].Source)
	}
}

func TestTextReportsEveryErrorWithItsLine(t *testing.T) {
	lines := []struct{ line, want string }{
		{"nginx:1.25", ""},
		{"Nginx", `image reference "Nginx" does not match expected format: a repository can't have upper-case letters`},
		{"FROM nginx", "a line is what follows FROM in a Dockerfile: leave out FROM"},
		{"docker pull nginx", "a line is what follows FROM in a Dockerfile: leave out docker pull"},
		{"image: nginx:1", "a line is what follows FROM in a Dockerfile: leave out image:"},
		{"nginx:1 redis:7", `unexpected "redis:7" after the image: give each image a line of its own`},
		{`"nginx:1"`, `image reference "\"nginx:1\"" does not match expected format: leave out the quotes`},
		{"nginx:1,", `image reference "nginx:1," does not match expected format: leave out the comma, and give each image a line of its own`},
		{"nginx@" + testDigest + ":1", `image reference "nginx@` + testDigest + `:1" does not match expected format: a tag goes before the digest, as in nginx:1.27@sha256:…`},
		{"nginx redis", `unexpected "redis" after the image: want AS and a name, or nothing`},
		{"nginx AS", "AS needs a name after it"},
		{"nginx AS web server", `unexpected "server" after the name`},
		{"nginx AS -web", `invalid name "-web" after AS: want letters, digits, '_', '.' and '-', the first a letter or digit`},
		{"--platform=linux/amd64", "names no image"},
		{"--platform linux/amd64 nginx", "--platform needs its value after a =, as in --platform=linux/amd64"},
		{"--platform= nginx", `invalid platform "": want os/arch[/variant], as in linux/arm64`},
		{"--platform=amd64 nginx", `invalid platform "amd64": want os/arch[/variant], as in linux/amd64`},
		{"--platform=linux/arm64,linux/aarch64 nginx", `duplicate platform "linux/aarch64"`},
		{"--platform=linux/amd64, nginx", `invalid platform "": want os/arch[/variant], as in linux/arm64`},
		{"--platform=linux/amd64 --platform=linux/arm64 nginx", "--platform is given twice: separate platforms by commas"},
		{"--platfrom=linux/amd64 nginx", "unknown flag --platfrom: did you mean --platform?"},
		{"--network=none nginx", "unknown flag --network: the only one is --platform"},
		{"nginx:$TAG", `image reference "nginx:$TAG" does not match expected format: variables are not expanded in lists`},
		{"https://quay.io/a/b", `image reference "https://quay.io/a/b" does not match expected format: leave out https://`},
		{"scratch", `"scratch" is Docker's name for no image: there is nothing to copy`},
		{"nginx@sha256:12", `invalid digest in "nginx@sha256:12": wrong number of hex digits for sha256: 12`},
		{"me:hunter2@quay.io/a/b", "image reference has a user name or password in it: credentials come from the keychain, never from a list"},
		{"https://me:hunter2@quay.io/a/b", "image reference has a user name or password in it: credentials come from the keychain, never from a list"},
		{"nginx\xff", "not valid UTF-8"},
		{strings.Repeat("x", 20_000), "is longer than 16384 bytes: not a list of images"},
		{"redis:7", ""},
	}
	var text strings.Builder
	want := []string{}
	for i, l := range lines {
		text.WriteString(l.line + "\n")
		if l.want != "" {
			want = append(want, fmt.Sprintf("a/images.txt:%d: %s", i+1, l.want))
		}
	}
	images, err := Parse("a/images.txt", FormatText, []byte(text.String()))
	got := messages(t, err)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing %q", want[i])
		case i >= len(want):
			t.Errorf("unexpected %q", got[i])
		case got[i] != want[i]:
			t.Errorf("got  %q\nwant %q", got[i], want[i])
		}
	}
	if len(images) != 2 {
		t.Errorf("the good lines gave %q", describeAll(images))
	}
}

func TestSeveralErrorsOfOneLine(t *testing.T) {
	_, err := Parse("-", FormatText, []byte("--platform=x Nginx foo"))
	want := []string{
		`standard input:1: invalid platform "x": want os/arch[/variant], as in linux/x`,
		`standard input:1: image reference "Nginx" does not match expected format: a repository can't have upper-case letters`,
		`standard input:1: unexpected "foo" after the image: want AS and a name, or nothing`,
	}
	if got := messages(t, err); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestUTF16IsNamed(t *testing.T) {
	_, err := Parse("images.txt", FormatText, []byte("\xff\xfen\x00g\x00i\x00n\x00x\x00"))
	if err == nil || err.Error() != "images.txt: is UTF-16: save it as UTF-8" {
		t.Errorf("got %v", err)
	}
}

func TestParseAllNamesEmptyLists(t *testing.T) {
	files := []File{{Name: "a.txt", Data: []byte("# nothing\n")}, {Name: "b.txt", Data: []byte("nginx\n")}, {Name: "c.json", Data: []byte("[]")}}
	images, err := ParseAll(files, false)
	if len(images) != 1 {
		t.Errorf("got %q", describeAll(images))
	}
	const hint = "lists no images; where that is meant, say so with --allow-empty, or allow_empty=True in a BUILD file"
	want := "a.txt: " + hint + "\nc.json: " + hint
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := ParseAll(files, true); err != nil {
		t.Errorf("allowed: %v", err)
	}
}

func TestFormats(t *testing.T) {
	for file, want := range map[string]Format{
		"a.txt": FormatText, "b/c.JSON": FormatJSON, "x.toml": FormatTOML, "r.yaml": FormatReplicant, "r.yml": FormatReplicant, "-": FormatAuto,
	} {
		if got, err := FormatOf(file); err != nil || got != want {
			t.Errorf("FormatOf(%q) = %q, %v", file, got, err)
		}
	}
	for _, file := range []string{"images", "images.csv", ""} {
		if got, err := FormatOf(file); err == nil {
			t.Errorf("FormatOf(%q) = %q", file, got)
		}
	}
	if _, err := ParseFormat("jsno"); err == nil || err.Error() != `unknown format "jsno": did you mean "json"?` {
		t.Errorf("ParseFormat: %v", err)
	}
	if f, err := ParseFormat("auto"); err != nil || f != FormatAuto {
		t.Errorf("ParseFormat(auto) = %q, %v", f, err)
	}
}

func TestStandardInputIsJSONWhereItLooksLikeIt(t *testing.T) {
	for data, want := range map[string]string{
		"nginx\n": "standard input:1 docker.io/library/nginx:latest",
		"\xef\xbb\xbf\n [{\"src\": \"nginx\", \"dst\": \"r.example/nginx\"}]": "standard input:2 docker.io/library/nginx:latest -> r.example/nginx:latest",
		"{\"src\": \"nginx\", \"dst\": \"r.example/nginx\"}":                  "standard input:1 docker.io/library/nginx:latest -> r.example/nginx:latest",
	} {
		images, err := Parse("-", FormatAuto, []byte(data))
		if got := strings.Join(describeAll(images), ";"); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", data, got, err, want)
		}
	}
}

// What is no list at all may have any length; what is said of it mayn't.
func TestMessagesStayShort(t *testing.T) {
	long := strings.Repeat("A", 10_000)
	for format, data := range map[Format]string{
		FormatText:      long + "\n" + strings.Repeat("a/", 10_000) + "\n",
		FormatJSON:      `{"src": "` + long + `", "dst": "b", "` + long + `": 1}`,
		FormatTOML:      "[[image]]\nsource = \"" + long + "\"\n",
		FormatReplicant: "images: {x: {source: " + long + ", destination: b}}",
	} {
		_, err := Parse("f", format, []byte(data))
		if len(messages(t, err)) == 0 {
			t.Errorf("%s: no error", format)
		}
		for _, message := range messages(t, err) {
			if len(message) > 1100 {
				t.Errorf("%s: a message of %d bytes", format, len(message))
			}
		}
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"nginx\n", "--platform=linux/amd64,linux/arm64 a.b/c:d@" + testDigest + " AS x\r\n", "# c\n\n", "FROM x", "--platform", "\xef\xbb\xbf--x y z",
		"a AS", "a#b", "a #b", "\xff\xfe", "nginx AS a b", "--platform=, x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := Parse("f.txt", FormatText, data)
		lines := 1 + strings.Count(string(data), "\n")
		for _, i := range images {
			if i.Line < 1 || i.Line > lines || i.Ref.Repository == "" || !utf8.ValidString(i.Source) {
				t.Fatalf("%q gave %+v", data, i)
			}
		}
		checkPlaces(t, data, err)
	})
}

// checkPlaces sees to it that every error is one with a line of the file.
func checkPlaces(t *testing.T, data []byte, err error) {
	t.Helper()
	if err == nil {
		return
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%q: %T is not joined", data, err)
	}
	for _, err := range joined.Unwrap() {
		var at *Error
		if !errors.As(err, &at) || at.Line < 0 || at.Line > 1+strings.Count(string(data), "\n") || at.Msg == "" {
			t.Fatalf("%q: %v has no place", data, err)
		}
	}
}
