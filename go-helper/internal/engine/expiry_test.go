package engine_test

import (
	"fmt"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// Tokens that end many times during a copy, in the middle of blobs too, cost some requests and nothing else: neither where
// the token service says how long they live, nor where it doesn't and each end comes as a 401.
func TestTokensEndDuringACopy(t *testing.T) {
	const life = time.Second
	for name, test := range map[string]struct {
		auth    devregistry.Auth
		maxBody int64
	}{
		"told":             {auth: devregistry.Auth{TTL: life}},
		"not told":         {auth: devregistry.Auth{TTL: life, NoExpiresIn: true}},
		"not told, chunks": {auth: devregistry.Auth{TTL: life, NoExpiresIn: true}, maxBody: 3 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			p.image("large", "v", ociManifest, content("large", 16<<20))
			names := []string{"large:v"}
			for i := range 6 {
				repository := fmt.Sprintf("r%d", i)
				p.image(repository, "v", ociManifest, content("shared", 500_000), content(repository, 1<<20))
				names = append(names, repository+":v")
			}
			list := copies(t, source.Host, []string{destination.Host}, names...)
			test.auth.Scheme = devregistry.AuthBearer
			source.SetDialect(devregistry.Dialect{Auth: test.auth})
			destination.SetDialect(devregistry.Dialect{Auth: test.auth, MaxUploadBody: test.maxBody})
			source.SetFaults(devregistry.Faults{Bandwidth: 5 << 20})
			destination.SetFaults(devregistry.Faults{Bandwidth: 5 << 20})
			source.Log().Reset()
			began := time.Now()
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			took := time.Since(began)
			for _, c := range list {
				checkMirrored(t, source, destination, c)
			}
			if n := destination.OpenUploads(); n != 0 {
				t.Errorf("%d uploads are open", n)
			}
			tokens, refused := 0, 0
			for _, e := range destination.Log().Entries() {
				switch {
				case e.Kind == devregistry.KindToken:
					tokens++
				case e.Status == 401 && e.Kind != devregistry.KindPing:
					refused++
				}
			}
			t.Logf("%s: %d tokens, %d requests refused", took, tokens, refused)
			if tokens <= len(names)+1 { // one a repository would do if they didn't end
				t.Errorf("only %d tokens in %s", tokens, took)
			}
			if refused == 0 && name != "told" {
				t.Error("no token had ended before it was used")
			}
		})
	}
}
