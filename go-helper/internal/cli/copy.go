package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newCopy(code *run.Code, streams run.Streams) *cobra.Command {
	settings := run.Settings{Streams: streams, Version: version, Command: "copy"}
	var lists listFlags
	var choice run.Choice
	c := &cobra.Command{
		Use:   "copy [flags] [FILE...|-]",
		Short: "Copy the images that lists name",
		Long: `Copy the images that lists name. Lists are read from files or, without any, from standard input.

A text list has one image per line, as after FROM in a Dockerfile; --registry says where they go. A JSON
list has copy specs, which name both sides: {"src": …, "dst": …, "transform": {"limitPlatforms": […]}}.`,
		Example: `  docker-mirror copy --registry registry.example --repository 'mirror/{repository}' images.txt
  docker-mirror copy specs.json
  echo alpine:3.22 | docker-mirror copy --registry registry.example
  docker-mirror copy --to-layout bundle images.txt
  docker-mirror copy --from-layout bundle --registry registry.example images.txt`,
		RunE: func(c *cobra.Command, files []string) error {
			wanted := lists.settings()
			if c.Flags().Changed(referrersFlag) {
				wanted.Referrers = settings.ListReferrers() // also for copy specs, which by themselves bring none
			}
			*code = run.Copy(c.Context(), settings, lists.lists(files), wanted, choice)
			return nil
		},
	}
	lists.add(c)
	addChoiceFlags(c, &choice)
	addShardFlags(c, &settings.Part)
	addRunFlags(c, &settings)
	addLayoutFlags(c, &settings)
	return c
}
