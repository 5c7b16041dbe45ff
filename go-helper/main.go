// Command docker-mirror mirrors sets of container images between registries.
package main

import (
	"os"

	"docker-mirror/go-helper/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
