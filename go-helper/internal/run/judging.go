package run

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/evidence"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/verify"
)

// judging has the images of a run judged by its policy. A nil one admits all.
type judging struct {
	judge   *verify.Judge
	program *verify.Program // nil where no rule demands anything

	mu       sync.Mutex
	verdicts map[int]*verify.Verdict // of copies, by their index
}

// judgeBy starts what verifies signatures, before anything is sent. Without a policy it gives nil.
func (s *session) judgeBy(ctx context.Context, pool *registry.Pool) (*judging, error) {
	p := s.policy
	if p == nil {
		return nil, nil
	}
	j := &judging{
		judge:    &verify.Judge{Policy: p, Client: func(host string) evidence.Registry { return pool.Client(host) }},
		verdicts: map[int]*verify.Verdict{},
	}
	if !p.Demands() {
		return j, nil
	}
	trust, err := readTrust(p)
	path, findErr := verify.Find(s.Verifier)
	if findErr != nil {
		findErr = fmt.Errorf("%s wants signatures: %w", p.Name, findErr)
	}
	if err := errors.Join(err, findErr); err != nil {
		return nil, err
	}
	if j.program, err = verify.Start(ctx, path, trust, s.log); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	j.judge.Asker = j.program
	return j, nil
}

// readTrust reads the files that a policy names.
func readTrust(p *policy.Policy) (map[string]verify.Material, error) {
	trust := map[string]verify.Material{}
	var errs []error
	for _, t := range p.Trust {
		var m verify.Material
		read := func(key, file string, into *[][]byte) {
			data, err := readFile(p.Path(file))
			if err != nil {
				errs = append(errs, ofTrust(p, t, key, err))
			}
			*into = append(*into, data)
		}
		if t.TrustedRoot != "" {
			read("trusted_root", t.TrustedRoot, &m.Roots)
		}
		for _, file := range t.Keys {
			read("keys", file, &m.Keys)
		}
		trust[t.Name] = m
	}
	return trust, errors.Join(errs...)
}

// ofTrust says of which key of a trust an error is.
func ofTrust(p *policy.Policy, t policy.Trust, key string, err error) error {
	return fmt.Errorf("%s:%d: [trust.%s] %s: %w", p.Name, t.Line, t.Name, key, err)
}

func (j *judging) close() {
	if j != nil && j.program != nil {
		j.program.Close()
	}
}

// admission is [engine.Options.Admit].
type admission = func(context.Context, engine.Admission) error

// admit gives the engine's question whether a copy may be made.
func (j *judging) admit(jobs []*entry) admission {
	if j == nil {
		return nil
	}
	return func(ctx context.Context, a engine.Admission) error {
		e := jobs[a.Index]
		name, err := e.Source()
		if err != nil {
			return err
		}
		if err := oldEnough(j.judge.Policy, name, e.Locked, now()); err != nil {
			return err
		}
		verdict, err := j.judge.Judge(ctx, verify.Image{
			Name: name, Read: a.Source, Digest: a.Digest, Platforms: a.Platforms, WasSigned: e.Locked != nil && e.Locked.Signed,
		})
		if err != nil {
			return err
		}
		j.mu.Lock()
		j.verdicts[a.Index] = verdict
		j.mu.Unlock()
		return verdict.Err()
	}
}

// tell puts into a copy's report how it was judged, and says what the rule only warns of.
func (j *judging) tell(s *session, index int, c *report.Copy) {
	if j == nil {
		return
	}
	j.mu.Lock()
	verdict := j.verdicts[index]
	j.mu.Unlock()
	if verdict == nil || verdict.Outcome == verify.Exempt {
		return
	}
	c.Verification = reported(verdict)
	if verdict.Tolerated() && verdict.Rule.Unsigned == policy.Warn {
		s.console.Warn(fmt.Sprintf("WARNING: %s is not signed (%s)", c.Source, verdict.Rule.Place()))
	}
}

func reported(v *verify.Verdict) *report.Verification {
	out := &report.Verification{Rule: v.Rule.Place(), Answer: string(v.Outcome), Passed: v.Err() == nil, Predicates: v.Predicates}
	if v.Signer != nil {
		out.Signer = &report.Signer{Issuer: report.Clean(v.Signer.Issuer), Subject: report.Clean(v.Signer.Subject), Key: v.Signer.Key}
	}
	if at := v.SignedAt(); !at.IsZero() {
		out.SignedAt = &at
	}
	for _, t := range v.Times {
		out.Timestamps = append(out.Timestamps, report.Timestamp{Type: t.Type, URI: t.URI, Time: t.Time})
	}
	for _, digest := range v.Evidence {
		out.Evidence = append(out.Evidence, digest.String())
	}
	for _, reason := range v.Reasons {
		out.Reasons = append(out.Reasons, report.Clean(reason))
	}
	return out
}
