package markup

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// hostile are texts that end, in a document that is put together carelessly, the text, the attribute or the script that they
// stand in, or begin another.
var hostile = []string{
	`<script>alert(1)</script>`,
	`</td></tr><img src=x onerror=alert(1)>`,
	`" onmouseover="alert(1)`,
	`' onmouseover='alert(1)`,
	`" autofocus onfocus=alert(1) x="`,
	`&lt;script&gt;`,
	`&#34;><b>`,
	`<!-- <!DOCTYPE html> ]]> -->`,
	"`onclick=alert(1)`",
	"\u2028</script>\u202e<b>",
	"a\x00b\xff<\x00script>",
	`{{.}} ${alert(1)} <% %>`,
}

func TestTextStaysText(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		var w Writer
		w.Doctype()
		w.Open("html")
		w.Open("body")
		w.Open("p", A("title", text), A("class", text))
		w.Text(text)
		w.Element("b", text)
		w.Close()
		w.Close()
		w.Close()
		page, err := w.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
		if got := parsed(t, page); got != `html head body p[title="`+want+`" class="`+want+`"] (`+want+`) b (`+want+`)` {
			t.Errorf("a parser reads %q as\n%s", text, got)
		}
	}
}

// parsed spells what a parser that follows the standard finds.
func parsed(t *testing.T, page []byte) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			var attrs []string
			for _, a := range n.Attr {
				attrs = append(attrs, a.Key+`="`+a.Val+`"`)
			}
			name := n.Data
			if attrs != nil {
				name += "[" + strings.Join(attrs, " ") + "]"
			}
			found = append(found, name)
		case html.TextNode:
			found = append(found, "("+n.Data+")")
		case html.CommentNode:
			found = append(found, "comment")
		}
	}
	return strings.Join(found, " ")
}

func TestAttributesThatEscapingDoesNotMakeSafe(t *testing.T) {
	t.Parallel()
	for _, name := range []constant{"href", "src", "onclick", "style", "srcdoc", "action", "formaction", "xlink:href", "x"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s can be written", name)
				}
			}()
			A(name, "x")
		}()
	}
}

func TestScriptsThatWouldEndBeforeTheirEnd(t *testing.T) {
	t.Parallel()
	for source, fits := range map[string]bool{
		"a < b && c > d":       true,
		`"<\/script>"`:         true,
		"x = '</style>'":       true,
		`"</script>"`:          false,
		`"</SCRIPT >"`:         false,
		`"<!-- <script> --> "`: false,
	} {
		var w Writer
		if err := w.Embed("script", []byte(source)); (err == nil) != fits {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestElementThatIsLeftOpen(t *testing.T) {
	t.Parallel()
	var w Writer
	w.Open("table")
	if _, err := w.Bytes(); err == nil || !strings.Contains(err.Error(), "<table>") {
		t.Errorf("%v", err)
	}
}
