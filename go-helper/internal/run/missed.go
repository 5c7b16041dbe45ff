package run

import (
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/engine"
)

// missedNotice tells what is attached to an image, or may be, and doesn't come along: nobody shall take a mirror's image for
// one that was never signed.
func missedNotice(c engine.Copy, missed []engine.Missed) string {
	where := c.Destination.String()
	if c.Origin != "" {
		where = c.Origin + ": " + where
	}
	causes := make([]string, len(missed))
	for i, m := range missed {
		causes[i] = m.String()
	}
	return fmt.Sprintf("WARNING: %s: not all that is attached to it is known, or comes along (--referrers=require makes that a failure, always asks again): %s",
		where, strings.Join(causes, "; "))
}
