package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// creator makes repositories in a registry of tests, as an API of its own would.
type creator struct {
	make func(name string) error

	mu    sync.Mutex
	names []string
}

func (c *creator) CreateRepository(_ context.Context, name string) error {
	c.mu.Lock()
	c.names = append(c.names, name)
	c.mu.Unlock()
	return c.make(name)
}

func (c *creator) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(slices.Values(c.names))
}

func startECR(t *testing.T) (*devregistry.Server, *creator, *Client, *[]string) {
	t.Helper()
	dialect := devregistry.ECR
	dialect.RepositoriesMustExist = true
	server := devregistrytest.Start(t, devregistry.Options{Dialect: dialect})
	made := &creator{make: func(name string) error { server.CreateRepository(name); return nil }}
	var told []string
	var mu sync.Mutex
	c := newPool(t, Options{
		Retry: impatient,
		Host:  func(string) HostOptions { return HostOptions{Repositories: made} },
		OnCreate: func(host, repository string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, host+"/"+repository)
		},
	}).Client(server.Host)
	return server, made, c, &told
}

// notFound counts the writes that were answered 404.
func notFound(server *devregistry.Server) (n int) {
	for _, e := range server.Log().Entries() {
		if e.Status == 404 && (e.Method == "POST" || e.Method == "PUT") {
			n++
		}
	}
	return n
}

// Many uploads to new repositories create each once, at the cost of one refusal a repository.
func TestRepositoriesAreCreatedOnce(t *testing.T) {
	server, made, c, told := startECR(t)
	many(t, 16, func(i int) error {
		up, err := c.StartUpload(t.Context(), fmt.Sprintf("team/r%d", i%2), DigestOf([]byte{byte(i)}), []string{"", "team/r0", "other"}[i%3])
		if err != nil || up == nil {
			return fmt.Errorf("%v, %w", up, err)
		}
		return up.Cancel(t.Context())
	})
	want := []string{"team/r0", "team/r1"}
	if got := made.asked(); !slices.Equal(got, want) {
		t.Errorf("created %q", got)
	}
	if got := slices.Sorted(slices.Values(*told)); !slices.Equal(got, []string{server.Host + "/team/r0", server.Host + "/team/r1"}) {
		t.Errorf("told %q", got)
	}
	if n := notFound(server); n != 2 {
		t.Errorf("%d writes were refused", n)
	}
}

// What is known to be missing is created before anything is refused; a manifest without blobs creates as well.
func TestMissingRepositoriesAreCreatedAhead(t *testing.T) {
	server, made, c, _ := startECR(t)
	if missing, err := c.RepositoryMissing(t.Context(), "team/app"); err != nil || !missing {
		t.Fatalf("%v, %v", missing, err)
	}
	index := &Manifest{MediaType: "application/vnd.oci.image.index.v1+json", Body: []byte(`{"schemaVersion":2,"manifests":[]}`)}
	if err := c.PutManifest(t.Context(), "team/app", "v1", index); err != nil {
		t.Fatal(err)
	}
	if n := notFound(server); n != 0 || len(made.asked()) != 1 {
		t.Errorf("%d writes were refused, created %q", n, made.asked())
	}
	if err := c.PutManifest(t.Context(), "team/new", "v1", index); err != nil {
		t.Error(err)
	}

	// A repository without a tag looks like none in some lists: that it can't be created doesn't matter then.
	server.CreateRepository("team/empty")
	made.make = func(string) error { return errors.New("may not") }
	if missing, err := c.RepositoryMissing(t.Context(), "team/empty"); err != nil || !missing {
		t.Fatalf("%v, %v", missing, err)
	}
	push(t, c, "team/empty", []byte("content"))
	push(t, c, "team/empty", []byte("more"))
}

// A repository that can't be created is said once to be so; others go on.
func TestCreationFails(t *testing.T) {
	server, made, c, _ := startECR(t)
	made.make = func(name string) error {
		if name == "team/denied" {
			return errors.New("the identity needs more")
		}
		server.CreateRepository(name)
		return nil
	}
	var mu sync.Mutex
	var said []string
	many(t, 8, func(i int) error {
		_, err := c.StartUpload(t.Context(), "team/denied", DigestOf([]byte{byte(i)}), []string{"", "team/ok"}[i%2])
		var failed *CreationError
		if !errors.As(err, &failed) || Temporary(err) || failed.Repository != "team/denied" {
			return fmt.Errorf("got %w", err)
		}
		mu.Lock()
		defer mu.Unlock()
		said = append(said, err.Error())
		return nil
	})
	want := "repository " + server.Host + "/team/denied does not exist, and can't be created: the identity needs more"
	if len(slices.Compact(said)) != 1 || said[0] != want {
		t.Errorf("said %q", said)
	}
	if got := made.asked(); len(got) != 1 || notFound(server) != 1 {
		t.Errorf("asked for %q, %d writes were refused", got, notFound(server))
	}
	push(t, c, "team/ok", []byte("content"))
}

// A registry may take a moment to know its new repository everywhere.
func TestCreatedRepositoryIsWaitedFor(t *testing.T) {
	server, _, c, _ := startECR(t)
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Times(3, isKind(devregistry.KindUploadStart), devregistry.Fault{
		Status: 404, Code: devregistry.CodeNameUnknown,
	})})
	push(t, c, "team/app", []byte("content"))
}

// Without a creator nothing is asked, and the refusal says that there is no such repository.
func TestNobodyCreates(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{RepositoriesMustExist: true}})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	_, err := c.StartUpload(t.Context(), "team/app", DigestOf(nil), "")
	if !errors.Is(err, ErrNotFound) || Temporary(err) || !strings.Contains(err.Error(), "NAME_UNKNOWN") {
		t.Errorf("got %v", err)
	}
}
