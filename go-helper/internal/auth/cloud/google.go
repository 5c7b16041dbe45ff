package cloud

import (
	"context"
	"strings"
	"time"

	googleauth "golang.org/x/oauth2/google"

	"docker-mirror/go-helper/internal/auth"
)

// google is Artifact Registry and the older Container Registry, with application default credentials: a key
// file, gcloud's, workload identity federation, or the metadata service's ("Configure authentication to Artifact
// Registry for Docker", access token).
type google struct{}

func (google) name() string { return "Google's application default credentials" }

func (google) serves(host string) (string, bool) {
	return "google", host == "gcr.io" || strings.HasSuffix(host, ".gcr.io") || strings.HasSuffix(host, ".pkg.dev")
}

func (google) find(ctx context.Context, _ string) (auth.Credentials, error) {
	found, err := googleauth.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		return auth.Credentials{}, err
	}
	token, err := found.TokenSource.Token()
	if err != nil {
		return auth.Credentials{}, err
	}
	until := token.Expiry
	if until.IsZero() {
		until = time.Now().Add(time.Hour)
	}
	return auth.Credentials{Username: "oauth2accesstoken", Password: token.AccessToken, Expires: until}, nil
}
