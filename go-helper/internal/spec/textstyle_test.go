package spec

import (
	"reflect"
	"strings"
	"testing"
)

func TestStyleText(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"blank", " \n\t\n", ""},
		{"styled", "# a list\n\na.example/x:1 AS x  # why\n", "# a list\n\na.example/x:1 AS x  # why\n"},
		{"words", "  --platform=linux/amd64\ta.example/x:1   as\tx\n", "--platform=linux/amd64 a.example/x:1 AS x\n"},
		{"an image called as", "as as as\n", "as AS as\n"},
		{"comments", "   #one \na.example/x:1 #two\n#  three\n", "#one\na.example/x:1  #two\n#  three\n"},
		{"a number sign within a word", "a.example/x:1  ##\n", "a.example/x:1  ##\n"},
		{"blank lines", "\n\na.example/x:1\n\n\n \na.example/y:1\n\n\n", "a.example/x:1\n\na.example/y:1\n"},
		{"no newline at the end", "a.example/x:1", "a.example/x:1\n"},
		{"windows", "\xef\xbb\xbfa.example/x:1\r\n\r\n# b\r\n", "a.example/x:1\n\n# b\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := StyleText("x.txt", []byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			again, err := StyleText("x.txt", got)
			if err != nil || string(again) != test.want {
				t.Errorf("again: got %q, %v", again, err)
			}
			before, _ := Parse("x.txt", FormatText, []byte(test.in))
			after, _ := Parse("x.txt", FormatText, got)
			for i := range before {
				before[i].Line = after[i].Line
			}
			if !reflect.DeepEqual(before, after) {
				t.Errorf("the list changed: %+v, was %+v", after, before)
			}
		})
	}
}

func TestStyleTextRefusesWhatIsNoList(t *testing.T) {
	_, err := StyleText("x.txt", []byte("a.example/x:1\ntwo words\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "x.txt:2: ") {
		t.Errorf("got %v", err)
	}
}
