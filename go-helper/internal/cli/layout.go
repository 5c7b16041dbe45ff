package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

// addLayoutFlags adds what carries images to where no network goes.
func addLayoutFlags(c *cobra.Command, s *run.Settings) {
	flags := c.Flags()
	flags.StringVar(&s.ToLayout, "to-layout", "", "copy to the OCI layout in `DIR`, under the sources' names and digests, in place of the destinations; what it has already stays")
	flags.StringArrayVar(&s.FromLayout, "from-layout", nil, "read the sources from the OCI layout in `DIR`, or from an archive of one: its folder, the prefix of its parts, or, repeated, each part")
	flags.StringArrayVar(&s.Bases, "base", nil, "leave out of --to-layout the blobs that an earlier `BUNDLE` has, its folder or its bundle.json; repeatable")
	must(c.MarkFlagDirname("to-layout"))
}
