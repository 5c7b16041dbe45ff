package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// listToPlan is one of the lists that the Pants rules want planned, each by itself.
type listToPlan struct {
	Target   string          `json:"target"` // address
	List     string          `json:"list"`   // path
	Lock     string          `json:"lock"`   // path of its lock, whether it is there or not
	Choice   string          `json:"choice"` // one of [LockChoices]
	Names    bool            `json:"names"`  // overrides are to be matched with its images
	Settings json.RawMessage `json:"settings"`
}

// plannedList is what became of it.
type plannedList struct {
	Target string   `json:"target"`
	Plan   string   `json:"plan"` // plan.json, byte for byte; empty where there are errors or no settings
	Names  []string `json:"names"`
	Unread bool     `json:"unread"` // some names may be missing
	Errors []string `json:"errors"`
}

// Plans plans many lists, each as [Plan] would, without touching the network. A line a list goes to s.Out, in the batch's
// order: wrong lists are told there and don't fail the command, so that Pants keeps what the others came to.
func Plans(ctx context.Context, s Streams, batchFile string) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	batch, err := readPlanBatch(batchFile)
	if err != nil {
		return say(console, err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, list := range batch {
		if ctx.Err() != nil {
			return CodeInterrupted
		}
		if err := encoder.Encode(list.plan(batchFile)); err != nil {
			return say(console, err)
		}
	}
	if err := s.write("", out.Bytes()); err != nil {
		return say(console, fmt.Errorf("writing the plans: %w", err))
	}
	return CodeDone
}

func readPlanBatch(file string) ([]listToPlan, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("can't read the batch: %w", err)
	}
	var b struct {
		Lists []listToPlan `json:"lists"`
	}
	if err := decodeStrictly(data, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b.Lists, nil
}

// plan plans a list; messages about its settings name settingsFile. Without settings it finds what is wrong with the
// list itself.
func (l listToPlan) plan(settingsFile string) plannedList {
	planned := plannedList{Target: l.Target, Names: []string{}, Errors: []string{}}
	file := spec.File{Name: l.List}
	var err error
	if file.Data, err = readFile(l.List); err != nil {
		planned.Unread = true
		planned.Errors = report.Lines(fmt.Errorf("can't read the image list: %w", err))
		return planned
	}
	files := []spec.File{file}
	if l.Names {
		planned.Names, err = names(files)
		planned.Unread = err != nil
	}
	if len(l.Settings) == 0 {
		_, err := spec.ParseAll(files, true)
		planned.Errors = append(planned.Errors, report.Lines(err)...)
		return planned
	}
	settings, err := plan.ReadSettings(settingsFile, l.Settings)
	if err != nil {
		planned.Errors = report.Lines(err)
		return planned
	}
	copies, err := makePlan(files, Lists{Lock: l.Choice, LockFiles: map[string]string{l.List: l.Lock}}, settings, nil)
	var data bytes.Buffer
	if err == nil {
		err = plan.Write(&data, copies)
	}
	planned.Plan, planned.Errors = data.String(), append(planned.Errors, report.Lines(err)...)
	return planned
}

// makePlan plans lists with their locks; readErr is what was wrong before, which is told with the rest.
func makePlan(files []spec.File, lists Lists, settings plan.Settings, readErr error) ([]plan.Copy, error) {
	locks, lockErr := lists.locks(files, settings)
	copies, planErr := plan.MakeLocked(files, locks, settings)
	return copies, errors.Join(readErr, lockErr, planErr)
}

// names are how overrides can call the images of lists, as far as these can be read.
func names(files []spec.File) ([]string, error) {
	images, err := spec.ParseAll(files, true)
	all := []string{}
	seen := map[string]bool{}
	for _, image := range images {
		for _, key := range plan.Keys(image) {
			if !seen[key] {
				seen[key] = true
				all = append(all, key)
			}
		}
	}
	return all, err
}
