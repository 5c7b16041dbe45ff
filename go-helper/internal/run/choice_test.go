package run

import (
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
)

func TestChoice(t *testing.T) {
	t.Parallel()
	entries := []plan.Copy{
		{Src: "docker.io/library/nginx:1.27", Dst: "d.example/nginx:1.27", Name: "web", Labels: []string{"prod", "web"}},
		{Src: "docker.io/library/nginx:1.28", Dst: "d.example/nginx:1.28", Labels: []string{"web"}},
		{Src: "quay.io/team/app:1", Dst: "d.example/app:1", Labels: []string{"prod"}},
		{Src: "quay.io/team/app:2", Dst: "d.example/app:2"},
	}
	for _, tt := range []struct {
		name   string
		choice Choice
		want   []int
		errs   []string
	}{
		{"everything", Choice{}, []int{0, 1, 2, 3}, nil},
		{"by AS name", Choice{Only: []string{"web"}}, []int{0}, nil},
		{"by repository", Choice{Only: []string{"nginx"}}, []int{0, 1}, nil},
		{"by full name and tag", Choice{Only: []string{"quay.io/team/app:2"}}, []int{3}, nil},
		{"several", Choice{Only: []string{"web", "quay.io/team/app:1"}}, []int{0, 2}, nil},
		{"by label", Choice{Labels: []string{"prod"}}, []int{0, 2}, nil},
		{"by both", Choice{Only: []string{"nginx"}, Labels: []string{"prod"}}, []int{0}, nil},
		{"by none", Choice{Only: []string{"nginx", "redis"}, Labels: []string{"staging"}}, nil, []string{"--only redis", "--label staging"}},
		{"by what never meets", Choice{Only: []string{"quay.io/team/app:2"}, Labels: []string{"prod"}}, nil, nil},
	} {
		a := &target{plan: slices.Clone(entries[:2])}
		b := &target{plan: slices.Clone(entries[2:])}
		err := tt.choice.apply([]*target{a, b})
		if len(tt.errs) > 0 {
			for _, want := range tt.errs {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: error %v, want %q", tt.name, err, want)
				}
			}
			continue
		}
		var got []int
		for _, e := range append(a.plan, b.plan...) {
			got = append(got, slices.IndexFunc(entries, func(c plan.Copy) bool { return c.Dst == e.Dst }))
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: kept %v, want %v (%v)", tt.name, got, tt.want, err)
		}
	}
}
