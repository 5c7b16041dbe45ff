//go:build interop

package main

import (
	"fmt"
	"strings"
	"testing"
)

// Layouts of ours are read by the tools of others, under the full names.

func TestOthersReadOurLayout(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	list, pushed := pushSample(t, src)
	w.write("images.txt", list)
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	for _, tool := range []struct {
		name string
		args func(source, target string) []string
	}{
		{"oras", func(source, target string) []string {
			return []string{"cp", "--recursive", "--to-plain-http", "--from-oci-layout-path", w.path("bundle"), source, target}
		}},
		{"skopeo", func(source, target string) []string {
			return []string{"--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "oci:" + w.path("bundle") + ":" + source, "docker://" + target}
		}},
	} {
		t.Run(tool.name, func(t *testing.T) {
			find := interopTool
			if tool.name == "skopeo" {
				find = debian
			}
			o := other{t, find(t, tool.name), t.TempDir()}
			for _, p := range pushed {
				if tool.name == "skopeo" && strings.Contains(p.MediaType, "docker") {
					continue // in a layout it looks for OCI's media types alone
				}
				o.demand(tool.args(fmt.Sprintf("%s/%s:%s", src.Host, p.Repository, p.Tag), fmt.Sprintf("%s/%s/%s:%s", dst.Host, tool.name, p.Repository, p.Tag))...)
				if got := digestAt(t, fmt.Sprintf("%s/%s/%s:%s", dst.Host, tool.name, p.Repository, p.Tag)); got != p.Digest {
					t.Errorf("%s: %s, want %s", p.Repository, got, p.Digest)
				}
			}
		})
	}
	t.Run("oras lists", func(t *testing.T) {
		o := other{t, interopTool(t, "oras"), t.TempDir()}
		tags := string(o.demand("repo", "tags", "--oci-layout", w.path("bundle")))
		for _, p := range pushed[:5] {
			if !strings.Contains(tags, fmt.Sprintf("%s/%s:%s\n", src.Host, p.Repository, p.Tag)) {
				t.Errorf("%s isn't among\n%s", p.Repository, tags)
			}
		}
	})
}
