package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile writes the report to path; see [WriteJSON].
func (r *Report) WriteFile(path string) error {
	if err := WriteJSON(path, r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
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
func WriteFileAtomic(path string, data []byte) (err error) {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, data, 0o666)
	}
	// os.CreateTemp's 0600 would survive the rename, so the process's id makes the name unique.
	temporary := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.tmp", filepath.Base(path), os.Getpid()))
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	if err := os.WriteFile(temporary, data, 0o666); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
