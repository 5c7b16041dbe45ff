package devregistry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a Registry that listens.
type Server struct {
	*Registry
	// Host is `127.0.0.1:port`: what a reference begins with.
	Host string
	// URL is the same with its scheme, without a slash at the end.
	URL string

	servers []*http.Server
	serving sync.WaitGroup
	mu      sync.Mutex
	cdnURL  string
}

// Listen makes a registry and serves it over plain HTTP on address, `127.0.0.1:0` for a free port of loopback. The
// caller closes it.
func Listen(ctx context.Context, address string, opts Options) (*Server, error) {
	registry, err := New(opts)
	if err != nil {
		return nil, err
	}
	s := &Server{Registry: registry}
	registry.SetCDN(s.listenCDN)
	listener, err := s.serve(ctx, address)
	if err != nil {
		return nil, errors.Join(err, registry.Close())
	}
	s.Host = listener.Addr().String()
	s.URL = "http://" + s.Host
	return s, nil
}

func (s *Server) serve(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	server := &http.Server{Handler: s.Registry, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn)}
	s.servers = append(s.servers, server)
	s.serving.Go(func() { _ = server.Serve(listener) })
	return listener, nil
}

// listenCDN opens the other host when it is first redirected to.
func (s *Server) listenCDN() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cdnURL == "" {
		listener, err := s.serve(context.Background(), "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		s.cdnURL = "http://" + listener.Addr().String()
	}
	return s.cdnURL, nil
}

// Close stops listening and closes all connections; requests in progress break off.
func (s *Server) Close() error {
	err := s.Registry.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, server := range s.servers {
		err = errors.Join(err, server.Close())
	}
	s.serving.Wait()
	return err
}

// Shutdown stops listening and waits for requests in progress until ctx ends, then closes.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	servers := s.servers
	s.mu.Unlock()
	for _, server := range servers {
		_ = server.Shutdown(ctx) // what is left is closed below
	}
	return s.Close()
}
