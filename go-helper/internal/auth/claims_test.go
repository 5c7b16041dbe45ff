package auth

import (
	"encoding/base64"
	"slices"
	"testing"
)

func TestGrantedBy(t *testing.T) {
	jwt := func(payload string) string {
		return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	for token, want := range map[string][]Scope{
		jwt(`{"access":[{"type":"repository","name":"a/b","actions":["pull"]},{"type":"repository","name":"c","actions":["push","pull"]}]}`): {Pull("a/b"), Push("c")},
		jwt(`{"access":[{"type":"repository","name":"a","actions":["*"]}]}`):                                                                 {Delete("a")},
		jwt(`{"access":[{"type":"repository","name":"a","actions":["pull","push","delete"]}],"exp":"soon"}`):                                 {Delete("a")},
		jwt(`{"access":[{"type":"registry","name":"catalog","actions":["*"]},{"type":"repository","name":"a","actions":[]}]}`):               {},
	} {
		if got, ok := grantedBy(token); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", token, got, ok, want)
		}
	}
	for _, opaque := range []string{
		"", "b3BhcXVl", "a.b.c", "..", jwt(`{"access":[]}`), jwt(`{}`), jwt(`[]`), jwt(`{"access":"all"}`), jwt(`{"access":[{"name":1}]}`),
	} {
		if got, ok := grantedBy(opaque); ok {
			t.Errorf("%q: %v", opaque, got)
		}
	}
}
