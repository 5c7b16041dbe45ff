package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// openFiles opens a folder with a layout, or the parts of an archive: each by its name, all in a folder, or all by the prefix
// that they were packed with.
func openFiles(paths []string) (files, error) {
	if len(paths) == 0 {
		return nil, errors.New("no folder is named")
	}
	var archives []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			if found, _ := packedAs(path); len(found) > 0 { // else that it isn't there is what is told
				archives = append(archives, found...)
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			archives = append(archives, path)
			continue
		}
		inside, err := tarsIn(path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(path, indexFile)); err != nil && len(inside) > 0 {
			archives = append(archives, inside...)
			continue
		}
		if len(paths) > 1 {
			return nil, fmt.Errorf("%s: a folder with a layout stands for itself: name one, or parts of an archive", path)
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		return &folder{root}, nil
	}
	return openParts(archives)
}

// tarsIn gives the tars of a folder, in order.
func tarsIn(dir string) (found []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tar") {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, err
}

// packedAs gives the parts that have been packed under a prefix.
func packedAs(prefix string) (found []string, err error) {
	all, err := tarsIn(filepath.Dir(prefix))
	for _, path := range all {
		if name := partName.FindStringSubmatch(filepath.Base(path)); name != nil && name[1] == filepath.Base(prefix) {
			found = append(found, path)
		}
	}
	return found, err
}

// partName is that of the parts which [Pack] writes.
var partName = regexp.MustCompile(`^(.*)-(\d{3,})-of-(\d{3,})\.tar$`)

// sameArchive refuses parts of several archives. Files that have other names are the user's word.
func sameArchive(paths []string) error {
	first, known := "", ""
	for _, path := range paths {
		name := partName.FindStringSubmatch(filepath.Base(path))
		if name == nil {
			continue
		}
		archive := name[1] + " of " + name[3]
		if first == "" {
			first, known = archive, path
		}
		if archive != first {
			why := "remove what is left of the other one"
			if one := partName.FindStringSubmatch(filepath.Base(known)); one[1] != name[1] {
				why = fmt.Sprintf("name one of them, %s or %s", filepath.Join(filepath.Dir(known), one[1]), filepath.Join(filepath.Dir(path), name[1]))
			}
			return fmt.Errorf("%s is of another archive than %s: %s", path, known, why)
		}
	}
	return nil
}

// absent names the parts that belong to the others and weren't given.
func absent(paths []string) (missing []string) {
	given := map[int]bool{}
	prefix, of := "", ""
	for _, path := range paths {
		name := partName.FindStringSubmatch(filepath.Base(path))
		if name == nil {
			return nil
		}
		number, _ := strconv.Atoi(name[2]) // digits
		given[number], prefix, of = true, name[1], name[3]
	}
	count, _ := strconv.Atoi(of)
	for number := 1; number <= min(count, maxParts); number++ {
		if !given[number] {
			missing = append(missing, fmt.Sprintf("%s-%03d-of-%s.tar", prefix, number, of))
		}
	}
	return missing
}
