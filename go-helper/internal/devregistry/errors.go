package devregistry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Error codes of the OCI distribution specification, "Error Codes", and those that distribution adds.
const (
	CodeBlobUnknown             = "BLOB_UNKNOWN"
	CodeBlobUploadInvalid       = "BLOB_UPLOAD_INVALID"
	CodeBlobUploadUnknown       = "BLOB_UPLOAD_UNKNOWN"
	CodeDenied                  = "DENIED"
	CodeDigestInvalid           = "DIGEST_INVALID"
	CodeManifestBlobUnknown     = "MANIFEST_BLOB_UNKNOWN"
	CodeManifestInvalid         = "MANIFEST_INVALID"
	CodeManifestUnknown         = "MANIFEST_UNKNOWN"
	CodeNameInvalid             = "NAME_INVALID"
	CodeNameUnknown             = "NAME_UNKNOWN"
	CodePaginationNumberInvalid = "PAGINATION_NUMBER_INVALID"
	CodeRangeInvalid            = "RANGE_INVALID"
	CodeSizeInvalid             = "SIZE_INVALID"
	CodeTagInvalid              = "TAG_INVALID"
	CodeTooManyRequests         = "TOOMANYREQUESTS"
	CodeUnauthorized            = "UNAUTHORIZED"
	CodeUnavailable             = "UNAVAILABLE"
	CodeUnknown                 = "UNKNOWN"
	CodeUnsupported             = "UNSUPPORTED"
)

// apiError is an answer with an error body.
type apiError struct {
	Status  int
	Code    string
	Message string
	Detail  any
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

func fail(status int, code, format string, args ...any) *apiError {
	return &apiError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *apiError) with(detail any) *apiError {
	e.Detail = detail
	return e
}

type errorItem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  any    `json:"detail,omitempty"`
}

// writeError answers with the specification's error body; anything but an apiError is a 500.
func writeError(w http.ResponseWriter, err error) {
	status, items := http.StatusInternalServerError, []errorItem(nil)
	for _, err := range unjoin(err) {
		var api *apiError
		if !errors.As(err, &api) {
			api = &apiError{Status: http.StatusInternalServerError, Code: CodeUnknown, Message: err.Error()}
		}
		if items == nil {
			status = api.Status
		}
		items = append(items, errorItem{Code: api.Code, Message: api.Message, Detail: api.Detail})
	}
	body, err := json.Marshal(map[string][]errorItem{"errors": items})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func unjoin(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
