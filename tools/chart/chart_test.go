package chart

import (
	"os"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestLint(t *testing.T) {
	t.Parallel()
	if out, err := run(t, []string{"lint", "--strict", chart, "--kube-version", "1.37.0"}, []string{minimal}); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAScheduledRun(t *testing.T) {
	t.Parallel()
	found := render(t, minimal)
	if len(found.cronJobs) != 1 || found.cronJobs[0].Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || found.cronJobs[0].Spec.Schedule == "" {
		t.Fatalf("%+v", found.cronJobs)
	}
	job, pod, container := found.job(t)
	if *job.Completions != 1 || *job.Parallelism != 1 || *job.CompletionMode != batchv1.IndexedCompletion {
		t.Errorf("job %+v", job)
	}
	if want := []string{"copy", "--progress=plain", "--registry=registry.example/mirror", "/lists/images.txt"}; !slices.Equal(container.Args, want) {
		t.Errorf("args %q, want %q", container.Args, want)
	}
	if container.Image != "registry.example/tools/docker-mirror:"+appVersion(t) || len(container.Command) > 0 {
		t.Errorf("image %s, command %q", container.Image, container.Command)
	}
	lists := volume(t, pod, "lists")
	if lists.ConfigMap == nil || found.configMaps[lists.ConfigMap.Name].Data["images.txt"] != "docker.io/library/alpine:3.22\n" {
		t.Errorf("lists %+v", found.configMaps)
	}
	if len(found.policies) != 0 {
		t.Error("a NetworkPolicy that nobody asked for")
	}
}

// What becomes of our exit codes: 2 ends the Job, an eviction doesn't count, and anything else is tried again alone.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	job, pod, _ := render(t, minimal).job(t)
	rules := job.PodFailurePolicy.Rules
	if len(rules) != 2 || rules[0].Action != batchv1.PodFailurePolicyActionIgnore || rules[0].OnExitCodes != nil ||
		rules[0].OnPodConditions[0].Type != corev1.DisruptionTarget || rules[0].OnPodConditions[0].Status != corev1.ConditionTrue {
		t.Errorf("rules %+v", rules)
	}
	if rules[1].Action != batchv1.PodFailurePolicyActionFailJob || *rules[1].OnExitCodes.ContainerName != "docker-mirror" ||
		rules[1].OnExitCodes.Operator != batchv1.PodFailurePolicyOnExitCodesOpIn || !slices.Equal(rules[1].OnExitCodes.Values, []int32{2}) {
		t.Errorf("rules %+v", rules)
	}
	// What Kubernetes demands of a Job with such rules.
	if pod.RestartPolicy != corev1.RestartPolicyNever || *job.PodReplacementPolicy != batchv1.Failed || *job.BackoffLimitPerIndex != 2 || job.BackoffLimit != nil || job.MaxFailedIndexes != nil {
		t.Errorf("job %+v", job)
	}
	if *job.ActiveDeadlineSeconds != 21600 || *job.TTLSecondsAfterFinished != 604800 {
		t.Errorf("job %+v", job)
	}
}

func TestShards(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values      string
		completions int32
		parallelism int32
		args        []string
	}{
		{"shards: {count: 4}", 4, 4, []string{"--shard=$(JOB_COMPLETION_INDEX)/4", "--shards-at-once=4"}},
		{"shards: {count: 16, atOnce: 3}", 16, 3, []string{"--shard=$(JOB_COMPLETION_INDEX)/16", "--shards-at-once=3"}},
		{"shards: {count: 2, atOnce: 8}", 2, 2, []string{"--shards-at-once=2"}},
		{"{shards: {count: 2}, schedule: '', reportsClaim: reports}", 2, 2, []string{"--report=/reports/report-$(JOB_COMPLETION_INDEX).json"}},
	} {
		found := render(t, minimal, c.values)
		job, _, container := found.job(t)
		if *job.Completions != c.completions || *job.Parallelism != c.parallelism {
			t.Errorf("%s: %d, %d at once", c.values, *job.Completions, *job.Parallelism)
		}
		for _, arg := range c.args {
			if !slices.Contains(container.Args, arg) {
				t.Errorf("%s: args %q", c.values, container.Args)
			}
		}
		if len(found.jobs) == 1 && found.jobs[0].Name != "example-docker-mirror-1" {
			t.Errorf("%s: %s", c.values, found.jobs[0].Name)
		}
	}
}

