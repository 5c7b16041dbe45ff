package froms

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/tags"
)

func TestImagesThatDockerfilesName(t *testing.T) {
	t.Parallel()
	given := "given"
	for _, tt := range []struct {
		name, dockerfile string
		args             Args
		want             []string // line image
	}{
		{"FROM", "# a\nFROM a:1\nfrom --platform=$BUILDPLATFORM a:2@sha256:0 as b\r\n", nil, []string{"2 a:1", "3 a:2@sha256:0"}},
		{"stages and scratch", "FROM a AS Base\nFROM base\nFROM scratch\nCOPY --from=base / /\nCOPY --from=0 / /\n", nil, []string{"1 a"}},
		{"a stage is one only after its FROM", "FROM nginx AS nginx\nFROM nginx\n", nil, []string{"1 nginx"}},
		{"a stage that comes later", "FROM late\nFROM a AS late\n", nil, []string{"1 late", "2 a"}},
		{"COPY and mounts", "FROM a\nCOPY --chown=1 --from=b:1 x y\nRUN --mount=type=bind,from=c:1,target=/x --network=none echo --mount=from=d\nADD --from=e x y\nCOPY --from=$X x y\n", nil, []string{"1 a", "2 b:1", "3 c:1"}},
		{"continued lines", "FROM \\\n  # why\n\n  a:1 \\\n  AS b\nFROM c\n", nil, []string{"1 a:1", "6 c"}},
		{"another escape", "# escape=`\nFROM `\n a:1\n", nil, []string{"2 a:1"}},
		{"here-documents", "FROM a\nRUN <<EOF\nFROM b\nEOF\nCOPY <<-\"X\" <<Y /\nFROM c\n\tX\nFROM d\nY\nFROM e\n", nil, []string{"1 a", "10 e"}},
		{"no here-document", "FROM a\nRUN echo $((1<<N)) <<<word\nFROM b\n", nil, []string{"1 a", "3 b"}},
		{"defaults", "ARG R=r.example  T=\"1\"\nARG I=${R}/a:$T\nFROM $I\nFROM ${R}/b:${U:-2}\n", nil, []string{"3 r.example/a:1", "4 r.example/b:2"}},
		{"given", "ARG A=a\nARG B\nFROM $A\nFROM $B\n", Args{"A": &given, "B": &given}, []string{"3 given", "4 given"}},
		{"given, but not known", "ARG A=a\nFROM $A\nFROM ${A:-b}\n", Args{"A": nil}, nil},
		{"given, but not declared", "FROM $A\n", Args{"A": &given}, nil},
		{"no value", "ARG A\nFROM $A\nFROM a:$TARGETARCH\nFROM ${A:+x}\nFROM ${A%x}\nFROM \\$A\n", nil, nil},
		{"single quotes", "ARG A='b'\nARG B='$A'\nFROM $A\nFROM $B\n", nil, []string{"3 b"}},
		{"ARG of a stage", "FROM a\nARG B=b\nFROM $B\n", nil, []string{"1 a"}},
		{"no FROM of Docker's", "FROM\nFROM a b\nFROM a AS\n", nil, nil},
	} {
		var got []string
		for _, use := range Uses(tt.dockerfile, tt.args) {
			got = append(got, fmt.Sprintf("%d %s", use.Line, use.Image))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func testMirrors(t *testing.T, exclusive ...string) *Mirrors {
	t.Helper()
	m, err := NewMirrors([]List{
		{"3rdparty:a", []plan.Copy{
			{Src: "docker.io/library/nginx:1.26", Dst: "m.example/x/nginx:1.26", Origin: "a.txt:1"},
			{Src: "docker.io/library/nginx:1.27", Dst: "m.example/x/nginx:1.27", Origin: "a.txt:2"},
			{Src: "docker.io/library/redis:7", Skip: &spec.Skip{Destination: "m.example/x/redis:7"}},
		}},
		{"3rdparty:b", []plan.Copy{
			{Src: "quay.io/b/b:{tag}", Dst: "m.example/x/b:{tag}-ours", Select: &tags.Policy{}, Origin: "b.toml:1"},
			{Src: "quay.io/b/b:1", Dst: "m.example/x/b:1", Origin: "b.toml:9"},
			{Src: "quay.io/b/c:{tag}", Dst: "m.example/x/c-{tag}:1", Select: &tags.Policy{}, Origin: "b.toml:12"},
		}},
	}, exclusive)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestImagesThatNoListMirrors(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0", 64)
	const nearest = "name m.example/x/nginx:1.27, which 3rdparty:a mirrors (a.txt:2), or add the tag to that list"
	for _, tt := range []struct{ image, exclusive, want string }{
		{"m.example/x/nginx:1.27", "", ""},
		{"M.example/x/nginx:1.27@" + digest, "", ""},
		{"m.example/x/nginx@" + digest, "", ""},
		{"m.example/x/nginx:1.28@" + digest, "", "no list mirrors m.example/x/nginx:1.28: " + nearest},
		{"m.example/x/nginx:1.28", "", "no list mirrors m.example/x/nginx:1.28: " + nearest},
		{"m.example/x/nginx", "", "no list mirrors m.example/x/nginx:latest: " + nearest},
		{"m.example/x/b:2-ours", "", ""},
		{"m.example/x/b:2", "", "no list mirrors m.example/x/b:2: name m.example/x/b:1, which 3rdparty:b mirrors (b.toml:9), or add the tag to that list"},
		{"m.example/x/b:2", "m.example", "no list mirrors m.example/x/b:2: name m.example/x/b:1, which 3rdparty:b mirrors (b.toml:9), or add the tag to that list"},
		{"m.example/x/other:1", "", ""},
		{"m.example/x/other:1", "m.example/x", "no list mirrors to m.example/x/other, from where m.example/x/other:1 is taken: add the image to a list, or take it from elsewhere"},
		{"m.example/x/other@" + digest, "m.example/", "no list mirrors to m.example/x/other, from where m.example/x/other@" + digest + " is taken: add the image to a list, or take it from elsewhere"},
		{"m.example/xy/other:1", "m.example/x", ""},
		{"m.example/x/redis:7", "m.example", ""},
		{"m.example/x/c-7:1", "m.example", ""},
		{"nginx:1.28", "m.example", ""},
		{"library/nginx:1.28", "docker.io/library", "no list mirrors to docker.io/library/nginx, from where docker.io/library/nginx:1.28 is taken: add the image to a list, or take it from elsewhere"},
		{":base", "m.example", ""},
	} {
		var exclusive []string
		if tt.exclusive != "" {
			exclusive = []string{tt.exclusive}
		}
		if got := testMirrors(t, exclusive...).Why(tt.image); got != tt.want {
			t.Errorf("%s, with %q:\n got %q\nwant %q", tt.image, tt.exclusive, got, tt.want)
		}
	}
}

func TestAddressesOfMirrors(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "mirror", "m.example/x:1", "https://m.example", "m.example/X", "m.example//x"} {
		if _, err := NewMirrors(nil, []string{address}); err == nil || !strings.Contains(err.Error(), "is no registry, and no path in one") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
