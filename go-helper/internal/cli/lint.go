package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/run"
)

func newLint(code *run.Code, streams run.Streams) *cobra.Command {
	var lists listFlags
	var settings []string
	var judged run.Judged
	var at string
	c := &cobra.Command{
		Use:   "lint [flags] FILE...|-",
		Short: "Find likely mistakes in lists",
		Long: `Find likely mistakes in lists, without touching the network. Prints a line per finding, and exits with 1 if one
has level error. The rules, each off, warn or error:

  duplicate  an image that is listed twice, however it is spelled (error)
  spelling   a repository that is spelled in two ways (warn)
  latest     the tag latest, or no tag, without a digest (warn)
  unpinned   any tag without a digest (off)
  unsorted   an image that is out of alphabetical order (off)

For the locks beside the lists:

  unlocked           a list without a lock (off)
  lock-stale         a lock that doesn't fit its list (error)
  lock-edited        an entry that was changed by hand (error)
  lock-waiting       an entry of which nothing is mirrored yet (off)
  lock-disagreement  an image that two lists lock to two digests (warn)

For locks and a policy:

  lock-immature  a digest that is younger than the cooldown of its rule (error)
  because        a reason where the rule allows no exceptions (error)
  lock-unsigned  a digest without a signer, where its rule refuses what isn't signed (error)
  no-rule        an image that no rule matches (error)
  trust-expired  a trusted root of which nothing is valid today (warn)`,
		Example: `  docker-mirror lint --rule unpinned=error 3rdparty/*.txt`,
		Args:    needArgs("name a list, or - for standard input"),
		RunE: func(c *cobra.Command, files []string) error {
			rules := lint.Defaults()
			for _, setting := range settings {
				if err := rules.Set(setting); err != nil {
					return err
				}
			}
			var err error
			if judged.At, err = readTime(at); err != nil {
				return err
			}
			*code = run.Lint(c.Context(), streams, lists.lists(files), judged, rules)
			return nil
		},
	}
	lists.addFormat(c)
	lists.addLockFiles(c)
	c.Flags().StringVar(&judged.Policy, "policy", "", "judge locks by the policy in `FILE`, a mirror-policy.toml")
	addTimeFlag(c, &at)
	c.Flags().StringArrayVar(&settings, "rule", nil, "change the level of a rule, `RULE=LEVEL`; repeatable")
	return c
}

func newFmt(code *run.Code, streams run.Streams) *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "fmt [flags] FILE...",
		Short: "Format text lists",
		Long: `Format text lists and print the names of those that changed. Words get one space between them, lines no white
space at their ends, and at most one blank line stays in a row. Comments and the order of lines are kept. Lists in
other formats are left to their own formatters.`,
		Args: needArgs("name the lists to format"),
		RunE: func(c *cobra.Command, files []string) error {
			*code = run.Style(c.Context(), streams, run.Lists{Files: files}, check)
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "change nothing, and exit with 1 if a list would change")
	return c
}
