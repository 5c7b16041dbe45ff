package extract

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// maxAskers is how many of those who asked for an image its comment names.
const maxAskers = 5

// List writes images in the text format, each under a comment that names who asked for it.
func List(images []Image) []byte {
	var b bytes.Buffer
	for i, image := range images {
		if i > 0 {
			b.WriteByte('\n')
		}
		if len(image.Askers) > 0 {
			askers := image.Askers
			more := ""
			if len(askers) > maxAskers {
				more = fmt.Sprintf(" and %d more", len(askers)-maxAskers)
				askers = askers[:maxAskers]
			}
			fmt.Fprintf(&b, "# %s%s\n", strings.Join(askers, ", "), more)
		}
		b.WriteString(image.Source + "\n")
	}
	return b.Bytes()
}

// ErrStale is what [Check] reports, together with what is wrong.
var ErrStale = errors.New("the list is stale")

// Check compares a list in any format with the images that manifests ask for. Comments, order, names and platforms don't count. The
// error joins [ErrStale] with a *[spec.Error] for each image that is missing from the list or that nothing asks for.
func Check(images []Image, list spec.File) error {
	listed, err := spec.Parse(list.Name, list.Format, list.Data)
	if err != nil {
		return err
	}
	wanted := make(map[reference.Reference]bool, len(images))
	for _, image := range images {
		wanted[image.Ref] = true
	}
	there := make(map[reference.Reference]bool, len(listed))
	var errs []error
	for _, image := range listed {
		there[image.Ref] = true
		if !wanted[image.Ref] {
			errs = append(errs, &spec.Error{File: image.File, Line: image.Line, Msg: fmt.Sprintf("nothing asks for %s", image.Source)})
		}
	}
	for _, image := range images {
		if !there[image.Ref] {
			errs = append(errs, &spec.Error{File: list.Name, Msg: fmt.Sprintf("lacks %s, which %s asks for", image.Source, who(image))})
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errors.Join(append(errs, ErrStale)...)
}

func who(image Image) string {
	switch len(image.Askers) {
	case 0:
		return "a manifest"
	case 1:
		return image.Askers[0]
	default:
		return fmt.Sprintf("%s (and %d more)", image.Askers[0], len(image.Askers)-1)
	}
}
