package registry

import (
	"context"
	"net"
	"net/http"
	"time"
)

const (
	// Small requests are many and short: small buffers keep 64 connections cheap.
	smallBuffer = 16 << 10
	// Blob bodies are few and long. The engine reads them in far larger pieces, which pass this buffer by: a
	// larger one would only copy every byte once more.
	bulkBuffer = 32 << 10
	// uploadSendBuffer bounds what is under way, and so lost, when a server refuses a body.
	uploadSendBuffer = 512 << 10
	// maxIdle is above any number of connections that a window and the transfers need, so that none is thrown
	// away to be dialled again.
	maxIdle = 256
	// maxHeader bounds an answer's header.
	maxHeader = 64 << 10
)

// newSmallTransport carries everything without a blob's body, over HTTP/2 where TLS offers it.
func newSmallTransport(opts *Options, own HostOptions, guard *dialGuard) *http.Transport {
	t := newTransport(own, guard, smallBuffer, opts.Retry.ResponseTimeout)
	t.ForceAttemptHTTP2 = true
	// All share one connection: a silent one is asked for a sign of life well before requests give up on it.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: opts.Retry.ResponseTimeout / 4, PingTimeout: opts.Retry.ResponseTimeout / 4}
	return t
}

// newBulkTransport carries blob bodies, a connection each: over one HTTP/2 connection they would share one
// congestion window, and a cut would break all of them.
func newBulkTransport(opts *Options, own HostOptions, guard *dialGuard, responseTimeout time.Duration) *http.Transport {
	t := newTransport(own, guard, bulkBuffer, responseTimeout)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t.Protocols = protocols
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(uploadSendBuffer) // a hint; the system's own size works too
		}
		return conn, err
	}
	return t
}

func newTransport(own HostOptions, guard *dialGuard, buffer int, responseTimeout time.Duration) *http.Transport {
	dial := own.Dial
	if dial == nil {
		dial = guard.dial
	}
	return &http.Transport{
		Proxy:                  guard.watch(own.proxy()),
		OnProxyConnectResponse: proxyRefusal,
		TLSClientConfig:        own.TLS.Clone(),
		DialContext:            dial,
		TLSHandshakeTimeout:    15 * time.Second,
		DisableCompression:     true, // digests are of the bytes as they are
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        60 * time.Second,
		ResponseHeaderTimeout:  responseTimeout,
		ExpectContinueTimeout:  2 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		ReadBufferSize:         buffer,
		WriteBufferSize:        buffer,
	}
}
