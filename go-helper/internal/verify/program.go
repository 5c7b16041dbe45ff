// Package verify has signatures verified by docker-mirror-verify, a program of its own, and judges by a policy what is found of an image.
package verify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// answerTimeout is how long the program may take for an answer: one takes milliseconds.
const answerTimeout = 30 * time.Second

// maxAnswer bounds a line of the program's.
const maxAnswer = 1 << 20

// EnvironmentVariable names the program where no option does.
const EnvironmentVariable = "DOCKER_MIRROR_VERIFIER"

// Find gives the program: what is named, what the environment names, or what stands beside this executable. It is not looked for on
// PATH, where a program of that name may be anybody's.
func Find(named string) (string, error) {
	origin := "--verifier"
	if named == "" {
		named, origin = os.Getenv(EnvironmentVariable), EnvironmentVariable
	}
	if named == "" {
		own, err := os.Executable()
		if err == nil {
			own, err = filepath.EvalSymlinks(own)
		}
		if err != nil {
			return "", fmt.Errorf("can't tell where this program is, to find %s beside it: %w", Name, err)
		}
		named, origin = filepath.Join(filepath.Dir(own), Name), ""
		if runtime.GOOS == "windows" {
			named += ".exe"
		}
	}
	info, err := os.Stat(named)
	switch {
	case errors.Is(err, fs.ErrNotExist) && origin == "":
		return "", fmt.Errorf("signatures are verified by %s, which is not beside this program (%s): put it there, or name it with --verifier or in %s",
			Name, named, EnvironmentVariable)
	case err != nil:
		return "", fmt.Errorf("%s: %w", origin, err)
	case info.IsDir():
		return "", fmt.Errorf("%s: %s is a folder", origin, named)
	}
	return named, nil
}

// Program is the running program. It is asked one question after the other.
type Program struct {
	command *exec.Cmd
	in      io.WriteCloser
	lines   *bufio.Reader
	timeout time.Duration

	mu     sync.Mutex
	next   int64
	broken error // why it isn't asked any longer
}

// BrokenError tells that the program gave no answer, or none that can be believed. Nothing is known then of what it was asked.
type BrokenError struct{ Err error }

func (e *BrokenError) Error() string { return Name + " " + e.Err.Error() }
func (e *BrokenError) Unwrap() error { return e.Err }

// Start starts the program and tells it what is trusted; the error is also what is wrong with that. It ends with [Program.Close].
func Start(ctx context.Context, path string, trust map[string]Material, log *slog.Logger) (*Program, error) {
	return start(ctx, path, trust, log, answerTimeout)
}

func start(ctx context.Context, path string, trust map[string]Material, log *slog.Logger, timeout time.Duration) (*Program, error) {
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
	p := &Program{command: command, in: in, lines: bufio.NewReaderSize(out, maxAnswer), timeout: timeout}
	var said welcome
	err = p.exchange(ctx, hello{protocol, trust}, &said)
	switch {
	case err != nil:
		err = fmt.Errorf("%s is not %s, or an older one: it %w", path, Name, err)
	case said.Name != Name:
		err = fmt.Errorf("%s is not %s: it calls itself %q", path, Name, said.Name)
	case said.Protocol != protocol:
		err = fmt.Errorf("%s is of another release: it speaks protocol %d, and this program %d; use the two of one release", path, said.Protocol, protocol)
	case said.Error != "":
		err = errors.New(said.Error)
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// Ask puts a question. The error is a *[BrokenError], or the end of ctx.
func (p *Program) Ask(ctx context.Context, q Question) (Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return Answer{}, p.broken
	}
	p.next++
	q.ID = p.next
	var a Answer
	err := p.exchange(ctx, q, &a)
	if err == nil && a.ID != q.ID {
		err = fmt.Errorf("answered question %d in place of %d", a.ID, q.ID)
	}
	if err == nil && a.OK == (a.Error != "") {
		err = errors.New("said neither yes nor why not")
	}
	if err == nil && a.OK && a.Signer == nil {
		err = errors.New("said yes, and not who has signed")
	}
	if err == nil {
		return a, nil
	}
	p.broken = &BrokenError{err}
	_ = p.command.Process.Kill()
	if ctx.Err() != nil {
		return Answer{}, ctx.Err()
	}
	return Answer{}, p.broken
}

// exchange sends a line and reads one. Where that takes too long, or ctx ends, the program is killed: reading ends with it.
func (p *Program) exchange(ctx context.Context, say, hear any) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = p.command.Process.Kill() })()
	line, err := json.Marshal(say)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.ended(ctx, err)
	}
	if line, err = p.lines.ReadSlice('\n'); err != nil {
		return p.ended(ctx, err)
	}
	if err := json.Unmarshal(line, hear); err != nil {
		return fmt.Errorf("answered what is no answer: %w", err)
	}
	return nil
}

// ended tells why there is no answer.
func (p *Program) ended(ctx context.Context, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return fmt.Errorf("gave no answer in %s", p.timeout)
	case errors.Is(err, bufio.ErrBufferFull):
		return fmt.Errorf("answered more than %d bytes", maxAnswer)
	}
	return errors.New("ended before it answered")
}

// Close ends the program, and waits for it.
func (p *Program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken == nil {
		p.broken = &BrokenError{errors.New("was ended")}
	}
	_ = p.in.Close()
	timer := time.AfterFunc(p.timeout, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	return p.command.Wait()
}

// maxLogged bounds what is logged of the program's own messages.
const maxLogged = 64 << 10

// logWriter logs what the program says beside its answers.
type logWriter struct {
	log  *slog.Logger
	said int
}

func (w *logWriter) Write(p []byte) (int, error) {
	if w.said += len(p); w.said <= maxLogged {
		w.log.Debug(Name, "said", string(p))
	}
	return len(p), nil
}
