package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A proxy that fails is told as what it is, once, and with what to do; its password nowhere.
func TestAProxyThatFailsIsNamedOnce(t *testing.T) {
	t.Parallel()
	destination := startRegistry(t)
	for name, tt := range map[string]struct {
		status   int // of the proxy's; 0: it refuses connections
		byConfig bool
		why      string
		hint     string
	}{
		"of the environment":            {407, false, "the proxy PROXY refuses to connect: 407 Proxy Authentication Required", "put user name and password into the proxy's address: HTTP_PROXY, HTTPS_PROXY"},
		"of the configuration":          {403, true, "the proxy PROXY refuses to connect: 403 Forbidden", "have the proxy let through what goes to r.example"},
		"of the configuration, not up":  {0, true, "no connection to the proxy PROXY: connection refused", "check the proxy's address, and that it can be reached from here: "},
		"of the environment, unhelpful": {502, false, "the proxy PROXY refuses to connect: 502 Bad Gateway", "check that r.example can be reached from the proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := closedAddress(t)
			if tt.status != 0 {
				proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.Error(w, "no: "+r.Header.Get("Proxy-Authorization"), tt.status)
				}))
				t.Cleanup(proxy.Close)
				address = proxy.Listener.Addr().String()
			}
			w := newWorkplace(t)
			args := []string{"copy", "--verbose", "--registry", destination.Host, "--report", "report.json", w.write("images.txt", "r.example/a:1\nr.example/b:1\n")}
			secret := fmt.Sprintf("http://user:planted-pw@%s/", address)
			if tt.byConfig {
				args = append(args, "--config", w.write("config.toml", fmt.Sprintf("[registries.\"r.example\"]\nproxy = %q\n", secret)))
			}
			p := w.command(args...)
			if !tt.byConfig {
				p.cmd.Env = append(p.cmd.Env, "HTTPS_PROXY="+secret)
			}
			p.demand(1)
			told := p.stdout.String() + p.stderr.String() + read(t, w.path("report.json"))
			why := "r.example: " + strings.ReplaceAll(tt.why, "PROXY", "http://"+address)
			wantContains(t, "stderr", p.stderr.String(), why+": 2 images failed\n    asked for in images.txt:1-2\n", tt.hint)
			if n := strings.Count(p.stderr.String(), tt.hint); n != 1 {
				t.Errorf("the hint is told %d times", n)
			}
			for _, secret := range []string{"planted-pw", base64.StdEncoding.EncodeToString([]byte("user:planted-pw")), "user@"} {
				if strings.Contains(told, secret) {
					t.Errorf("%q is told:\n%s", secret, told)
				}
			}
		})
	}
}
