package run

import (
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/engine"
)

// missedNotice tells what is attached to an image, or may be, and doesn't come along: nobody shall take a mirror's image for
// one that was never signed.
func missedNotice(c engine.Copy, missed []engine.Missed) string {
	causes := make([]string, len(missed))
	for i, m := range missed {
		causes[i] = m.String()
	}
	return fmt.Sprintf("WARNING: %s: some attachments are unknown or were not copied (--referrers=require makes that a failure, always asks again): %s",
		whose(c), strings.Join(causes, "; "))
}

// missingNotice tells what an index names and a copy leaves out, as its source doesn't have it.
func missingNotice(c engine.Copy, subset *engine.Subset) string {
	named := make([]string, len(subset.Missing))
	for i, m := range subset.Missing {
		named[i] = m.String()
	}
	kind := "rewritten without it"
	if subset.Sparse {
		kind = "left as it is, sparse"
	}
	return fmt.Sprintf("WARNING: %s: the index names what its source doesn't have, and is %s: %s", whose(c), kind, strings.Join(named, ", "))
}

func whose(c engine.Copy) string {
	if c.Origin == "" {
		return c.Destination.String()
	}
	return c.Origin + ": " + c.Destination.String()
}
