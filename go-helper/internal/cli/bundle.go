package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newBundle(code *run.Code, streams run.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "bundle",
		Short: "Carry OCI layouts: in pieces, and checked",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("name what to do with the bundle: pack or verify")
		},
	}
	c.AddCommand(newBundlePack(code, streams), newBundleVerify(code, streams))
	return c
}

func newBundlePack(code *run.Code, streams run.Streams) *cobra.Command {
	var output, split string
	c := &cobra.Command{
		Use:   "pack [flags] DIR",
		Short: "Write an OCI layout as an archive of parts",
		Long: `Write the OCI layout in DIR as tars: PREFIX-001-of-003.tar and so on, their sums (PREFIX.sha256, for sha256sum
--check), and what is in them (PREFIX.json, for copy --base).

Parts that are there already and right are kept: a pack that was interrupted goes on, and one of an archive with a
damaged or lost part makes that part again. Each part is a tar by itself; copy --from-layout reads them as they are.`,
		Example: `  docker-mirror bundle pack bundle --output /media/usb/october --split 4GB`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			*code = run.Pack(c.Context(), streams, args[0], output, split)
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "`PREFIX` of the files, with their folder")
	c.Flags().StringVar(&split, "split", "", "`SIZE` of a part at most, such as 4GB or 650MiB (default: one part)")
	must(c.MarkFlagRequired("output"))
	return c
}

func newBundleVerify(code *run.Code, streams run.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR|PREFIX|PART...",
		Short: "Check that a bundle is whole and undamaged, without any network",
		Long: `Check an OCI layout, or the parts of an archive of one: each part against its sum, each blob against its digest,
and that all is there that the images consist of. What is wrong is printed, with the part and the images that it
concerns, and the exit code is 1.`,
		Example: `  docker-mirror bundle verify /media/usb
  docker-mirror bundle verify /media/usb/october`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, paths []string) error {
			*code = run.VerifyBundle(c.Context(), streams, paths)
			return nil
		},
	}
}
