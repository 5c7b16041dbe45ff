package run

import "time"

// now is in UTC, as reports have it.
func now() time.Time { return time.Now().UTC() }
