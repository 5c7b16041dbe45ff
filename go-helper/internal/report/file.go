package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteFile writes the report to path, see [WriteJSON], and removes the journal that it takes the place of.
func (r *Report) WriteFile(path string) error {
	err := writeAtomic(path, r.writeTo)
	if err == nil {
		err = removeJournal(path)
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// writeTo writes the report as [WriteJSON] would, a copy at a time: the text of a hundred thousand takes more memory than what it tells.
func (r *Report) writeTo(w io.Writer) error {
	head := *r
	head.Copies = nil
	text, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return err
	}
	before, after, ok := bytes.Cut(text, []byte("\n  \"copies\": null")) // no value has a line break
	if !ok {
		return errors.New("its copies have no place")
	}
	if _, err := fmt.Fprintf(w, "%s\n  \"copies\": [", before); err != nil {
		return err
	}
	separator := "\n    "
	for c := range r.All() {
		text, err := json.MarshalIndent(c, "    ", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, text); err != nil {
			return err
		}
		separator = ",\n    "
	}
	end := "]"
	if len(r.Copies) > 0 {
		end = "\n  ]"
	}
	_, err = fmt.Fprintf(w, "%s%s\n", end, after)
	return err
}

// WriteJSON writes v as indented JSON and puts it into place by rename, so that a reader finds the old file or
// the whole new one. Parent folders must exist. The file is readable as any other the user writes (0644 less umask).
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFileAtomic(path, append(data, '\n'))
}

// WriteFileAtomic writes data to path by rename. A link is followed, and what is no regular file (/dev/stderr, a
// pipe) is written to as it is: renaming over it would replace the device.
func WriteFileAtomic(path string, data []byte) error {
	return writeAtomic(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func writeAtomic(path string, write func(io.Writer) error) (err error) {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeFile(path, write)
	}
	// os.CreateTemp's 0600 would survive the rename, so the process's id makes the name unique.
	temporary := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.tmp", filepath.Base(path), os.Getpid()))
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	if err := writeFile(temporary, write); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 64<<10)
	if err := write(buffered); err != nil {
		return err
	}
	return buffered.Flush()
}
