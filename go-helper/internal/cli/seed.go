package cli

import (
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/devregistry/sample"
	"docker-mirror/go-helper/internal/run"
)

func newSeed(streams run.Streams) *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use:   "seed [flags] HOST:PORT",
		Short: "Push a few sample images into a registry on this machine",
		Long: `Push a few sample images into a registry on this machine, such as one that 'serve' started. They are always the same
bytes. Prints them as a list that 'copy' takes.`,
		Example: `  docker-mirror seed 127.0.0.1:5000 | docker-mirror copy --registry 127.0.0.1:5001`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			host, _, err := net.SplitHostPort(args[0])
			if err != nil {
				return fmt.Errorf("registry %s: %w", args[0], err)
			}
			if !isLoopback(host) {
				return fmt.Errorf("registry %s: sample images go to registries on this machine only", args[0])
			}
			if prefix != "" {
				prefix = strings.TrimSuffix(prefix, "/") + "/"
			}
			pushed, err := sample.Push(c.Context(), nil, "http://"+args[0], prefix)
			for _, image := range pushed {
				fmt.Fprintf(streams.Out, "%s/%s:%s # %s\n", args[0], image.Repository, image.Tag, image.About)
			}
			return err
		},
	}
	c.Flags().StringVar(&prefix, "repository-prefix", "", "`PATH` to put all repositories under")
	return c
}
