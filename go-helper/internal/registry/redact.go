package registry

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// sentSecrets, which answers may repeat, are those of a request's Authorization header and of a token request's form.
func sentSecrets(req *http.Request) []string {
	_, value, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	secrets := []string{value, req.PostForm.Get("password"), req.PostForm.Get("refresh_token")}
	if decoded, err := base64.StdEncoding.DecodeString(value); err == nil {
		if _, password, ok := strings.Cut(string(decoded), ":"); ok {
			secrets = append(secrets, password)
		}
	}
	if query := req.URL.RawQuery; len(query) > 40 {
		secrets = append(secrets, query) // a signature may be in there
	}
	return secrets
}
