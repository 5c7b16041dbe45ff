package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/run"
)

// shutdownPatience is how long requests in progress may take after an interrupt.
const shutdownPatience = time.Second

func newServe(code *run.Code, streams run.Streams) *cobra.Command {
	var address, root, readyFile string
	var expose, verbose bool
	c := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve a small registry, for trying things out",
		Long: `Serve a small registry without any authentication, for trying things out and for tests; it is no registry to keep
images in. Its address is the first line on standard output. It ends with an interrupt, exit code 0.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkAddress(address, expose); err != nil {
				return err
			}
			level := slog.LevelWarn
			if verbose {
				level = slog.LevelDebug
			}
			server, err := devregistry.Listen(c.Context(), address, devregistry.Options{
				Root:   root,
				Logger: slog.New(slog.NewTextHandler(streams.Err, &slog.HandlerOptions{Level: level})),
			})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(streams.Out, server.Host); err != nil {
				return errors.Join(err, server.Close())
			}
			if readyFile != "" {
				if err := report.WriteFileAtomic(readyFile, []byte(server.Host+"\n")); err != nil {
					return errors.Join(err, server.Close())
				}
			}
			<-c.Context().Done()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), shutdownPatience)
			defer cancel()
			if err := server.Shutdown(ctx); err != nil {
				fmt.Fprintln(streams.Err, "docker-mirror: "+err.Error())
				*code = run.CodeFailed
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&address, "address", "127.0.0.1:0", "`HOST:PORT` to listen on; port 0 is a free one")
	flags.BoolVar(&expose, "expose", false, "allow an address that other machines reach")
	flags.StringVar(&root, "root", "", "`DIR` to keep everything in (default: in memory)")
	flags.StringVar(&readyFile, "ready-file", "", "`FILE` that gets the address once the registry answers")
	flags.BoolVarP(&verbose, "verbose", "v", false, "log every request")
	return c
}

// checkAddress keeps a registry that anyone may write to on loopback.
func checkAddress(address string, expose bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--address %s: %w", address, err)
	}
	if expose || isLoopback(host) {
		return nil
	}
	return fmt.Errorf("--address %s: other machines could reach that, and anyone may write to this registry; --expose allows it", address)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
