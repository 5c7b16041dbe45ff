package run

import (
	"errors"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/verify"
)

func TestAnOlderSignedImageUnderTheSameTagIsARollback(t *testing.T) {
	t.Parallel()
	digest := func(c string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(c, 64)} }
	locked := time.Date(2026, 11, 3, 9, 14, 0, 0, time.UTC)
	at := func(d time.Duration) *verify.Verdict {
		return &verify.Verdict{Outcome: verify.Verified, Signer: &verify.Signer{Key: "sha256:ab"}, Times: []verify.Timestamp{{Time: locked.Add(d)}, {Time: locked.Add(d + time.Hour)}}}
	}
	old := lock.Image{Digest: digest("a"), Signed: at(0).Signed()}
	unsigned, byKey := old, old
	unsigned.Signed, byKey.Signed = "", "key sha256:ab"
	for name, c := range map[string]struct {
		old        *lock.Image
		digest     v1.Hash
		verdict    *verify.Verdict
		rolledBack bool
	}{
		"newer":                         {&old, digest("b"), at(time.Second), false},
		"older":                         {&old, digest("b"), at(-time.Second), true},
		"of the same second":            {&old, digest("b"), at(900 * time.Millisecond), false},
		"the very same":                 {&old, digest("a"), at(-time.Hour), false},
		"nothing locked":                {nil, digest("b"), at(-time.Hour), false},
		"waiting":                       {&lock.Image{}, digest("b"), at(-time.Hour), false},
		"locked unsigned":               {&unsigned, digest("b"), at(-time.Hour), false},
		"locked without a time":         {&byKey, digest("b"), at(-time.Hour), false},
		"signed by a key without a log": {&old, digest("b"), &verify.Verdict{Outcome: verify.Verified}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := rolledBack(&lock.Want{Old: c.old}, c.digest, c.verdict)
			var rollback *RollbackError
			if errors.As(err, &rollback) != c.rolledBack {
				t.Errorf("said %v", err)
			}
			if c.rolledBack && !strings.Contains(err.Error(), "was signed at 2026-11-03T09:13:59Z, before the locked sha256:aaaa") {
				t.Errorf("said %v", err)
			}
		})
	}
}
