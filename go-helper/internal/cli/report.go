package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newReport(code *run.Code, streams run.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Show what runs reported",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return fmt.Errorf("name what to make of the reports: html") },
	}
	c.AddCommand(newReportHTML(code, streams))
	return c
}

func newReportHTML(code *run.Code, streams run.Streams) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "html [flags] REPORT...",
		Short: "Make a page of reports: what is mirrored where",
		Long: `Make a page of the reports that --report has written: which image is mirrored where, who asked for it, its
digest, platforms and bytes, failures first. Of several reports on one destination the newest counts.

The page is one file. It loads nothing from elsewhere, and can be read without JavaScript; with it, it can be
filtered (/ goes to the filter) and sorted.`,
		Example: `  docker-mirror report html report.json --output mirror.html`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			*code = run.Page(streams, files, output)
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "write the page to `FILE` (default: standard output)")
	return c
}
