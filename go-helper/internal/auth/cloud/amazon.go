package cloud

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	ecrapi "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"

	"docker-mirror/go-helper/internal/auth"
	"docker-mirror/go-helper/internal/ecr"
)

// amazon is ECR: GetAuthorizationToken gives a password for 12 hours, for all registries of the region that the
// identity may use.
type amazon struct{}

func (amazon) name() string { return "AWS's credential chain" }

func (amazon) serves(host string) (string, bool) {
	registry, ok := ecr.ParseHost(host)
	switch {
	case !ok:
		return "", false
	case registry.FIPS:
		return "ecr-fips " + registry.Region, true
	}
	return "ecr " + registry.Region, true
}

func (amazon) find(ctx context.Context, host string) (auth.Credentials, error) {
	registry, ok := ecr.ParseHost(host)
	if !ok {
		return auth.Credentials{}, errors.New("not a host of ECR")
	}
	client, err := ecr.NewClient(ctx, registry)
	if err != nil {
		return auth.Credentials{}, err
	}
	answer, err := client.GetAuthorizationToken(ctx, &ecrapi.GetAuthorizationTokenInput{})
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
