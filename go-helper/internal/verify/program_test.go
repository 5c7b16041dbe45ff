package verify

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
	lines.Scan()
	var q Question
	_ = json.Unmarshal(lines.Bytes(), &q)
	yes := `{"id":%d,"ok":true,"signer":{"key":"sha256:00"}}` + "\n"
	switch how {
	case "crashes":
		os.Exit(1)
	case "hangs":
		time.Sleep(time.Hour)
	case "babbles":
		fmt.Println("ok")
	case "answers-another":
		fmt.Printf(yes, q.ID+1)
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
		"answers-another": "answered question 2 in place of 1",
		"says-nothing":    "said neither yes nor why not",
		"says-both":       "said neither yes nor why not",
		"knows-nobody":    "said yes, and not who has signed",
		"goes-on":         "answered more than",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			timeout := 30 * time.Second
			if how == "hangs" {
				timeout = 2 * time.Second
			}
			p, err := start(t.Context(), pretending(t, how), nil, slog.New(slog.DiscardHandler), timeout)
			must(t, err)
			defer func() { _ = p.Close() }()
			c := newCourt(t)
			c.sign(c.digest)
			c.asker = p
			for range 2 { // what is broken stays so
				v := c.judge(signedByAcme + accepts)
				wants(t, v, Undecided, Name+" "+said)
				var broken *BrokenError
				if !errors.As(v.Err(), &broken) {
					t.Errorf("failed with %v", v.Err())
				}
			}
		})
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