// restricted is what Kubernetes' Pod Security Standard of that name demands.
func restricted(t *testing.T, what string, pod corev1.PodSpec) {
	t.Helper()
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser != 65532 || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		pod.HostNetwork || pod.HostPID || *pod.AutomountServiceAccountToken {
		t.Errorf("%s: pod %+v", what, pod)
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		s := c.SecurityContext
		if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("%s: %s: %+v", what, c.Name, s)
		}
	}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			t.Errorf("%s: volume %+v", what, v)
		}
	}
}

func TestWhereListsComeFrom(t *testing.T) {
	t.Parallel()
	const none = "lists: {inline: null, files: [a.txt, b.toml]}\n"
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		what, values string
		is           func(corev1.PodSpec) bool
	}{
		{"a ConfigMap", "lists: {configMap: mine}", func(p corev1.PodSpec) bool { return volume(t, p, "lists").ConfigMap.Name == "mine" }},
		{"an artifact", "{lists: {artifact: 'registry.example/lists" + digest + "'}, shards: {count: 4}}", func(p corev1.PodSpec) bool {
			return volume(t, p, "lists").Image.Reference == "registry.example/lists"+digest
		}},
		{"a volume", "lists: {volume: {persistentVolumeClaim: {claimName: lists}}}", func(p corev1.PodSpec) bool {
			return volume(t, p, "lists").PersistentVolumeClaim.ClaimName == "lists"
		}},
		{"git", "{lists: {git: {repository: https://git.example/images, ref: " + strings.Repeat("b", 40) + ", credentials: git}}, shards: {count: 2}}", func(p corev1.PodSpec) bool {
			args := p.InitContainers[0].Args
			return volume(t, p, "lists").EmptyDir != nil && slices.Contains(args, "--one-time") && slices.Contains(args, "--repo=https://git.example/images") &&
				slices.Contains(args, "--ref="+strings.Repeat("b", 40)) && volume(t, p, "git").Secret.SecretName == "git"
		}},
	} {
		_, pod, container := render(t, minimal, none, c.values).job(t)
		if !c.is(pod) {
			t.Errorf("%s: %+v", c.what, pod.Volumes)
		}
		folder := "/lists"
		if strings.HasPrefix(c.what, "git") {
			folder = "/lists/checkout"
		}
		if got := container.Args[len(container.Args)-2:]; !slices.Equal(got, []string{folder + "/a.txt", folder + "/b.toml"}) {
			t.Errorf("%s: args %q", c.what, container.Args)
		}
		restricted(t, c.what, pod)
		mounted(t, pod)
	}
}

func volume(t *testing.T, pod corev1.PodSpec, name string) corev1.Volume {
	t.Helper()
	i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("no volume %s: %+v", name, pod.Volumes)
	}
	return pod.Volumes[i]
}

// mounted checks that each volume is mounted, and each mount is of one.
func mounted(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	mounts := map[string]bool{}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, m := range c.VolumeMounts {
			mounts[m.Name] = true
			volume(t, pod, m.Name)
		}
	}
	for _, v := range pod.Volumes {
		if !mounts[v.Name] {
			t.Errorf("%s is not mounted", v.Name)
		}
	}
}

// everything sets what can be set together.
var everything = `
image: {digest: "sha256:` + strings.Repeat("c", 64) + `"}
imagePullSecrets: [{name: pull}]
timeZone: Europe/Berlin
repository: mirror/{repository}
platforms: [linux/amd64]
extraArgs: [--referrers=require]
config: "[registries.\"registry.example\"]\nrequests_per_second = 10\n"
dockerConfigSecret: login
identity: {aws: {roleArn: "arn:aws:iam::1:role/m"}, gcp: {serviceAccount: m@p.iam.gserviceaccount.com}, azure: {clientId: c, tenantId: t}}
serviceAccount: {annotations: {team: platform}}
reportsClaim: reports
env: [{name: HTTPS_PROXY, value: "http://proxy.example:3128"}]
envFrom: [{secretRef: {name: more}}]
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ca}]
resources: {limits: {memory: 1.5Gi}}
networkPolicy: {enabled: true, extraEgress: [{ports: [{port: 5000}]}]}
podAnnotations: {a: b}
podLabels: {c: d}
nodeSelector: {kubernetes.io/arch: arm64}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
priorityClassName: low
`

