//go:build interop

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The distribution specification's own suite over `docker-mirror serve`, with sha512 and what is optional there but for sparse indexes, which are
// refused unless asked for, and tags as parameters, which the specification hasn't yet.
func TestInteropConformance(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string][]string{"memory": nil, "disk": {"--root", "root"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			p := w.command(append([]string{"serve", "--ready-file", "ready"}, serve...)...).start()
			eventually(t, "it is ready", func() bool { return w.exists("ready") })
			ready, err := os.ReadFile(w.path("ready"))
			if err != nil {
				t.Fatal(err)
			}
			suite := exec.CommandContext(t.Context(), interopTool(t, "conformance"))
			suite.Dir = w.dir
			suite.Env = []string{
				"HOME=" + w.home, "OCI_REGISTRY=" + strings.TrimSpace(string(ready)), "OCI_TLS=disabled", "OCI_VERSION=1.1", "OCI_RESULTS_DIR=" + filepath.Join(w.dir, "results"),
				"OCI_API_BLOBS_UPLOAD_CANCEL=true", "OCI_API_BLOBS_DIGEST_HEADER=true", "OCI_API_MANIFESTS_DIGEST_HEADER=true",
			}
			output, err := suite.CombinedOutput()
			count := func(what string) int {
				m := regexp.MustCompile(`(?m)^\s*` + what + `\.+:\s+(\d+)$`).FindSubmatch(output)
				if m == nil {
					t.Fatalf("no count of %s in\n%s", what, output)
				}
				n, _ := strconv.Atoi(string(m[1]))
				return n
			}
			if err != nil || count("FAIL") != 0 || count("Error") != 0 {
				t.Errorf("%v\n%s", err, output)
			}
			if total := count("Total"); total < 850 {
				t.Errorf("only %d tests ran", total)
			}
			for _, part := range []string{"Digest Algorithm sha512", "Blobs sha512", "Referrers", "Nested Index", "Blob mount", "Blob upload cancel"} {
				if !regexp.MustCompile(regexp.QuoteMeta(part) + `\.+:\s+Pass`).Match(output) {
					t.Errorf("%s isn't among what passes", part)
				}
			}
			p.signal(syscall.SIGTERM)
			if code := p.wait(); code != 0 {
				t.Errorf("serve ended with %d\n%s", code, &p.stderr)
			}
		})
	}
}
