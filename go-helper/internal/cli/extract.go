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
		Long: `List the images that rendered Kubernetes manifests ask for, sorted, each once, with a comment that names who asks for it.
Manifests are read from files or, without any, from standard input.

Without flags it takes what stands where Kubernetes, Argo, Tekton, Kustomize, Compose files and GitHub workflows have images. With --deep
it also looks where only some operators and charts have them: fields of custom resources, environment variables, flags, ConfigMaps,
annotations, manifests inside strings, images in parts. Standard error says how many images --deep would add, and how much other text
looks like an image; --explain lists each with its place and the reason why it is left out.

With --check, compare a list with them instead, and exit with 1 if it is stale.`,
		Example: `  helm template cilium cilium/cilium | docker-mirror extract --output images.txt
  helm template cilium cilium/cilium | docker-mirror extract --check images.txt`,
		RunE: func(c *cobra.Command, files []string) error {
			*code = run.Extract(c.Context(), streams, files, extraction)
			return nil
		},
	}
	flags := c.Flags()
	flags.BoolVar(&extraction.Deep, "deep", false, "also look where only some operators and charts put images: custom resources, variables, flags, ConfigMaps, annotations")
	flags.BoolVar(&extraction.Explain, "explain", false, "list what looks like an image but is left out, with its place and the reason")
	flags.StringVarP(&extraction.Output, "output", "o", "", "write the list to `FILE` (default: standard output)")
	flags.BoolVar(&extraction.AllowEmpty, "allow-empty", false, "accept manifests without any image")
	flags.StringVar(&extraction.Check, "check", "", "compare with the list in `FILE`")
	c.MarkFlagsMutuallyExclusive("output", "check")
	return c
}
