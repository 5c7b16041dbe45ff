package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newPlan(code *run.Code, streams run.Streams) *cobra.Command {
	var lists listFlags
	var settingsFile, output string
	var part run.Part
	c := &cobra.Command{
		Use:   "plan [flags] FILE...|-",
		Short: "Check lists and plan their copies, offline",
		Long: `Check lists and plan their copies, without touching the network. Prints the plan, a JSON array of copy specs that
'copy' takes. If there is any error, there is no plan.`,
		Args: needArgs("name a list, or - for standard input"),
		RunE: func(c *cobra.Command, files []string) error {
			settings := lists.settings()
			if settingsFile != "" {
				var err error
				if settings, err = run.ReadSettings(settingsFile); err != nil {
					return err
				}
			}
			*code = run.Plan(c.Context(), streams, lists.lists(files), settings, part, output)
			return nil
		},
	}
	lists.add(c)
	c.Flags().StringVar(&settingsFile, "settings", "", "`FILE` that says where the images go, instead of flags")
	for _, flag := range destinationFlags {
		c.MarkFlagsMutuallyExclusive("settings", flag)
	}
	addShardFlags(c, &part)
	c.Flags().StringVarP(&output, "output", "o", "", "write the plan to `FILE` (default: standard output)")
	return c
}

func newNames(code *run.Code, streams run.Streams) *cobra.Command {
	var lists listFlags
	c := &cobra.Command{
		Use:    "names [flags] FILE|-",
		Short:  "Print as JSON what overrides can call the images of a list",
		Hidden: true, // for the Pants rules
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			*code = run.Names(c.Context(), streams, run.Lists{Files: files, Format: lists.format})
			return nil
		},
	}
	lists.addFormat(c)
	return c
}
