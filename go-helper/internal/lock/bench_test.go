package lock

import (
	"fmt"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/spec"
)

// What `lock --check` does with a list of ten thousand images of five platforms.
func BenchmarkCheckTenThousand(b *testing.B) {
	var list strings.Builder
	f := &File{}
	for i := range 10_000 {
		source := fmt.Sprintf("registry.example/team%d/app%d:1.%d.0", i%100, i, i%7)
		list.WriteString(source + "\n")
		entry := Image{Source: source, Digest: hash("a"), MediaType: "application/vnd.oci.image.index.v1+json", Seen: seen, Limited: []Manifest{{"linux/amd64", hash("c")}}}
		for _, p := range []string{"linux/amd64", "linux/arm/v7", "linux/arm64", "linux/ppc64le", "linux/s390x"} {
			entry.Platforms = append(entry.Platforms, Manifest{p, hash("b")})
		}
		f.Images = append(f.Images, entry)
	}
	text, data := []byte(list.String()), Format(f)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		images, err := spec.Parse("images.txt", spec.FormatText, text)
		if err != nil {
			b.Fatal(err)
		}
		f, err := Parse("images.txt.lock", data)
		if err != nil {
			b.Fatal(err)
		}
		if _, problems := f.Apply(images); len(problems) > 0 {
			b.Fatal(problems[0])
		}
	}
}
