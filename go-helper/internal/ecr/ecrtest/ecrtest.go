// Package ecrtest plays the part of the ECR API that creating repositories takes, over HTTP on loopback, as the API speaks it: AWS
// JSON 1.1, the operation in X-Amz-Target, an error's name in __type ("Amazon ECR API Reference").
package ecrtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// API is the service. It holds what was created.
type API struct {
	URL string
	// OnCreate is called for each new repository, such as devregistry's CreateRepository. May be nil.
	OnCreate func(name string)

	mu     sync.Mutex
	calls  []Call
	denied bool
	broken int
}

// Call is a CreateRepository that came in.
type Call struct {
	RepositoryName             string
	RegistryID                 string `json:"registryId"`
	ImageTagMutability         string
	ImageScanningConfiguration struct{ ScanOnPush bool }
	EncryptionConfiguration    struct{ EncryptionType, KmsKey string }
	Tags                       []struct{ Key, Value string }
	// Signer is the access key that the request was signed with.
	Signer string `json:"-"`
	// Answer is "" or the error's name.
	Answer string `json:"-"`
}

// Start serves the API until the test ends.
func Start(t testing.TB, onCreate func(name string)) *API {
	t.Helper()
	api := &API{OnCreate: onCreate}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	api.URL = server.URL
	return api
}

// Deny answers AccessDeniedException from now on.
func (a *API) Deny() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.denied = true
}

// Break answers ServerException to the next n calls.
func (a *API) Break(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = n
}

// Calls are those so far, in order.
func (a *API) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var call Call
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		answerError(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	if target := r.Header.Get("X-Amz-Target"); target != "AmazonEC2ContainerRegistry_V20150921.CreateRepository" {
		answerError(w, http.StatusBadRequest, "UnknownOperationException", target)
		return
	}
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	call.Signer, _, _ = strings.Cut(signature, "/")

	a.mu.Lock()
	exists := slices.ContainsFunc(a.calls, func(c Call) bool { return c.RepositoryName == call.RepositoryName && c.Answer == "" })
	status, message := http.StatusOK, ""
	switch {
	case call.Signer == "":
		status, call.Answer, message = http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"
	case a.denied:
		status, call.Answer = http.StatusBadRequest, "AccessDeniedException"
		message = "User: arn:aws:iam::123456789012:user/robot is not authorized to perform: ecr:CreateRepository because no identity-based policy allows the ecr:CreateRepository action"
	case a.broken > 0:
		a.broken--
		status, call.Answer, message = http.StatusInternalServerError, "ServerException", "try again"
	case exists:
		status, call.Answer = http.StatusBadRequest, "RepositoryAlreadyExistsException"
		message = "The repository with name '" + call.RepositoryName + "' already exists"
	}
	a.calls = append(a.calls, call)
	a.mu.Unlock()
	if call.Answer != "" {
		answerError(w, status, call.Answer, message)
		return
	}
	if a.OnCreate != nil {
		a.OnCreate(call.RepositoryName)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"repository": map[string]any{
		"repositoryName": call.RepositoryName, "registryId": call.RegistryID,
	}})
}

func answerError(w http.ResponseWriter, status int, name, message string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": name, "message": message})
}
