package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// plantTags puts n tags into a/b.
func plantTags(t *testing.T, server *devregistry.Server, n int) (tags []string) {
	t.Helper()
	for i := range n {
		tags = append(tags, fmt.Sprintf("v%03d", i))
		if err := server.PlantManifest("a/b", tags[i], emptyIndex.MediaType, emptyIndex.Body); err != nil {
			t.Fatal(err)
		}
	}
	return tags
}

// A guess at how a list of tags goes on is nothing that the list fails with.
func TestTagListsThatCantBeGuessed(t *testing.T) {
	last := func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindTags && r.HTTP.URL.Query().Has("last")
	}
	for _, tt := range []struct {
		name     string
		dialect  devregistry.Dialect
		faults   func(devregistry.Request) *devregistry.Fault
		requests int // for the list twice
	}{
		{"ECR, a short list", devregistry.Dialect{OpaqueLast: true}, nil, 3},
		{"ECR, pages", devregistry.Dialect{OpaqueLast: true, TagsPageSize: 10}, nil, 6},
		{"a guess is refused with 404", devregistry.Dialect{}, devregistry.Always(last, devregistry.Fault{Status: 404}), 3},
		{"a guess is refused with 400", devregistry.Dialect{}, devregistry.Always(last, devregistry.Fault{Status: 400, Body: "no"}), 3},
		{"a guess breaks", devregistry.Dialect{}, devregistry.Always(last, devregistry.Fault{Status: 500}), 5},
		{"large pages are refused", devregistry.Dialect{MaxTagsPage: 100, TagsPageSize: 10}, nil, 8},
		{"a Link on another port", devregistry.Dialect{TagsPageSize: 10, InternalLink: "https://127.0.0.1:5000"}, nil, 6},
	} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: tt.dialect})
		want := plantTags(t, server, 25)
		server.SetFaults(devregistry.Faults{Intercept: tt.faults})
		if tt.faults == nil {
			server.SetFaults(devregistry.Faults{})
		}
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		for range 2 {
			if tags, err := c.ListTags(t.Context(), "a/b"); err != nil || !slices.Equal(tags, want) {
				t.Errorf("%s: %d tags, %v", tt.name, len(tags), err)
			}
		}
		if n := len(entries(server, devregistry.KindTags)); n != tt.requests {
			t.Errorf("%s: %d requests", tt.name, n)
		}
	}
}

// What isn't a guess, and what is no answer, is never the end of a list.
func TestTagListsThatBreak(t *testing.T) {
	isLast := func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindTags && r.HTTP.URL.Query().Has("last")
	}
	for name, tt := range map[string]struct {
		dialect devregistry.Dialect
		fault   devregistry.Fault
	}{
		"a page that was linked":  {devregistry.Dialect{TagsPageSize: 10}, devregistry.Fault{Status: 404}},
		"a guess that is refused": {devregistry.Dialect{}, devregistry.Fault{Reset: true}},
		"a throttled guess":       {devregistry.Dialect{}, devregistry.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}},
	} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: tt.dialect})
		plantTags(t, server, 25)
		server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isLast, tt.fault)})
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		if tags, err := c.ListTags(t.Context(), "a/b"); err == nil || tags != nil {
			t.Errorf("%s: %d tags, %v", name, len(tags), err)
		}
	}
}

func TestTagListsHaveABudget(t *testing.T) {
	page := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page++
		w.Header().Set("Link", fmt.Sprintf(`</v2/a/b/tags/list?last=%d>; rel="next"`, page))
		fmt.Fprintf(w, `{"tags": ["v%d%s"]}`, page, strings.Repeat("x", 900))
	}))
	defer server.Close()
	c := newPool(t, Options{Retry: impatient, MaxTagList: 10_000}).Client(strings.TrimPrefix(server.URL, "http://"))
	page = -1 // the ping
	tags, err := c.ListTags(t.Context(), "a/b")
	if err == nil || Temporary(err) || tags != nil || !strings.Contains(err.Error(), "more than the 10000 bytes allowed") {
		t.Errorf("%d tags, %v", len(tags), err)
	}
	if page > 11 {
		t.Errorf("read %d pages", page)
	}
	if _, err := NewPool(Options{MaxTagList: -1}); err == nil {
		t.Error("a negative budget is none")
	}
	if errors.Is(err, ErrNotFound) {
		t.Error("too large isn't missing")
	}
}
