package cli

import (
	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/run"
)

func newLint(code *run.Code, streams run.Streams) *cobra.Command {
	var lists listFlags
	var settings []string
	c := &cobra.Command{
		Use:   "lint [flags] FILE...|-",
		Short: "Find what lists allow but rarely mean",
		Long: `Find what lists allow but rarely mean, without touching the network. Each finding is a line on standard
output; one of level error makes the exit code 1. The rules, each off, warn or error:

  duplicate  an image listed twice, however it is spelled (error)
  spelling   one repository spelled in two ways (warn)
  latest     the tag latest, or none, without a digest (warn)
  unpinned   any tag without a digest (off)
  unsorted   an image that belongs before the line above (off)

and, of the locks beside the lists:

  unlocked           a list without a lock (off)
  lock-stale         a lock that doesn't fit its list (error)
  lock-edited        an entry that something else than 'lock' has changed (error)
  lock-waiting       an entry of which nothing is mirrored yet (off)
  lock-disagreement  an image that two lists lock to two digests (warn)`,
		Example: `  docker-mirror lint --rule unpinned=error 3rdparty/*.txt`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			rules := lint.Defaults()
			for _, setting := range settings {
				if err := rules.Set(setting); err != nil {
					return err
				}
			}
			*code = run.Lint(c.Context(), streams, lists.lists(files), rules)
			return nil
		},
	}
	lists.addFormat(c)
	lists.addLockFiles(c)
	c.Flags().StringArrayVar(&settings, "rule", nil, "`RULE=LEVEL` changes the level of a rule; repeatable")
	return c
}

func newFmt(code *run.Code, streams run.Streams) *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "fmt [flags] FILE...",
		Short: "Put text lists into one style",
		Long: `Put text lists into one style and print the names of those that changed: a space between words, no white
space at the ends of lines, at most one blank line in a row. Comments and the order of lines stay. Lists in other
formats are left to their own formatters.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			*code = run.Style(c.Context(), streams, run.Lists{Files: files}, check)
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "change nothing; exit code 1 where something would be")
	return c
}
