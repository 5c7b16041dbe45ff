package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"docker-mirror/go-helper/internal/gitref"
	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// base is the revision that the changes of locks are judged by.
type base struct {
	revision *gitref.Revision
	policy   *policy.Policy
	known    *lock.Known
}

// openBase reads the policy and all locks of a revision. Its policy judges, so that a branch can't relax a rule for itself.
func (s *session) openBase(ctx context.Context, l Locking) (*base, error) {
	if s.policy == nil {
		return nil, errors.New("--base needs --policy: what that file says at the revision decides")
	}
	revision, err := gitref.Open(ctx, filepath.Dir(s.Policy), l.Base)
	if err != nil {
		return nil, fmt.Errorf("--base: %w", err)
	}
	if at := l.now(); at.Before(revision.Time.Add(-maxSkew)) {
		return nil, fmt.Errorf("--base: %s is of %s, and it is %s by this machine's clock: set the clock", l.Base, revision.Time.Format(time.RFC3339), at.Format(time.RFC3339))
	}
	b := &base{revision: revision, policy: s.policy}
	path, err := revision.Path(s.Policy)
	if err != nil {
		return nil, fmt.Errorf("--base: %w", err)
	}
	if revision.Has(path) {
		content, err := revision.Read(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("--base: %w", err)
		}
		if b.policy, err = policy.Parse(l.Base+":"+path, content[0]); err != nil {
			return nil, err
		}
	} else {
		s.console.Notice(fmt.Sprintf("%s has no %s yet: the one that there is now judges", l.Base, path))
	}
	files, err := s.baseLocks(ctx, revision, l)
	if err != nil {
		return nil, err
	}
	b.known = lock.NewKnown(files)
	return b, nil
}

// baseLocks reads all locks of a revision, whatever they are called. One that can't be read attests nothing.
func (s *session) baseLocks(ctx context.Context, revision *gitref.Revision, l Locking) ([]*lock.File, error) {
	paths := revision.Files(lock.Suffix)
	slices.Sort(paths)
	contents, err := revision.Read(ctx, paths...)
	if err != nil {
		return nil, fmt.Errorf("--base: %w", err)
	}
	var files []*lock.File
	for i, content := range contents {
		if !lock.IsLock(content) {
			continue
		}
		file, err := lock.Parse(l.Base+":"+paths[i], content)
		if err != nil {
			s.console.Notice("nothing is taken from a lock that can't be read: " + report.Clean(strings.ReplaceAll(err.Error(), "\n", "; ")))
			continue
		}
		if err := clockBehind(file, l.now()); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// checkBase tells what the revision doesn't allow of the locks as they are.
func (s *session) checkBase(ctx context.Context, lists []*lockedList, l Locking) (Code, error) {
	b, err := s.openBase(ctx, l)
	if err != nil {
		return CodeBadInput, err
	}
	code := CodeDone
	allowed := map[string]bool{}
	for _, list := range lists {
		lockPath, err := b.revision.Path(list.Lock)
		if err != nil {
			return CodeBadInput, fmt.Errorf("--base: %w", err)
		}
		allowed[lockPath] = true
		if list.bytes == nil {
			continue // told without a revision
		}
		listPath := b.listPath(list)
		adopts := b.revision.Has(listPath) && !b.revision.Has(lockPath)
		if adopts {
			code = s.tellFinding(lint.Finding{Place: list.LockName, Level: lint.Warning, Rule: lint.Unlocked, Msg: "is the first lock of a list that " + l.Base + " has without one: nobody can vouch for how old its digests are"}, code)
		}
		problems := list.old.Changed(lock.Since{Known: b.known, Name: l.Base, Policy: b.policy, Now: l.now(), Adopts: adopts, Made: listPath == ""})
		if l.Allow == AllowObservations {
			more, err := b.onlyObserves(ctx, list, lockPath)
			if err != nil {
				return CodeBadInput, fmt.Errorf("--base: %w", err)
			}
			problems = append(problems, more...)
		}
		code = s.tellProblems(problems, code)
	}
	if code, err = s.checkUnlocked(b, l, code); err != nil {
		return CodeBadInput, err
	}
	if l.Allow != AllowObservations {
		return code, nil
	}
	changed, err := b.revision.Changed(ctx)
	if err != nil {
		return CodeBadInput, fmt.Errorf("--base: %w", err)
	}
	for _, path := range changed {
		if !allowed[path] {
			code = s.tellFinding(lint.Finding{Place: path, Level: lint.Error, Rule: lint.Rule(lock.History), Msg: "has changed since " + l.Base + ": that is no observation"}, code)
		}
	}
	return code, nil
}

// checkUnlocked tells which lists of a lock at the revision have been let out of their lock.
func (s *session) checkUnlocked(b *base, l Locking, code Code) (Code, error) {
	for _, list := range l.Unlocked {
		path, err := b.revision.Path(list.Lock)
		if err != nil {
			return CodeBadInput, fmt.Errorf("--base: %w", err)
		}
		if b.revision.Has(path) {
			code = s.tellFinding(lint.Finding{Place: list.Name, Level: lint.Error, Rule: lint.Unlocked, Msg: "is not to be locked any longer, and " + l.Base + " has its lock: " + path}, code)
		}
	}
	return code, nil
}

func (s *session) tellProblems(problems []*lock.Problem, code Code) Code {
	for _, problem := range problems {
		place := spec.Image{File: problem.At.File, Line: problem.At.Line}.Place()
		code = s.tellFinding(lint.Finding{Place: place, Level: lint.Error, Rule: lint.Rule(problem.Rule), Msg: problem.At.Msg}, code)
	}
	return code
}

// listPath is where the revision has a list; empty for one that is made of a BUILD file, or by another target.
func (b *base) listPath(list *lockedList) string {
	path, err := b.revision.Path(list.List)
	if err != nil {
		return ""
	}
	return path
}

// onlyObserves compares a lock with that of the revision. That its list is the same, the revision's other files tell.
func (b *base) onlyObserves(ctx context.Context, list *lockedList, lockPath string) ([]*lock.Problem, error) {
	problem := func(file, msg string) []*lock.Problem {
		return []*lock.Problem{{Rule: lock.History, At: &spec.Error{File: file, Msg: msg}}}
	}
	if !b.revision.Has(lockPath) {
		return problem(list.LockName, "is new: that is no observation"), nil
	}
	contents, err := b.revision.Read(ctx, lockPath)
	if err != nil {
		return nil, err
	}
	old, err := lock.Parse(b.revision.Name+":"+lockPath, contents[0])
	if err != nil {
		return problem(list.LockName, "can't be read at "+b.revision.Name+": that it changes is no observation"), nil
	}
	return list.old.OnlyObserves(old), nil
}
