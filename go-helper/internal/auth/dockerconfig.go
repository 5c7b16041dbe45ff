package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"docker-mirror/go-helper/internal/reference"
)

// dockerHubServer is Docker Hub's name towards credential stores, for historical reasons.
const dockerHubServer = "https://index.docker.io/v1/"

// helperTimeout is for helpers that ask a person for a passphrase, or a cloud for a token; after helperPatience it is said
// what is waited for.
const helperTimeout, helperPatience = 2 * time.Minute, 5 * time.Second

// maxHelperAnswer is far more than any token takes.
const maxHelperAnswer = 1 << 20

// helperMemory is how long a credential helper's answer is kept: long enough not to run it for every
// repository, short enough for a helper whose passwords expire (ECR's live 12 hours).
const helperMemory = 10 * time.Minute

// ConfigKeychain finds credentials where `docker login` and `podman login` leave them:
//
//   - DOCKER_AUTH_CONFIG (a config file's content),
//   - config.json in DOCKER_CONFIG, else in ~/.docker, with its credHelpers and credsStore,
//   - REGISTRY_AUTH_FILE,
//   - containers/auth.json in XDG_RUNTIME_DIR, then in XDG_CONFIG_HOME (else ~/.config).
//
// Entries may be for a namespace ("ghcr.io/team"): the longest one that is a prefix of the repository wins
// over all files, as in containers-auth.json(5); among equally long ones the first file. A credential helper
// speaks for a whole host.
type ConfigKeychain struct {
	logger *slog.Logger
	getenv func(string) string

	load  sync.Once
	files []configSource
	err   error

	helpers           Memory[helperKey, Credentials]
	timeout, patience time.Duration // for a helper
}

type configSource struct {
	name    string
	content *configfile.ConfigFile
	entries map[string]string // normalised key -> key in the file
}

type helperKey struct{ helper, server string }

// NewConfigKeychain reads the process's environment at first use. A nil logger discards.
func NewConfigKeychain(logger *slog.Logger) *ConfigKeychain {
	if logger == nil {
		logger = discard()
	}
	return &ConfigKeychain{logger: logger, getenv: os.Getenv, timeout: helperTimeout, patience: helperPatience}
}

var (
	_ Keychain  = (*ConfigKeychain)(nil)
	_ Forgetter = (*ConfigKeychain)(nil)
)

// Resolve implements [Keychain].
func (k *ConfigKeychain) Resolve(ctx context.Context, host, repository string) (Credentials, error) {
	k.load.Do(k.loadFiles)
	if k.err != nil {
		return Credentials{}, k.err
	}
	path := host
	if repository != "" {
		path += "/" + repository
	}
	for key := path; key != ""; key = parent(key) {
		for _, source := range k.files {
			if key == host {
				creds, err := k.fromHelper(ctx, source, host)
				if err != nil || !creds.Anonymous() {
					return creds, err
				}
			}
			entry, ok := source.entries[key]
			if !ok {
				continue
			}
			a := source.content.AuthConfigs[entry]
			creds := Credentials{
				Username: a.Username, Password: a.Password,
				IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
				Source: fmt.Sprintf("%s, entry %q", source.name, entry),
			}
			if creds.Anonymous() {
				continue // `docker login` leaves an empty entry where a store has the secret
			}
			k.logger.Debug("credentials found", "registry", host, "repository", repository, "credentials", creds)
			return creds, nil
		}
	}
	k.logger.Debug("no credentials", "registry", host, "repository", repository, "searched", k.searched())
	return Credentials{}, nil
}

// parent drops the last path component, and ends with the host.
func parent(key string) string {
	i := strings.LastIndexByte(key, '/')
	if i < 0 {
		return ""
	}
	return key[:i]
}

// Describe says where credentials were looked for.
func (k *ConfigKeychain) Describe(string) string {
	k.load.Do(k.loadFiles)
	return k.searched()
}

