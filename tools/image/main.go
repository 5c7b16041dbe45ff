// Command image builds the container image of docker-mirror from the programs of a release: an OCI image layout as an archive, with no base
// image, no Docker and no network. The same programs give the same bytes.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// release says which programs the image is of, and where they are from.
type release struct {
	dist, version, revision string
	created                 time.Time
	platforms               []v1.Platform
}

func run(args []string, out, errOut io.Writer) int {
	r := release{}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.StringVar(&r.dist, "dist", "", "`FOLDER` with docker-mirror-VERSION-OS-ARCH, docker-mirror-verify-VERSION-OS-ARCH and their .cdx.json")
	flags.StringVar(&r.version, "version", "", "`VERSION` of the release")
	flags.StringVar(&r.revision, "revision", "", "`COMMIT` that the programs are built from")
	created := flags.Int64("created", 0, "`SECONDS` since 1970 of that commit")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "`OS/ARCH,…` of the programs")
	output := flags.String("output", "", "`FILE` to write, .tar")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if r.dist == "" || r.version == "" || *output == "" || flags.NArg() > 0 {
		flags.Usage()
		return 2
	}
	r.created = time.Unix(*created, 0).UTC()
	for name := range strings.SplitSeq(*platforms, ",") {
		platform, err := v1.ParsePlatform(name)
		if err != nil || platform.OS != "linux" {
			fmt.Fprintf(errOut, "image: platform %q: want linux/ARCH\n", name)
			return 2
		}
		r.platforms = append(r.platforms, *platform)
	}
	digest, err := write(r, *output)
	if err != nil {
		fmt.Fprintln(errOut, "image:", err)
		return 1
	}
	fmt.Fprintf(out, "%s %s\n", filepath.Base(*output), digest)
	return 0
}

// write builds the layout beside the file and packs it there.
func write(r release, output string) (v1.Hash, error) {
	folder, err := os.MkdirTemp(filepath.Dir(output), ".image-")
	if err != nil {
		return v1.Hash{}, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	digest, err := writeLayout(r, folder)
	if err != nil {
		return v1.Hash{}, err
	}
	return digest, pack(folder, output)
}
