package run

import (
	"net/url"
	"strings"
	"testing"
)

func TestProxiesOfTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name          string
		env           map[string]string
		plain, secure string // what is used for http and https
	}{
		{"none", nil, "", ""},
		{"both", map[string]string{"HTTP_PROXY": "http://a.example:1", "HTTPS_PROXY": "http://b.example:2"}, "http://a.example:1", "http://b.example:2"},
		{"in lower case", map[string]string{"http_proxy": "http://a.example:1", "https_proxy": "b.example:2"}, "http://a.example:1", "http://b.example:2"},
		{"all", map[string]string{"ALL_PROXY": "socks5://c.example:3"}, "socks5://c.example:3", "socks5://c.example:3"},
		{"all but one", map[string]string{"all_proxy": "socks5h://c.example:3", "HTTPS_PROXY": "https://b.example"}, "socks5h://c.example:3", "https://b.example"},
		{"not for this", map[string]string{"ALL_PROXY": "http://c.example:3", "NO_PROXY": ".example,10.0.0.0/8"}, "", ""},
	} {
		found, err := environmentProxies(func(name string) string { return tt.env[name] })
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for scheme, want := range map[string]string{"http": tt.plain, "https": tt.secure} {
			proxy, err := found.of(&url.URL{Scheme: scheme, Host: "registry.example"})
			got := ""
			if proxy != nil {
				got = proxy.String()
			}
			if err != nil || got != want {
				t.Errorf("%s, %s: %q, %v", tt.name, scheme, got, err)
			}
		}
	}
}

func TestProxiesThatAreNone(t *testing.T) {
	for _, value := range []string{"http://proxy.example:port", "ftp://proxy.example", "://s3cret", "http://", "http:// s3cret@proxy.example", "proxy.example:s3cret"} {
		for _, name := range []string{"HTTP_PROXY", "https_proxy", "ALL_PROXY"} {
			_, err := environmentProxies(func(asked string) string {
				if asked == name {
					return value
				}
				return ""
			})
			if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	both, err := map[string]string{"HTTP_PROXY": "ftp://a.example", "HTTPS_PROXY": "ftp://b.example"}, error(nil)
	if _, err = environmentProxies(func(name string) string { return both[name] }); strings.Count(err.Error(), "isn't a proxy's address") != 2 {
		t.Errorf("not all at once: %v", err)
	}
}