func (k *ConfigKeychain) searched() string {
	if len(k.files) == 0 {
		return "no Docker or Podman configuration found"
	}
	names := make([]string, len(k.files))
	for i, f := range k.files {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// Forget drops what helpers said of a host: the registry refused it.
func (k *ConfigKeychain) Forget(host string) {
	k.helpers.Forget(func(key helperKey) bool { return key.server == serverName(host) })
}

func (k *ConfigKeychain) loadFiles() {
	if text := k.getenv("DOCKER_AUTH_CONFIG"); text != "" {
		k.add("DOCKER_AUTH_CONFIG", strings.NewReader(text))
	}
	home := k.getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	dockerDir := k.getenv("DOCKER_CONFIG")
	if dockerDir == "" && home != "" {
		dockerDir = filepath.Join(home, ".docker")
	}
	var paths []string
	if dockerDir != "" {
		paths = append(paths, filepath.Join(dockerDir, "config.json"))
	}
	if file := k.getenv("REGISTRY_AUTH_FILE"); file != "" {
		paths = append(paths, file)
	}
	if dir := k.getenv("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, "containers", "auth.json"))
	}
	configHome := k.getenv("XDG_CONFIG_HOME")
	if configHome == "" && home != "" {
		configHome = filepath.Join(home, ".config")
	}
	if configHome != "" {
		paths = append(paths, filepath.Join(configHome, "containers", "auth.json"))
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			k.err = errors.Join(k.err, fmt.Errorf("read registry credentials: %w", err))
		default:
			k.add(path, bytes.NewReader(content))
		}
	}
}

func (k *ConfigKeychain) add(name string, r io.Reader) {
	content, err := config.LoadFromReader(r)
	if err != nil {
		k.err = errors.Join(k.err, fmt.Errorf("read registry credentials in %s: %w", name, err))
		return
	}
	source := configSource{name: name, content: content, entries: map[string]string{}}
	for key := range content.AuthConfigs {
		source.entries[normaliseKey(key)] = key
	}
	k.files = append(k.files, source)
}

// normaliseKey brings the spellings of an `auths` key to host[/path]: with a scheme only the host counts (the
// old form, "https://ghcr.io/v1/"), and Docker Hub has many names.
func normaliseKey(key string) string {
	stripped, isURL := strings.CutPrefix(key, "https://")
	if !isURL {
		stripped, isURL = strings.CutPrefix(key, "http://")
	}
	host, path, _ := strings.Cut(strings.TrimRight(stripped, "/"), "/")
	host = reference.CanonicalHost(host)
	if isURL || path == "" || path == "v1" || path == "v2" {
		return host
	}
	return host + "/" + path
}

func serverName(host string) string {
	if host == reference.DockerHub {
		return dockerHubServer
	}
	return host
}

// fromHelper asks the credential helper that a config file names for the host, if it does.
func (k *ConfigKeychain) fromHelper(ctx context.Context, source configSource, host string) (Credentials, error) {
	server := serverName(host)
	helper := source.content.CredentialHelpers[host]
	if helper == "" {
		helper = source.content.CredentialHelpers[server]
	}
	if helper == "" {
		helper = source.content.CredentialsStore
	}
	if helper == "" {
		return Credentials{}, nil
	}
	return k.helpers.Get(ctx, helperKey{helper, server}, func(ctx context.Context) (Credentials, time.Time, error) {
		creds, err := k.askHelper(ctx, helper, server)
		if !creds.Anonymous() {
			creds.Source = fmt.Sprintf("credential helper %s, by %s", helper, source.name)
			k.logger.Debug("credentials found", "registry", host, "credentials", creds)
		}
		return creds, time.Now().Add(helperMemory), err
	})
}

// askHelper runs docker-credential-<helper>. What it prints is never repeated: it may be the secret.
func (k *ConfigKeychain) askHelper(ctx context.Context, helper, server string) (Credentials, error) {
	ctx, stop := context.WithTimeout(ctx, k.timeout)
	defer stop()
	program := "docker-credential-" + helper
	told := make(chan struct{})
	waiting := time.AfterFunc(k.patience, func() {
		defer close(told)
		k.logger.Warn("waiting for a credential helper", "helper", program, "registry", server, "at most", k.timeout)
	})
	defer func() {
		if !waiting.Stop() {
			<-told
		}
	}()
	asked := &helperProgram{}
	found, err := client.Get(func(args ...string) client.Program {
		asked.cmd = exec.CommandContext(ctx, program, args...)
		asked.cmd.WaitDelay = time.Second // a helper's own children may hold its pipes
		return asked
	}, server)
	switch {
	case err == nil:
	case asked.answer.full:
		return Credentials{}, fmt.Errorf("credential helper %s for %s printed more than %d bytes", program, server, maxHelperAnswer)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Credentials{}, fmt.Errorf("credential helper %s for %s didn't answer in %s", program, server, k.timeout)
	case ctx.Err() != nil:
		return Credentials{}, ctx.Err()
	case credentials.IsErrCredentialsNotFound(err), credentials.IsCredentialsMissingServerURL(err):
		return Credentials{}, nil
	default:
		if _, lookErr := exec.LookPath(program); lookErr != nil {
			return Credentials{}, fmt.Errorf("credential helper %s for %s is not on PATH", program, server)
		}
		return Credentials{}, fmt.Errorf("credential helper failed; run `echo %s | %s get` to see why", server, program)
	}
	if found.Username == "<token>" { // the helpers' protocol
		return Credentials{IdentityToken: found.Secret}, nil
	}
	return Credentials{Username: found.Username, Password: found.Secret}, nil
}

// helperProgram is a credential helper that ends with its context.
type helperProgram struct {
	cmd    *exec.Cmd
	answer boundedBuffer
}

// Output is what the helper prints, up to maxHelperAnswer: one that prints more is ended.
func (p *helperProgram) Output() ([]byte, error) {
	p.cmd.Stdout = &p.answer
	err := p.cmd.Run()
	if p.answer.full {
		return nil, errHelperAnswer
	}
	return p.answer.taken, err
}

func (p *helperProgram) Input(in io.Reader) { p.cmd.Stdin = in }

var _ client.Program = (*helperProgram)(nil)

var errHelperAnswer = errors.New("the answer is too long")

// boundedBuffer takes no more than maxHelperAnswer bytes. It is a writer and nothing else: a ReadFrom would know no bound.
type boundedBuffer struct {
	taken []byte
	full  bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.taken)+len(p) > maxHelperAnswer {
		b.full = true
		return 0, errHelperAnswer
	}
	b.taken = append(b.taken, p...)
	return len(p), nil
}
