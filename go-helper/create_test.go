package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/ecr/ecrtest"
)

// startECR serves a registry that speaks as ECR does and the API that creates its repositories.
func startECR(t *testing.T) (*devregistry.Server, *ecrtest.API) {
	t.Helper()
	dialect := devregistry.ECR
	dialect.RepositoriesMustExist = true
	dialect.Auth = devregistry.Auth{Scheme: devregistry.AuthBasic, Users: map[string]string{"AWS": "planted-password"}}
	server := devregistrytest.Start(t, devregistry.Options{Dialect: dialect})
	return server, ecrtest.Start(t, server.CreateRepository)
}

// login puts a registry's user and password where `docker login` does.
func (w *workplace) login(users map[string]string) {
	w.t.Helper()
	var entries []string
	for host, user := range users {
		entries = append(entries, fmt.Sprintf("%q: {\"auth\": %q}", host, base64.StdEncoding.EncodeToString([]byte(user))))
	}
	config := fmt.Sprintf(`{"auths": {%s}}`, strings.Join(entries, ", "))
	if err := os.WriteFile(filepath.Join(w.home, "config.json"), []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// aws runs the program with an identity in AWS, and none of this machine's.
func (w *workplace) aws(wantCode int, args ...string) *process {
	w.t.Helper()
	p := w.command(args...)
	p.cmd.Env = slices.DeleteFunc(p.cmd.Env, func(variable string) bool { return strings.HasPrefix(variable, "AWS_") })
	p.cmd.Env = append(p.cmd.Env, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=planted-secret", "AWS_EC2_METADATA_DISABLED=true")
	return p.demand(wantCode)
}

func TestRepositoriesAreCreated(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src := startRegistry(t)
	dst, api := startECR(t)
	w.login(map[string]string{dst.Host: "AWS:planted-password"})
	var list strings.Builder
	for _, image := range []string{"one:1", "one:2", "one:3", "one:4", "two:1", "old:1"} {
		pushImage(t, src.Host+"/"+image, 4096, 2)
		fmt.Fprintf(&list, "%s/%s\n", src.Host, image)
	}
	w.write("images.txt", list.String())
	dst.CreateRepository("mirror/old")
	args := []string{"copy", "--verbose", "--registry", dst.Host, "--repository", "mirror/{repository}", "--report", "report.json", "images.txt"}

	// Nobody creates unless asked to.
	p := w.aws(1, args...)
	wantContains(t, "stderr", p.stderr.String(), "NAME_UNKNOWN", "mirror/one may have to be created first")
	if n := len(api.Calls()); n != 0 {
		t.Errorf("%d calls without a configuration", n)
	}

	configure := func(lines string) {
		w.write("config.toml", fmt.Sprintf("[registries.%q.create_repositories]\nservice = \"ecr\"\nregion = \"eu-west-1\"\naccount = \"123456789012\"\nendpoint = %q\n%s",
			dst.Host, api.URL, lines))
	}
	configure("scan_on_push = true\nimmutable_tags = true\ntags = { team = \"platform\" }\n")
	dst.Log().Reset()
	w.aws(0, append(args, "--config", "config.toml", "--dry-run")...)
	if n := len(api.Calls()); n != 0 {
		t.Errorf("%d calls by a dry run", n)
	}
	p = w.aws(0, append(args, "--config", "config.toml")...)
	wantContains(t, "stderr", p.stderr.String(), "created repository "+dst.Host+"/mirror/one", "created repository "+dst.Host+"/mirror/two")
	var created []string
	for _, call := range api.Calls() {
		created = append(created, call.RepositoryName)
		if call.RegistryID != "123456789012" || call.ImageTagMutability != "IMMUTABLE" || !call.ImageScanningConfiguration.ScanOnPush ||
			len(call.Tags) != 1 || call.Tags[0].Key != "team" || call.Signer != "AKIDEXAMPLE" {
			t.Errorf("created by %+v", call)
		}
	}
	if slices.Sort(created); !slices.Equal(created, []string{"mirror/one", "mirror/two"}) {
		t.Errorf("created %q", created)
	}
	for _, tag := range []string{"1", "2", "3", "4"} {
		if _, ok := dst.Tags("mirror/one")[tag]; !ok {
			t.Errorf("tag %s is missing", tag)
		}
	}
	if n := w.report("report.json").Registries[dst.Host].Requests["repository create"]; n != 2 {
		t.Errorf("the report has %d creations", n)
	}
	w.aws(0, append(args, "--config", "config.toml")...)
	if n := len(api.Calls()); n != 2 {
		t.Errorf("%d calls after a run with nothing to do", n)
	}
	if text := p.stdout.String() + p.stderr.String(); strings.Contains(text, "planted") {
		t.Errorf("a secret was told:\n%s", text)
	}
}

func TestRepositoriesThatCantBeCreated(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src := startRegistry(t)
	dst, api := startECR(t)
	api.Deny()
	w.login(map[string]string{dst.Host: "AWS:planted-password"})
	pushImage(t, src.Host+"/one:1", 4096, 3)
	pushImage(t, src.Host+"/old:1", 4096, 3)
	w.write("images.txt", src.Host+"/one:1\n"+src.Host+"/old:1\n")
	w.write("config.toml", fmt.Sprintf("[registries.%q.create_repositories]\nservice = \"ecr\"\nregion = \"eu-west-1\"\nendpoint = %q\n", dst.Host, api.URL))
	dst.CreateRepository("old")
	p := w.aws(1, "copy", "--registry", dst.Host, "--config", "config.toml", "--progress", "plain", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "repository "+dst.Host+"/one does not exist, and can't be created", "needs ecr:CreateRepository", "images.txt:1")
	if n := strings.Count(p.stderr.String(), "needs ecr:CreateRepository"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &p.stderr)
	}
	if n := len(api.Calls()); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if _, ok := dst.Tags("old")["1"]; !ok {
		t.Error("the other image wasn't copied")
	}
}

// Harbor has no repository without a project, and says so with a 401.
func TestMissingProjectIsNamed(t *testing.T) {
	t.Parallel()
	for _, scheme := range []devregistry.AuthScheme{devregistry.AuthBasic, devregistry.AuthBearer} {
		w := newWorkplace(t)
		src := startRegistry(t)
		dialect := devregistry.Harbor
		dialect.Auth = devregistry.Auth{Scheme: scheme, Users: map[string]string{"robot": "planted-password"}}
		dst := devregistrytest.Start(t, devregistry.Options{Dialect: dialect})
		w.login(map[string]string{dst.Host: "robot:planted-password"})
		pushImage(t, src.Host+"/one:1", 1024, 1)
		w.write("images.txt", src.Host+"/one:1\n")
		args := []string{"copy", "--registry", dst.Host, "--repository", "mirror/{repository}", "images.txt"}
		p := w.run(1, args...)
		wantContains(t, "stderr", p.stderr.String(), "project mirror not found", "create the project mirror at "+dst.Host)
		for _, e := range dst.Log().Entries() {
			if e.Method != "GET" && e.Method != "HEAD" && e.Status < 400 { // whether a push is allowed is asked for, and refused
				t.Errorf("%s: %s %s: %d", scheme, e.Method, e.Path, e.Status)
			}
		}
		for _, e := range src.Log().Entries() {
			if e.Kind == devregistry.KindBlobGet {
				t.Errorf("%s: the source was read: %s", scheme, e.Path)
			}
		}
		src.Log().Reset()
		dst.CreateProject("mirror")
		w.run(0, args...)
	}
}

// A tag that the registry doesn't let move is said so, with what it names, and the others are copied.
func TestImmutableTagIsNamed(t *testing.T) {
	t.Parallel()
	for name, dialect := range map[string]devregistry.Dialect{"ECR": {ImmutableTags: true}, "Harbor": {ImmutableTagsStrict: true}} {
		w := newWorkplace(t)
		src := startRegistry(t)
		dst := devregistrytest.Start(t, devregistry.Options{Dialect: dialect})
		same := pushImage(t, src.Host+"/one:same", 1024, 1)
		old := pushImage(t, src.Host+"/one:moves", 1024, 1)
		w.write("images.txt", src.Host+"/one:same\n"+src.Host+"/one:moves\n")
		args := []string{"copy", "--registry", dst.Host, "images.txt"}
		w.run(0, args...)
		fresh := pushImage(t, src.Host+"/one:moves", 1024, 1)
		dst.Log().Reset()
		p := w.run(1, append(args, "--force")...)
		wantContains(t, "stderr", p.stderr.String(), dst.Host+"/one:moves is immutable and names "+old.String()+", not "+fresh.String(), "under another tag", "images.txt:2")
		puts := 0
		for _, e := range dst.Log().Entries() {
			if e.Method == "PUT" && e.Reference == "moves" {
				puts++
			}
		}
		if puts != 1 || dst.Tags("one")["same"] != same {
			t.Errorf("%s: %d writes of the tag, the other is %s", name, puts, dst.Tags("one")["same"])
		}
	}
}
