package cli

import (
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/run"
	"docker-mirror/go-helper/internal/spec"
)

// replicantConfigFile is where replicant looks.
const replicantConfigFile = "/config/replicant.yaml"

func newReplicant(code *run.Code, streams run.Streams) *cobra.Command {
	settings := run.Settings{Streams: streams, Version: version, Command: "replicant"}
	var configFile string
	var debug bool
	c := &cobra.Command{
		Use:   "replicant [flags]",
		Short: "Copy what a configuration of replicant says, with replicant's flags",
		Long: `Copy what a configuration of replicant says, with replicant's flags and environment variables
(REPLICANT_CONFIG_FILE, REPLICANT_DEBUG, REPLICANT_EXIT_ON_ERROR; a flag wins).

Unlike replicant, it writes to no source, keeps all platforms and digests, takes no error for "already there", and
ends with exit code 1 where a copy failed and 2 where the configuration is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if value := os.Getenv("REPLICANT_CONFIG_FILE"); value != "" && !c.Flags().Changed("config-file") {
				configFile = value
			}
			for flag, variable := range map[string]string{"debug": "REPLICANT_DEBUG", "exit-on-error": "REPLICANT_EXIT_ON_ERROR"} {
				if err := boolFromEnvironment(c, flag, variable); err != nil {
					return err
				}
			}
			settings.Verbose = settings.Verbose || debug
			lists := run.Lists{Files: []string{configFile}, Format: string(spec.FormatReplicant)}
			*code = run.Copy(c.Context(), settings, lists, plan.Settings{}, run.Choice{})
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVarP(&configFile, "config-file", "c", replicantConfigFile, "`FILE` with the configuration")
	flags.BoolVarP(&debug, "debug", "d", false, "the same as --verbose")
	flags.BoolVarP(&settings.StopOnError, "exit-on-error", "e", false, "end the run at the first copy that fails")
	addRunFlags(c, &settings)
	return c
}

// boolFromEnvironment sets a flag that the command line left alone.
func boolFromEnvironment(c *cobra.Command, flag, variable string) error {
	value := os.Getenv(variable)
	if value == "" || c.Flags().Changed(flag) {
		return nil
	}
	if _, err := strconv.ParseBool(value); err != nil {
		return fmt.Errorf("%s is %q: want true or false", variable, value)
	}
	return c.Flags().Set(flag, value)
}
