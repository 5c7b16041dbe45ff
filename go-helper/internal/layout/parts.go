package layout

import (
	"errors"
	"os"
)

// openFiles opens what is named.
func openFiles(paths []string) (files, error) {
	if len(paths) != 1 {
		return nil, errors.New("name one folder")
	}
	root, err := os.OpenRoot(paths[0])
	if err != nil {
		return nil, err
	}
	return &folder{root}, nil
}
