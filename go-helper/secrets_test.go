package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// Secrets are planted wherever credentials come from, and looked for in all that the program leaves behind at its
// loudest.
func TestSecretsAreNeverTold(t *testing.T) {
	t.Parallel()
	const (
		password      = "planted-password"
		wrongPassword = "planted-wrong-password"
	)
	public := startRegistry(t)
	pushImage(t, public.Host+"/app:1", 1<<20, 1)
	for _, scheme := range []devregistry.AuthScheme{devregistry.AuthBasic, devregistry.AuthBearer} {
		private := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{
			Auth: devregistry.Auth{Scheme: scheme, Users: map[string]string{"user": password}},
		}})
		w := newWorkplace(t)
		w.write("images.txt", public.Host+"/app:1\n")
		login := func(password string) string {
			encoded := base64.StdEncoding.EncodeToString([]byte("user:" + password))
			config := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, private.Host, encoded)
			if err := os.WriteFile(filepath.Join(w.home, "config.json"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			return encoded
		}
		secrets := []string{password, wrongPassword}
		args := []string{"copy", "--verbose", "--registry", private.Host, "--report", "report.json", "--shard=0/1", "--share=share", "images.txt"}

		var told strings.Builder
		tell := func(p *process) {
			told.WriteString(p.stdout.String() + p.stderr.String())
			report, err := os.ReadFile(w.path("report.json"))
			if err != nil {
				t.Fatal(err)
			}
			told.Write(report)
			shared := readFile(t, w.path("share/0.origins"))
			wantContains(t, "what is shared", shared, private.Host+" app sha256:")
			told.WriteString(shared)
		}
		secrets = append(secrets, login(password))
		tell(w.run(0, args...))
		tell(w.run(0, append(args, "--progress", "json", "--force")...))
		secrets = append(secrets, login(wrongPassword))
		refused := w.run(1, args...)
		tell(refused)
		wantContains(t, "stderr", refused.stderr.String(), "log in to "+private.Host)

		for _, secret := range secrets {
			if strings.Contains(told.String(), secret) {
				t.Errorf("%s: the output or the report has %q", scheme, secret)
			}
		}
		if strings.Contains(told.String(), "Bearer ") || strings.Contains(told.String(), "Basic ") {
			t.Errorf("%s: an Authorization header was told:\n%s", scheme, &told)
		}
	}
}
