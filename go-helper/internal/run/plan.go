package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/report"
)

// Plan plans the lists without touching the network. The plan goes to the file output, or to s.Out where that is empty or `-`; there is
// no plan of what could be read: with any error nothing is written. A part is what a shard would copy.
func Plan(ctx context.Context, s Streams, lists Lists, settings plan.Settings, part Part, output string) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	files, err := lists.read(ctx, s.In, console.Notice)
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	copies, err := makePlan(files, lists, settings, errors.Join(err, part.check(), apart(argument{"--output", output}, lists.inputs())))
	if err != nil {
		return say(console, err)
	}
	if part.Count > 0 {
		mine := part.of(copies)
		if notice := part.nothing(len(mine), len(copies), "plan"); notice != "" {
			console.Notice(notice)
		}
		copies = mine
	}
	var data bytes.Buffer
	if err := plan.Write(&data, copies); err != nil {
		return say(console, err)
	}
	if err := s.write(output, data.Bytes()); err != nil {
		return say(console, fmt.Errorf("writing the plan: %w", err))
	}
	return CodeDone
}

// ReadSettings reads the settings file of `plan --settings`.
func ReadSettings(file string) (plan.Settings, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return plan.Settings{}, fmt.Errorf("can't read the settings: %w", err)
	}
	return plan.ReadSettings(file, data)
}

func say(console *report.Console, err error) Code {
	for _, line := range report.Lines(err) {
		console.Error(line)
	}
	return CodeBadInput
}
