package chart

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

const chart = "../../charts/docker-mirror"

// minimal are the values that everybody has to set.
const minimal = `
image: {repository: registry.example/tools/docker-mirror}
lists: {inline: {images.txt: "docker.io/library/alpine:3.22\n"}}
registries: [registry.example/mirror]
`

// helm gives the program of tools/go.mod.
func helm(t *testing.T) string {
	t.Helper()
	if folder := os.Getenv("DOCKER_MIRROR_TEST_TOOLS"); folder != "" {
		return filepath.Join(folder, "helm")
	}
	path, err := exec.LookPath("helm")
	if err != nil {
		t.Skip("there is no helm on PATH, and DOCKER_MIRROR_TEST_TOOLS names no folder of tools")
	}
	return path
}

// template renders the chart with values on top of each other; the error is what helm said.
func template(t *testing.T, values ...string) (string, error) {
	t.Helper()
	args := []string{"template", "example", chart, "--namespace", "mirror", "--kube-version", "1.37.0"}
	return run(t, args, values)
}

func run(t *testing.T, args, values []string) (string, error) {
	t.Helper()
	for i, text := range values {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("values-%d.yaml", i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--values", file)
	}
	command := exec.CommandContext(t.Context(), helm(t), args...)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s%s", err, &errOut, &out)
	}
	return out.String(), nil
}

// objects are what a release has.
type objects struct {
	cronJobs        []batchv1.CronJob
	jobs            []batchv1.Job
	configMaps      map[string]corev1.ConfigMap
	serviceAccounts []corev1.ServiceAccount
	policies        []networkingv1.NetworkPolicy
}

// render reads all that the chart makes, strictly: a key that the API doesn't have is an error.
func render(t *testing.T, values ...string) objects {
	t.Helper()
	text, err := template(t, values...)
	if err != nil {
		t.Fatal(err)
	}
	found := objects{configMaps: map[string]corev1.ConfigMap{}}
	for document := range strings.SplitSeq(text, "\n---\n") {
		document = strings.TrimPrefix(document, "---\n")
		if !strings.Contains(document, "kind:") {
			continue
		}
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatalf("%v:\n%s", err, document)
		}
		switch kind.APIVersion + " " + kind.Kind {
		case "batch/v1 CronJob":
			found.cronJobs = append(found.cronJobs, strictly[batchv1.CronJob](t, document))
		case "batch/v1 Job":
			found.jobs = append(found.jobs, strictly[batchv1.Job](t, document))
		case "v1 ConfigMap":
			c := strictly[corev1.ConfigMap](t, document)
			found.configMaps[c.Name] = c
		case "v1 ServiceAccount":
			found.serviceAccounts = append(found.serviceAccounts, strictly[corev1.ServiceAccount](t, document))
		case "networking.k8s.io/v1 NetworkPolicy":
			found.policies = append(found.policies, strictly[networkingv1.NetworkPolicy](t, document))
		default:
			t.Errorf("the chart makes a %+v", kind)
		}
	}
	return found
}

func strictly[T any](t *testing.T, document string) (object T) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
		t.Fatalf("%v:\n%s", err, document)
	}
	return object
}

// job is the Job that a release runs, and its container.
func (o objects) job(t *testing.T) (batchv1.JobSpec, corev1.PodSpec, corev1.Container) {
	t.Helper()
	var job batchv1.JobSpec
	switch {
	case len(o.cronJobs) == 1 && len(o.jobs) == 0:
		job = o.cronJobs[0].Spec.JobTemplate.Spec
	case len(o.cronJobs) == 0 && len(o.jobs) == 1:
		job = o.jobs[0].Spec
	default:
		t.Fatalf("%d CronJobs and %d Jobs", len(o.cronJobs), len(o.jobs))
	}
	pod := job.Template.Spec
	if len(pod.Containers) != 1 || pod.Containers[0].Name != "docker-mirror" {
		t.Fatalf("containers %+v", pod.Containers)
	}
	return job, pod, pod.Containers[0]
}
