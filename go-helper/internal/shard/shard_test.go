package shard

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Shard{"0/1": {0, 1}, "0/4": {0, 4}, "3/4": {3, 4}, "15/16": {15, 16}} {
		got, err := Parse(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"16/16":    "counting starts at 0, so the last of 16 shards is 15/16",
		"5/4":      "the last of 4 shards is 3/4",
		"0/0":      "want from 1 to 100000 shards",
		"0/200000": "want from 1 to 100000 shards",
		"":         "want INDEX/COUNT, such as 0/4",
		"1":        "want INDEX/COUNT",
		"-1/4":     "want INDEX/COUNT",
		"1/4/2":    "want INDEX/COUNT",
		"1.0/4":    "want INDEX/COUNT",
		"/4":       "want INDEX/COUNT",
		"$(X)/4":   "want INDEX/COUNT",
	} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", text, got, err, want)
		}
	}
}
