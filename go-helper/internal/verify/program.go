// Package verify has signatures verified by docker-mirror-verify, a program of its own, and judges by a policy what is found of an image.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
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

// maxRestarts is how often the program is started again in a run. Evidence that makes it end costs an image its verdict, and not all those
// that come after it; a program that ends by itself isn't started for each of them.
const maxRestarts = 7

// Program is the running program. It is asked several questions at once, and started again where it ends before it was told to.
type Program struct {
	path    string
	trust   map[string]Material
	log     *slog.Logger
	timeout time.Duration
	slots   chan struct{} // one for each question that is asked at once

	mu       sync.Mutex
	current  *process
	restarts int
	closed   bool
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
	running, err := startProcess(ctx, path, trust, log, timeout)
	if err != nil {
		return nil, err
	}
	// The program answers as many at once as there are processors. As many again keep it from waiting for the next.
	slots := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	return &Program{path: path, trust: trust, log: log, timeout: timeout, slots: slots, current: running}, nil
}

// Ask puts a question, and once more where the program ended without an answer: it may have ended over another question, or been late as all of the
// machine stood still. The error is a *[BrokenError], or the end of ctx.
func (p *Program) Ask(ctx context.Context, q Question) (Answer, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	answer, err := p.ask(ctx, q)
	var broken *BrokenError
	if errors.As(err, &broken) && ctx.Err() == nil {
		answer, err = p.ask(ctx, q)
	}
	return answer, err
}

func (p *Program) ask(ctx context.Context, q Question) (Answer, error) {
	running, err := p.running(ctx)
	if err != nil {
		return Answer{}, err
	}
	return running.ask(ctx, q)
}

// running gives the program, started again where it has broken.
func (p *Program) running(ctx context.Context) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	broken := p.current.err()
	switch {
	case p.closed:
		return nil, &BrokenError{errors.New("was ended")}
	case broken == nil:
		return p.current, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case p.restarts == maxRestarts:
		var why *BrokenError
		errors.As(broken, &why)
		return nil, &BrokenError{fmt.Errorf("%w, for the %dth time in this run: it is not started again", why.Err, p.restarts+1)}
	}
	p.restarts++
	p.log.Warn(Name+" is started again", "because", broken, "times", p.restarts, "at_most", maxRestarts)
	p.current.close()
	next, err := startProcess(ctx, p.path, p.trust, p.log, p.timeout)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &BrokenError{fmt.Errorf("could not be started again: %w", err)}
	}
	p.current = next
	return next, nil
}

// Close ends the program, and waits for it.
func (p *Program) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.current.close()
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
