package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
)

// Results that standard output doesn't take are a failure: whoever reads them would take a part for all.
func TestResultsThatCantBeWritten(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /dev/full")
	}
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	for _, args := range [][]string{
		{"copy", "--registry", dst.Host, "images.txt"},
		{"copy", "--dry-run", "--force", "--registry", dst.Host, "images.txt"},
		{"lock", "images.txt"},
		{"fmt", "unsorted.txt"},
		{"seed", dst.Host},
		{"plan", "--registry", dst.Host, "images.txt"},
		{"version"},
	} {
		t.Run(args[0], func(t *testing.T) {
			w := newWorkplace(t)
			w.write("images.txt", src.Host+"/app:1\n")
			w.write("unsorted.txt", "  b:1\n")
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer full.Close()
			p := w.command(args...)
			p.cmd.Stdout = full
			if p.start().wait() == 0 {
				t.Errorf("%v: exit code 0", args)
			}
			wantContains(t, "stderr", p.stderr.String(), "no space left on device")
		})
	}
}

// brokenServer passes requests on, and says more after each answer than the answer has.
func brokenServer(t *testing.T, to string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					req.URL.Scheme, req.URL.Host, req.RequestURI = "http", to, ""
					resp, err := http.DefaultTransport.RoundTrip(req)
					if err != nil || resp.Write(conn) != nil {
						return
					}
					_, _ = io.WriteString(conn, "more")
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// What net/http has to say of a server doesn't come between the lines of the program.
func TestBrokenServersLeaveJSONProgressAlone(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	list := &strings.Builder{}
	broken := brokenServer(t, src.Host)
	for i := range 5 {
		pushImage(t, fmt.Sprintf("%s/app:%d", src.Host, i), 1024, 1)
		fmt.Fprintf(list, "%s/app:%d\n", broken, i)
	}
	w.write("images.txt", list.String())
	p := w.run(0, "copy", "--registry", dst.Host, "--progress", "json", "images.txt")
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, `{"time":"`) {
			t.Errorf("no JSON: %q", line)
		}
	}
}

// A report never takes the place of what the run reads, also where that is all that is wrong.
func TestReportsLeaveListsAlone(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	dst := startRegistry(t)
	const list = "registry.invalid/app:1\n"
	w.write("images.txt", list)
	for _, flag := range []string{"--report", "--report-html", "--metrics"} {
		w.run(2, "copy", "--registry", dst.Host, flag, "images.txt", "images.txt")
		if data, err := os.ReadFile(w.path("images.txt")); err != nil || string(data) != list {
			t.Fatalf("%s: %q, %v", flag, data, err)
		}
	}
}
