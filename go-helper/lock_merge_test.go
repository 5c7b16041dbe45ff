package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// git runs git there, whatever the user's own configuration is.
func (w *workplace) git(args ...string) {
	w.t.Helper()
	command := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	command.Dir = w.dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	if output, err := command.CombinedOutput(); err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, output)
	}
}

// One branch upgrades an image, the other wants other platforms of it. Who lets git take one side of each conflict gets the
// digest of one and the platforms of the other: that is no lock of anybody's, and nothing is sent for it.
func TestAnEntryThatGitMixedOfTwoSidesIsRefused(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	for _, image := range []string{"app:1", "web:1"} {
		pushPlatforms(t, src.Host+"/"+image)
	}
	w.list("images.txt", src, "app:1", "web:1")
	w.run(0, "lock", "--platform=linux/amd64", "images.txt")
	w.git("init", "-q", "-b", "main")
	w.git("add", "-A")
	w.git("commit", "-q", "-m", "base")

	w.git("checkout", "-q", "-b", "platforms")
	w.run(0, "lock", "--platform=linux/arm64", "images.txt")
	platforms := w.read("images.txt.lock")
	w.git("commit", "-q", "-a", "-m", "other platforms")
	w.git("checkout", "-q", "main")
	upgraded := pushPlatforms(t, src.Host+"/web:1")
	w.run(0, "lock", "--platform=linux/amd64", "--upgrade="+src.Host+"/web:1", "images.txt")
	w.git("commit", "-q", "-a", "-m", "upgrade")
	w.git("merge", "-q", "-X", "theirs", "platforms", "-m", "merge")

	merged := w.read("images.txt.lock")
	wantContains(t, "the merged lock", merged, upgraded.String())
	if merged == platforms || strings.Contains(merged, "<<<<<<<") {
		t.Fatalf("git has not mixed the sides:\n%s", merged)
	}
	above, _, _ := strings.Cut(merged, "source = \""+src.Host+"/web:1\"")
	entry := fmt.Sprintf("images.txt.lock:%d: ", strings.Count(above, "\n")) // its [[image]], the line before
	src.Log().Reset()
	for _, command := range [][]string{
		{"plan", "--registry", dst.Host}, {"copy", "--registry", dst.Host}, {"lock"},
	} {
		p := w.run(2, append(command, "--platform=linux/arm64", "images.txt")...)
		wantContains(t, command[0], p.stderr.String(), entry+"the entry of "+src.Host+"/web:1 was edited, or merged from two sides: its sum doesn't fit")
	}
	if n := src.Log().Total() + dst.Log().Total(); n > 0 {
		t.Errorf("%d requests", n)
	}
}
