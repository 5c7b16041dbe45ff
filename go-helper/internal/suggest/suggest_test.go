package suggest

import "testing"

func TestClosest(t *testing.T) {
	known := []string{"src", "dst", "transform", "limitPlatforms", "--platform"}
	for word, want := range map[string]string{
		"limitPlatform":   "limitPlatforms",
		"limit_platforms": "limitPlatforms",
		"SRC":             "src",
		"trasnform":       "transform",
		"--platfrom":      "--platform",
		"source":          "src",
		"abc":             "",
		"x":               "",
		"":                "",
	} {
		if got := Closest(word, known); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}
