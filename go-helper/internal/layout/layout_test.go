package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func newTestLayout(t *testing.T) (*Layout, string) {
	t.Helper()
	dir := t.TempDir()
	l, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return l, dir
}

func ask(t *testing.T, l *Layout, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://layout.invalid"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := l.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

func digestOf(t *testing.T, content string) v1.Hash {
	t.Helper()
	digest, _, err := v1.SHA256(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestAnUploadThatBreaksGoesOn(t *testing.T) {
	l, dir := newTestLayout(t)
	const content = "all of the blob"
	digest := digestOf(t, content)
	started, _ := ask(t, l, "POST", "/v2/docker.io/a/blobs/uploads/", nil)
	location := started.Header.Get("Location")
	if started.StatusCode != http.StatusAccepted || location == "" {
		t.Fatalf("%s %v", started.Status, started.Header)
	}
	cut := errors.New("cut")
	broken, err := http.NewRequestWithContext(t.Context(), "PUT", "http://layout.invalid"+location+"?digest="+digest.String(),
		io.MultiReader(strings.NewReader(content[:6]), iotest.ErrReader(cut)))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := l.RoundTrip(broken); !errors.Is(err, cut) {
		t.Errorf("a broken upload: %v, %v", resp, err)
	}
	status, _ := ask(t, l, "GET", location, nil)
	if got := status.Header.Get("Range"); got != "0-5" {
		t.Errorf("Range %q", got)
	}
	if resp, _ := ask(t, l, "PUT", location+"?digest="+digest.String(), strings.NewReader("x"), "Content-Range", "9-9"); resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a gap: %s", resp.Status)
	}
	if _, err := os.Stat(filepath.Join(dir, blobName(digest))); err == nil {
		t.Error("half a blob has its name")
	}
	resp, body := ask(t, l, "PUT", location+"?digest="+digest.String(), strings.NewReader(content[6:]), "Content-Range", "6-14")
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("%s %s", resp.Status, body)
	}
	if _, got := ask(t, l, "GET", "/v2/docker.io/other/blobs/"+digest.String(), nil); got != content {
		t.Errorf("content %q", got)
	}
	ranged, got := ask(t, l, "GET", "/v2/docker.io/a/blobs/"+digest.String(), nil, "Range", "bytes=4-")
	if ranged.StatusCode != http.StatusPartialContent || got != content[4:] || ranged.Header.Get("Content-Range") != "bytes 4-14/15" {
		t.Errorf("range: %s %q %v", ranged.Status, got, ranged.Header)
	}
	if mounted, _ := ask(t, l, "POST", "/v2/docker.io/b/blobs/uploads/?from=x&mount="+digest.String(), nil); mounted.StatusCode != http.StatusCreated {
		t.Errorf("mount: %s", mounted.Status)
	}
}

func TestContentThatIsntItsDigestsIsRefused(t *testing.T) {
	l, dir := newTestLayout(t)
	digest := digestOf(t, "right")
	started, _ := ask(t, l, "POST", "/v2/docker.io/a/blobs/uploads/", nil)
	resp, body := ask(t, l, "PUT", started.Header.Get("Location")+"?digest="+digest.String(), strings.NewReader("wrong"))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "DIGEST_INVALID") {
		t.Errorf("blob: %s %s", resp.Status, body)
	}
	manifest := `{"schemaVersion":2,"layers":[]}`
	resp, body = ask(t, l, "PUT", "/v2/docker.io/a/manifests/"+digest.String(), strings.NewReader(manifest))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "DIGEST_INVALID") {
		t.Errorf("manifest: %s %s", resp.Status, body)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "blobs/*/*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, workDir, "upload-*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

func TestALayoutKeepsWhatOthersWrote(t *testing.T) {
	dir := t.TempDir()
	foreign := `{"schemaVersion":2,"manifests":[
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` + strings.Repeat("a", 64) + `","size":1,"annotations":{"org.opencontainers.image.ref.name":"3.22"}},
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` + strings.Repeat("b", 64) + `","size":1}]}`
	for name, content := range map[string]string{indexFile: foreign, markerFile: marker} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := ask(t, l, "PUT", "/v2/docker.io/library/a/manifests/1", strings.NewReader(`{"schemaVersion":2,"layers":[]}`)); resp.StatusCode != http.StatusCreated {
		t.Errorf("%s %s", resp.Status, body)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range index.Manifests {
		names = append(names, d.Annotations[refName])
	}
	if fmt.Sprint(names) != "[docker.io/library/a:1 3.22 ]" {
		t.Errorf("names %q", names)
	}
}

func TestOneProcessWritesALayout(t *testing.T) {
	_, dir := newTestLayout(t)
	if _, err := Create(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
}

func TestLeftoversOfAKilledRunGo(t *testing.T) {
	l, dir := newTestLayout(t)
	started, _ := ask(t, l, "POST", "/v2/docker.io/a/blobs/uploads/", nil)
	ask(t, l, "PATCH", started.Header.Get("Location"), strings.NewReader("some"))
	if err := l.lock.Unlock(); err != nil { // which is all that the system does for it
		t.Fatal(err)
	}
	again, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if left, _ := filepath.Glob(filepath.Join(dir, workDir, "upload-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestHostileLayoutsAreRefused(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte(`{"schemaVersion":2,"layers":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	digest := digestOf(t, `{"schemaVersion":2,"layers":[]}`)
	entry := func(digest, name string) string {
		return fmt.Sprintf(`{"mediaType":"a/b","digest":%q,"size":1,"annotations":{%q:%q}}`, digest, refName, name)
	}
	for name, c := range map[string]struct{ index, want string }{
		"a path for a digest":    {entry("sha256:../../../secret", "r.example/a:1"), "non-hex character"},
		"no digest":              {`{"mediaType":"a/b","size":1}`, "entry 1 has no digest"},
		"a name for two images":  {entry("sha256:"+strings.Repeat("a", 64), "r.example/a:1") + "," + entry(digest.String(), "r.example/a:1"), "stands for two images"},
		"a blob that leads away": {entry(digest.String(), "r.example/a:1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(dir, blobName(digest))); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, indexFile), []byte(`{"manifests":[`+c.index+`]}`), 0o600); err != nil {
				t.Fatal(err)
			}
			l, err := Open(dir)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if resp, body := ask(t, l, "GET", "/v2/r.example/a/manifests/1", nil); resp.StatusCode == http.StatusOK {
				t.Errorf("a link out of the layout was followed: %s", body)
			}
		})
	}
}

func TestAFileThatCantBeReadIsNoLoginProblem(t *testing.T) {
	l, dir := newTestLayout(t)
	for name, plant := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		digest := digestOf(t, name)
		path := filepath.Join(dir, blobName(digest))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), plant(path)); err != nil {
			t.Fatal(err)
		}
		resp, body := ask(t, l, "GET", "/v2/docker.io/a/blobs/"+digest.String(), nil)
		if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "is no file") {
			t.Errorf("%s: %s %s", name, resp.Status, body)
		}
	}
}

func TestTheSameImagesMakeTheSameFiles(t *testing.T) {
	var files [2][]byte
	for i := range files {
		l, dir := newTestLayout(t)
		tags := []string{"1", "2", "3"}
		if i == 1 {
			tags = []string{"3", "1", "2"}
		}
		for _, tag := range tags {
			manifest := fmt.Sprintf(`{"schemaVersion":2,"layers":[],"annotations":{"n":%q}}`, tag)
			if resp, body := ask(t, l, "PUT", "/v2/docker.io/a/manifests/"+tag, strings.NewReader(manifest)); resp.StatusCode != http.StatusCreated {
				t.Fatalf("%s %s", resp.Status, body)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{indexFile, BundleFile} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[i] = append(files[i], data...)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Errorf("they differ:\n%s\n%s", files[0], files[1])
	}
}
