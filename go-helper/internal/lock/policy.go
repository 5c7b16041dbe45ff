package lock

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/tags"
)

// PolicyText is a policy's canonical text, the same for all spellings of what means the same: its keys as image sets have
// them, sorted, without those that have their default. What the destination has plays no part in a lock, so neither does
// replace_tag.
func PolicyText(p tags.Policy) string {
	var parts []string
	add := func(key, value string) { parts = append(parts, key+"="+quoted(value)) }
	if p.AllowEmpty {
		add("allow_empty", "true")
	}
	if p.Compatibility != "" {
		add("compatibility", p.Compatibility)
	}
	for _, pattern := range sorted(p.Exclude) {
		add("exclude", pattern)
	}
	for _, pattern := range sorted(p.Include) {
		add("include", pattern)
	}
	if p.Latest > 0 {
		add("latest", strconv.Itoa(p.Latest))
	}
	if p.Mode != "" {
		add("mode", string(p.Mode))
	}
	if p.Order != "" && p.Order != tags.OrderSemver {
		add("order", string(p.Order))
	}
	if p.PinnedMajor != nil {
		add("pinned_major", fmt.Sprint(*p.PinnedMajor))
	}
	for _, text := range sorted(p.Semver) {
		add("semver", text)
	}
	return strings.Join(parts, " ")
}

func sorted(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// quoted keeps a value that would read as several things apart from what follows it.
func quoted(value string) string {
	if strings.ContainsAny(value, " \t\"") || value == "" {
		return strconv.Quote(value)
	}
	return value
}
