package run

import (
	"context"
	"errors"
	"fmt"
	"os"

	"docker-mirror/go-helper/internal/extract"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// Extraction says what to look for and where the list goes.
type Extraction struct {
	Deep    bool
	Explain bool   // list what looks like an image and was left out
	Output  string // file; empty or `-`: standard output
	Check   string // list to compare with, in place of writing one
	// AllowEmpty takes manifests without any image for right. Else they are [CodeBadInput], as a `helm template` that failed
	// leaves a pipe empty, and a good list would be emptied, too.
	AllowEmpty bool
}

// Extract lists the images that Kubernetes manifests ask for. A stale list under Check is [CodeFailed].
func Extract(ctx context.Context, s Streams, manifests []string, e Extraction) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	files, err := Lists{Files: manifests, What: "Kubernetes manifests"}.read(ctx, s.In, console.Notice)
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	found, extractErr := extract.Images(files, extract.Options{Deep: e.Deep})
	for _, note := range found.Notes {
		console.Notice(note)
	}
	if err := errors.Join(err, extractErr, apart(argument{"--output", e.Output}, inputs("the manifests", manifests))); err != nil {
		return say(console, err)
	}
	tellLeftOut(console, found.LeftOut, e.Explain)
	if len(found.Images) == 0 && !e.AllowEmpty {
		return say(console, errors.New("no images in the manifests: did the command before fail? (--allow-empty accepts this)"))
	}
	if e.Check != "" {
		return checkList(console, found.Images, e.Check)
	}
	list := extract.List(found.Images)
	if err := s.write(e.Output, list); err != nil {
		return say(console, fmt.Errorf("writing the list: %w", err))
	}
	return CodeDone
}

// tellLeftOut says what looks like an image and isn't listed.
func tellLeftOut(console *report.Console, leftOut []extract.LeftOut, explain bool) {
	deep := 0
	for _, l := range leftOut {
		if l.Deep {
			deep++
		}
		if explain {
			console.Notice(l.String())
		}
	}
	hint := ""
	if !explain {
		hint = "; --explain lists what"
	}
	if deep > 0 {
		console.Notice(fmt.Sprintf("--deep would add %s%s", counted(deep, "image"), hint))
	}
	if other := len(leftOut) - deep; other > 0 {
		console.Notice(fmt.Sprintf("%s left out that may name an image%s", counted(other, "text"), hint))
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func checkList(console *report.Console, images []extract.Image, file string) Code {
	data, err := os.ReadFile(file)
	if err != nil {
		return say(console, fmt.Errorf("can't read the image list: %w", err))
	}
	err = extract.Check(images, spec.File{Name: file, Data: data})
	switch {
	case err == nil:
		return CodeDone
	case errors.Is(err, extract.ErrStale):
		say(console, err)
		return CodeFailed
	}
	return say(console, err)
}
