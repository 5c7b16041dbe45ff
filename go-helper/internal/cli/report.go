package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newReport(code *run.Code, streams run.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Show the reports of runs, and merge those of shards",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return fmt.Errorf("say what to do with reports: html, merge") },
	}
	c.AddCommand(newReportHTML(code, streams), newReportMerge(code, streams))
	return c
}

func newReportHTML(code *run.Code, streams run.Streams) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "html [flags] REPORT...",
		Short: "Make an HTML page from reports: what is mirrored where",
		Long: `Make an HTML page from the files that --report wrote. It shows which image is mirrored where, who asked for it, its
digest, platforms and bytes, failures first. If several reports have the same destination, the newest counts.

The page is a single file that loads nothing. You can filter it (press /) and sort it; without JavaScript you
can still read it.`,
		Example: `  docker-mirror report html report.json --output mirror.html`,
		Args:    needArgs("name the reports, the files that --report wrote"),
		RunE: func(_ *cobra.Command, files []string) error {
			*code = run.Page(streams, files, output)
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write the page to `FILE` (default: standard output)")
	return c
}

func newReportMerge(code *run.Code, streams run.Streams) *cobra.Command {
	var output, metrics string
	var partial bool
	c := &cobra.Command{
		Use:   "merge [flags] --output FILE REPORT...",
		Short: "Make one report from those of all shards",
		Long: `Make one report from those that the shards of a plan wrote (copy --shard=I/N --report FILE): all copies, in the order of
the plan, and what was asked of registries in all. Prints a line for each copy that failed.

Exits with 2 if a shard did, or if the reports are not those of one plan; else with 1 if a shard did or has left no report; else
with 130 if a shard was interrupted.`,
		Example: `  docker-mirror report merge --output report.json report-*.json`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			*code = run.MergeReports(streams, files, output, metrics, partial)
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write the report to `FILE`")
	must(c.MarkFlagRequired("output"))
	c.Flags().BoolVar(&partial, "partial", false, "accept that shards have left no report")
	c.Flags().StringVar(&metrics, "metrics", "", "write what all shards came to as Prometheus metrics to `FILE`")
	c.MarkFlagsMutuallyExclusive("partial", "metrics") // what is left out may have failed
	return c
}
