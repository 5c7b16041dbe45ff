package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/layout"
	"docker-mirror/go-helper/internal/report"
)

// Pack writes the layout in dir as an archive, of parts of up to so many bytes.
func Pack(ctx context.Context, s Streams, dir, prefix, split string) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	size, err := parseSize(split)
	if err != nil {
		return say(console, fmt.Errorf("--split %s: %w", split, err))
	}
	l, err := layout.Open(dir)
	if err != nil {
		return say(console, fmt.Errorf("%s: %w", dir, err))
	}
	err = l.Pack(ctx, layout.Packing{Prefix: prefix, Split: size, Told: func(file string, kept bool) {
		if kept {
			fmt.Fprintln(s.Out, "kept "+file)
			return
		}
		fmt.Fprintln(s.Out, "wrote "+file)
	}})
	return ended(ctx, console, errors.Join(err, l.Close()))
}

// VerifyBundle compares everything in a layout or the parts of an archive with its digest, offline.
func VerifyBundle(ctx context.Context, s Streams, paths []string) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	l, err := layout.Open(paths...)
	if err != nil {
		return say(console, fmt.Errorf("%s: %w", strings.Join(paths, " "), err))
	}
	found, err := l.Verify(ctx)
	if err = errors.Join(err, l.Close()); err != nil {
		return ended(ctx, console, err)
	}
	for _, problem := range found.Problems {
		fmt.Fprintln(s.Out, problem)
	}
	summary := fmt.Sprintf("%d images, %d blobs, %s", found.Images, found.Blobs, report.Size(found.Bytes))
	if found.Elsewhere > 0 {
		summary += fmt.Sprintf("; %d more blobs must have come with an earlier bundle", found.Elsewhere)
	}
	if len(found.Problems) > 0 {
		console.Error(fmt.Sprintf("%s: %d problems", summary, len(found.Problems)))
		return CodeFailed
	}
	console.Notice(summary + ": all as their digests say")
	return CodeDone
}

func ended(ctx context.Context, console *report.Console, err error) Code {
	switch {
	case ctx.Err() != nil:
		return CodeInterrupted
	case err != nil:
		say(console, err)
		return CodeFailed
	}
	return CodeDone
}

// parseSize reads 4GB, 650MiB or a number of bytes; empty is 0.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number := strings.TrimRight(text, "KMGTBi")
	factors := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	factor, known := factors[text[len(number):]]
	value, err := strconv.ParseFloat(number, 64)
	if size := value * factor; err == nil && known && size >= 1 && size < math.MaxInt64 {
		return int64(size), nil
	}
	return 0, errors.New("want a size, such as 4GB or 650MiB")
}
