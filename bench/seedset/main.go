// Seedset makes deterministic sets of images, pushes them into a registry on loopback, and describes them.
//
//	seedset -set S1 -revision 0 -registry http://127.0.0.1:5000 -prefix lib/ -out S1-r0.json
//
// Sets: S0 (4 small images, for checks), S1 (40 images in 40 repositories, 390 MB), S2 (300 small tags in
// 20 repositories), S3 (one layer of 1.5 GB; twenty of 100 MB), S4 (1,000 tags in 250 repositories on forty bases, 150 MB).
// Revision 1 gives some tags of S1 and S2
// new content on the same bases; revision 2 adds three images to S1, in new repositories, on known bases.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Description is what a set holds, for whoever checks or reckons with it.
type Description struct {
	Set       string              `json:"set"`
	Revision  int                 `json:"revision"`
	Images    []DescribedImage    `json:"images"`
	Manifests map[string]Manifest `json:"manifests"` // by digest
	Blobs     map[string]int64    `json:"blobs"`     // size by digest
}

// DescribedImage is a tag of the set.
type DescribedImage struct {
	Repository string `json:"repository"` // without the prefix
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

// Manifest is a manifest or index of the set.
type Manifest struct {
	Size      int64    `json:"size"`
	MediaType string   `json:"mediaType"`
	Children  []string `json:"children,omitempty"`
	Blobs     []string `json:"blobs,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "seedset:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("seedset", flag.ContinueOnError)
	var (
		name     = flags.String("set", "S1", "S0, S1, S2, S3 or S4")
		revision = flags.Int("revision", 0, "0, 1 or 2")
		registry = flags.String("registry", "", "push to this one, http://127.0.0.1:PORT (empty: only describe)")
		prefix   = flags.String("prefix", "lib/", "what repositories begin with")
		out      = flags.String("out", "", "write the description to this file")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	images, err := imagesOf(*name, *revision)
	if err != nil {
		return err
	}
	var target *pusher
	if *registry != "" {
		u, err := url.Parse(*registry)
		if err != nil || !strings.HasPrefix(u.Host, "127.") {
			return errors.New("-registry: want http:// and a loopback address")
		}
		target = newPusher(*registry)
	}
	description, err := build(images, target, *prefix)
	if err != nil {
		return err
	}
	description.Set, description.Revision = *name, *revision
	if *out != "" {
		data, err := json.MarshalIndent(description, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*out, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	var bytes int64
	for _, size := range description.Blobs {
		bytes += size
	}
	fmt.Printf("%s revision %d: %d images, %d manifests, %d distinct blobs, %d bytes\n", *name, *revision,
		len(description.Images), len(description.Manifests), len(description.Blobs), bytes)
	return nil
}
