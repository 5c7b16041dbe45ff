package run

import (
	"fmt"
	"iter"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/report"
)

// printCopies puts a line a copy on standard output: what was copied or would be, and with --verbose the others too.
func (s *session) printCopies(copies iter.Seq[*report.Copy]) {
	for c := range copies {
		verb := string(c.Status)
		switch c.Status {
		case engine.StatusCopied:
		case engine.StatusPlanned:
			verb = "would copy"
		case engine.StatusFailed:
			continue // they are told with their reasons
		default:
			if !s.Verbose {
				continue
			}
		}
		destination := c.Destination
		if c.Digest != "" {
			destination = withDigest(destination, c.Digest)
		}
		line := fmt.Sprintf("%s %s from %s", verb, destination, c.Source)
		if index := c.Index; index != nil {
			line += fmt.Sprintf(" (%s index: %d of %d manifests)", index.Kind, index.Kept, index.Manifests)
		}
		if c.Status == engine.StatusSkipped {
			line += ": " + c.Reason
		}
		fmt.Fprintln(s.Out, report.Clean(line))
	}
}

// withDigest spells a destination so that it can be pulled by what it is.
func withDigest(destination, digest string) string {
	if ref, err := reference.Parse(destination); err == nil && ref.HasDigest() {
		return destination
	}
	return destination + "@" + digest
}
