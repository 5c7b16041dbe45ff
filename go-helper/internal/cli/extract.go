package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

func newExtract(code *run.Code, streams run.Streams) *cobra.Command {
	var extraction run.Extraction
	c := &cobra.Command{
		Use:   "extract [flags] [FILE...|-]",
		Short: "List the images that rendered Kubernetes manifests ask for",
		Long: `List the images that rendered Kubernetes manifests ask for, read from files or, without any, from standard
input: sorted, each once, with a comment that says who asks for it.

It takes what stands where Kubernetes, and Argo, Tekton, Kustomize, Compose files and GitHub workflows, have images. With --deep also what
only some operators and charts mean by one: fields of custom resources, environment variables, flags, ConfigMaps, annotations, manifests
inside strings, images in parts. How many that would add, and how many texts are left out that look like an image, is said on standard
error; --explain lists them, each with its place and the reason.

With --check it compares a list with them instead; exit code 1 says that the list is stale.`,
		Example: `  helm template cilium cilium/cilium | docker-mirror extract --output images.txt
  helm template cilium cilium/cilium | docker-mirror extract --check images.txt`,
		RunE: func(c *cobra.Command, files []string) error {
			*code = run.Extract(c.Context(), streams, files, extraction)
			return nil
		},
	}
	flags := c.Flags()
	flags.BoolVar(&extraction.Deep, "deep", false, "look also where only some operators and charts put images: custom resources, variables, flags, ConfigMaps, annotations")
	flags.BoolVar(&extraction.Explain, "explain", false, "list what looks like an image and is left out, with its place and why")
	flags.StringVarP(&extraction.Output, "output", "o", "", "write the list to `FILE` (default: standard output)")
	flags.BoolVar(&extraction.AllowEmpty, "allow-empty", false, "manifests without any image are no error")
	flags.StringVar(&extraction.Check, "check", "", "compare with the list in `FILE`")
	c.MarkFlagsMutuallyExclusive("output", "check")
	return c
}
