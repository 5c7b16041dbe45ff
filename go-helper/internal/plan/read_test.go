package plan_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
)

// Any bytes as a plan: errors that have a place, or copies that are written and read back as they were, whose rules can be
// checked and whose policies can be expanded with any tags.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`[{"src":"a","dst":"r.example/a"},{"src":"a:2","dst":"r.example/a"}]`,
		`{"src":"a@` + testDigest + `","dst":"r.example/a:1@` + testDigest + `","transform":{"limitPlatforms":["linux/arm64"]}} [] `,
		`[{"src":"r.example/a:{tag}","dst":"r.example/b:v{tag}","select":{"mode":"higher","compatibility":"alpine"},"origin":"x:1","name":"n","labels":["l"]}]`,
		`[{"src":"a:{tag}","dst":"r.example/b:{tag}","select":{"semver":"^1","include":["/^1/"],"exclude":["*-rc*"],"latest":2,"literal":["edge"]}}]`,
		`[{"src":"a","skip":{"dst":"r.example/a","reason":"skip_push"},"referrers":"all"}]`,
		`{"src":"a","dst":"r.example/a","transform":{"index":"sparse","limitPlatforms":["linux/amd64"]}}`,
		"\ufeff[\r\n{\"SRC\":\"a\"}]", `[{"src":"a","src":"b"}]`, `{"src":"r.example/a","dst":"r.example/a"}`, `[null]`, `[[[[`,
	} {
		f.Add([]byte(seed), "1.0 1.2.3 v2 edge 1.2-alpine 1_0 latest")
	}
	f.Fuzz(func(t *testing.T, data []byte, tagList string) {
		start := time.Now()
		copies, err := plan.Read("p.json", data)
		for _, line := range lines(err) {
			if err != nil && !strings.HasPrefix(line, "p.json:") {
				t.Errorf("%q: an error without a place: %s", data, line)
			}
		}
		if err == nil {
			var written strings.Builder
			if err := plan.Write(&written, copies); err != nil {
				t.Fatal(err)
			}
			again, err := plan.Read("again.json", []byte(written.String()))
			if err != nil || len(again) != len(copies) || len(copies) > 0 && !reflect.DeepEqual(again, copies) {
				t.Fatalf("%q was read as\n%+v\nand written as\n%s\nwhich is read as\n%+v, %v", data, copies, written.String(), again, err)
			}
		}
		for _, conflict := range plan.Conflicts(copies) {
			if conflict.Msg == "" || len(conflict.Copies) == 0 {
				t.Errorf("%q: conflict %+v", data, conflict)
			}
		}
		plan.Merge(copies)
		for _, c := range copies {
			if _, _, err := plan.TagRepositories(c); err != nil {
				t.Errorf("%q: %v", data, err)
			}
			expanded, err := plan.Expand(c, strings.Fields(tagList), strings.Fields(tagList))
			var at *spec.Error
			if err != nil && !errors.As(err, &at) {
				t.Errorf("%q: %v has no place", data, err)
			}
			for _, e := range expanded {
				if e.Skip == nil {
					if _, err := e.Destination(); err != nil || !e.Ready() {
						t.Errorf("%q with the tags %q: %+v, %v", data, tagList, e, err)
					}
				}
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
