// Package devregistrytest starts a devregistry for the length of a test.
package devregistrytest

import (
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

// Start serves a registry on loopback until the test ends.
func Start(t testing.TB, opts devregistry.Options) *devregistry.Server {
	t.Helper()
	s, err := devregistry.Listen(t.Context(), "127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the registry: %v", err)
		}
	})
	return s
}
