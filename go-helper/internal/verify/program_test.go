package verify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/verify/verifytest"
)

// pretend has the test binary be a verifier that doesn't behave, where it is called like one: it gets neither arguments nor environment.
func pretend() {
	how, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "pretend-")
	if !ok {
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	switch how {
	case "stranger":
		fmt.Println(`{"name":"cat"}`)
	case "old":
		fmt.Println(`{"name":"docker-mirror-verify","protocol":0}`)
	case "mute":
		os.Exit(0)
	default:
		fmt.Println(`{"name":"docker-mirror-verify","protocol":1}`)
	}
	yes := `{"id":%d,"ok":true,"signer":{"key":"sha256:00"}%s}` + "\n"
	if once, ok := strings.CutSuffix(how, "-once"); ok {
		how = once
		if err := os.Mkdir(os.Args[0]+".started", 0o700); err != nil {
			how = "behaves" // it is the second one
		}
	}
	switch how {
	case "crashes-on-poison", "answers-late", "behaves":
		behave(lines, yes, how)
	}
	lines.Scan()
	var q Question
	_ = json.Unmarshal(lines.Bytes(), &q)
	switch how {
	case "crashes":
		os.Exit(1)
	case "hangs":
		time.Sleep(time.Hour)
	case "babbles":
		fmt.Println("ok")
	case "answers-another":
		fmt.Printf(yes, q.ID+1, "")
	case "says-nothing":
		fmt.Printf(`{"id":%d}`+"\n", q.ID)
	case "says-both":
		fmt.Printf(`{"id":%d,"ok":true,"error":"no","signer":{"key":"sha256:00"}}`+"\n", q.ID)
	case "knows-nobody":
		fmt.Printf(`{"id":%d,"ok":true}`+"\n", q.ID)
	case "goes-on":
		fmt.Println(strings.Repeat("x", 2*maxAnswer))
	}
	lines.Scan()
	os.Exit(0)
}

// behave answers, but for poison; or nothing before the second question, which it answers first.
func behave(lines *bufio.Scanner, yes, how string) {
	for lines.Scan() {
		var q Question
		_ = json.Unmarshal(lines.Bytes(), &q)
		switch {
		case q.Predicate == "poison":
			os.Exit(1)
		case how == "answers-late" && q.Predicate == "first":
			defer fmt.Printf(yes, q.ID, "")
		default:
			fmt.Printf(yes, q.ID, fmt.Sprintf(`,"predicate":%q`, q.Predicate))
		}
	}
}

func pretending(t *testing.T, how string) string {
	t.Helper()
	own, err := os.Executable()
	must(t, err)
	file := filepath.Join(t.TempDir(), "pretend-"+how)
	must(t, os.Symlink(own, file))
	return file
}

func TestAVerifierThatDoesNotBehaveVerifiesNothing(t *testing.T) {
	t.Parallel()
	for how, said := range map[string]string{
		"crashes":         "ended before it answered",
		"hangs":           "gave no answer in",
		"babbles":         "answered what is no answer",
		"answers-another": "answered question 2, which is not open",
		"says-nothing":    "said neither yes nor why not",
		"says-both":       "said neither yes nor why not",
		"knows-nobody":    "said yes, and not who has signed",
		"goes-on":         "answered more than",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p := pretended(t, how)
			c := newCourt(t)
			c.sign(c.digest)
			c.asker = p
			for asked := range maxRestarts/2 + 3 { // each twice
				v := c.judge(signedByAcme + accepts)
				wants(t, v, Undecided, Name+" "+said)
				var broken *BrokenError
				if !errors.As(v.Err(), &broken) {
					t.Errorf("failed with %v", v.Err())
				}
				if ended := strings.Contains(v.Err().Error(), "for the 8th time in this run: it is not started again"); ended != (2*asked > maxRestarts) {
					t.Errorf("failed with %v the %d. time", v.Err(), asked+1)
				}
			}
			if p.restarts != maxRestarts {
				t.Errorf("it was started again %d times", p.restarts)
			}
		})
	}
}

// pretended starts a verifier that doesn't behave.
func pretended(t *testing.T, how string) *Program {
	t.Helper()
	timeout := 30 * time.Second
	if strings.HasPrefix(how, "hangs") {
		timeout = time.Second
	}
	p, err := start(t.Context(), pretending(t, how), nil, slog.New(slog.DiscardHandler), timeout)
	must(t, err)
	t.Cleanup(p.Close)
	return p
}

