package run

import (
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/spec"
)

// referrersAlways is all, and asks for attachments of unchanged images, too.
const referrersAlways = "always"

const foreignCopied = "copy"

const missingSkipped = "skip"

// MissingChoices are what Settings.Missing can be; empty is the first.
func MissingChoices() []string { return []string{"fail", missingSkipped} }

// ForeignLayersChoices are what Settings.ForeignLayers can be; empty is the first.
func ForeignLayersChoices() []string { return []string{"skip", foreignCopied} }

// ReferrersChoices are what Settings.Referrers can be; empty is none.
func ReferrersChoices() []string { return append(spec.ReferrersChoices(), referrersAlways) }

// ListReferrers is Referrers as a list's own value: "always" is all.
func (s Settings) ListReferrers() string {
	if s.Referrers == referrersAlways {
		return string(engine.ReferrersAll)
	}
	return s.Referrers
}
