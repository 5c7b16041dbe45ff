package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newReport(code *run.Code, streams run.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Show the reports of runs",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return fmt.Errorf("name a format: html") },
	}
	c.AddCommand(newReportHTML(code, streams))
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
