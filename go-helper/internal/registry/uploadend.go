package registry

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/auth"
)

// Status asks how many bytes the registry has; 0 where it doesn't know. [ErrNotFound]: the session is gone.
func (u *Upload) Status(ctx context.Context) (int64, error) {
	r := u.request("upload GET", "ask for status of upload", http.MethodGet)
	r.accept = []int{http.StatusNoContent, http.StatusOK, http.StatusAccepted}
	r.attempts = statusAttempts
	answer, err := u.c.do(ctx, r)
	if err != nil {
		return 0, err
	}
	if err := u.adopt(answer.header, answer.url); err != nil {
		return 0, wrapTransport(ctx, r.op, r.where(u.c), err)
	}
	return received(answer.header.Get("Range")), nil
}

// received reads "0-99" (also "bytes=0-99") as 100. "0-0" is 0: distribution says it of an empty upload, which
// can't be told from one with a single byte.
func received(value string) int64 {
	value = strings.TrimPrefix(strings.TrimPrefix(value, "bytes="), "bytes ")
	first, last, ok := strings.Cut(value, "-")
	if !ok || strings.TrimSpace(first) != "0" {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(last), 10, 62)
	if err != nil || n <= 0 {
		return 0
	}
	return n + 1
}

// Cancel ends the session at the registry, so that it needn't keep the bytes. It is tried once, briefly, and also
// where ctx has ended; never again at a registry that doesn't do this.
func (u *Upload) Cancel(ctx context.Context) error {
	if u.c.noCancel.Load() {
		return nil
	}
	limit := cancelTimeout
	if ctx.Err() != nil {
		limit = interruptedCancelTimeout
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer stop()
	err := u.delete(ctx)
	var refused *Error
	if !errors.As(err, &refused) || errors.Is(err, ErrUploadLost) {
		return err
	}
	if cancelUnknown(refused) {
		u.c.noCancel.Store(true)
		u.c.opts.Logger.Debug("uploads can't be cancelled", "registry", u.c.host, "error", err)
		return nil
	}
	if refused.Status != http.StatusRequestedRangeNotSatisfiable && refused.Status != http.StatusBadRequest {
		return err
	}
	// distribution refuses a Location whose offset is no longer the upload's (after a broken PUT): ask for the newest.
	if _, statusErr := u.Status(ctx); statusErr != nil {
		return err
	}
	return u.delete(ctx)
}

// cancelUnknown tells whether it is cancelling as such that was refused: the registry doesn't have it, or the account may
// not (distribution wants the right to delete).
func cancelUnknown(refused *Error) bool {
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return refused.HasCode("UNSUPPORTED")
}

func (u *Upload) delete(ctx context.Context) error {
	r := u.request("upload DELETE", "cancel upload of", http.MethodDelete)
	r.scopes = []auth.Scope{auth.Delete(u.repository)}
	r.accept = []int{http.StatusNoContent, http.StatusOK, http.StatusAccepted}
	_, err := u.c.try(ctx, r, true)
	return err
}
