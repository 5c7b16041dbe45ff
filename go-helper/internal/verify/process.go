package verify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"
)

// process is the program, running. It has two goroutines, one that writes questions and one that reads answers; both end with it.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	timeout time.Duration // of an answer

	lines chan []byte   // to be written
	ended chan struct{} // closed once broken says why
	loops sync.WaitGroup
	close func()

	mu     sync.Mutex
	next   int64
	open   map[int64]chan<- Answer // what was asked, and is not answered yet
	broken error
}

// startProcess starts the program and tells it what is trusted.
func startProcess(ctx context.Context, path string, trust map[string]Material, log *slog.Logger, timeout time.Duration) (*process, error) {
	// It ends when its input does. The context only bounds its answers.
	command := exec.Command(path)
	command.Env = []string{} // no credentials
	command.Stderr = &logWriter{log: log}
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("can't start %s: %w", Name, err)
	}
	p := &process{
		command: command, in: in, out: bufio.NewReaderSize(out, maxAnswer), timeout: timeout,
		lines: make(chan []byte), ended: make(chan struct{}), open: map[int64]chan<- Answer{},
	}
	p.close = sync.OnceFunc(p.end)
	if err := p.greet(ctx, path, trust); err != nil {
		p.close()
		return nil, err
	}
	p.loops.Go(p.write)
	p.loops.Go(p.read)
	return p, nil
}

// greet says what is trusted, and hears whether the program is the right one and can read that.
func (p *process) greet(ctx context.Context, path string, trust map[string]Material) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = p.command.Process.Kill() })()
	line, err := json.Marshal(hello{protocol, trust})
	if err != nil {
		return err
	}
	var said welcome
	if _, err = p.in.Write(append(line, '\n')); err == nil {
		line, err = p.hear()
	}
	if err == nil {
		err = decodeAnswer(line, &said)
	} else if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = late(answerTimeout)
	} else {
		err = endedEarly(err)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s is not %s, or an older one: it %w", path, Name, err)
	case said.Name != Name:
		return fmt.Errorf("%s is not %s: it calls itself %q", path, Name, said.Name)
	case said.Protocol != protocol:
		return fmt.Errorf("%s is of another release: it speaks protocol %d, and this program %d; use the two of one release", path, said.Protocol, protocol)
	case said.Error != "":
		return errors.New(said.Error)
	}
	return nil
}

// ask puts a question, beside others. The error is a *[BrokenError], or the end of ctx.
func (p *process) ask(ctx context.Context, q Question) (Answer, error) {
	answered := make(chan Answer, 1)
	var err error
	if q.ID, err = p.register(answered); err != nil {
		return Answer{}, err
	}
	line, err := json.Marshal(q)
	if err != nil {
		p.forget(q.ID)
		return Answer{}, err
	}
	timer := time.NewTimer(p.timeout)
	defer timer.Stop()
	line = append(line, '\n')
	write := p.lines
	for {
		select {
		case write <- line:
			write = nil
		case a := <-answered:
			return a, nil
		case <-p.ended:
			return Answer{}, p.err()
		case <-timer.C:
			p.fail(late(p.timeout))
		case <-ctx.Done():
			if write != nil {
				p.forget(q.ID)
			}
			return Answer{}, ctx.Err() // the answer, if one comes, is nobody's
		}
	}
}

func (p *process) register(answered chan<- Answer) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return 0, p.broken
	}
	p.next++
	p.open[p.next] = answered
	return p.next, nil
}

func (p *process) forget(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, id)
}

// write is a goroutine of its own, as the program may not read.
func (p *process) write() {
	for {
		select {
		case line := <-p.lines:
			if _, err := p.in.Write(line); err != nil {
				return // reading ends, too, and says why
			}
		case <-p.ended:
			return
		}
	}
}

// read gives each answer to who has asked.
func (p *process) read() {
	for {
		line, err := p.hear()
		if err != nil {
			p.fail(endedEarly(err))
			return
		}
		if err := p.take(line); err != nil {
			p.fail(err)
			return
		}
	}
}

// take is strict: what is no whole answer to an open question may be one to anything.
func (p *process) take(line []byte) error {
	var a Answer
	if err := decodeAnswer(line, &a); err != nil {
		return err
	}
	switch {
	case a.OK == (a.Error != ""):
		return errors.New("said neither yes nor why not")
	case a.OK && a.Signer == nil:
		return errors.New("said yes, and not who has signed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answered, asked := p.open[a.ID]
	if !asked || p.broken != nil {
		return fmt.Errorf("answered question %d, which is not open", a.ID)
	}
	delete(p.open, a.ID)
	answered <- a
	return nil
}

func (p *process) hear() ([]byte, error) { return p.out.ReadSlice('\n') }

func decodeAnswer(line []byte, into any) error {
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("answered what is no answer: %w", err)
	}
	return nil
}

func late(timeout time.Duration) error { return fmt.Errorf("gave no answer in %s", timeout) }

// endedEarly tells why there is nothing to read.
func endedEarly(err error) error {
	if errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("answered more than %d bytes", maxAnswer)
	}
	return errors.New("ended before it answered")
}

// fail ends the program, whose open questions nobody answers then. The first reason counts.
func (p *process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return
	}
	p.broken = &BrokenError{err}
	close(p.ended)
	_ = p.command.Process.Kill()
}

func (p *process) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// end ends the program with its input, and waits for it. Where questions are open, nobody waits for their answers any longer.
func (p *process) end() {
	p.mu.Lock()
	busy := len(p.open) > 0
	p.mu.Unlock()
	_ = p.in.Close()
	if busy {
		p.fail(errors.New("was ended"))
	}
	timer := time.AfterFunc(p.timeout, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	p.loops.Wait()
	_ = p.command.Wait() // how it ends tells nothing about what it answered
}
