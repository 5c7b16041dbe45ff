package spec

import (
	"reflect"
	"sort"
	"strings"
	"testing"
)

func TestTidy(t *testing.T) {
	for _, test := range []struct{ name, list, want string }{
		{"empty", "\n\n", ""},
		{
			"words, line ends, blank lines", "\xef\xbb\xbf\r\n  nginx:1.25   as  web  \r\n\r\n\r\n--platform=linux/amd64,linux/arm64\tredis\r\n",
			"nginx:1.25 AS web\n\n--platform=linux/amd64,linux/arm64 redis\n",
		},
		{
			"order, comments move along", "# about redis\n#  in two lines\nredis\nquay.io/a/b # b\n\n# header\n\nz\na\n# the end",
			"# about redis\n#  in two lines\nredis\nquay.io/a/b # b\n\n# header\n\na\nz\n# the end\n",
		},
		{"order is that of full references", "quay.io/z\nnginx\nbitnami/x\n", "bitnami/x\nnginx\nquay.io/z\n"},
		{"what is wrong stays", "b\nNginx  as\na\n\nd\nc\n", "b\nNginx  as\na\n\nc\nd\n"},
	} {
		if got := string(Tidy([]byte(test.list))); got != test.want {
			t.Errorf("%s: got\n%q, want\n%q", test.name, got, test.want)
		}
	}
}

func TestLint(t *testing.T) {
	findings, err := Lint(File{Name: "images.txt", Data: []byte(`nginx:1.25 AS web
docker.io/library/nginx:1.26
nginx:1.25 AS other
nginx:1.25 AS web
redis
quay.io/a/b:1@` + testDigest + `
Bad
`)})
	want := []string{
		"images.txt:1: nginx:1.25 is not pinned: without a digest it can move [unpinned]",
		"images.txt:2: docker.io/library/nginx is spelled nginx on line 1 [spelling]",
		"images.txt:2: docker.io/library/nginx:1.26 is not pinned: without a digest it can move [unpinned]",
		"images.txt:3: nginx:1.25 is not pinned: without a digest it can move [unpinned]",
		"images.txt:4: nginx:1.25 is on line 1 already [duplicate]",
		"images.txt:4: nginx:1.25 is not pinned: without a digest it can move [unpinned]",
		"images.txt:5: redis means the tag latest, which moves: name a version [latest]",
		"images.txt:5: redis is not pinned: without a digest it can move [unpinned]",
	}
	var got []string
	for _, f := range findings {
		got = append(got, f.String())
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if err == nil || !strings.HasPrefix(err.Error(), "images.txt:7: ") {
		t.Errorf("error %v", err)
	}
}

func TestLintOfOtherFormats(t *testing.T) {
	for _, test := range []struct {
		file File
		want []Rule
	}{
		{File{Name: "a.txt", Data: []byte("b@" + testDigest + "\na@" + testDigest + "\n")}, []Rule{RuleStyle}},
		{File{Name: "a.txt", Data: []byte("a@" + testDigest + "\nb@" + testDigest + "\n")}, nil},
		{File{Name: "a.json", Data: []byte(`[{"src": "a@` + testDigest + `", "dst": "r.example/a:1"}, {"src": "a@` + testDigest + `", "dst": "r.example/a:2"}]`)}, nil},
		{File{Name: "a.json", Data: []byte(`[{"src": "a@` + testDigest + `", "dst": "r.example/a:1"}, {"src": "a@` + testDigest + `", "dst": "r.example/a:1"}]`)}, []Rule{RuleDuplicate}},
		{File{Name: "a.toml", Data: []byte("[[image]]\nsource = \"a\"\nselect = {latest = 1}\n[[image]]\nsource = \"a\"\nselect = {latest = 2}\n")}, nil},
		{File{Name: "a.toml", Data: []byte("[[image]]\nsource = \"a\"\ntags = [\"1\"]\n[[image]]\nsource = \"docker.io/a\"\ntags = [\"1\"]\n")}, []Rule{RuleUnpinned, RuleDuplicate, RuleSpelling, RuleUnpinned}},
	} {
		findings, err := Lint(test.file)
		var got []Rule
		for _, f := range findings {
			got = append(got, f.Rule)
		}
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, %v; want %q", test.file.Data, got, err, test.want)
		}
	}
}

// Tidying twice is tidying once, and never changes what a list says.
func FuzzTidy(f *testing.F) {
	for _, seed := range []string{"b\na # c\n\n# d\n", "nginx as x\r\n\r\n", "Bad\nb\na", "#\n--platform=linux/amd64 a", "\xff", "a\n#", "\xef\xbb\xbf\xef\xbb\xbfa", "\v#0", " \ufeff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once := Tidy(data)
		if twice := Tidy(once); string(twice) != string(once) {
			t.Fatalf("%q: %q, then %q", data, once, twice)
		}
		before, errBefore := Parse("f.txt", FormatText, data)
		after, errAfter := Parse("f.txt", FormatText, once)
		if (errBefore == nil) != (errAfter == nil) {
			t.Fatalf("%q: %v, then %v", data, errBefore, errAfter)
		}
		if a, b := said(before), said(after); !reflect.DeepEqual(a, b) {
			t.Fatalf("%q says %q, and %q after", data, a, b)
		}
	})
}

func said(images []Image) []string {
	all := []string{}
	for _, i := range images {
		i.Line = 0
		all = append(all, describe(i))
	}
	sort.Strings(all)
	return all
}
