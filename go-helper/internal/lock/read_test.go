package lock

import (
	"fmt"
	"strings"
	"testing"
)

// entryText is a whole entry; from line 3 on behind a version and a blank line.
func entryText(source string) string {
	f := &File{Images: []Image{{Source: source, Digest: hash("a"), MediaType: "application/vnd.oci.image.manifest.v1+json", Seen: seen}}}
	_, text, _ := strings.Cut(string(Format(f)), "version = 1\n\n")
	return text
}

func TestWhatIsWrongWithALockIsSaidWithItsLine(t *testing.T) {
	t.Parallel()
	entry := entryText("docker.io/library/nginx:1")
	whole := "version = 1\n\n" + entry
	replaced := func(old, new string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.Replace(whole, old, new, 1)
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"conflict", "version = 1\n<<<<<<< HEAD\n" + entry + "=======\n>>>>>>> other\n", []string{"l:2: has a conflict marker of git (<<<<<<<)", "run the lock command again"}},
		{"only the middle of a conflict", "version = 1\n=======\n", []string{"l:2: has a conflict marker of git (=======)"}},
		{"a conflict's base", "version = 1\n||||||| 1234\n", []string{"l:2: has a conflict marker"}},
		{"cut within a line", whole[:len(whole)-20], []string{"l:8: is cut off"}},
		{"cut within an entry", whole[:strings.Index(whole, "seen")], []string{"l:3: is cut off within the entry that begins here"}},
		{"cut after the table", "version = 1\n\n[[image]]\n", []string{"l:3: is cut off within the entry"}},
		{"little-endian UTF-16", "\xff\xfev\x00", []string{"l: is UTF-16"}},
		{"big-endian UTF-16", "\xfe\xff\x00v", []string{"l: is UTF-16"}},
		{"byte order mark", "\xef\xbb\xbf" + whole, []string{"l:1: begins with a byte order mark"}},
		{"not UTF-8", "version = 1\n# \xff\n", []string{"l:2: not valid UTF-8"}},
		{"no version", entry, []string{`l:1: has no "version"`}},
		{"another version", replaced("version = 1", "version = 2"), []string{"l:1: is of version 2, and this docker-mirror knows 1"}},
		{"a version that is none", replaced("version = 1", `version = "1"`), []string{`l:1: "version" must be a whole number`}},
		{"not TOML", "version = 1\nimage\n", []string{"l:2: invalid TOML"}},
		{"unknown key", replaced("seen", "sean"), []string{`l:7: unknown key "sean": did you mean "seen"?`}},
		{"unknown key in front", "verison = 1\n", []string{`l:1: unknown key "verison": did you mean "version"?`, `has no "version"`}},
		{"dotted key", replaced("seen =", "seen.at ="), []string{`l:7: unknown key "seen.at"`}},
		{"repeated key", replaced("seen =", "digest ="), []string{`l:7: duplicate key "digest", first on line 5`}},
		{"unknown table", whole + "\n[[images]]\nx = 1\n", []string{"unknown table [[images]]: a lock has [[select]] and [[image]]"}},
		{"a table that is no array", replaced("[[image]]", "[image]"), []string{"l:3: unknown table [image]"}},
		{"repeated image", whole + "\n" + entry, []string{"l:10: docker.io/library/nginx:1 has an entry on line 3 already"}},
		{"repeated policy", "version = 1\n[[select]]\nsource = \"a.b/c\"\npolicy = \"\"\ntags = []\n[[select]]\nsource = \"a.b/c\"\npolicy = \"\"\ntags = []\n", []string{"l:6: policy a.b/c  has an entry on line 2 already"}},
		{"source not in full", replaced("docker.io/library/nginx", "nginx"), []string{`l:4: "source" must be spelled in full, docker.io/library/nginx:1`}},
		{"source with tag and digest", replaced("nginx:1\"", "nginx:1@"+hash("a").String()+"\""), []string{`l:4: "source" must be spelled in full, docker.io/library/nginx:1`}},
		{"source that is none", replaced("nginx:1\"", "nginx:-\""), []string{`l:4: "source" is no image`}},
		{"digest-only source with another digest", replaced("nginx:1\"", "nginx@"+hash("b").String()+"\""), []string{"l:3: the entry of docker.io/library/nginx@sha256:bbb"}},
		{"bad digest", replaced("sha256:aa", "sha256:AA"), []string{`l:5: "digest" has no digest`}},
		{"number for a text", replaced(`"application/vnd.oci.image.manifest.v1+json"`, "1"), []string{`l:6: "media_type" must be a string`}},
		{"no media type", replaced(`media_type = "application/vnd.oci.image.manifest.v1+json"`+"\n", ""), []string{`l:3: the entry has no "media_type"`}},
		{"time as a text", replaced("2026-11-03T09:14:00Z", `"2026-11-03T09:14:00Z"`), []string{`l:7: "seen" must be a time in UTC`}},
		{"local time", replaced("2026-11-03T09:14:00Z", "2026-11-03T09:14:00"), []string{`l:7: "seen" must be a time in UTC`}},
		{"time elsewhere", replaced("2026-11-03T09:14:00Z", "2026-11-03T09:14:00+01:00"), []string{`l:7: "seen" must be a time in UTC to the second`}},
		{"platform without a digest", replaced("sum", "platforms = [\n  \"linux/amd64\",\n]\nsum"), []string{`l:9: "platforms" must have a platform and a digest`}},
		{"bad subset", replaced("sum", "limited = [\"linux "+hash("b").String()+"\"]\nsum"), []string{`l:8: "limited" has a bad entry: invalid platform`}},
		{"platforms as a text", replaced("sum", "platforms = \"\"\nsum"), []string{`l:8: "platforms" must be an array`}},
		{"empty because", replaced("sum", "because = \" \"\nsum"), []string{`l:8: "because" is empty`}},
		{"escape sequence", replaced("sum", "because = \"\\u001b[31m\"\nsum"), []string{`l:8: "because" has a control character`}},
		{"bad tag", "version = 1\n[[select]]\nsource = \"a.b/c\"\npolicy = \"\"\ntags = [\"-\", \"a\", \"a\"]\n", []string{`l:5: "tags" has a bad entry`, `"tags" has a twice`}},
		{"policy over a tag", "version = 1\n[[select]]\nsource = \"a.b/c:d\"\npolicy = \"\"\ntags = []\n", []string{`l:3: "source" must be a repository in full, a.b/c`}},
		{"many next", replaced("sum", "next = ["+strings.Repeat("\""+hash("b").String()+" 2026-11-03T09:14:00Z\",", 9)+"]\nsum"), []string{`l:8: "next" has more than 8 entries`}},
		{"waiting for nothing", "version = 1\n[[image]]\nsource = \"a.b/c:d\"\nsum = \"x\"\n", []string{"l:2: the entry has neither a digest nor one that waits"}},
		{"no next", "version = 1\n[[image]]\nsource = \"a.b/c:d\"\nnext = []\nsum = \"x\"\n", []string{"l:2: the entry has neither a digest nor one that waits"}},
		{"several", strings.Replace(replaced("seen", "sean"), "sha256:aa", "sha256:", 1), []string{"l:5: ", "l:7: "}},
	} {
		f, err := Parse("l", []byte(tt.text))
		if err == nil || f != nil {
			t.Errorf("%s: %v, %v: want an error and no lock", tt.name, f, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %q", tt.name, err, want)
			}
		}
	}
}

