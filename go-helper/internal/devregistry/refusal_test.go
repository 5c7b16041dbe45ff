package devregistry_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
)

// A body that nobody wants to read is not read: whoever asks first ("Expect: 100-continue", RFC 9110, 10.1.1) is told no at
// once.
func TestRefusalDoesntWaitForTheBody(t *testing.T) {
	c := start(t, devregistry.Options{})
	location := c.upload("a")
	c.server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindUploadPut
	}, devregistry.Fault{Status: http.StatusServiceUnavailable})})
	conn, err := net.Dial("tcp", c.server.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %s&digest=sha256:%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n",
		location.RequestURI(), strings.Repeat("0", 64), c.server.Host)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answered %s", answer.Status)
	}
	for _, e := range c.server.Log().Entries() {
		if e.Kind == devregistry.KindUploadPut && e.Up != 0 {
			t.Errorf("%d bytes were taken", e.Up)
		}
	}
}