func TestEverythingSet(t *testing.T) {
	t.Parallel()
	found := render(t, minimal, everything)
	_, pod, c := found.job(t)
	restricted(t, "all", pod)
	mounted(t, pod)
	for _, arg := range []string{"--repository=mirror/{repository}", "--platform=linux/amd64", "--referrers=require", "--config=/etc/docker-mirror/config.toml"} {
		if !slices.Contains(c.Args, arg) {
			t.Errorf("args %q", c.Args)
		}
	}
	environment := map[string]string{}
	for _, e := range c.Env {
		environment[e.Name] = e.Value
	}
	if environment["DOCKER_CONFIG"] != "/etc/docker-mirror/credentials" || environment["GOMEMLIMIT"] != "1228MiB" || environment["HTTPS_PROXY"] == "" {
		t.Errorf("environment %v", environment)
	}
	if items := volume(t, pod, "credentials").Secret.Items; items[0].Key != corev1.DockerConfigJsonKey || items[0].Path != "config.json" {
		t.Errorf("credentials %+v", items)
	}
	if !strings.Contains(found.configMaps["example-docker-mirror-config"].Data["config.toml"], "requests_per_second = 10\n") || !strings.HasSuffix(c.Image, "@sha256:"+strings.Repeat("c", 64)) {
		t.Errorf("config %+v, image %s", found.configMaps, c.Image)
	}
	account := found.serviceAccounts[0]
	for _, key := range []string{"eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id", "azure.workload.identity/tenant-id", "team"} {
		if account.Annotations[key] == "" {
			t.Errorf("annotations %v", account.Annotations)
		}
	}
	template := found.cronJobs[0].Spec.JobTemplate.Spec.Template
	if template.Labels["azure.workload.identity/use"] != "true" || pod.ServiceAccountName != account.Name {
		t.Errorf("labels %v, account %s", template.Labels, pod.ServiceAccountName)
	}
	policy := found.policies[0].Spec
	if len(policy.PolicyTypes) != 2 || len(policy.Ingress) != 0 || len(policy.Egress) != 2 || len(policy.Egress[0].Ports) != 3 {
		t.Errorf("policy %+v", policy)
	}
	for key, value := range policy.PodSelector.MatchLabels {
		if template.Labels[key] != value {
			t.Errorf("the policy selects %v, and the pods have %v", policy.PodSelector.MatchLabels, template.Labels)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"shards: {cuont: 4}":                  "additional properties 'cuont' not allowed",
		"shards: {count: 0}":                  "minimum",
		"image: {repository: ''}":             "image.repository: name where the image of a release is",
		"lists: {inline: null}":               "lists: name one place of inline, configMap, artifact, git and volume, not 0",
		"lists: {configMap: x}":               "not 2 (inline, configMap)",
		"lists: {inline: null, configMap: x}": "lists.files: name the files to read",
		"{lists: {inline: null, artifact: 'r/a:1'}, shards: {count: 2}}":              "lists.artifact: with several shards it needs a digest",
		"{lists: {inline: null, git: {repository: 'https://g'}}, shards: {count: 2}}": "lists.git.ref: with several shards it must be a commit",
		"{serviceAccount: {create: false}, identity: {aws: {roleArn: 'arn:aws:x'}}}":  "annotate yours yourself",
	} {
		if out, err := template(t, minimal, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q\n%s", values, err, want, out)
		}
	}
}

// The values that the documentation has for users of replicant's chart.
func TestTheValuesForUsersOfReplicant(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, values, found := strings.Cut(string(text), "\n```yaml\n")
	values, _, closed := strings.Cut(values, "\n```\n")
	if !found || !closed {
		t.Fatal("docs/migrating.md has no values")
	}
	rendered := render(t, values)
	_, pod, container := rendered.job(t)
	if want := []string{"copy", "--progress=plain", "/lists/replicant.yaml"}; !slices.Equal(container.Args, want) {
		t.Errorf("args %q, want %q", container.Args, want)
	}
	configMap := rendered.configMaps[volume(t, pod, "lists").ConfigMap.Name]
	if !strings.HasPrefix(configMap.Data["replicant.yaml"], "images:\n  nginx:\n    source: ") {
		t.Errorf("lists %q", configMap.Data)
	}
	if len(container.EnvFrom) != 1 || container.EnvFrom[0].SecretRef.Name != "registry-credentials" {
		t.Errorf("envFrom %+v", container.EnvFrom)
	}
}
