package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/auth"
)

const (
	tagsPage     = 1000
	maxTagsPage  = 4 << 20
	maxTagsPages = 10_000
)

// RepositoryMissing tells in one request whether the repository isn't there at all, so that none of its tags
// need to be asked for. Only a 404 says so; every other failure is an error.
func (c *Client) RepositoryMissing(ctx context.Context, repository string) (bool, error) {
	_, err := c.do(ctx, c.tagsRequest(repository, url.Values{"n": {"1"}}))
	if repositoryUnknown(err) {
		c.knownMissing(ctx, repository)
		return true, nil
	}
	return false, err
}

// ListTags returns all tags of a repository, in the registry's order, without duplicates.
func (c *Client) ListTags(ctx context.Context, repository string) ([]string, error) {
	var tags []string
	seen := map[string]bool{}
	r := c.tagsRequest(repository, url.Values{"n": {strconv.Itoa(tagsPage)}})
	for range maxTagsPages {
		answer, err := c.do(ctx, r)
		if err != nil {
			return nil, err
		}
		var page struct {
			Tags []string `json:"tags"`
		}
		if err := json.Unmarshal(answer.body, &page); err != nil {
			return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the answer is no tag list: %v", err))
		}
		fresh := false
		for _, tag := range page.Tags {
			if !seen[tag] {
				seen[tag], fresh = true, true
				tags = append(tags, tag)
			}
		}
		next, err := nextPage(answer)
		if err != nil {
			return nil, wrapTransport(ctx, r.op, r.where(c), err)
		}
		if next != nil {
			c.linksTags.Store(true)
		}
		if next == nil {
			if c.linksTags.Load() || !fresh {
				return tags, nil
			}
			// Some registries cut the list and leave Link out: only an empty page says that there is no more.
			next = c.endpoint(repository, "tags/list", url.Values{"n": {strconv.Itoa(tagsPage)}, "last": {page.Tags[len(page.Tags)-1]}})
		} else if !fresh {
			return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the tag list's pages repeat themselves"))
		}
		if next.Host != r.url.Host || next.Scheme != r.url.Scheme {
			return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the tag list's next page is on another host, %s", next.Host))
		}
		following := *r
		following.url = next
		r = &following
	}
	return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the tag list has more than %d pages", maxTagsPages))
}

func (c *Client) tagsRequest(repository string, query url.Values) *request {
	return &request{
		kind: "tags GET", op: "list tags", method: http.MethodGet,
		url:        c.endpoint(repository, "tags/list", query),
		repository: repository,
		scopes:     []auth.Scope{c.reading(repository)},
		accept:     []int{http.StatusOK},
		limit:      maxTagsPage,
	}
}

// nextPage reads Link (RFC 8288, as the distribution spec uses it), nil on the last page.
func nextPage(answer *reply) (*url.URL, error) {
	for _, value := range answer.header.Values("Link") {
		for _, link := range strings.Split(value, ",") {
			target, params, _ := strings.Cut(strings.TrimSpace(link), ";")
			rel := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(params)), " ", "")
			if !strings.Contains(rel, `rel="next"`) && !strings.Contains(rel, "rel=next") {
				continue
			}
			next, err := answer.url.Parse(strings.Trim(strings.TrimSpace(target), "<>"))
			if err != nil {
				return nil, permanentf("the next page's Link is unreadable")
			}
			return next, nil
		}
	}
	return nil, nil
}
