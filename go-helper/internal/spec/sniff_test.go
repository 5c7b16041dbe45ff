package spec

import "testing"

func TestStandardInputIsToldByItsBeginning(t *testing.T) {
	for data, want := range map[string]Format{
		"[::1]:5000/x:1\n": FormatText, " \n[2001:db8::1]/x": FormatText, "\ufeff[::ffff:10.0.0.1]:5000/x": FormatText, "nginx": FormatText, "# [[image]]\nnginx": FormatText, "": FormatText,
		"[": FormatJSON, "[]": FormatJSON, "[{": FormatJSON, "{}": FormatJSON, "[\"::1\"]": FormatJSON, "[12]": FormatJSON,
		"[[image]]\n": FormatTOML, "# a set\n\n[defaults]\nx = 1": FormatTOML, "[[ image ]]": FormatTOML, "[[images]]": FormatJSON,
	} {
		if got := sniff([]byte(data)); got != want {
			t.Errorf("%q is taken for %s, want %s", data, got, want)
		}
	}
	images, err := Parse("-", FormatAuto, []byte("[::1]:5000/a:1\n[::1]:5000/b:2\n"))
	if err != nil || len(images) != 2 || images[1].Ref.String() != "[::1]:5000/b:2" {
		t.Errorf("got %v, %v", images, err)
	}
}
