{{- /* The spec of the Job, whoever makes it. */ -}}
{{- define "docker-mirror.job" -}}
{{- $_ := include "docker-mirror.lists" . }}{{- /* what is wrong with lists is said first */ -}}
{{- $count := int .Values.shards.count }}
{{- $atOnce := min $count (default $count (int .Values.shards.atOnce)) | int }}
completions: {{ $count }}
parallelism: {{ $atOnce }}
completionMode: Indexed
backoffLimitPerIndex: {{ .Values.retries }}
podReplacementPolicy: Failed
activeDeadlineSeconds: {{ int64 .Values.activeDeadlineSeconds }}
ttlSecondsAfterFinished: {{ int64 .Values.ttlSecondsAfterFinished }}
podFailurePolicy:
  rules:
    # Evicted or preempted: the index starts anew, and what is copied stays.
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
    # The lists or options are wrong: no retry and no other shard can help.
    - action: FailJob
      onExitCodes:
        containerName: docker-mirror
        operator: In
        values: [2]
template:
  metadata:
    labels:
      {{- include "docker-mirror.selectorLabels" . | nindent 6 }}
      {{- if .Values.identity.azure.clientId }}
      azure.workload.identity/use: "true"
      {{- end }}
      {{- with .Values.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    {{- include "docker-mirror.pod" (list . $count $atOnce) | trim | nindent 4 }}
{{- end }}

{{- define "docker-mirror.pod" -}}
{{- $ := index . 0 }}
{{- $count := index . 1 }}
{{- $atOnce := index . 2 }}
{{- with $ }}
restartPolicy: Never
serviceAccountName: {{ include "docker-mirror.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 30
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- if .Values.lists.git.repository }}
initContainers:
  {{- include "docker-mirror.git" . | trim | nindent 2 }}
{{- end }}
containers:
  - name: docker-mirror
    image: {{ include "docker-mirror.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      - copy
      - --progress=plain
      {{- if gt $count 1 }}
      - --shard=$(JOB_COMPLETION_INDEX)/{{ $count }}
      - --shards-at-once={{ $atOnce }}
      {{- end }}
      {{- range .Values.registries }}
      - {{ printf "--registry=%s" . | quote }}
      {{- end }}
      {{- with .Values.repository }}
      - {{ printf "--repository=%s" . | quote }}
      {{- end }}
      {{- range .Values.platforms }}
      - {{ printf "--platform=%s" . | quote }}
      {{- end }}
      {{- if .Values.config }}
      - --config=/etc/docker-mirror/config.toml
      {{- end }}
      {{- if .Values.reportsClaim }}
      - --report=/reports/report-$(JOB_COMPLETION_INDEX).json
      {{- end }}
      {{- range .Values.extraArgs }}
      - {{ . | quote }}
      {{- end }}
      {{- include "docker-mirror.files" . | trim | nindent 6 }}
    {{- include "docker-mirror.environment" . | nindent 4 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    {{- include "docker-mirror.containerSecurity" . | nindent 4 }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      {{- include "docker-mirror.mounts" . | trim | nindent 6 }}
volumes:
  {{- include "docker-mirror.volumes" . | trim | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "docker-mirror.environment" -}}
env:
  {{- with include "docker-mirror.memory" . }}
  - name: GOMEMLIMIT
    value: {{ . | quote }}
  {{- end }}
  {{- if .Values.dockerConfigSecret }}
  - name: DOCKER_CONFIG
    value: /etc/docker-mirror/credentials
  {{- end }}
  - name: XDG_CACHE_HOME
    value: /home/nonroot/.cache
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "docker-mirror.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "docker-mirror.git" -}}
- name: git-sync
  image: {{ .Values.lists.git.image | quote }}
  args:
    - --one-time
    - {{ printf "--repo=%s" .Values.lists.git.repository | quote }}
    - {{ printf "--ref=%s" .Values.lists.git.ref | quote }}
    - --root=/lists
    - --link=checkout
    - --max-failures=3
    {{- if .Values.lists.git.credentials }}
    - --password-file=/etc/git/password
    {{- end }}
  env:
    - name: HOME
      value: /tmp
    {{- if .Values.lists.git.credentials }}
    - name: GITSYNC_USERNAME
      valueFrom:
        secretKeyRef:
          name: {{ .Values.lists.git.credentials }}
          key: username
    {{- end }}
  {{- include "docker-mirror.containerSecurity" . | nindent 2 }}
  resources:
    requests:
      cpu: 50m
      memory: 64Mi
    limits:
      memory: 256Mi
  volumeMounts:
    - name: lists
      mountPath: /lists
    - name: tmp
      mountPath: /tmp
    {{- if .Values.lists.git.credentials }}
    - name: git
      mountPath: /etc/git
      readOnly: true
    {{- end }}
{{- end }}

{{- define "docker-mirror.mounts" -}}
- name: lists
  mountPath: /lists
  readOnly: true
- name: tmp
  mountPath: /tmp
- name: home
  mountPath: /home/nonroot
{{- if .Values.config }}
- name: config
  mountPath: /etc/docker-mirror/config.toml
  subPath: config.toml
  readOnly: true
{{- end }}
{{- if .Values.dockerConfigSecret }}
- name: credentials
  mountPath: /etc/docker-mirror/credentials
  readOnly: true
{{- end }}
{{- if .Values.reportsClaim }}
- name: reports
  mountPath: /reports
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "docker-mirror.volumes" -}}
- name: lists
  {{- include "docker-mirror.lists" . | trim | nindent 2 }}
- name: tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- if .Values.config }}
- name: config
  configMap:
    name: {{ include "docker-mirror.fullname" . }}-config
{{- end }}
{{- if .Values.dockerConfigSecret }}
- name: credentials
  secret:
    secretName: {{ .Values.dockerConfigSecret }}
    items:
      - key: .dockerconfigjson
        path: config.json
{{- end }}
{{- if .Values.lists.git.credentials }}
- name: git
  secret:
    secretName: {{ .Values.lists.git.credentials }}
    items:
      - key: password
        path: password
{{- end }}
{{- if .Values.reportsClaim }}
- name: reports
  persistentVolumeClaim:
    claimName: {{ .Values.reportsClaim }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
