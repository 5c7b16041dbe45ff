package cloud

import (
	"context"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"

	"docker-mirror/go-helper/internal/auth"
)

// ecrHost is an account's registry ("Amazon ECR service endpoints", and its dual-stack form).
var ecrHost = regexp.MustCompile(`^[0-9]{12}\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn)$`)

// amazon is ECR: GetAuthorizationToken gives a password for 12 hours, for all registries of the region that the
// identity may use.
type amazon struct{}

func (amazon) name() string { return "AWS's credential chain" }

func (amazon) serves(host string) (string, bool) {
	m := ecrHost.FindStringSubmatch(host)
	if m == nil {
		return "", false
	}
	return "ecr" + m[1] + " " + m[2], true
}

func (amazon) find(ctx context.Context, host string) (auth.Credentials, error) {
	m := ecrHost.FindStringSubmatch(host)
	if m == nil {
		return auth.Credentials{}, errors.New("not a host of ECR")
	}
	options := []func(*config.LoadOptions) error{config.WithRegion(m[2])}
	if m[1] != "" {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	chain, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return auth.Credentials{}, err
	}
	answer, err := ecr.NewFromConfig(chain).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return auth.Credentials{}, err
	}
	if len(answer.AuthorizationData) == 0 {
		return auth.Credentials{}, errors.New("ECR answered without authorization data")
	}
	data := answer.AuthorizationData[0]
	return fromAuthorization(aws.ToString(data.AuthorizationToken), data.ExpiresAt)
}

// amazonPublic is ECR Public, whose tokens come from one region.
type amazonPublic struct{}

func (amazonPublic) name() string { return "AWS's credential chain (ECR Public)" }

func (amazonPublic) serves(host string) (string, bool) { return "ecr-public", host == "public.ecr.aws" }

func (amazonPublic) find(ctx context.Context, _ string) (auth.Credentials, error) {
	chain, err := config.LoadDefaultConfig(ctx, config.WithRegion("us-east-1"))
	if err != nil {
		return auth.Credentials{}, err
	}
	answer, err := ecrpublic.NewFromConfig(chain).GetAuthorizationToken(ctx, &ecrpublic.GetAuthorizationTokenInput{})
	if err != nil {
		return auth.Credentials{}, err
	}
	if answer.AuthorizationData == nil {
		return auth.Credentials{}, errors.New("ECR Public answered without authorization data")
	}
	return fromAuthorization(aws.ToString(answer.AuthorizationData.AuthorizationToken), answer.AuthorizationData.ExpiresAt)
}

// fromAuthorization reads base64 of "AWS:password".
func fromAuthorization(token string, expires *time.Time) (auth.Credentials, error) {
	decoded, err := base64.StdEncoding.DecodeString(token)
	user, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok || password == "" {
		return auth.Credentials{}, errors.New("the authorization token is unreadable")
	}
	until := time.Now().Add(12 * time.Hour)
	if expires != nil {
		until = *expires
	}
	return auth.Credentials{Username: user, Password: password, Expires: until}, nil
}
