package devregistry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listTags answers tags/list. Like distribution, a repository without a tag is unknown here, whatever else it has.
func (c *call) listTags() error {
	query := c.r.URL.Query()
	limit := c.dialect.TagsPageSize
	if s := query.Get("n"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return fail(http.StatusBadRequest, CodePaginationNumberInvalid, "n is not a number of tags: %q", s)
		}
		if n == 0 {
			return c.writeTags(nil)
		}
		if most := c.dialect.MaxTagsPage; most > 0 && n > most {
			return fail(http.StatusBadRequest, CodePaginationNumberInvalid, "n is %d, at most %d", n, most)
		}
		if limit == 0 || n < limit {
			limit = n
		}
	}
	var tags []string
	if repo, ok := c.registry.lookup(c.repository); ok {
		tags = repo.sortedTags()
	}
	if len(tags) == 0 {
		return fail(http.StatusNotFound, CodeNameUnknown, "repository %s is unknown", c.repository).with(map[string]string{"name": c.repository})
	}
	last := query.Get("last")
	if c.dialect.OpaqueLast && last != "" {
		decoded, err := base64.RawURLEncoding.DecodeString(last)
		if err != nil || !strings.HasPrefix(string(decoded), opaqueLast) {
			return fail(http.StatusMethodNotAllowed, CodeUnsupported, "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid pagination token'")
		}
		last = strings.TrimPrefix(string(decoded), opaqueLast)
	}
	if last != "" {
		i, found := slices.BinarySearch(tags, last)
		if found {
			i++
		}
		tags = tags[i:]
	}
	if limit > 0 && len(tags) > limit {
		tags = tags[:limit]
		if !c.dialect.NoLink {
			next := url.Values{"n": {strconv.Itoa(limit)}, "last": {tags[limit-1]}}
			if c.dialect.OpaqueLast {
				next.Set("last", base64.RawURLEncoding.EncodeToString([]byte(opaqueLast+tags[limit-1])))
			}
			target := "/v2/" + c.repository + "/tags/list?" + next.Encode()
			if c.dialect.AbsoluteLink {
				target = c.url(target)
			}
			if c.dialect.InternalLink != "" {
				target = c.dialect.InternalLink + target
			}
			// RFC 5988, as the specification's "Listing Tags" asks for.
			c.w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, target))
		}
	}
	return c.writeTags(tags)
}

// opaqueLast begins what an OpaqueLast registry goes on from.
const opaqueLast = "token:"

func (c *call) writeTags(tags []string) error {
	if tags == nil {
		tags = []string{}
	}
	return c.writeJSON("application/json", struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{c.repository, tags})
}

func (c *call) writeJSON(contentType string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	_, err = c.w.Write(body)
	return ignoreWriteError(err)
}
