{{- define "docker-mirror.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* A CronJob's name may have 52 characters. */ -}}
{{- define "docker-mirror.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "docker-mirror.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "docker-mirror.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "docker-mirror.selectorLabels" -}}
app.kubernetes.io/name: {{ include "docker-mirror.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "docker-mirror.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "docker-mirror.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "docker-mirror.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "docker-mirror.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "docker-mirror.image" -}}
{{- $repository := required "image.repository: name where the image of a release is (docs/scale.md)" .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* The volume with the lists, from exactly one place. */ -}}
{{- define "docker-mirror.lists" -}}
{{- $l := .Values.lists }}
{{- $places := list }}
{{- if $l.inline }}{{ $places = append $places "inline" }}{{ end }}
{{- if $l.configMap }}{{ $places = append $places "configMap" }}{{ end }}
{{- if $l.artifact }}{{ $places = append $places "artifact" }}{{ end }}
{{- if $l.git.repository }}{{ $places = append $places "git" }}{{ end }}
{{- if $l.volume }}{{ $places = append $places "volume" }}{{ end }}
{{- if ne (len $places) 1 }}
{{- fail (printf "lists: name one place of inline, configMap, artifact, git and volume, not %d (%s)" (len $places) (join ", " $places)) }}
{{- end }}
{{- $several := gt (int .Values.shards.count) 1 }}
{{- if $l.inline }}
configMap:
  name: {{ include "docker-mirror.fullname" . }}-lists
{{- else if $l.configMap }}
configMap:
  name: {{ $l.configMap }}
{{- else if $l.artifact }}
{{- if and $several (not (contains "@sha256:" $l.artifact)) }}
{{- fail "lists.artifact: with several shards it needs a digest (…@sha256:…), so that all of them read the same lists" }}
{{- end }}
image:
  reference: {{ $l.artifact }}
  pullPolicy: IfNotPresent
{{- else if $l.git.repository }}
{{- if and $several (not (regexMatch "^[0-9a-f]{40,64}$" $l.git.ref)) }}
{{- fail "lists.git.ref: with several shards it must be a commit, so that all of them read the same lists" }}
{{- end }}
emptyDir: {}
{{- else }}
{{- toYaml $l.volume }}
{{- end }}
{{- end }}

{{- /* The lists as arguments. */ -}}
{{- define "docker-mirror.files" -}}
{{- $folder := ternary "/lists/checkout" "/lists" (not (empty .Values.lists.git.repository)) }}
{{- $files := .Values.lists.files }}
{{- if not $files }}
{{- $files = keys (default dict .Values.lists.inline) | sortAlpha }}
{{- end }}
{{- if not $files }}
{{- fail "lists.files: name the files to read" }}
{{- end }}
{{- range $files }}
- {{ printf "%s/%s" $folder . | quote }}
{{- end }}
{{- end }}

{{- /* Four fifths of the memory limit, for Go's garbage collector; nothing if it isn't in Mi or Gi. */ -}}
{{- define "docker-mirror.memory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString }}
{{- if regexMatch "^[0-9.]+Mi$" $limit }}
{{- printf "%dMiB" (mulf (trimSuffix "Mi" $limit | float64) 0.8 | int) }}
{{- else if regexMatch "^[0-9.]+Gi$" $limit }}
{{- printf "%dMiB" (mulf (trimSuffix "Gi" $limit | float64) 819.2 | int) }}
{{- end }}
{{- end }}
