package run

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/spec"
)

// argument is a file of a command line, and what names it there.
type argument struct{ what, path string }

// inputs are files that a command reads, by what they are.
func inputs(what string, paths []string) []argument {
	var all []argument
	for _, path := range paths {
		if path != spec.StandardInput {
			all = append(all, argument{what + " " + path, path})
		}
	}
	return all
}

// inputs are the lists, and their locks.
func (l Lists) inputs() []argument {
	all := inputs("the list", l.Files)
	for _, list := range all {
		locked := cmp.Or(l.LockFiles[list.path], lock.FileName(list.path))
		all = append(all, argument{"the lock " + locked, locked})
	}
	return all
}

// apart is an error where an output is a file that is read, or that another output goes to: one would take the place of the
// other.
func apart(output argument, others []argument) error {
	if output.path == "" || output.path == spec.StandardInput {
		return nil
	}
	for _, other := range others {
		if other.path != "" && sameFile(output.path, other.path) {
			return fmt.Errorf("%s %s: would take the place of %s: name another file", output.what, output.path, other.what)
		}
	}
	return nil
}

// sameFile tells whether two paths are one regular file, which may not be there yet.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
	}
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// checkOutputs finds out before anything is sent whether the files that a run writes at its end can be, and makes it write no
// other ones.
func (s *Settings) checkOutputs() error {
	others := append([]argument{{"--config", s.Config}, {"--policy", s.Policy}}, s.reads...)
	var errs []error
	for _, file := range []struct {
		flag string
		path *string
	}{{"--report", &s.Report}, {"--report-html", &s.ReportHTML}, {"--metrics", &s.Metrics}} {
		output := argument{file.flag, *file.path}
		err := checkReportPath(output.what, output.path)
		if err == nil {
			err = apart(output, others)
		}
		if err != nil {
			errs = append(errs, err)
			*file.path = ""
		}
		others = append(others, output)
	}
	return errors.Join(errs...)
}

// checkReportPath finds out before anything is sent whether the report can be written at the end.
func checkReportPath(flag, path string) error {
	switch path {
	case "":
		return nil
	case "-":
		return fmt.Errorf("%s -: results go to standard output, so the report needs a file of its own", flag)
	}
	info, err := os.Stat(filepath.Dir(path))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", flag, path, err)
	case !info.IsDir():
		return fmt.Errorf("%s %s: %s is no folder", flag, path, filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s %s: is a folder", flag, path)
	}
	if isNamedPipe(path) { // to open it would wait for a reader, past an interrupt as well
		return fmt.Errorf("%s %s: is a named pipe, which may never be read: name a file, or a shell's >(command)", flag, path)
	}
	return nil
}
