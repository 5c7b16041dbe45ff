package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ImmutableTagError tells that a registry doesn't let a tag be moved from what it names.
type ImmutableTagError struct {
	Reference  string
	Want, Have v1.Hash
	Err        error // the registry's refusal
}

func (e *ImmutableTagError) Error() string {
	return fmt.Sprintf("tag %s is immutable and names %s, not %s: %v", e.Reference, e.Have, e.Want, e.Err)
}

func (e *ImmutableTagError) Unwrap() error { return e.Err }

// immutableTag tells whether a refused PUT may be about a tag that can't be written again. The specification has no code for
// it: Amazon ECR answers 400 with TAG_INVALID, Harbor 412, others say it in words.
func immutableTag(r *request, err error) bool {
	var refused *Error
	if !errors.As(err, &refused) || strings.Contains(r.reference, ":") || refused.Temporary() || refused.elsewhere {
		return false
	}
	switch refused.Status {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return true
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed:
		text := strings.ToLower(refused.Error())
		return refused.HasCode("TAG_INVALID") || refused.HasCode("TAG_ALREADY_EXISTS") ||
			strings.Contains(text, "immutab") || strings.Contains(text, "overwrit")
	}
	return false
}

// compareTag asks what the tag names. What we want is fine: an earlier try may have written it, its answer lost.
func (c *Client) compareTag(ctx context.Context, r *request, want v1.Hash, refused error) error {
	have, err := c.HeadManifest(ctx, r.repository, r.reference)
	switch {
	case err != nil:
		return refused
	case have.Digest == want:
		return nil
	}
	return &ImmutableTagError{Reference: r.where(c), Want: want, Have: have.Digest, Err: refused}
}
