package cli

import (
	"errors"
	"fmt"
	"time"

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
	var index, batch, settingsFile, at string
	c := &cobra.Command{
		Use:   "lock [flags] LIST...",
		Short: "Record the digests of the images that lists name",
		Long: `Record the digests of the images that lists name. The lock of images.txt is images.txt.lock beside it, a file to
commit and review. 'plan' and 'copy' then use exactly those digests, and don't ask the source of an image that is
mirrored already.

Digests that a lock has are kept. Missing ones are looked up, and entries that no list asks for are dropped. If
nothing is missing, nothing is sent or written. Prints a line per change. An image that can't be looked up keeps its
entry; the others are written, and the exit code is 1.`,
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
			if batch != "" {
				if err := locking.ReadBatch(batch); err != nil {
					return err
				}
			} else if len(files) == 0 {
				return errors.New("name the lists to lock")
			}
			var err error
			if locking.At, err = readTime(at); err != nil {
				return err
			}
			if c.Flags().Changed("missing") && !locking.Online {
				return errors.New("--missing goes with --online")
			}
			if err := locking.Validate(); err != nil {
				return err
			}
			*code = run.Lock(c.Context(), settings, locking)
			return nil
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&upgrade, "upgrade", nil, "look up again what tags name and policies select, for all images or for this `IMAGE` "+
		"(its AS name, or any spelling); repeatable")
	flags.Lookup("upgrade").NoOptDefVal = everyImage
	flags.BoolVar(&locking.Check, "check", false, "write nothing, offline; exit with 1 if lists and locks disagree")
	flags.BoolVar(&locking.Online, "online", false, "with --check: also ask the sources which tags have moved, and whether the digests, and the platforms that their indexes name, are still there")
	missing := run.MissingChoices()
	flags.StringVar(&settings.Missing, "missing", missing[0], "with --online: `WHAT` a platform is that an index names and its source doesn't have, as for 'copy': fail (an error), or skip (a warning)")
	complete(c, "missing", missing)
	flags.Var(shardValue{&settings.Part.Shard}, "shard", "with --online: ask after part `I/N` of the locked images, from 0/N to N-1/N, so that N processes share the work. All of "+
		"them check all lists and locks offline")
	addAtOnceFlag(c, &settings.Part)
	addAgeFlags(c, &locking)
	addTimeFlag(c, &at)
	flags.StringArrayVar(&platforms, "platform", nil, "lock images that name no platform for this one, `OS/ARCH[/VARIANT]`, as 'copy --platform' limits them; repeatable")
	flags.StringVar(&index, "index", "", "`KIND` of index that such images get: rewritten or sparse (default: rewritten)")
	flags.StringVar(&settingsFile, "settings", "", "`FILE` with the settings of 'plan --settings', instead of flags")
	for _, flag := range []string{"platform", "index"} {
		c.MarkFlagsMutuallyExclusive("settings", flag)
	}
	addFormatFlag(c, &locking.Format)
	addPolicyFlags(c, &settings)
	flags.StringVar(&settings.Config, "config", "", "read TLS, proxy and limit settings of registries from `FILE`, TOML")
	flags.BoolVarP(&settings.Verbose, "verbose", "v", false, "log each step")
	flags.StringVar(&batch, "batch", "", "`FILE` with the lists of targets, for pants lock")
	must(flags.MarkHidden("batch"))
	return c
}

// addAgeFlags adds what a policy needs that has digests wait.
func addAgeFlags(c *cobra.Command, locking *run.Locking) {
	flags := c.Flags()
	flags.BoolVar(&locking.Observe, "observe", false, "only note what tags name now, for the cooldown of a policy; nothing is locked")
	flags.StringArrayVar(&locking.Now, "now", nil, "lock what this `IMAGE` names at once, whatever the policy says of its age or of moved tags; with --because; repeatable")
	flags.StringVar(&locking.Because, "because", "", "`TEXT` that says why, for the lock and who reviews it")
	flags.StringVar(&locking.Base, "base", "", "with --check: also compare with the locks, lists and the policy at `REF`, a revision of git: what is new must have been known there for its cooldown")
	flags.StringVar(&locking.Allow, "allow", "", "with --base: fail on all changes of locks but `WHAT`: observations (digests that wait)")
	complete(c, "allow", []string{run.AllowObservations})
}

// addTimeFlag adds what counts as now: the time that Pants knows about, so that it can remember a result.
func addTimeFlag(c *cobra.Command, at *string) {
	c.Flags().StringVar(at, "at", "", "`TIME` that counts as now, RFC 3339")
	must(c.Flags().MarkHidden("at"))
}

func readTime(at string) (time.Time, error) {
	if at == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return t, fmt.Errorf("--at %s: want a time as in 2026-11-03T09:14:00Z", at)
	}
	return t, nil
}
