package plan

import (
	"errors"

	"docker-mirror/go-helper/internal/tags"
)

// Expand makes copies of an entry with a tag policy, now that the tags of its source and, where [NeedsDestinationTags]
// says so, of its destination are known. An entry without a policy is returned as it is.
func Expand(c Copy, source, destination []string) ([]Copy, error) {
	if c.Select == nil {
		return []Copy{c}, nil
	}
	return nil, errors.New("tag policies are not supported yet")
}

// NeedsDestinationTags tells whether [Expand] looks at what the destination has.
func NeedsDestinationTags(c Copy) bool {
	return c.Select != nil && c.Select.Mode == tags.ModeHigher
}
