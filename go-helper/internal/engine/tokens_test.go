package engine_test

import (
	"fmt"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/engine"
)

// Where tokens tell what they allow, a set costs a few, not one and more for each repository.
func TestTokensOfASet(t *testing.T) {
	const images, layers = 30, 8
	telling := devregistry.Options{Dialect: devregistry.Dialect{
		Auth: devregistry.Auth{Scheme: devregistry.AuthBearer, TellingTokens: true},
	}}
	source, destination := devregistrytest.Start(t, telling), devregistrytest.Start(t, telling)
	p := newPusher(t, source.Host)
	var names []string
	for i := range images {
		p.image(
			fmt.Sprint("app", i), "1", ociManifest,
			content(fmt.Sprint("base", i%layers), 5000), content(fmt.Sprint("base", (i+1)%layers), 5000), content(fmt.Sprint("own", i), 9000),
		)
		names = append(names, fmt.Sprintf("app%d:1", i))
	}
	list := copies(t, source.Host, []string{destination.Host}, names...)
	for _, want := range []engine.Status{engine.StatusCopied, engine.StatusUnchanged} {
		source.Log().Reset()
		destination.Log().Reset()
		wantStatus(t, list, run(t, list, engine.Options{}), want)
		for name, log := range map[string]*devregistry.Log{"source": source.Log(), "destination": destination.Log()} {
			if n := log.Counts()[devregistry.KindToken]; n == 0 || n > images {
				t.Errorf("%s: the %s gave %d tokens for %d repositories", want, name, n, images)
			}
		}
	}
	for _, c := range list {
		checkMirrored(t, source, destination, c)
	}
}
