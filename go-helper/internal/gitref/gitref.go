// Package gitref reads a revision of the git repository that a directory is in. It runs git itself, which knows every form of
// repository, in ways that run nothing of the repository's: no hooks, no filters, no textconv, no fetching.
package gitref

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxFile is the largest file that is read.
const maxFile = 64 << 20

// Revision is a commit and the files that it has.
type Revision struct {
	Name   string // as it was asked for
	Commit string
	Time   time.Time // of the commit

	root  string          // of the work tree
	files map[string]bool // regular ones, by their paths from the root with slashes
}

// Open resolves a revision in the repository that dir is in.
func Open(ctx context.Context, dir, name string) (*Revision, error) {
	root, err := output(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("%s is in no git work tree: %w", dir, err)
	}
	r := &Revision{Name: name, root: strings.TrimSuffix(string(root), "\n"), files: map[string]bool{}}
	commit, err := output(ctx, r.root, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("git knows no commit %q: a shallow clone has to fetch it first (git fetch --depth=1 origin BRANCH): %w", name, err)
	}
	r.Commit = strings.TrimSpace(string(commit))
	seconds, err := output(ctx, r.root, "log", "-1", "--no-show-signature", "--format=%ct", r.Commit)
	if err != nil {
		return nil, err
	}
	unix, err := strconv.ParseInt(strings.TrimSpace(string(seconds)), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("git tells no time of %s: %w", r.Commit, err)
	}
	r.Time = time.Unix(unix, 0).UTC()
	tree, err := output(ctx, r.root, "ls-tree", "-r", "-z", "--full-tree", r.Commit)
	if err != nil {
		return nil, err
	}
	for _, entry := range bytes.Split(tree, []byte{0}) {
		if about, path, found := strings.Cut(string(entry), "\t"); found && strings.HasPrefix(about, "100") { // no links, no submodules
			r.files[path] = true
		}
	}
	return r, nil
}

// Path is where a file of the work tree stands in the revision; the file itself need not be there.
func (r *Revision) Path(file string) (string, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(absolute))
	if err != nil {
		return "", err
	}
	root, err := filepath.EvalSymlinks(r.root)
	if err != nil {
		return "", err
	}
	path, err := filepath.Rel(root, filepath.Join(dir, filepath.Base(absolute)))
	if err != nil || path == ".." || strings.HasPrefix(path, ".."+string(filepath.Separator)) {
		return "", fmt.Errorf("%s is not in the git repository of %s", file, r.root)
	}
	return filepath.ToSlash(path), nil
}

// Has tells whether the revision has a regular file.
func (r *Revision) Has(path string) bool { return r.files[path] }

// Files gives the paths that end so.
func (r *Revision) Files(suffix string) []string {
	var paths []string
	for path := range r.files {
		if strings.HasSuffix(path, suffix) {
			paths = append(paths, path)
		}
	}
	return paths
}

// Changed gives the paths that HEAD has changed, added or deleted against the revision.
func (r *Revision) Changed(ctx context.Context) ([]string, error) {
	out, err := output(ctx, r.root, "diff-tree", "-r", "-z", "--name-only", "--no-renames", r.Commit, "HEAD")
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(c rune) bool { return c == 0 }), nil
}

// Read gives the content of files, as it is stored.
func (r *Revision) Read(ctx context.Context, paths ...string) ([][]byte, error) {
	var input bytes.Buffer
	for _, path := range paths {
		if !r.files[path] || strings.ContainsAny(path, "\n") {
			return nil, fmt.Errorf("%s has no file %q", r.Name, path)
		}
		fmt.Fprintf(&input, "%s:%s\n", r.Commit, path)
	}
	command, stderr := git(ctx, r.root, "cat-file", "--batch")
	command.Stdin = &input
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	contents, readErr := readBatch(bufio.NewReader(out), paths)
	_, _ = io.Copy(io.Discard, out)
	if err := command.Wait(); err != nil {
		return nil, failure(stderr, err)
	}
	return contents, readErr
}

// readBatch reads what `cat-file --batch` answers: a line "OBJECT TYPE SIZE", then so many bytes and a newline.
func readBatch(in *bufio.Reader, paths []string) ([][]byte, error) {
	var contents [][]byte
	for _, path := range paths {
		header, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("reading %s from git: %w", path, err)
		}
		parts := strings.Fields(header)
		if len(parts) != 3 || parts[1] != "blob" {
			return nil, fmt.Errorf("reading %s from git: it answers %q", path, strings.TrimSpace(header))
		}
		size, err := strconv.Atoi(parts[2])
		if err != nil || size > maxFile {
			return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
		}
		content := make([]byte, size+1)
		if _, err := io.ReadFull(in, content); err != nil {
			return nil, fmt.Errorf("reading %s from git: %w", path, err)
		}
		contents = append(contents, content[:size])
	}
	return contents, nil
}

func git(ctx context.Context, dir string, arguments ...string) (*exec.Cmd, *bytes.Buffer) {
	command := exec.CommandContext(ctx, "git", append([]string{"--no-pager", "--no-replace-objects", "--literal-pathspecs", "-C", dir, "-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false"}, arguments...)...)
	command.Env = append(os.Environ(), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	return command, &stderr
}

func output(ctx context.Context, dir string, arguments ...string) ([]byte, error) {
	command, stderr := git(ctx, dir, arguments...)
	out, err := command.Output()
	if err != nil {
		return nil, failure(stderr, err)
	}
	return out, nil
}

// failure says what git says.
func failure(stderr *bytes.Buffer, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("git is not installed, or not on PATH")
	}
	if said, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n"); said != "" {
		return fmt.Errorf("git: %s", said)
	}
	return fmt.Errorf("git: %w", err)
}
