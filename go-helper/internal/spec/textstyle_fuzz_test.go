package spec

import (
	"reflect"
	"testing"
)

// Styling twice is styling once, and never changes what a list says.
func FuzzStyleText(f *testing.F) {
	for _, seed := range []string{"b\na # c\n\n# d\n", "nginx as x\r\n\r\n", "as as as", "#\n--platform=linux/amd64 a", "a\n#", "\v#0", "\xef\xbb\xbf\xef\xbb\xbfa", " \ufeff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := StyleText("f.txt", data)
		if err != nil {
			return
		}
		twice, err := StyleText("f.txt", once)
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q: %q, then %q, %v", data, once, twice, err)
		}
		before, _ := Parse("f.txt", FormatText, data)
		after, _ := Parse("f.txt", FormatText, once)
		for i := range min(len(before), len(after)) {
			before[i].Line = after[i].Line // blank lines go
		}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q says %q, and %q after", data, describeAll(before), describeAll(after))
		}
	})
}
