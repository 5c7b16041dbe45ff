package run

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/report"
)

// unchanged tells the targets of a publish of which all was there already in one line, and not in one each: by the ids of
// their plans, what Pants shall call them. The first of several stands for all, and the others have no name.
//
// Pants asks for a target's name when its process has ended, and says what became of it by the exit code. So only targets
// that go to the same registries, which Pants names behind, and that ended well are told together.
func unchanged(targets []*target) map[string]string {
	groups := map[string][]*target{}
	for _, t := range targets {
		totals := t.report().Totals
		if t.code() == CodeDone && totals.Unchanged > 0 && totals.Unchanged == totals.All() {
			registries := t.registries()
			groups[registries] = append(groups[registries], t)
		}
	}
	names := map[string]string{}
	for _, group := range groups {
		if len(group) < 2 {
			continue
		}
		for _, t := range group {
			names[t.id] = ""
		}
		names[group[0].id] = fmt.Sprintf("%d image lists (unchanged)", len(group))
	}
	return names
}

// registries are the hosts of the plan's destinations, as Pants names them.
func (t *target) registries() string {
	var hosts []string
	for _, c := range t.plan {
		if host, _, _ := strings.Cut(c.Dst, "/"); c.Skip == nil && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return strings.Join(hosts, ", ")
}

// nameTogether says what the targets are called of which the run of own's process found all there already.
func (s spool) nameTogether(own *target, names map[string]string) error {
	if len(names) == 0 {
		return nil
	}
	return report.WriteJSON(filepath.Join(s.dir, "unchanged", own.id+".json"), names)
}

// nameOf is what Pants shall call a target that is told together with others; false where it is told by itself.
func (s spool) nameOf(id string) (name string, together bool, err error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "unchanged", "*.json"))
	if err != nil {
		return "", false, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", false, err
		}
		var names map[string]string
		if err := json.Unmarshal(data, &names); err != nil {
			return "", false, fmt.Errorf("can't read what targets are called: %w", err)
		}
		if name, together := names[id]; together {
			return name, true, nil
		}
	}
	return "", false, nil
}

// ended lets Pants have the name. It is the last that a process does, so that a target whose process was killed, and which
// Pants counts as failed for that, has its own.
func (s spool) ended(id, name string) error {
	return report.WriteFileAtomic(filepath.Join(s.dir, "names", id), []byte(name))
}
