package registry

import (
	"net"
	"time"
)

// socksConn is a connection to a SOCKS proxy: net/http bounds how long an HTTP proxy takes to answer CONNECT and how long TLS
// takes, but would wait for ever for what a SOCKS proxy answers (RFC 1928). The deadline ends with that answer.
type socksConn struct {
	net.Conn
	answer []byte // so far
	done   bool
}

func newSocksConn(conn net.Conn, patience time.Duration) (net.Conn, error) {
	return &socksConn{Conn: conn}, conn.SetDeadline(time.Now().Add(patience))
}

// Read implements [net.Conn]. It is called by one goroutine at a time.
func (c *socksConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.done {
		return n, err
	}
	c.answer = append(c.answer, p[:n]...)
	if socksAnswered(c.answer) {
		c.done, c.answer = true, nil
		if deadlineErr := c.SetDeadline(time.Time{}); err == nil {
			err = deadlineErr
		}
	}
	return n, err
}

// socksAnswered tells whether a proxy's answers are complete: the method that it chose, the end of a login by password (RFC 1929)
// and its reply with an address, in one of three forms.
func socksAnswered(b []byte) bool {
	const method, reply = 2, 4
	if len(b) < method {
		return false
	}
	login := b[1] == 2
	if b = b[method:]; login {
		if len(b) < method {
			return false
		}
		b = b[method:]
	}
	if len(b) <= reply {
		return false
	}
	const port = 2
	switch b[3] {
	case 1:
		return len(b) >= reply+net.IPv4len+port
	case 3:
		return len(b) >= reply+1+int(b[4])+port
	case 4:
		return len(b) >= reply+net.IPv6len+port
	}
	return true // the client knows what to say of that
}
