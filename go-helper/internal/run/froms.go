package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"docker-mirror/go-helper/internal/froms"
	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/report"
)

// unmirroredFrom is the rule by its name in findings.
const unmirroredFrom lint.Rule = "unmirrored-from"

// fromsBatch is what the Pants rules want compared.
type fromsBatch struct {
	Level       lint.Level `json:"level"`
	Mirrors     []string   `json:"mirrors"` // addresses that hold nothing but what is mirrored there
	Dockerfiles []struct {
		Path  string     `json:"path"`
		Place string     `json:"place"` // what findings call it
		Args  froms.Args `json:"args"`
	} `json:"dockerfiles"`
	Plans []struct {
		Target string `json:"target"`
		Path   string `json:"path"`
	} `json:"plans"`
}

// Froms prints which images Dockerfiles take from a mirror that no plan brings there, without touching the network.
func Froms(ctx context.Context, s Streams, batchFile string) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	batch, mirrors, err := readFromsBatch(batchFile)
	if err != nil {
		return say(console, err)
	}
	var out bytes.Buffer
	code, seen := CodeDone, map[string]bool{}
	for _, file := range batch.Dockerfiles {
		if ctx.Err() != nil {
			return CodeInterrupted
		}
		data, err := readFile(file.Path)
		if err != nil {
			return say(console, fmt.Errorf("can't read %s: %w", file.Place, err))
		}
		for _, use := range froms.Uses(string(data), file.Args) {
			why := mirrors.Why(use.Image)
			finding := lint.Finding{Place: fmt.Sprintf("%s:%d", file.Place, use.Line), Level: batch.Level, Rule: unmirroredFrom, Msg: why}
			line := report.Clean(finding.String())
			if why == "" || seen[line] { // several targets may build one file
				continue
			}
			seen[line] = true
			fmt.Fprintln(&out, line)
			if batch.Level == lint.Error {
				code = CodeFailed
			}
		}
	}
	if err := s.write("", out.Bytes()); err != nil {
		return say(console, fmt.Errorf("writing the findings: %w", err))
	}
	return code
}

func readFromsBatch(file string) (fromsBatch, *froms.Mirrors, error) {
	var b fromsBatch
	data, err := os.ReadFile(file)
	if err != nil {
		return b, nil, fmt.Errorf("can't read the batch: %w", err)
	}
	if err := decodeStrictly(data, &b); err != nil {
		return b, nil, fmt.Errorf("%s: %w", file, err)
	}
	lists := make([]froms.List, len(b.Plans))
	var errs []error
	for i, p := range b.Plans {
		data, err := os.ReadFile(p.Path)
		if err == nil {
			lists[i].Target = p.Target
			lists[i].Copies, err = plan.Read(p.Path, data)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Target, err))
		}
	}
	mirrors, err := froms.NewMirrors(lists, b.Mirrors)
	return b, mirrors, errors.Join(append(errs, err)...)
}
