package spec

import (
	"bytes"
	"regexp"
)

// ipv6Host is what a line of text can begin with, and JSON and TOML can't: [::1]:5000/…, with a zone or without
var ipv6Host = regexp.MustCompile(`^\[[0-9a-fA-F]*:[0-9a-fA-F:.]*(?:%[^\]]*)?\]`)

// tomlTable is what image sets begin with, and JSON can't.
var tomlTable = regexp.MustCompile(`^\[\[?[ \t]*(?:image|defaults)[ \t]*\]`)

// sniff tells JSON and image sets from text by what standard input begins with.
func sniff(data []byte) Format {
	trimmed := bytes.TrimLeft(withoutBOM(data), " \t\r\n")
	switch {
	case tomlTable.Match(withoutComments(trimmed)):
		return FormatTOML
	case ipv6Host.Match(trimmed):
		return FormatText
	case len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{'):
		return FormatJSON
	}
	return FormatText
}

// withoutComments takes off the lines of comments that text and TOML can begin with.
func withoutComments(data []byte) []byte {
	for {
		data = bytes.TrimLeft(data, " \t\r\n")
		if !bytes.HasPrefix(data, []byte("#")) {
			return data
		}
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
}
