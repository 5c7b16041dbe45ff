package ecr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
)

const (
	// createTimeout bounds the search for credentials, outside of AWS its metadata service doesn't answer, and the call.
	createTimeout = time.Minute
	// createAttempts at one call: a set of images may have many new repositories, and the API limits its rate.
	createAttempts = 8
)

// Settings are what repositories get that are created. The zero value is what ECR gives by itself: mutable tags, no
// scan, AES-256.
type Settings struct {
	Tags          map[string]string
	ScanOnPush    bool
	ImmutableTags bool
	// Encryption is one of [Encryptions]; empty is ECR's own default. It can't be changed later.
	Encryption string
	// KMSKey is the key's id, ARN or alias, for KMS and KMS_DSSE; empty is the account's own.
	KMSKey string
	// Endpoint replaces the API's URL; empty is the region's.
	Endpoint string
}

// Encryptions are the values of Settings.Encryption (EncryptionConfiguration of the ECR API).
func Encryptions() []string {
	var names []string
	for _, value := range types.EncryptionType("").Values() {
		names = append(names, string(value))
	}
	return names
}

// Repositories creates repositories in one registry. It is safe for concurrent use.
type Repositories struct {
	host     Host
	settings Settings

	mu     sync.Mutex
	client *ecr.Client // made at the first call
}

// NewRepositories is for the registry that host says; one without an account is the caller's own.
func NewRepositories(host Host, settings Settings) *Repositories {
	return &Repositories{host: host, settings: settings}
}

// CreateRepository makes the repository ("CreateRepository" of the ECR API). One that is there already is left as it
// is, and no error.
func (r *Repositories) CreateRepository(ctx context.Context, repository string) error {
	ctx, stop := context.WithTimeout(ctx, createTimeout)
	defer stop()
	client, err := r.connect(ctx)
	if err == nil {
		_, err = client.CreateRepository(ctx, r.input(repository))
	}
	var exists *types.RepositoryAlreadyExistsException
	if err == nil || errors.As(err, &exists) {
		return nil
	}
	return r.explain(repository, err)
}

// connect makes the client that all calls share, so that credentials are looked for once.
func (r *Repositories) connect(ctx context.Context) (*ecr.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return r.client, nil
	}
	client, err := NewClient(ctx, r.host, func(o *ecr.Options) {
		o.RetryMaxAttempts = createAttempts
		if r.settings.Endpoint != "" {
			o.BaseEndpoint = aws.String(r.settings.Endpoint)
		}
	})
	if err == nil {
		r.client = client
	}
	return client, err
}

func (r *Repositories) input(repository string) *ecr.CreateRepositoryInput {
	in := &ecr.CreateRepositoryInput{RepositoryName: aws.String(repository)}
	if r.host.Account != "" {
		in.RegistryId = aws.String(r.host.Account)
	}
	if r.settings.ImmutableTags {
		in.ImageTagMutability = types.ImageTagMutabilityImmutable
	}
	if r.settings.ScanOnPush {
		in.ImageScanningConfiguration = &types.ImageScanningConfiguration{ScanOnPush: true}
	}
	if r.settings.Encryption != "" {
		in.EncryptionConfiguration = &types.EncryptionConfiguration{EncryptionType: types.EncryptionType(r.settings.Encryption)}
		if r.settings.KMSKey != "" {
			in.EncryptionConfiguration.KmsKey = aws.String(r.settings.KMSKey)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.settings.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(r.settings.Tags[key])})
	}
	return in
}

// explain says in one line what the user can do: the SDK's own errors tell of requests and retries.
func (r *Repositories) explain(repository string, err error) error {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return fmt.Errorf("ask the ECR API of %s: %w", r.host.Region, err)
	}
	said := answer.ErrorCode()
	if message := answer.ErrorMessage(); message != "" {
		said += ": " + message
	}
	if !slices.Contains([]string{"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}, answer.ErrorCode()) {
		return fmt.Errorf("the ECR API of %s answered %s", r.host.Region, said)
	}
	return fmt.Errorf("the AWS identity needs %s on repository %s (%s)", strings.Join(r.actions(), ", "), repository, said)
}

// actions are those of IAM that creating takes ("Actions, resources, and condition keys for Amazon Elastic Container
// Registry"; KMS's are those of "Encryption at rest" in ECR's user guide).
func (r *Repositories) actions() []string {
	actions := []string{"ecr:CreateRepository"}
	if len(r.settings.Tags) > 0 {
		actions = append(actions, "ecr:TagResource")
	}
	if strings.HasPrefix(r.settings.Encryption, "KMS") {
		actions = append(actions, "kms:CreateGrant", "kms:DescribeKey")
	}
	return actions
}
