// Countproxy is a streaming reverse proxy for one registry that counts what passes and can inject faults.
//
// It refuses to listen on, or to forward to, anything but loopback addresses. On SIGTERM or SIGINT it
// prints its counters as JSON and ends. Beside the registry's own paths it answers:
//
//	GET  /__stats  the counters as JSON
//	POST /__reset  sets them to zero
//	GET  /__token  the token server, where -auth is given
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "countproxy:", err)
		os.Exit(2)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("countproxy", flag.ContinueOnError)
	var (
		listen   = flags.String("listen", "127.0.0.1:0", "loopback address to listen on; it is printed")
		upstream = flags.String("upstream", "", "the registry, http://host:port on loopback")
		logFile  = flags.String("log", "", "write a line a request to this file")
		config   Config
	)
	flags.DurationVar(&config.RTT, "rtt", 0, "wait this long before each request, twice before a connection's first")
	flags.Int64Var(&config.Bandwidth, "bandwidth", 0, "bytes a second in each direction, shared by all transfers (0: no limit)")
	flags.Float64Var(&config.Rate, "rate", 0, "answer 429 beyond this many requests a second (0: never)")
	flags.StringVar(&config.RetryAfter, "retry-after", "1", "Retry-After header of a 429 (empty: none)")
	flags.Int64Var(&config.ThrottleEvery, "429-every", 0, "answer 429 to every Nth request (0: never)")
	flags.Int64Var(&config.UnavailableEvery, "503-every", 0, "answer 503 to every Nth request (0: never)")
	flags.Int64Var(&config.CutEvery, "cut-every", 0, "cut the body of every Nth blob GET half-way (0: never)")
	flags.BoolVar(&config.NoRange, "no-range", false, "drop Range from blob GETs, as a registry without it")
	flags.BoolVar(&config.NoMount, "no-mount", false, "drop mount parameters, so that the registry answers 202")
	flags.BoolVar(&config.Auth, "auth", false, "ask for bearer tokens, which /__token gives to anyone")
	flags.DurationVar(&config.TokenTTL, "token-ttl", 5*time.Minute, "how long a token lives")
	if err := flags.Parse(args); err != nil {
		return err
	}

	target, err := url.Parse(*upstream)
	if err != nil {
		return fmt.Errorf("-upstream: %w", err)
	}
	if target.Scheme != "http" || !loopback(target.Host) {
		return fmt.Errorf("-upstream %q: want http:// and a loopback address", *upstream)
	}
	if !loopback(*listen) {
		return fmt.Errorf("-listen %q: want a loopback address", *listen)
	}
	config.Upstream = target
	if *logFile != "" {
		file, err := os.Create(*logFile)
		if err != nil {
			return err
		}
		defer file.Close()
		config.Log = file
	}

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on %s\n", listener.Addr())

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	proxy := NewProxy(config)
	server := &http.Server{
		Handler:     proxy,
		ErrorLog:    log.New(io.Discard, "", 0),
		ConnContext: withConnection,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(proxy.counters.listener(listener)) }()
	select {
	case <-ctx.Done():
		server.Close()
		<-served
	case err := <-served:
		if !errors.Is(err, http.ErrServerClosed) {
			return err
		}
	}
	return json.NewEncoder(stdout).Encode(proxy.counters.snapshot())
}

// loopback tells whether a host, with or without a port, is this machine and nothing else.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
