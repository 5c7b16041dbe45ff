package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
)

// policyFile is what a policy is called where nobody says otherwise.
const policyFile = "mirror-policy.toml"

func newPolicy(streams run.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Show what a policy says",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPolicyExplain(streams), newPolicyFiles(streams), newPolicyDemands(streams))
	return c
}

func newPolicyExplain(streams run.Streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "explain [flags] IMAGE...",
		Short: "Say which rule of a policy holds for an image, and what it demands",
		Long: `Say which rule of a policy holds for an image, why those before it don't, and what it demands: cooldown, moved
tags, signatures. Reads the policy as all commands do, so that it also finds its mistakes; exits with 2 if no rule
holds. Asks no registry.`,
		Example: `  docker-mirror policy explain quay.io/cilium/cilium:v1.16.1
  docker-mirror policy explain --policy=security/mirror-policy.toml nginx:1.27`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, images []string) error { return run.ExplainPolicy(streams, file, images) },
	}
	c.Flags().StringVar(&file, "policy", policyFile, "explain the policy in `FILE`")
	return c
}

func newPolicyFiles(streams run.Streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:    "files",
		Short:  "Print the trusted roots that a policy names",
		Hidden: true, // for the Pants rules, whose sandboxes hold what lint reads
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return run.PolicyFiles(streams, file) },
	}
	c.Flags().StringVar(&file, "policy", policyFile, "the policy in `FILE`")
	return c
}

func newPolicyDemands(streams run.Streams) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:    "demands",
		Short:  "Print what carrying out a policy needs beside docker-mirror",
		Hidden: true, // for the Pants rules, which build what verifies signatures only where a rule wants some
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return run.PolicyDemands(streams, file) },
	}
	c.Flags().StringVar(&file, "policy", policyFile, "the policy in `FILE`")
	return c
}