func TestAnEmptyLockHasNoEntries(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n \n"} {
		if f, err := Parse("l", []byte(text)); err != nil || len(f.Images) != 0 {
			t.Errorf("%q: %v, %v", text, f, err)
		}
	}
}

func TestALockIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version = 1\n")
	for i := range maxEntries + 2 {
		fmt.Fprintf(&b, "[[select]]\nsource = \"a.b/c\"\npolicy = \"%d\"\ntags = []\n", i)
	}
	if _, err := Parse("l", []byte(b.String())); err == nil || !strings.Contains(err.Error(), "has more than 100000 entries") {
		t.Errorf("%v", err)
	}
}

// A lock comes from branches of strangers: whatever is in it, it is read or refused with places, and what is read is written
// and read the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sampleText))
	f.Add([]byte("version = 1\n[[select]]\nsource = \"a.b/c\"\npolicy = \"x\"\ntags = [\"1\"]\n"))
	f.Add([]byte("version = 1\n<<<<<<< a\n"))
	f.Add([]byte(sampleText[:500]))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("l", data)
		if err != nil {
			if file != nil {
				t.Fatalf("a lock beside the error %v", err)
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "l:") {
					t.Fatalf("no place in %q", line)
				}
			}
			return
		}
		written := Format(file)
		again, err := Parse("l", written)
		if err != nil {
			t.Fatalf("what was written can't be read: %v\n%s", err, written)
		}
		if rewritten := Format(again); string(rewritten) != string(written) {
			t.Fatalf("written\n%s\nand again\n%s", written, rewritten)
		}
	})
}
