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
		Short: "Serve a small registry, to try things out",
		Long: `Serve a small registry without authentication, to try things out and for tests. Don't keep images in it. Prints its
address on the first line of standard output. Ctrl-C ends it, with exit code 0.`,
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
	flags.StringVar(&address, "address", "127.0.0.1:0", "listen on `HOST:PORT`; port 0 picks a free one")
	flags.BoolVar(&expose, "expose", false, "allow an address that other machines can reach")
	flags.StringVar(&root, "root", "", "keep everything in `DIR` (default: in memory)")
	flags.StringVar(&readyFile, "ready-file", "", "write the address to `FILE` once the registry answers")
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
	return fmt.Errorf("--address %s: other machines could reach that, and anyone could write to this registry; add --expose to allow it", address)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
