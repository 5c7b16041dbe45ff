package ecr_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/ecr"
	"docker-mirror/go-helper/internal/ecr/ecrtest"
)

// identity gives the process one in AWS, and keeps this machine's own out.
func identity(t *testing.T, key string) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"HOME": none, "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": strings.ToLower(key), "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "", "AWS_ENDPOINT_URL": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
	} {
		t.Setenv(name, value)
	}
}

func TestParseHost(t *testing.T) {
	for host, want := range map[string]ecr.Host{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com":              {Account: "123456789012", Region: "eu-west-1"},
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com":     {Account: "123456789012", Region: "us-gov-west-1", FIPS: true},
		"123456789012.dkr-ecr.eu-west-1.on.aws":                     {Account: "123456789012", Region: "eu-west-1"},
		"public.ecr.aws":                                            {},
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example": {},
		"evil.example": {},
	} {
		got, ok := ecr.ParseHost(host)
		if got != want || ok != (want != ecr.Host{}) {
			t.Errorf("%s: %+v, %v", host, got, ok)
		}
	}
}

func TestCreateRepository(t *testing.T) {
	identity(t, "AKIDEXAMPLE")
	api := ecrtest.Start(t, nil)
	host := ecr.Host{Account: "123456789012", Region: "eu-west-1"}
	plain := ecr.NewRepositories(host, ecr.Settings{Endpoint: api.URL})
	for range 2 { // the second time it exists, and that is fine
		if err := plain.CreateRepository(t.Context(), "mirror/app"); err != nil {
			t.Fatal(err)
		}
	}
	all := ecr.NewRepositories(host, ecr.Settings{
		Tags: map[string]string{"team": "platform", "cost": "7"}, ScanOnPush: true, ImmutableTags: true,
		Encryption: "KMS", KMSKey: "alias/mirror", Endpoint: api.URL,
	})
	api.Break(1) // what passes is tried again
	if err := all.CreateRepository(t.Context(), "mirror/other"); err != nil {
		t.Fatal(err)
	}
	calls := api.Calls()
	if len(calls) != 4 || calls[1].Answer != "RepositoryAlreadyExistsException" || calls[2].Answer != "ServerException" {
		t.Fatalf("%+v", calls)
	}
	first, last := calls[0], calls[3]
	if first.RepositoryName != "mirror/app" || first.RegistryID != "123456789012" || first.Signer != "AKIDEXAMPLE" || first.Answer != "" ||
		first.ImageTagMutability != "" || first.ImageScanningConfiguration.ScanOnPush || len(first.Tags) != 0 || first.EncryptionConfiguration.EncryptionType != "" {
		t.Errorf("%+v", first)
	}
	if last.ImageTagMutability != "IMMUTABLE" || !last.ImageScanningConfiguration.ScanOnPush ||
		last.EncryptionConfiguration.EncryptionType != "KMS" || last.EncryptionConfiguration.KmsKey != "alias/mirror" ||
		len(last.Tags) != 2 || last.Tags[0].Key != "cost" || last.Tags[1].Value != "platform" {
		t.Errorf("%+v", last)
	}
}

func TestCreateRepositoryRefused(t *testing.T) {
	identity(t, "AKIDEXAMPLE")
	api := ecrtest.Start(t, nil)
	api.Deny()
	host := ecr.Host{Account: "123456789012", Region: "eu-west-1"}
	err := ecr.NewRepositories(host, ecr.Settings{
		Endpoint: api.URL, Tags: map[string]string{"a": "b"}, Encryption: "KMS",
	}).CreateRepository(t.Context(), "mirror/app")
	for _, part := range []string{"mirror/app", "ecr:CreateRepository, ecr:TagResource, kms:CreateGrant", "AccessDeniedException", "user/robot"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v: doesn't say %q", err, part)
		}
	}
	if n := len(api.Calls()); n != 1 {
		t.Errorf("asked %d times", n)
	}

	identity(t, "")
	err = ecr.NewRepositories(host, ecr.Settings{Endpoint: api.URL}).CreateRepository(t.Context(), "mirror/app")
	if err == nil || !strings.Contains(err.Error(), "credentials") || strings.Contains(err.Error(), "\n") {
		t.Errorf("without an identity: %v", err)
	}
}

func TestEncryptions(t *testing.T) {
	if got := ecr.Encryptions(); !slices.Contains(got, "AES256") || !slices.Contains(got, "KMS") {
		t.Errorf("%v", got)
	}
}
