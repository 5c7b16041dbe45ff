package distributiontest_test

import (
	"net/http"
	"testing"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
)

func TestWithPassword(t *testing.T) {
	s := distributiontest.Start(t, distributiontest.WithPassword())
	for _, c := range []struct {
		password string
		want     int
	}{{distributiontest.Password, http.StatusOK}, {"wrong", http.StatusUnauthorized}, {"", http.StatusUnauthorized}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.password != "" {
			req.SetBasicAuth(distributiontest.User, c.password)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("password %q: %d, want %d", c.password, resp.StatusCode, c.want)
		}
	}
}
