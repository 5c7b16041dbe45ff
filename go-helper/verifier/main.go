// Command docker-mirror-verify checks signatures for docker-mirror, which starts it where a policy asks for signatures. It is a program of its own, as what it
// is made of is more than docker-mirror itself, and as it has no need of what docker-mirror holds: it is handed everything on standard input, and opens no
// file, no connection and no environment. Documented in docs/policy.md.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxLine bounds a line of the input: signatures are bounded to 1 MiB, which is more in base64 and JSON.
const maxLine = 16 << 20

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, "%s takes no arguments: docker-mirror starts it and speaks to it on standard input (protocol %d)\n", name, protocol)
		os.Exit(2)
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers the questions on in, a line each, after the first line has said what is trusted.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	answers := json.NewEncoder(out)
	if !lines.Scan() {
		return errors.Join(lines.Err(), errors.New("nothing was asked"))
	}
	c, err := begin(lines.Bytes())
	said := welcome{Name: name, Protocol: protocol}
	if err != nil {
		said.Error = err.Error()
	}
	if err := answers.Encode(said); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return c.serve(lines, answers)
}

// serve answers as many questions at once as there are processors, and reads no further while all are busy. Answers come as they are found: they have the
// number of their question.
func (c *checker) serve(lines *bufio.Scanner, answers *json.Encoder) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	said := func(a answer) error {
		mu.Lock()
		defer mu.Unlock()
		return answers.Encode(a)
	}
	for lines.Scan() {
		var q question
		if err := decode(lines.Bytes(), &q); err != nil {
			return errors.Join(fmt.Errorf("a question is malformed: %w", err), group.Wait())
		}
		group.Go(func() error { return said(c.answer(q)) })
	}
	return errors.Join(lines.Err(), group.Wait())
}

// begin reads the first line.
func begin(line []byte) (*checker, error) {
	var said struct {
		Protocol int `json:"protocol"`
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return nil, fmt.Errorf("the first line is malformed: %w", err)
	}
	if said.Protocol != protocol {
		return nil, fmt.Errorf("it was asked in protocol %d, and speaks %d", said.Protocol, protocol)
	}
	var h hello
	if err := decode(line, &h); err != nil {
		return nil, fmt.Errorf("the first line is malformed: %w", err)
	}
	return newChecker(h.Trust)
}
