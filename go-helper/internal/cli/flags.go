package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/run"
	"docker-mirror/go-helper/internal/spec"
)

// listFlags say what lists are and where their images go.
type listFlags struct {
	registries []string
	repository string
	imageTags  []string
	platforms  []string
	index      string
	format     string
	allowEmpty bool
	lock       string
	lockFiles  map[string]string
}

// lists are those that a command is to read.
func (f *listFlags) lists(files []string) run.Lists {
	return run.Lists{Files: files, Format: f.format, Lock: f.lock, LockFiles: f.lockFiles}
}

// destinationFlags are those that a settings file takes the place of.
var destinationFlags = []string{"registry", "repository", "image-tag", "platform", "index", "allow-empty"}

// flagNames are what the user typed for the keys of settings.
var flagNames = map[string]string{
	"registries": "--registry", "repository": "--repository", "image_tags": "--image-tag", "platforms": "--platform", "index": "--index",
}

func (f *listFlags) add(c *cobra.Command) {
	f.addDestinations(c)
	f.addLimits(c)
	f.addFormat(c)
	f.addLock(c)
	c.Flags().BoolVar(&f.allowEmpty, "allow-empty", false, "accept a list without images")
}

func (f *listFlags) addDestinations(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.registries, "registry", nil, "destination registry, `HOST[:PORT][/PREFIX]`; repeatable")
	flags.StringVar(&f.repository, "repository", "", "`template` of the destination repository (default \"{repository}\")")
	flags.StringArrayVar(&f.imageTags, "image-tag", nil, "`template` of a destination tag; repeatable (default: the source's tag)")
}

func (f *listFlags) addLimits(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.platforms, "platform", nil, "copy only this platform, `OS/ARCH[/VARIANT]`, of images whose list names none; repeatable")
	indexes := spec.IndexChoices()
	flags.StringVar(&f.index, "index", "", "`KIND` of index to write if only some platforms are copied and the list doesn't say: rewritten (it names only those, so its "+
		"digest changes), or sparse (unchanged, which not every registry accepts) (default: rewritten)")
	complete(c, "index", indexes)
}

func (f *listFlags) addLock(c *cobra.Command) {
	locks := run.LockChoices()
	c.Flags().StringVar(&f.lock, "lock", locks[0], "`WHAT` to do with the locks beside lists: use (if there is one), require (a list without one is an error), off")
	complete(c, "lock", locks)
	f.addLockFiles(c)
}

// addLockFiles is for the Pants rules, whose lists of a BUILD file are elsewhere than their locks.
func (f *listFlags) addLockFiles(c *cobra.Command) {
	c.Flags().StringToStringVar(&f.lockFiles, "lock-of", nil, "`LIST=LOCK`: the lock of a list that is not beside it; repeatable")
	must(c.Flags().MarkHidden("lock-of"))
}

func (f *listFlags) addFormat(c *cobra.Command) { addFormatFlag(c, &f.format) }

func addFormatFlag(c *cobra.Command, into *string) {
	formats := spec.Formats()
	c.Flags().StringVar(into, "format", "", "`format` of the lists: "+strings.Join(formats, ", ")+" (default: by the file's ending)")
	complete(c, "format", formats)
}

func (f *listFlags) settings() plan.Settings {
	s := plan.Settings{Repository: f.repository, ImageTags: f.imageTags, Platforms: f.platforms, Index: f.index, AllowEmpty: f.allowEmpty, Names: flagNames}
	for _, address := range f.registries {
		s.Registries = append(s.Registries, plan.Registry{Address: address})
	}
	return s
}

// defaultConcurrency is magic-mirror's.
const defaultConcurrency = 10

const (
	referrersFlag = "referrers"
	// defaultReferrers costs requests for each image that is copied, and none for those that are unchanged.
	defaultReferrers = "all"
)

