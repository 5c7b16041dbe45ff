package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"docker-mirror/go-helper/internal/devregistry"
)

// openTerminal makes a pseudo-terminal: the end that a person looks at, and the one that a program has.
func openTerminal(t *testing.T, columns, rows uint16) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
	return screen, terminal
}

var escape = regexp.MustCompile(`^\x1b\[(\d*)([A-Za-z])`)

// screenOf plays what was written to a terminal: new lines, cursor up, clear to the end of the screen.
func screenOf(t *testing.T, written string) []string {
	t.Helper()
	lines := []string{""}
	row := 0
	for len(written) > 0 {
		switch {
		case strings.HasPrefix(written, "\r"):
			written = written[1:]
		case strings.HasPrefix(written, "\n"):
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
			written = written[1:]
		case written[0] == '\x1b':
			match := escape.FindStringSubmatch(written)
			if match == nil {
				t.Fatalf("unknown escape sequence: %q", written[:min(20, len(written))])
			}
			count, _ := strconv.Atoi(match[1])
			switch match[2] {
			case "A":
				row = max(0, row-count)
			case "J":
				lines = lines[:row+1]
				lines[row] = ""
			default:
				t.Fatalf("unknown escape sequence: %q", match[0])
			}
			written = written[len(match[0]):]
		default:
			end := strings.IndexAny(written, "\r\n\x1b")
			if end < 0 {
				end = len(written)
			}
			lines[row] += written[:end]
			written = written[end:]
		}
	}
	return lines
}

func TestBarsOnATerminalMakeRoomForTheResults(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	const images = 6
	list := ""
	for i := range images {
		pushImage(t, fmt.Sprintf("%s/app%d:1", src.Host, i), 200_000, 1)
		list += fmt.Sprintf("%s/app%d:1\n", src.Host, i)
	}
	src.SetFaults(devregistry.Faults{Bandwidth: 600_000}) // 2 s
	w.write("images.txt", list+src.Host+"/missing:1\n")

	screen, terminal := openTerminal(t, 200, 50)
	p := w.command("copy", "--registry", dst.Host, "images.txt")
	p.cmd.Stdout, p.cmd.Stderr = terminal, terminal
	p.cmd.Env = slices.DeleteFunc(append(p.cmd.Env, "TERM=xterm"), func(v string) bool { return strings.HasPrefix(v, "CI=") })
	p.start()
	terminal.Close() // so that reading ends with the program
	written := make(chan string)
	go func() {
		all, _ := io.ReadAll(screen) // ends with EIO
		written <- string(all)
	}()
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	text := <-written
	wantContains(t, "terminal", text, "/7 images (1 failed)", "/1.2 MB", "/s", "left", "app0", "KB/200.")

	got := screenOf(t, text)
	if len(got) != images+2+1+1 { // copied, failure and hint, summary, the prompt's line
		t.Fatalf("%d lines are left:\n%s", len(got), strings.Join(got, "\n"))
	}
	for i := range images {
		if want := fmt.Sprintf("copied %s/app%d:1@sha256:", dst.Host, i); !strings.HasPrefix(got[i], want) {
			t.Errorf("line %d is %q, want %q…", i, got[i], want)
		}
	}
	wantContains(t, "summary", got[images+2], "6 copied, 1 failed; 1.2 MB down")
}

func TestATerminalSaysWhyNothingMoves(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	closed := closedAddress(t)
	w.write("images.txt", "registry.invalid/a:1\nregistry.invalid/b:1\nregistry.invalid/c:1\n")

	screen, terminal := openTerminal(t, 200, 50)
	p := w.command("copy", "--registry", closed, "images.txt")
	p.cmd.Stdout, p.cmd.Stderr = terminal, terminal
	p.cmd.Env = slices.DeleteFunc(append(p.cmd.Env, "TERM=xterm"), func(v string) bool { return strings.HasPrefix(v, "CI=") })
	p.start()
	terminal.Close()
	written := make(chan string)
	go func() {
		all, _ := io.ReadAll(screen)
		written <- string(all)
	}()
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	text := <-written
	if !regexp.MustCompile(regexp.QuoteMeta(closed) + `: connection refused, try \d of 8; next in [\d.]+m?s; 3 images wait`).MatchString(text) {
		t.Errorf("the terminal didn't say why:\n%s", text)
	}
	// What stays is the cause, once, with the places and the hint, and the summary.
	got := strings.Join(screenOf(t, text), "\n")
	wantContains(t, "screen", got, closed+": connection refused: 3 images failed\n    asked for in images.txt:1-3\n    check that "+closed+" can be reached from here, and run again")
	if n := strings.Count(got, "connection refused"); n != 1 {
		t.Errorf("said %d times:\n%s", n, got)
	}
}
