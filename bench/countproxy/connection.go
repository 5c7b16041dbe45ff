package main

import (
	"context"
	"net"
	"sync/atomic"
)

// connection counts its bytes and knows whether a request has come over it yet.
type connection struct {
	net.Conn
	counters *counters
	used     atomic.Bool
}

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.counters.add(func(s *Snapshot) { s.WireFromClient += int64(n) })
	return n, err
}

func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.counters.add(func(s *Snapshot) { s.WireToClient += int64(n) })
	return n, err
}

type countingListener struct {
	net.Listener
	counters *counters
}

func (c *counters) listener(l net.Listener) net.Listener { return countingListener{l, c} }

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.counters.add(func(s *Snapshot) { s.Connections++ })
	return &connection{Conn: conn, counters: l.counters}, nil
}

type connectionKey struct{}

func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// firstOfConnection tells whether this request is the first of its connection. It says so once.
func firstOfConnection(ctx context.Context) bool {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	return ok && c.used.CompareAndSwap(false, true)
}
