package registry

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// redact takes out of what a server says the secrets that it was sent: one that repeats them, out of malice or for
// debugging, shall not have them end in a log.
func redact(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 { // a shorter one would be found by chance
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	return s
}

// sentSecrets are those of a request's Authorization header and of a token request's form.
func sentSecrets(req *http.Request) []string {
	_, value, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	secrets := []string{value, req.PostForm.Get("password"), req.PostForm.Get("refresh_token")}
	if decoded, err := base64.StdEncoding.DecodeString(value); err == nil {
		if _, password, ok := strings.Cut(string(decoded), ":"); ok {
			secrets = append(secrets, password)
		}
	}
	return secrets
}
