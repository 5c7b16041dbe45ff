package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/report"
)

// batch is what `pants mirror` hands over: the plans of all its targets.
type batch struct {
	Report string `json:"report"` // absolute path, or empty
	Plans  []struct {
		Target string `json:"target"` // address
		Path   string `json:"path"`   // of plan.json, from the working directory
		List   string `json:"list"`   // what it was made of: an absolute path, or empty where that is no file
		Lock   string `json:"lock"`   // absolute path; it need not be there
	} `json:"plans"`
}

// Mirror copies what the plans of a batch say in one engine run: the set rules hold over all of them together. A line a
// target goes to standard output, in the batch's order, and one for all that had nothing to copy.
func Mirror(ctx context.Context, s Settings, batchFile string, choice Choice) Code {
	b, err := readBatch(batchFile)
	if s.Report == "" {
		s.Report = b.Report
	}
	s.reads = append(s.reads, argument{"--batch", batchFile})
	for _, p := range b.Plans {
		s.reads = append(s.reads,
			argument{"the plan " + p.Path, p.Path}, argument{"the list " + p.List, p.List}, argument{"the lock " + p.Lock, p.Lock})
	}
	session, settingsErr := s.open()
	if err := errors.Join(err, settingsErr); err != nil {
		return session.badInput(err)
	}
	targets, listed := make([]*target, len(b.Plans)), 0
	for i, p := range b.Plans {
		targets[i] = &target{address: p.Target}
		data, err := os.ReadFile(p.Path)
		if listed += len(data); err == nil {
			targets[i].plan, err = plan.Read(p.Path, data)
		}
		if err != nil {
			targets[i].errs = report.Lines(fmt.Errorf("%s: %w", p.Target, err))
		}
	}
	spareMemory(listed)
	if err := choice.apply(targets); err != nil {
		return session.badInput(err)
	}
	session.copyTargets(ctx, targets, nil, func(*target) {})
	for _, t := range targets {
		session.report.Targets = append(session.report.Targets, t.report())
	}
	code := batchCode(targets)
	if ctx.Err() != nil {
		code = CodeInterrupted
	}
	return session.close(code, func() {
		if s.DryRun || s.Verbose {
			session.printCopies(session.report.All())
			for _, t := range targets {
				session.printTarget(t.report())
			}
		} else {
			for _, line := range report.TargetLines(session.report.Targets) {
				fmt.Fprintln(session.Out, line)
			}
		}
		session.printFailures(targets...)
	})
}

// batchCode: as long as something was sent, a target's bad plan is one of the things that failed.
func batchCode(targets []*target) Code {
	bad, failed := 0, 0
	for _, t := range targets {
		switch t.code() {
		case CodeDone:
		case CodeBadInput:
			bad++
		default:
			failed++
		}
	}
	switch {
	case bad > 0 && bad == len(targets):
		return CodeBadInput
	case bad+failed > 0:
		return CodeFailed
	}
	return CodeDone
}

func (s *session) printTarget(t report.Target) {
	fmt.Fprintln(s.Out, t.Line())
}

func readBatch(file string) (batch, error) {
	var b batch
	data, err := os.ReadFile(file)
	if err != nil {
		return b, fmt.Errorf("can't read the batch: %w", err)
	}
	if err := decodeStrictly(data, &b); err != nil {
		return b, fmt.Errorf("%s: %w", file, err)
	}
	for i, p := range b.Plans {
		if p.Target == "" || p.Path == "" {
			err = errors.Join(err, fmt.Errorf("%s: plan %d needs a target and a path", file, i+1))
		}
	}
	return b, err
}

// decodeStrictly reads one JSON value that a program wrote for us: unknown keys and trailing bytes are errors.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("unexpected text after the JSON value")
	}
	return nil
}