// addRunFlags adds what all commands that copy have in common.
func addRunFlags(c *cobra.Command, s *run.Settings) {
	flags := c.Flags()
	flags.IntVar(&s.Concurrency, "concurrency", defaultConcurrency, "transfer at most `N` blobs at once")
	flags.BoolVarP(&s.Verbose, "verbose", "v", false, "log each step, and print a line for each image")
	flags.StringVar(&s.Report, "report", "", "write a JSON report to `FILE`, however the run ends")
	flags.StringVar(&s.ReportHTML, "report-html", "", "write the report to `FILE` as an HTML page that needs no other file")
	flags.StringVar(&s.Metrics, "metrics", "", "write metrics of the run to `FILE` for Prometheus (node_exporter's textfile collector), however the run ends")
	modes := make([]string, len(report.Modes))
	for i, mode := range report.Modes {
		modes[i] = string(mode)
	}
	flags.StringVar(&s.Progress, "progress", string(report.ModeAuto), "`HOW` progress is shown: "+strings.Join(modes, ", "))
	complete(c, "progress", modes)
	flags.StringVar(&s.Config, "config", "", "read TLS, proxy and limit settings of registries from `FILE`, TOML")
	choices := run.ReferrersChoices()
	flags.StringVar(&s.Referrers, referrersFlag, defaultReferrers, "`WHICH` attachments (signatures, attestations, SBOMs) to copy with an image, if its list doesn't say: "+
		strings.Join(choices, ", ")+". An attachment that can't be listed or read is reported, and the image is copied; with require it fails. always and require "+
		"also look at unchanged images. Copy specs bring none unless this flag is given")
	complete(c, referrersFlag, choices)
	foreign := run.ForeignLayersChoices()
	flags.StringVar(&s.ForeignLayers, "foreign-layers", foreign[0], "`WHAT` to do with layers that have URLs of their own, as in old Windows images: skip (they stay "+
		"there), or copy (from the source registry; add --force for images that are mirrored already)")
	complete(c, "foreign-layers", foreign)
	missing := run.MissingChoices()
	flags.StringVar(&s.Missing, "missing", missing[0], "`WHAT` to do if an index names what its source doesn't have, a platform or an attestation: fail (the image), or "+
		"skip (copy the rest, in an index rewritten to it, or in a sparse one if the list asks for that)")
	complete(c, "missing", missing)
	flags.BoolVar(&s.CheckPlatforms, "check-platforms", false, "also ask for the manifests below unchanged indexes, because an earlier run may have left platforms out (--index=sparse)")
	flags.BoolVar(&s.ReportMoved, "report-moved", false, "report tags of locked images that name something else now, at the price of a request per tag")
	flags.BoolVar(&s.DryRun, "dry-run", false, "show what would be copied, and write nothing")
	flags.BoolVar(&s.Force, "force", false, "also look at what destinations have below the right digest, and send again what is missing or has another size (with --verify=deep: or other content)")
	addPolicyFlags(c, s)
	addVerifyFlag(c, s)
}

// addPolicyFlags adds what judges images.
func addPolicyFlags(c *cobra.Command, s *run.Settings) {
	c.Flags().StringVar(&s.Policy, "policy", "", "judge images by `FILE`, a mirror-policy.toml: one that it refuses is not locked, and not copied")
	c.Flags().StringVar(&s.Verifier, "verifier", "", "`PROGRAM` that verifies the signatures which the policy wants (default: docker-mirror-verify beside this program, or what DOCKER_MIRROR_VERIFIER names)")
}

func addChoiceFlags(c *cobra.Command, choice *run.Choice) {
	c.Flags().StringArrayVar(&choice.Only, "only", nil, "take only the image with this `NAME`: its AS name, or the image in any spelling; repeatable")
	c.Flags().StringArrayVar(&choice.Labels, "label", nil, "take only images with this `LABEL`; repeatable")
}

func complete(c *cobra.Command, flag string, values []string) {
	must(c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}
