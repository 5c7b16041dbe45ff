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
	addPartFlags(c, &part)
	c.Flags().StringVarP(&output, "output", "o", "", "write the plan to `FILE` (default: standard output)")
	return c
}

func newPlans(code *run.Code, streams run.Streams) *cobra.Command {
	var batch string
	c := &cobra.Command{
		Use:    "plans --batch FILE",
		Short:  "Plan many lists, each by itself, and print a line of JSON for each",
		Hidden: true, // for the Pants rules
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			*code = run.Plans(c.Context(), streams, batch)
			return nil
		},
	}
	c.Flags().StringVar(&batch, "batch", "", "`FILE` with the lists and their settings")
	must(c.MarkFlagRequired("batch"))
	return c
}

func newFroms(code *run.Code, streams run.Streams) *cobra.Command {
	var batch string
	c := &cobra.Command{
		Use:    "froms --batch FILE",
		Short:  "Find the images that Dockerfiles take from a mirror and that no plan brings there",
		Hidden: true, // for the Pants rules
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			*code = run.Froms(c.Context(), streams, batch)
			return nil
		},
	}
	c.Flags().StringVar(&batch, "batch", "", "`FILE` with the Dockerfiles and the plans")
	must(c.MarkFlagRequired("batch"))
	return c
}
