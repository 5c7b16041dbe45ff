package cli

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// version is the program's.
const version = "0.1.0"

// protocol is raised with each change of what the hidden commands and the Pants rules tell each other, so that an executable
// of other sources than the rules' is refused, and not misunderstood.
const protocol = 5

// identity is what `version --json` prints.
type identity struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Protocol int    `json:"protocol"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func newVersion() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(identity{
					"docker-mirror", version, protocol, runtime.Version(), runtime.GOOS, runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "docker-mirror %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON, with the protocol that the Pants backend asks for")
	return c
}
