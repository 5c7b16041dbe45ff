package registry

import (
	"context"
	"encoding/json"
	"errors"
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
	l := tagLister{c: c, seen: map[string]bool{}, left: c.opts.MaxTagList}
	r := c.tagsRequest(repository, url.Values{"n": {strconv.Itoa(tagsPage)}})
	for range maxTagsPages {
		next, err := l.page(ctx, r)
		if err != nil || next == nil {
			return l.tags, err
		}
		r = next
	}
	return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the tag list has more than %d pages", maxTagsPages))
}

// tagLister is a list of tags as it grows by pages.
type tagLister struct {
	c    *Client
	tags []string
	seen map[string]bool
	left int64 // bytes that the list's further pages may have
	// guessed: the page that is asked for next is a guess, which the list doesn't fail with.
	guessed bool
}

// page reads one page and gives the request for the next, nil where there is none.
func (l *tagLister) page(ctx context.Context, r *request) (*request, error) {
	c := l.c
	answer, err := l.ask(ctx, r)
	if answer == nil {
		return nil, err
	}
	fail := func(err error) (*request, error) {
		l.tags = nil
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	if l.left -= int64(len(answer.body)); l.left < 0 {
		return fail(permanentf("the tag list has more than the %d bytes allowed", c.opts.MaxTagList))
	}
	var page struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(answer.body, &page); err != nil {
		return fail(permanentf("the answer is no tag list: %v", err))
	}
	fresh := l.add(page.Tags)
	next, err := c.nextPage(answer, r)
	following := *r
	following.url = next
	switch {
	case err != nil:
		return fail(err)
	case next != nil && !fresh:
		return fail(permanentf("the tag list's pages repeat themselves"))
	case next != nil:
		c.linksTags.Store(true)
		l.guessed = false
		return &following, nil
	case c.linksTags.Load() || !fresh:
		return nil, nil
	}
	// Some registries cut the list and leave Link out: only an empty page says that there is no more.
	query := r.url.Query()
	query.Set("last", page.Tags[len(page.Tags)-1])
	following.url = c.endpoint(r.repository, "tags/list", query)
	following.attempts = statusAttempts
	l.guessed = true
	return &following, nil
}

// ask sends the request. There is neither answer nor error where a guess failed, and the list is at its end.
func (l *tagLister) ask(ctx context.Context, r *request) (*reply, error) {
	answer, err := l.c.do(ctx, r)
	var refused *Error
	switch {
	case err == nil:
		return answer, nil
	case !errors.As(err, &refused) || throttled(err):
	case l.guessed:
		// ECR takes last for a token of its own, others don't know it.
		l.c.linksTags.Store(true)
		l.c.opts.Logger.Debug("tags go on by Link alone", "registry", l.c.host, "repository", r.repository, "error", err)
		return nil, nil
	case refused.Status == http.StatusBadRequest && len(l.tags) == 0 && r.url.RawQuery != "":
		// A page so large can't be had, it may be: the registry's own size then.
		r.url = l.c.endpoint(r.repository, "tags/list", nil)
		return l.c.do(ctx, r)
	}
	l.tags = nil
	return nil, err
}

// add takes in a page's tags, and tells whether any is new.
func (l *tagLister) add(tags []string) (fresh bool) {
	for _, tag := range tags {
		if !l.seen[tag] {
			l.seen[tag], fresh = true, true
			l.tags = append(l.tags, tag)
		}
	}
	return fresh
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

// nextPage reads Link (RFC 8288, as the distribution spec uses it), nil on the last page. It is on the registry's own host,
// under whatever scheme and port the registry thinks that it has.
func (c *Client) nextPage(answer *reply, r *request) (*url.URL, error) {
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
			if !strings.EqualFold(next.Hostname(), r.url.Hostname()) && !strings.EqualFold(next.Hostname(), hostname(c.host)) {
				return nil, permanentf("the list's next page is on another host, %s", next.Host)
			}
			next.Scheme, next.Host, next.User = c.base.Scheme, c.base.Host, nil
			return next, nil
		}
	}
	return nil, nil
}

func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }
