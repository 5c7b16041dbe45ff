package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/run"
	"docker-mirror/go-helper/internal/shard"
)

// shardValue is a shard as a flag.
type shardValue struct{ *shard.Shard }

func (v shardValue) Set(s string) (err error) {
	*v.Shard, err = shard.Parse(s)
	return err
}

func (v shardValue) Type() string { return "shard" }

// addShardFlags is for commands that copy.
func addShardFlags(c *cobra.Command, part *run.Part) {
	addPartFlags(c, part)
	c.Flags().StringVar(&part.Share, "share", "", "shards tell each other in `WHERE`, a folder or oci://REPOSITORY, which repository has got which blob, so that what one has uploaded others mount; "+
		"all of them need it, and what is false or lost there costs bytes and nothing else")
}

// addPartFlags is for commands whose work several processes can share.
func addPartFlags(c *cobra.Command, part *run.Part) {
	flags := c.Flags()
	flags.Var(shardValue{&part.Shard}, "shard", "take only part `I/N` of the plan, from 0/N to N-1/N, so that N processes share the work. All of them check the whole plan, and "+
		"--only and --label come first")
	addAtOnceFlag(c, part)
}

func addAtOnceFlag(c *cobra.Command, part *run.Part) {
	c.Flags().IntVar(&part.AtOnce, "shards-at-once", 0, "`P` of the shards run at once, and each takes 1/P of the limits that --config sets for a registry (default: all of them)")
}
