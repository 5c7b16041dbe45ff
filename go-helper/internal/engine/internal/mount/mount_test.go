package mount

import "testing"

func TestModes(t *testing.T) {
	tests := map[string]struct {
		seen []Evidence
		want Mode
	}{
		"nothing seen": {nil, Unknown},
		"distribution": {[]Evidence{Mounted}, Works},
		"an origin that is gone takes no proof back": {[]Evidence{Mounted, RefusedLate, RefusedEarly}, Works},
		"ECR": {[]Evidence{RefusedEarly}, AfterCommit},
		"ECR mounts in the end, and is still waited for": {[]Evidence{RefusedEarly, Mounted, RefusedEarly}, AfterCommit},
		"a refusal that had other reasons":               {[]Evidence{RefusedEarly, MountedEarly}, Works},
		"Artifact Registry":                              {[]Evidence{RefusedEarly, RefusedLate}, Never},
		"refused with the manifest committed":            {[]Evidence{RefusedLate, RefusedEarly}, Never},
	}
	for name, tt := range tests {
		mode := Unknown
		for _, e := range tt.seen {
			mode = mode.After(e)
		}
		if mode != tt.want {
			t.Errorf("%s: %s, want %s", name, mode, tt.want)
		}
	}
}

// Whatever is seen, a run learns a last mode and keeps it.
func TestModesEnd(t *testing.T) {
	for m := range Mode(modes) {
		for e := range Evidence(kinds) {
			next := m.After(e)
			if next < m && next != Works {
				t.Errorf("%s after evidence %d goes back to %s", m, e, next)
			}
			if again := next.After(e); again != next {
				t.Errorf("%s after the same evidence %d once more: %s", next, e, again)
			}
		}
	}
}
