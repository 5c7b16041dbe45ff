package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestPlansOfABatch(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("images.txt", "alpine:3\nregistry.example/team/app AS app\n")
	w.write("bad.txt", "alpine:3\nno image\n")
	settings := `{"target": "3rdparty:images", "registries": [{"address": "mirror.example"}]}`
	w.write("batch.json", `{"lists": [
		{"target": "bad", "list": "bad.txt", "lock": "bad.txt.lock", "choice": "use", "names": true, "settings": `+settings+`},
		{"target": "unset", "list": "images.txt", "lock": "x.lock", "choice": "use", "names": true, "settings": {"registrys": []}},
		{"target": "none", "list": "bad.txt", "lock": "bad.txt.lock", "choice": "use"},
		{"target": "missing", "list": "missing.txt", "lock": "x.lock", "choice": "use", "settings": `+settings+`},
		{"target": "unlocked", "list": "images.txt", "lock": "x.lock", "choice": "require", "settings": `+settings+`},
		{"target": "good", "list": "images.txt", "lock": "x.lock", "choice": "use", "names": true, "settings": `+settings+`}]}`)
	want := w.run(0, "plan", "--registry", "mirror.example", "images.txt").stdout.String()

	lines := strings.Split(strings.TrimSpace(w.run(0, "plans", "--batch", "batch.json").stdout.String()), "\n")
	got := map[string]plannedList{}
	var order []string
	for _, line := range lines {
		var list plannedList
		if err := json.Unmarshal([]byte(line), &list); err != nil {
			t.Fatal(err)
		}
		got[list.Target] = list
		order = append(order, list.Target)
	}
	if want := []string{"bad", "unset", "none", "missing", "unlocked", "good"}; !slices.Equal(order, want) {
		t.Errorf("the order is %q, want %q", order, want)
	}
	for target, says := range map[string]string{
		"bad": "bad.txt:2", "unset": "registrys", "none": "bad.txt:2", "missing": "missing.txt", "unlocked": "has no lock",
	} {
		if list := got[target]; list.Plan != "" || len(list.Errors) != 1 || !strings.Contains(list.Errors[0], says) {
			t.Errorf("%s: want no plan and one error that says %q, got %+v", target, says, list)
		}
	}
	good := got["good"]
	if good.Unread || !got["bad"].Unread || !got["missing"].Unread {
		t.Errorf("want the names of what can't be read to be marked, and no others, got %+v", got)
	}
	if good.Plan != want || len(good.Errors) > 0 {
		t.Errorf("the plan is %q, want %q", good.Plan, want)
	}
	for _, name := range []string{"alpine", "alpine:3", "app", "registry.example/team/app"} {
		if !slices.Contains(good.Names, name) {
			t.Errorf("%q lacks %q", good.Names, name)
		}
	}
	w.run(2, "plans", "--batch", "missing.json")
}

type plannedList struct {
	Target, Plan  string
	Names, Errors []string
	Unread        bool
}
