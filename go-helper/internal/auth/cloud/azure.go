package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"docker-mirror/go-helper/internal/auth"
)

const (
	// acrAudience is what an Entra token for a registry is asked for ("Azure Container Registry authentication with
	// Microsoft Entra").
	acrAudience = "https://containerregistry.azure.net/.default"
	// acrRefreshLife is the life of a registry's refresh token, 3 hours, less a good margin.
	acrRefreshLife = 2 * time.Hour
	// maxExchange caps the exchange's answer.
	maxExchange = 64 << 10
)

// azure is Azure Container Registry. A service principal's id and password are a user name and password to it; any
// other identity's token is exchanged at the registry for a refresh token.
type azure struct {
	getenv   func(string) string
	client   *http.Client
	exchange func(host string) string // address of the exchange
	identity func(context.Context) (token string, err error)
}

func newAzure(getenv func(string) string) azure {
	return azure{
		getenv: getenv,
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		exchange: func(host string) string {
			return "https://" + host + "/oauth2/exchange"
		},
		identity: entraToken,
	}
}

func (azure) name() string { return "Azure's credential chain" }

func (azure) serves(host string) (string, bool) {
	for _, suffix := range []string{".azurecr.io", ".azurecr.cn", ".azurecr.us"} {
		if strings.HasSuffix(host, suffix) {
			return "azure " + host, true
		}
	}
	return "", false
}

func (a azure) find(ctx context.Context, host string) (auth.Credentials, error) {
	// AZURE_SP_* as replicant and older tools have it, AZURE_CLIENT_* as Azure's SDKs.
	for _, names := range [][2]string{{"AZURE_SP_ID", "AZURE_SP_PASSWORD"}, {"AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"}} {
		if user, password := a.getenv(names[0]), a.getenv(names[1]); user != "" && password != "" {
			return auth.Credentials{Username: user, Password: password, Expires: time.Now().Add(24 * time.Hour)}, nil
		}
	}
	token, err := a.identity(ctx)
	if err != nil {
		return auth.Credentials{}, err
	}
	refresh, err := a.refreshToken(ctx, host, token)
	if err != nil {
		return auth.Credentials{}, err
	}
	return auth.Credentials{IdentityToken: refresh, Expires: time.Now().Add(acrRefreshLife)}, nil
}

// entraToken asks workload identity, managed identity and the developer's own tools, as azidentity orders them.
func entraToken(ctx context.Context) (string, error) {
	chain, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return "", err
	}
	token, err := chain.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{acrAudience}})
	return token.Token, err
}

// refreshToken exchanges an Entra token ("POST /oauth2/exchange" of the registry's authentication API).
func (a azure) refreshToken(ctx context.Context, host, token string) (string, error) {
	form := url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.exchange(host), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := a.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("exchange the identity's token at %s: %w", host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("exchange the identity's token at %s: %s", host, resp.Status)
	}
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxExchange)).Decode(&answer); err != nil || answer.RefreshToken == "" {
		return "", errors.New("exchange the identity's token at " + host + ": the answer has no refresh token")
	}
	return answer.RefreshToken, nil
}
