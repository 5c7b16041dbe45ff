package run

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/ecr"
	"docker-mirror/go-helper/internal/registry"
)

// createConfig is a table [registries."HOST".create_repositories] of the configuration. That it is there asks for
// repositories to be created; its keys say how.
type createConfig struct {
	// Service is the API that creates. Default: by the host.
	Service string `toml:"service"`
	// Region and Account are for hosts that don't say them.
	Region  string `toml:"region"`
	Account string `toml:"account"`
	// Endpoint is the API's URL. Default: the region's.
	Endpoint string `toml:"endpoint"`

	// The rest is what new repositories get; see [ecr.Settings].
	Tags          map[string]string `toml:"tags"`
	ScanOnPush    bool              `toml:"scan_on_push"`
	ImmutableTags bool              `toml:"immutable_tags"`
	Encryption    string            `toml:"encryption"`
	KMSKey        string            `toml:"kms_key"`
}

// serviceECR is the one value of createConfig.Service.
const serviceECR = "ecr"

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// creator checks the table and gives what it asks for.
func (c *createConfig) creator(host string) (registry.RepositoryCreator, []error) {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	at, isECR := ecr.ParseHost(host)
	switch {
	case c.Service != "" && c.Service != serviceECR:
		fail("service %q: want %q, the only one", c.Service, serviceECR)
	case isECR && (c.Region != "" || c.Account != ""):
		fail("the host says region and account itself")
	case !isECR && c.Service == "":
		fail(`is no host of ECR; where it is another name of one, say service = "ecr" and its region`)
	case !isECR:
		if c.Region == "" {
			fail("region is missing")
		}
		if c.Account != "" && !accountPattern.MatchString(c.Account) {
			fail("account: want 12 digits")
		}
		at = ecr.Host{Account: c.Account, Region: c.Region}
	}
	if c.Endpoint != "" {
		if err := checkEndpoint(c.Endpoint); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Encryption != "" && !slices.Contains(ecr.Encryptions(), c.Encryption) {
		fail("encryption %q: want one of %s", c.Encryption, strings.Join(ecr.Encryptions(), ", "))
	}
	if c.KMSKey != "" && !strings.HasPrefix(c.Encryption, "KMS") {
		fail(`kms_key goes with encryption = "KMS"`)
	}
	if _, empty := c.Tags[""]; empty {
		fail("tags: a key is empty")
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return ecr.NewRepositories(at, ecr.Settings{
		Tags: c.Tags, ScanOnPush: c.ScanOnPush, ImmutableTags: c.ImmutableTags,
		Encryption: c.Encryption, KMSKey: c.KMSKey, Endpoint: c.Endpoint,
	}), nil
}

// checkEndpoint demands TLS beyond this machine: requests carry session tokens.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Host)) {
		return errors.New("endpoint: want a URL such as https://api.ecr.eu-west-1.amazonaws.com")
	}
	return nil
}
