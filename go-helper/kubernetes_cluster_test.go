//go:build kubernetes

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"docker-mirror/go-helper/internal/devregistry/toolstest"
)

// kubernetesProgram names what tools/kubernetes is built to.
const kubernetesProgram = "DOCKER_MIRROR_KUBERNETES"

// cluster is a control plane, with a stand-in for the kubelet that runs pods as processes of this machine.
type cluster struct {
	dir, url, token, helm string
	client                *http.Client
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("the stand-in for the kubelet changes roots and users, which only root may")
	}
	c := &cluster{dir: t.TempDir(), helm: toolstest.Build(t, toolstest.Helm)}
	image := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(image, "docker-mirror"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // there are no libraries in the root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	cmd := exec.Command(os.Getenv(kubernetesProgram), "-dir", c.dir, "-image", image, "-entrypoint", "/docker-mirror")
	var log buffer
	cmd.Stderr = &log
	cmd.WaitDelay = time.Minute
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v; `scripts/test kubernetes` builds it", kubernetesProgram, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the control plane's log ends with:\n%s", log.String()[max(0, log.Len()-4000):])
		}
	})
	if said, err := io.ReadAll(io.LimitReader(stdout, int64(len("ready\n")))); string(said) != "ready\n" {
		t.Fatalf("the control plane says %q, %v:\n%s", said, err, &log)
	}
	c.connect(t)
	return c
}

func (c *cluster) kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

func (c *cluster) connect(t *testing.T) {
	t.Helper()
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server    string
				Authority string `yaml:"certificate-authority-data"`
			}
		}
		Users []struct{ User struct{ Token string } }
	}
	if err := yaml.Unmarshal([]byte(read(t, c.kubeconfig())), &config); err != nil {
		t.Fatal(err)
	}
	authority, err := base64.StdEncoding.DecodeString(config.Clusters[0].Cluster.Authority)
	if err != nil {
		t.Fatal(err)
	}
	c.url, c.token = config.Clusters[0].Cluster.Server, config.Users[0].User.Token
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(c.client.CloseIdleConnections)
}

// request asks the API server, and gives its answer and status.
func (c *cluster) request(t *testing.T, method, path, contentType string, body []byte) ([]byte, int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", contentType)
	response, err := c.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, response.StatusCode
}

func (c *cluster) get(t *testing.T, path string, into any) {
	t.Helper()
	answer, status := c.request(t, http.MethodGet, path, "application/json", nil)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// release is the chart, installed in a namespace of its own.
type release struct {
	*cluster
	t         *testing.T
	namespace string
}

const chartFolder = "../charts/docker-mirror"

// values are for four shards that start at once.
func (w *workplace) values(list, registry string, retries int) string {
	w.t.Helper()
	values, err := json.Marshal(map[string]any{
		"image":        map[string]any{"repository": "registry.example/tools/docker-mirror"},
		"schedule":     "",
		"shards":       map[string]any{"count": 4},
		"retries":      retries,
		"lists":        map[string]any{"inline": map[string]any{"images.txt": list}},
		"registries":   []string{registry},
		"reportsClaim": "reports",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.path(w.write("values.yaml", string(values)))
}

func (c *cluster) install(t *testing.T, namespace, values string) release {
	t.Helper()
	c.runHelm(t, "install", "mirror", chartFolder, "--namespace", namespace, "--create-namespace", "--values", values)
	return release{c, t, namespace}
}

func (c *cluster) runHelm(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), c.helm, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "KUBECONFIG="+c.kubeconfig())
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("helm %v: %v\n%s", args, err, &stderr)
	}
	return stdout.String()
}

type job struct {
	Status struct {
		Failed           int
		CompletedIndexes string
		FailedIndexes    string
		Conditions       []struct{ Type, Status, Reason, Message string }
	}
}

// ended waits until the Job has ended, and gives why: "Complete", or the reason of its failure.
func (r release) ended() (job, string) {
	r.t.Helper()
	var j job
	var why string
	r.eventually("the Job ends", func() bool {
		r.get(r.t, "/apis/batch/v1/namespaces/"+r.namespace+"/jobs/mirror-docker-mirror-1", &j)
		for _, condition := range j.Status.Conditions {
			switch {
			case condition.Status == "True" && condition.Type == "Complete":
				why = condition.Type
			case condition.Status == "True" && condition.Type == "Failed":
				why = condition.Reason
			}
		}
		return why != ""
	})
	return j, why
}

type pod struct {
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Status struct {
		Phase             string
		ContainerStatuses []struct {
			State struct {
				Terminated *struct {
					ExitCode int
					Message  string
				}
			}
		}
	}
}

func (p pod) index() string {
	return p.Metadata.Annotations["batch.kubernetes.io/job-completion-index"]
}

// exit gives the code and what was said last; -1 is that of a pod that hasn't ended.
func (p pod) exit() (code int, message string) {
	if len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].State.Terminated == nil {
		return -1, ""
	}
	end := p.Status.ContainerStatuses[0].State.Terminated
	return end.ExitCode, end.Message
}

func (r release) pods() []pod {
	r.t.Helper()
	var list struct{ Items []pod }
	r.get(r.t, "/api/v1/namespaces/"+r.namespace+"/pods", &list)
	return list.Items
}

// process is that of a pod.
func (r release) process(p pod) int {
	r.t.Helper()
	id, err := strconv.Atoi(strings.TrimSpace(read(r.t, filepath.Join(r.dir, "kubelet/pods", r.namespace, p.Metadata.Name, "pid"))))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// reports are the files in the claim.
func (r release) reports() (files []string) {
	for i := range 4 {
		files = append(files, filepath.Join(r.dir, "kubelet/claims", r.namespace, "reports", fmt.Sprintf("report-%d.json", i)))
	}
	return files
}

// eventually is patient: Jobs are tried again after ten seconds and more.
func (r release) eventually(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, p := range r.pods() {
				code, message := p.exit()
				r.t.Logf("pod %s: %s, %d, %s", p.Metadata.Name, p.Status.Phase, code, message)
			}
			r.t.Fatalf("never happened: %s", what)
		}
	}
}
