// Command docker-mirror mirrors sets of container images between registries.
package main

import (
	"io"
	"log"
	"os"

	"docker-mirror/go-helper/internal/cli"
)

func main() {
	log.SetOutput(io.Discard) // net/http tells there of what servers do wrong, in the midst of our own lines; what matters is an error
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
