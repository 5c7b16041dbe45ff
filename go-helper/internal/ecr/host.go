// Package ecr knows the hosts of Amazon's Elastic Container Registry, and creates repositories there.
package ecr

import (
	"context"
	"errors"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// hostPattern is an account's registry ("Amazon ECR service endpoints", and its dual-stack form).
var hostPattern = regexp.MustCompile(`^([0-9]{12})\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn)$`)

// Host is what the name of a private registry says.
type Host struct {
	Account string // 12 digits
	Region  string
	FIPS    bool // its endpoints of FIPS 140
}

// ParseHost reads a registry's host; false where it is none of ECR.
func ParseHost(host string) (Host, bool) {
	m := hostPattern.FindStringSubmatch(host)
	if m == nil {
		return Host{}, false
	}
	return Host{Account: m[1], FIPS: m[2] != "", Region: m[3]}, true
}

// NewClient gives a client of the ECR API of the host's region, with the credentials that AWS's default chain finds when
// they are needed.
func NewClient(ctx context.Context, host Host, options ...func(*ecr.Options)) (*ecr.Client, error) {
	if host.Region == "" {
		return nil, errors.New("no region")
	}
	load := []func(*config.LoadOptions) error{config.WithRegion(host.Region)}
	if host.FIPS {
		load = append(load, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	chain, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	return ecr.NewFromConfig(chain, options...), nil
}
