package engine_test

import (
	"net/http"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// An account that may write blobs and not ask for them sends what it can't ask for.
func TestWhoMayNotAskForBlobsMayStillSendThem(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusUnauthorized} {
		source, destination := pair(t)
		destination.SetDialect(devregistry.Dialect{NoMounts: true})
		p := newPusher(t, source.Host)
		p.image("x", "old", ociManifest, content("old", 1000))
		run(t, copies(t, source.Host, []string{destination.Host}, "x:old"), engine.Options{}) // so that there is something to ask
		p.image("x", "v", ociManifest, content("large", 200_000), content("second", 200_000))
		asked := 0
		destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
			return r.Kind == devregistry.KindBlobHead
		}, devregistry.Fault{Status: status, Code: devregistry.CodeDenied})})
		destination.Log().Reset()
		list := copies(t, source.Host, []string{destination.Host}, "x:v")
		wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
		for _, e := range destination.Log().Entries() {
			if e.Kind == devregistry.KindBlobHead {
				asked++
			}
		}
		if asked == 0 {
			t.Errorf("%d: no blob was asked for", status)
		}
		destination.SetFaults(devregistry.Faults{})
		checkMirrored(t, source, destination, list[0])
	}
}
