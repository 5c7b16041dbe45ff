//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"docker-mirror/go-helper/internal/devregistry/sample"
)

// Gitea's packages belong to users: here one whose name is where the set goes, and another.
const (
	giteaUser     = "mirror"
	giteaOther    = "other"
	giteaPassword = "correct horse"
)

const giteaConfig = `APP_NAME = interop
RUN_MODE = prod
WORK_PATH = %[1]s

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[2]d
ROOT_URL = http://127.0.0.1:%[2]d/
STATIC_ROOT_PATH = %[3]s
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = %[1]s/gitea.db

[security]
INSTALL_LOCK = true
SECRET_KEY = the same for every request
PASSWORD_HASH_ALGO = pbkdf2$1000$50
PASSWORD_COMPLEXITY = off

[log]
MODE = console
LEVEL = Warn

[cron]
ENABLED = false

[actions]
ENABLED = false
`

// startGitea runs a Gitea of its own until the test ends. Its token service hands out tokens for whatever is asked; what they let do is decided with
// each request.
func startGitea(t *testing.T) (host string) {
	t.Helper()
	program, files := os.Getenv("DOCKER_MIRROR_GITEA"), os.Getenv("DOCKER_MIRROR_GITEA_FILES")
	if program == "" || files == "" {
		t.Fatal("DOCKER_MIRROR_GITEA and DOCKER_MIRROR_GITEA_FILES name no Gitea; `scripts/test gitea` builds it")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "app.ini")
	gitea := func(args ...string) *exec.Cmd {
		command := exec.Command(program, append(args, "--config", config)...)
		// Containers that run tests often have no other user.
		command.Env = append(os.Environ(), "HOME="+dir, "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT=true", "GITEA_WORK_DIR="+dir)
		return command
	}
	port := freePort(t)
	if err := os.WriteFile(config, fmt.Appendf(nil, giteaConfig, dir, port, files), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"migrate"},
		{"admin", "user", "create", "--username", giteaUser, "--password", giteaPassword, "--email", "mirror@example.com", "--must-change-password=false"},
		{"admin", "user", "create", "--username", giteaOther, "--password", giteaPassword, "--email", "other@example.com", "--must-change-password=false"},
	} {
		if output, err := gitea(args...).CombinedOutput(); err != nil {
			t.Fatalf("gitea %v: %v\n%s", args, err, output)
		}
	}
	web := gitea("web")
	var output buffer
	web.Stdout, web.Stderr = &output, &output
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = web.Process.Kill()
		_ = web.Wait()
	})
	host = fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		response, err := http.Get("http://" + host + "/v2/")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusUnauthorized {
				return host
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Gitea doesn't answer: %v\n%s", err, &output)
		}
	}
}

// freePort finds a port that nobody listens on: Gitea must know its own beforehand.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// A registry of another code base, with a token service and owners of repositories. Run by `scripts/test gitea`, as Gitea takes a quarter of an hour
// to build.
func TestGitea(t *testing.T) {
	t.Parallel()
	dst := startGitea(t)
	r := interopRegistry{name: "Gitea", login: &authn.Basic{Username: giteaUser, Password: giteaPassword}}
	t.Run("a set", func(t *testing.T) { r.wantMirrored(t, dst) })

	// One who may write to their own repositories alone, where others can be read: what goes there arrives, the rest fails by its own cause.
	t.Run("one owner's repositories only", func(t *testing.T) {
		set := seedImages(t)
		type spec struct {
			Source      string `json:"src"`
			Destination string `json:"dst"`
		}
		var specs []spec
		var own []sample.Image
		for i, image := range set.images {
			to := giteaUser + "/closed"
			if i%2 == 0 {
				to, own = giteaOther, append(own, image)
			}
			at := fmt.Sprintf("%s:%s", image.Repository, image.Tag)
			specs = append(specs, spec{set.host + "/" + at, dst + "/" + to + "/" + at})
		}
		content, err := json.Marshal(specs)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorkplace(t)
		w.write("specs.json", string(content))
		w.loginTo(dst, giteaOther, giteaPassword)
		p := w.run(1, "copy", "--report", "report.json", "specs.json")
		if totals := w.report("report.json").Totals; totals.Copied != len(own) || totals.Failed != len(set.images)-len(own) {
			t.Errorf("%+v\n%s", totals, &p.stderr)
		}
		wantContains(t, "stderr", p.stderr.String(), "401", dst+"/"+giteaUser+"/closed/")
		other := interopRegistry{login: &authn.Basic{Username: giteaOther, Password: giteaPassword}}
		wantArrived(t, dst+"/"+giteaOther, own, other.client()...)
	})

	t.Run("a wrong password", func(t *testing.T) {
		set := seedImages(t)
		w := newWorkplace(t)
		w.write("images.txt", set.list)
		w.loginTo(dst, giteaUser, "wrong")
		p := w.run(1, "copy", "--registry", dst, "--repository", giteaUser+"/{repository}", "images.txt")
		wantContains(t, "stderr", p.stderr.String(), "401")
	})
}
