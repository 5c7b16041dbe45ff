package plan

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/spec"
)

// flatten takes errors.Join apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// inOrder joins errors in the order of files and lines; what has no place in a file comes first.
func inOrder(files []spec.File, copies []Copy, joined ...error) error {
	rank := make(map[string]int, len(files))
	for i, file := range files {
		rank[displayed(file.Name)] = i + 1
		rank[displayed(lock.FileName(file.Name))] = i + 1
	}
	type placed struct {
		file, line int
		err        error
	}
	var all []placed
	for _, err := range joined {
		for _, err := range flatten(err) {
			file, line := placeOf(err, copies)
			all = append(all, placed{rank[file], line, err})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		if a.file != b.file {
			return a.file - b.file
		}
		return a.line - b.line
	})
	errs := make([]error, len(all))
	for i, p := range all {
		errs[i] = p.err
	}
	return errors.Join(errs...)
}

// placeOf tells where an error belongs: a conflict to the first copy that takes part.
func placeOf(err error, copies []Copy) (file string, line int) {
	var at *spec.Error
	if errors.As(err, &at) {
		return displayed(at.File), at.Line
	}
	var conflict *Conflict
	if errors.As(err, &conflict) && len(conflict.Copies) > 0 {
		origin := copies[conflict.Copies[0]].Origin
		if i := strings.LastIndexByte(origin, ':'); i >= 0 {
			if line, err := strconv.Atoi(origin[i+1:]); err == nil {
				return origin[:i], line
			}
		}
		return origin, 0
	}
	return "", 0
}

// displayed is a file's name as origins spell it.
func displayed(file string) string { return spec.Image{File: file}.Place() }
