package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/run"
)

// consumerFlags name the locked lists that digests are taken from.
type consumerFlags struct {
	listFlags
	lists        []string
	settingsFile string
}

func (f *consumerFlags) add(c *cobra.Command) {
	f.addDestinations(c)
	f.addLock(c)
	c.Flags().StringArrayVar(&f.lists, "list", nil, "`FILE` with a locked list, or with a plan of locked lists; repeatable")
	must(c.MarkFlagRequired("list"))
	c.Flags().StringVar(&f.settingsFile, "settings", "", "`FILE` that says where the images go, instead of flags")
	for _, flag := range destinationFlags {
		if c.Flags().Lookup(flag) != nil {
			c.MarkFlagsMutuallyExclusive("settings", flag)
		}
	}
}

func (f *consumerFlags) read() (run.Lists, plan.Settings, error) {
	lists := f.listFlags.lists(f.lists)
	if f.settingsFile == "" {
		return lists, f.listFlags.settings(), nil
	}
	settings, err := run.ReadSettings(f.settingsFile)
	return lists, settings, err
}

func newResolve(code *run.Code, streams run.Streams) *cobra.Command {
	var flags consumerFlags
	var resolution run.Resolution
	c := &cobra.Command{
		Use:   "resolve [flags] --list FILE [NAME...]",
		Short: "Print where the images of locked lists are, with their digests",
		Long: `Print where the images of locked lists are, with their digests, without touching the network. Name images (by AS
name, or in any spelling) to print only those. An image with several destinations is printed with the first. Formats:

  ref        a reference per line: registry.example/nginx:1.27@sha256:…
  env        NAME=reference, for a shell
  json       an array of objects
  kustomize  the images of a kustomization
  imgpkg     an ImagesLock, which 'imgpkg copy' and 'kbld -f' take`,
		Example: `  docker build --build-arg BASE="$(docker-mirror resolve --list images.txt --registry registry.example nginx)" .
  docker-mirror resolve --list plan.json --format=kustomize`,
		RunE: func(c *cobra.Command, names []string) error {
			lists, settings, err := flags.read()
			if err != nil {
				return err
			}
			resolution.Names = names
			*code = run.Resolve(c.Context(), streams, lists, settings, resolution)
			return nil
		},
	}
	flags.add(c)
	formats := run.ResolveFormats()
	c.Flags().StringVar(&resolution.Format, "format", formats[0], "`format` to print: "+strings.Join(formats, ", "))
	complete(c, "format", formats)
	c.Flags().StringVar(&resolution.Platform, "platform", "", "print the manifest of this platform, `OS/ARCH[/VARIANT]`, instead of the index")
	return c
}

func newPin(code *run.Code, streams run.Streams) *cobra.Command {
	var flags consumerFlags
	var check bool
	c := &cobra.Command{
		Use:   "pin [flags] --list FILE FILE...",
		Short: "Write the digests of locked lists into Dockerfiles and other files",
		Long: `Write the digests of locked lists to where images are used, without touching the network. In a Dockerfile, every
FROM line whose image is mirrored gets its digest:

  FROM nginx:1.27 AS web  ->  FROM registry.example/nginx:1.27@sha256:… AS web

In any other file, a marker names the image (by AS name, or in any spelling). The line with the marker, or the one below
a line that has nothing else, must have one reference or digest, which is replaced:

  digest: sha256:…  # docker-mirror: cilium

Prints a line per change. Either all files are written or none.`,
		Example: `  docker-mirror pin --list images.txt --registry registry.example Dockerfile values.yaml
  docker-mirror pin --check --list plan.json Dockerfile`,
		Args: needArgs("name the files to write digests into"),
		RunE: func(c *cobra.Command, files []string) error {
			lists, settings, err := flags.read()
			if err != nil {
				return err
			}
			*code = run.Pin(c.Context(), streams, lists, settings, files, check)
			return nil
		},
	}
	flags.addLimits(c) // before the flags that exclude it
	flags.addFormat(c)
	flags.add(c)
	c.Flags().BoolVar(&check, "check", false, "write nothing, and exit with 1 if a file differs from the lock")
	return c
}
