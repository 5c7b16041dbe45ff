package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

type grantedToken struct {
	value          string // "" once it was refused
	creds          Credentials
	asked, expires time.Time
}

// fetch asks the token service: by GET ("Token Authentication Specification"), or by POST ("OAuth2 Token
// Authentication") where there is a refresh token or the service knows no GET.
func (a *Authorizer) fetch(ctx context.Context, challenge Challenge, creds Credentials, scopes []Scope, demand string) (grantedToken, error) {
	realm, err := checkRealm(challenge.Realm, a.api, !creds.Anonymous())
	if err != nil {
		return grantedToken{}, &DeniedError{Status: http.StatusUnauthorized, Reason: err.Error()}
	}
	var wanted []string
	if demand != "" {
		wanted = append(wanted, demand)
	}
	for _, s := range scopes {
		if s.Repository != "" && !slices.Contains(wanted, s.String()) {
			wanted = append(wanted, s.String())
		}
	}
	a.mu.Lock()
	refresh := a.oauth[creds.Username]
	a.mu.Unlock()
	if creds.IdentityToken != "" {
		refresh = creds.IdentityToken
	}
	hasPassword := creds.Username != "" && creds.Password != ""

	asked := a.now()
	var answer TokenAnswer
	switch {
	case refresh != "":
		answer, err = a.send(ctx, a.postRequest(realm, challenge, wanted, url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {refresh},
		}))
		if err == nil && answer.Status >= 400 && hasPassword {
			a.mu.Lock()
			delete(a.oauth, creds.Username)
			a.mu.Unlock()
			answer, err = a.send(ctx, a.getRequest(realm, challenge, wanted, creds))
		}
	case !hasPassword || !a.postOnly.Load():
		answer, err = a.send(ctx, a.getRequest(realm, challenge, wanted, creds))
		if err != nil || !hasPassword || answer.Status != http.StatusNotFound && answer.Status != http.StatusMethodNotAllowed {
			break
		}
		a.postOnly.Store(true)
		fallthrough
	default:
		answer, err = a.send(ctx, a.postRequest(realm, challenge, wanted, url.Values{
			"grant_type": {"password"}, "username": {creds.Username}, "password": {creds.Password},
			"access_type": {"offline"},
		}))
	}
	if err != nil {
		return grantedToken{}, fmt.Errorf("get a token for %s from %s: %w", a.host, realm.Host, err)
	}
	return a.read(answer, realm, creds, wanted, asked)
}

func (a *Authorizer) getRequest(realm *url.URL, challenge Challenge, wanted []string, creds Credentials) TokenRequest {
	u := *realm
	query := u.Query()
	if challenge.Service != "" {
		query.Set("service", challenge.Service)
	}
	for _, scope := range wanted {
		query.Add("scope", scope)
	}
	u.RawQuery = query.Encode()
	header := http.Header{}
	if basic := basicHeader(creds); basic != "" {
		header.Set("Authorization", basic)
	}
	return TokenRequest{URL: &u, Header: header}
}

func (a *Authorizer) postRequest(realm *url.URL, challenge Challenge, wanted []string, form url.Values) TokenRequest {
	form.Set("client_id", a.clientID)
	if challenge.Service != "" {
		form.Set("service", challenge.Service)
	}
	if len(wanted) > 0 {
		form.Set("scope", strings.Join(wanted, " "))
	}
	return TokenRequest{URL: realm, Header: http.Header{}, Form: form}
}

// read takes the token out of an answer; nothing of the body may get into an error but a refusal's own words.
func (a *Authorizer) read(answer TokenAnswer, realm *url.URL, creds Credentials, wanted []string, asked time.Time) (grantedToken, error) {
	if answer.Status != http.StatusOK {
		reason := fmt.Sprintf("token service %s of %s answered %d %s", realm.Host, a.host, answer.Status, http.StatusText(answer.Status))
		if detail := refusalDetail(answer.Body); detail != "" {
			reason += ": " + detail
		}
		return grantedToken{}, &DeniedError{Status: answer.Status, Reason: Redact(reason, creds.secrets()...)}
	}
	var body struct {
		Token        string  `json:"token"`
		AccessToken  string  `json:"access_token"`
		RefreshToken string  `json:"refresh_token"`
		ExpiresIn    float64 `json:"expires_in"`
		IssuedAt     any     `json:"issued_at"` // sometimes not a time: the rest still counts
	}
	if err := json.Unmarshal(answer.Body, &body); err != nil && body.Token == "" && body.AccessToken == "" {
		return grantedToken{}, fmt.Errorf("token service %s of %s answered with something else than a token", realm.Host, a.host)
	}
	value := body.Token
	if value == "" {
		value = body.AccessToken
	}
	if value == "" {
		return grantedToken{}, fmt.Errorf("token service %s of %s answered without a token", realm.Host, a.host)
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return grantedToken{}, fmt.Errorf("token service %s of %s answered with a token that no header can carry: it has a line break, or another control character", realm.Host, a.host)
	}
	life := defaultTokenLife
	if body.ExpiresIn > 0 {
		life = time.Duration(min(body.ExpiresIn, 1e9) * float64(time.Second))
	}
	// A service may hand out a token made earlier. Its own clock, in Date, tells how much earlier.
	issuedAt, _ := body.IssuedAt.(string)
	issued, issuedErr := time.Parse(time.RFC3339, issuedAt)
	if served, err := http.ParseTime(answer.Header.Get("Date")); err == nil && issuedErr == nil {
		if age := served.Sub(issued); age > time.Second && age < life {
			life -= age
		}
	}
	expires := asked.Add(life - min(life/4, maxTokenMargin))
	a.mu.Lock()
	if body.RefreshToken != "" && creds.Username != "" {
		a.oauth[creds.Username] = body.RefreshToken
	}
	a.mu.Unlock()
	a.logger.Debug("token received", "registry", a.host, "service", realm.Host, "scopes", wanted, "life", life, "bytes", len(value))
	return grantedToken{value: value, creds: creds, asked: asked, expires: expires}, nil
}

// refusalDetail reads what a token service says in a refusal, in either specification's form.
func refusalDetail(body []byte) string {
	var parsed struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Details          string `json:"details"`
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
	}
	if json.Unmarshal(body, &parsed) != nil {
		return ""
	}
	var parts []string
	for _, e := range parsed.Errors {
		parts = append(parts, strings.Trim(e.Code+" "+e.Message, " "))
	}
	for _, s := range []string{parsed.Error, parsed.ErrorDescription, parsed.Details} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return printable(strings.Join(parts, ": "))
}

// Redact takes secrets out of what a server says that they were sent to: one that repeats them, out of malice or for
// debugging, shall not have them end in a log.
func Redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 { // a shorter one would be found by chance
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	return s
}
