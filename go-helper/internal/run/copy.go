package run

import (
	"context"
	"errors"

	"docker-mirror/go-helper/internal/plan"
)

// Copy plans the lists and copies what they say.
func Copy(ctx context.Context, s Settings, lists Lists, settings plan.Settings, choice Choice) Code {
	s.reads = lists.inputs()
	session, err := s.open()
	if err != nil {
		return session.badInput(err)
	}
	if err := session.openSource(); err != nil {
		return session.badInput(err)
	}
	files, err := session.lists(ctx, lists)
	if ctx.Err() != nil {
		return session.close(CodeInterrupted)
	}
	settings = session.layouts.settings(settings, s.ToLayout != "")
	locks, lockErr := lists.locks(files, settings)
	copies, planErr := plan.MakeLocked(files, locks, settings)
	if err := errors.Join(err, lockErr, planErr); err != nil {
		return session.badInput(err)
	}
	t := &target{plan: copies}
	if err := choice.apply([]*target{t}); err != nil {
		return session.badInput(err)
	}
	if err := session.openDestination(); err != nil {
		return session.badInput(err)
	}
	session.copyTargets(ctx, []*target{t}, nil, func(*target) {})
	code := t.code()
	if ctx.Err() != nil {
		code = CodeInterrupted
	}
	return session.close(code, func() {
		session.printCopies(session.report.All())
		session.printFailures(t)
	})
}
