package auth

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// grantedBy reads what a token says that it allows: the access claim of distribution's "Token Authentication
// Implementation". Clients needn't know it, and some services' tokens are opaque: then ok is false. It is read to
// save requests only; the registry is who decides.
func grantedBy(token string) (granted []Scope, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, false
	}
	var claims struct {
		Access []struct {
			Type    string   `json:"type"`
			Name    string   `json:"name"`
			Actions []string `json:"actions"`
		} `json:"access"`
	}
	if json.Unmarshal(payload, &claims) != nil || len(claims.Access) == 0 {
		return nil, false
	}
	for _, entry := range claims.Access {
		if entry.Type != "repository" {
			continue
		}
		may := func(action string) bool {
			return slices.Contains(entry.Actions, action) || slices.Contains(entry.Actions, "*")
		}
		switch {
		case !may("pull"):
		case !may("push"):
			granted = append(granted, Pull(entry.Name))
		case !may("delete"):
			granted = append(granted, Push(entry.Name))
		default:
			granted = append(granted, Delete(entry.Name))
		}
	}
	return granted, true
}
