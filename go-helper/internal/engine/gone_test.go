package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"docker-mirror/go-helper/internal/registry"
)

// Throttling and failures are waited out, and fail the copy in the end: nobody is asked in the place of such a source.
func TestOnlyRefusalsMeanThatSomethingIsGone(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{
		http.StatusNotFound: true, http.StatusUnauthorized: true, http.StatusForbidden: true,
		http.StatusTooManyRequests: false, http.StatusInternalServerError: false, http.StatusBadGateway: false,
		http.StatusServiceUnavailable: false, http.StatusGatewayTimeout: false, http.StatusRequestTimeout: false, http.StatusTeapot: false,
	} {
		if got := saysGone(fmt.Errorf("manifest: %w", &registry.Error{Status: status})); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
	for _, err := range []error{nil, context.DeadlineExceeded, errors.New("no answer"), &registry.DigestMismatchError{}} {
		if saysGone(err) {
			t.Errorf("%v means that something is gone", err)
		}
	}
}