// Evidence that ends the verifier costs its own image the verdict.
func TestAVerifierThatEndsIsStartedAgain(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := pretended(t, "crashes-on-poison")
	p.log = slog.New(slog.NewTextHandler(&log, nil))
	for i, poison := range []string{"", "poison", "", "", "poison", "", "poison", "", "poison", ""} {
		a, err := p.Ask(t.Context(), Question{Predicate: poison})
		var broken *BrokenError
		switch {
		case poison != "" || i == 9: // the fourth has ended it for good
			if !errors.As(err, &broken) {
				t.Errorf("%d: said %+v, %v", i, a, err)
			}
		case err != nil || !a.OK:
			t.Errorf("%d: said %+v, %v", i, a, err)
		}
	}
	if n := strings.Count(log.String(), "is started again"); n != maxRestarts || !strings.Contains(log.String(), "times=7 at_most=7") {
		t.Errorf("logged\n%s", &log)
	}
}

// Whoever was asking when the verifier ended over something else, or stood still with all of the machine, is answered by the next one.
func TestAQuestionIsAskedOnceMore(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"crashes-once", "hangs-once"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p := pretended(t, how)
			if a, err := p.Ask(t.Context(), Question{Predicate: "mine"}); err != nil || !a.OK || a.Predicate != "mine" {
				t.Errorf("said %+v, %v", a, err)
			}
			if p.restarts != 1 {
				t.Errorf("it was started again %d times", p.restarts)
			}
		})
	}
}

// A question that somebody has given up doesn't keep others from their answers, nor the end of the program from coming.
func TestWhoGivesUpDisturbsNobody(t *testing.T) {
	t.Parallel()
	p, err := start(t.Context(), pretending(t, "answers-late"), nil, slog.New(slog.DiscardHandler), time.Hour)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() {
		_, err := p.Ask(ctx, Question{Predicate: "first"})
		given <- err
	}()
	for open := 0; open == 0; {
		p.current.mu.Lock()
		open = len(p.current.open)
		p.current.mu.Unlock()
		runtime.Gosched()
	}
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("gave up with %v", err)
	}
	if a, err := p.Ask(t.Context(), Question{Predicate: "second"}); err != nil || a.Predicate != "second" {
		t.Errorf("said %+v, %v", a, err)
	}
	ended := make(chan struct{})
	go func() { p.Close(); close(ended) }()
	<-ended // within the hour that answers may take
	if _, err := p.Ask(t.Context(), Question{}); err == nil || !strings.Contains(err.Error(), "was ended") {
		t.Errorf("said %v after the end", err)
	}
}

func TestWhatIsNoVerifierIsNotStarted(t *testing.T) {
	t.Parallel()
	for how, said := range map[string]string{
		"stranger": `it calls itself "cat"`,
		"old":      "it speaks protocol 0, and this program 1",
		"mute":     "it ended before it answered",
	} {
		_, err := Start(t.Context(), pretending(t, how), nil, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: said %v, not %q", how, err, said)
		}
	}
	if _, err := Start(t.Context(), filepath.Join(t.TempDir(), "none"), nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "can't start") {
		t.Errorf("said %v", err)
	}
	_, err := Start(t.Context(), verifytest.Program(t, programs), map[string]Material{"acme": {Keys: [][]byte{[]byte("x")}}}, slog.New(slog.DiscardHandler))
	if err == nil || err.Error() != "trust.acme: key: there is no public key in PEM" {
		t.Errorf("said %v", err)
	}
}

func TestFind(t *testing.T) {
	own, err := os.Executable()
	must(t, err)
	t.Setenv(EnvironmentVariable, "")
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), "is not beside this program ("+filepath.Dir(own)) {
		t.Errorf("said %v", err)
	}
	if _, err := Find(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("said %v", err)
	}
	t.Setenv(EnvironmentVariable, own)
	if found, err := Find(""); err != nil || found != own {
		t.Errorf("found %q, %v", found, err)
	}
	if found, err := Find(verifytest.Program(t, programs)); err != nil || found == own {
		t.Errorf("found %q, %v", found, err)
	}
	t.Setenv(EnvironmentVariable, "/nonexistent")
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), EnvironmentVariable+": ") {
		t.Errorf("said %v", err)
	}
}
