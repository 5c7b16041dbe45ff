package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/run"
)

// everyImage is what --upgrade without an image stands for.
const everyImage = "*"

func newLock(code *run.Code, streams run.Streams) *cobra.Command {
	settings := run.Settings{Streams: streams, Version: version, Command: "lock"}
	var locking run.Locking
	var platforms, upgrade []string
	var index, batch, settingsFile string
	c := &cobra.Command{
		Use:   "lock [flags] LIST...",
		Short: "Write down which digests the images of lists have",
		Long: `Make lists and their locks agree. The lock of images.txt is images.txt.lock beside it: what each image was
when it was locked, for git and for a review. 'plan' and 'copy' then carry out exactly that, and ask no source
about an image that is there already.

Every digest that a lock has stays. What is missing is looked up, what nobody asks for any longer is dropped; where
nothing is missing, nothing is sent or written. What changed is printed, an image a line. An image that could not
be looked up keeps the entry that it had: exit code 1, and the others are written.`,
		Example: `  docker-mirror lock images.txt
  docker-mirror lock --upgrade images.txt
  docker-mirror lock --upgrade=quay.io/cilium/cilium images.txt
  docker-mirror lock --check 3rdparty/*/images.txt`,
		RunE: func(c *cobra.Command, files []string) error {
			for _, image := range upgrade {
				if image == everyImage {
					locking.UpgradeAll = true
				} else {
					locking.Upgrade = append(locking.Upgrade, image)
				}
			}
			wanted := plan.Settings{Platforms: platforms, Index: index, Names: flagNames}
			if settingsFile != "" {
				var err error
				if wanted, err = run.ReadSettings(settingsFile); err != nil {
					return err
				}
			}
			for _, file := range files {
				locking.Lists = append(locking.Lists, run.LockedList{List: file, Settings: wanted})
			}
			switch {
			case batch != "":
				lists, err := run.ReadLockBatch(batch)
				if err != nil {
					return err
				}
				locking.Lists = append(locking.Lists, lists...)
			case len(files) == 0:
				return errors.New("name the lists to lock")
			case locking.Online && !locking.Check:
				return errors.New("--online goes with --check")
			case locking.Check && len(upgrade) > 0:
				return errors.New("--check writes nothing, so --upgrade means nothing beside it")
			}
			*code = run.Lock(c.Context(), settings, locking)
			return nil
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&upgrade, "upgrade", nil, "look up again what the tags name and the policies select: of this `IMAGE`, by its AS name "+
		"or any spelling, or of all; repeatable")
	flags.Lookup("upgrade").NoOptDefVal = everyImage
	flags.BoolVar(&locking.Check, "check", false, "write nothing and, without --online, ask nobody: exit code 1 where lists and locks don't agree")
	flags.BoolVar(&locking.Online, "online", false, "with --check: ask the sources, too, which tags have moved and whether the digests are still there")
	flags.StringArrayVar(&platforms, "platform", nil, "platform that images which name none are limited to when they are copied, `OS/ARCH[/VARIANT]`; repeatable")
	flags.StringVar(&index, "index", "", "`KIND` of index that such images get when they are copied, rewritten or sparse (default: rewritten)")
	flags.StringVar(&settingsFile, "settings", "", "`FILE` with the settings of 'plan --settings', in place of the flags for them")
	for _, flag := range []string{"platform", "index"} {
		c.MarkFlagsMutuallyExclusive("settings", flag)
	}
	addFormatFlag(c, &locking.Format)
	flags.StringVar(&settings.Config, "config", "", "`FILE` that says how to speak to which registry, TOML")
	flags.BoolVarP(&settings.Verbose, "verbose", "v", false, "log what is done")
	flags.StringVar(&batch, "batch", "", "`FILE` with the lists of targets, for pants lock")
	must(flags.MarkHidden("batch"))
	return c
}
