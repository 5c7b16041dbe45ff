package stream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"docker-mirror/go-helper/internal/registry"
)

// simNet connects registries and their clients without the system's network, so that a synctest bubble's clock knows of all waits.
type simNet struct {
	hosts   map[string]*simListener
	servers []*http.Server
	serving sync.WaitGroup
}

func newSimNet() *simNet { return &simNet{hosts: map[string]*simListener{}} }

func (n *simNet) serve(host string, handler http.Handler) {
	l := &simListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.hosts[net.JoinHostPort(host, "80")] = l
	server := &http.Server{Handler: handler}
	n.servers = append(n.servers, server)
	n.serving.Go(func() { _ = server.Serve(l) })
}

func (n *simNet) pool() (*registry.Pool, error) {
	return registry.NewPool(registry.Options{
		PlainHTTP: func(string) bool { return true },
		Host: func(string) registry.HostOptions {
			return registry.HostOptions{Dial: n.dial, Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
		},
	})
}

func (n *simNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	l := n.hosts[address]
	if l == nil {
		return nil, errors.New("no such host: " + address)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *simNet) close() {
	for _, s := range n.servers {
		_ = s.Close()
	}
	n.serving.Wait()
	time.Sleep(time.Hour) // by then every handler has noticed: a bubble ends with all of its goroutines
}

type simListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *simListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *simListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *simListener) Addr() net.Addr { return &net.UnixAddr{Name: "simulated", Net: "unix"} }
