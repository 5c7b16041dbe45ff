package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newMirror(code *run.Code, streams run.Streams) *cobra.Command {
	settings := run.Settings{Streams: streams, Version: version, Command: "mirror"}
	var batch string
	var choice run.Choice
	c := &cobra.Command{
		Use:    "mirror [flags] --batch FILE",
		Short:  "Copy the plans of a batch in one run, for pants mirror",
		Hidden: true, // for the Pants rules
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			*code = run.Mirror(c.Context(), settings, batch, choice)
			return nil
		},
	}
	addChoiceFlags(c, &choice)
	addShardFlags(c, &settings.Part)
	addRunFlags(c, &settings)
	c.Flags().StringVar(&batch, "batch", "", "`FILE` with the targets and their plans")
	must(c.MarkFlagRequired("batch"))
	return c
}

func newPublish(code *run.Code, streams run.Streams) *cobra.Command {
	settings := run.Settings{Streams: streams, Version: version, Command: "publish"}
	var spool, planFile string
	c := &cobra.Command{
		Use:    "publish [flags] --spool DIR --plan FILE",
		Short:  "Carry out a target's plan, with all others of its spool in one run, for pants publish",
		Hidden: true, // for the Pants rules
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			*code = run.Publish(c.Context(), settings, spool, planFile)
			return nil
		},
	}
	addRunFlags(c, &settings)
	c.Flags().StringVar(&spool, "spool", "", "`DIR` that all processes of the run share")
	c.Flags().StringVar(&planFile, "plan", "", "`FILE` with the target whose result this process gives, and its plan")
	must(c.MarkFlagRequired("spool"))
	must(c.MarkFlagRequired("plan"))
	return c
}

// must is for what only a defect of ours makes fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
