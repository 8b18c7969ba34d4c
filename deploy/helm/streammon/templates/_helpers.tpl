{{- define "streammon.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "streammon.selector" -}}
app.kubernetes.io/name: streammon
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "streammon.labels" -}}
{{ include "streammon.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{/* The config with the state's place. */}}
{{- define "streammon.config" -}}
{{- $state := merge (dict "dir" "/var/lib/streammon/state") (default dict .Values.config.state) -}}
{{- toYaml (merge (dict "state" $state) .Values.config) -}}
{{- end }}

{{/* A probe of a path; with users the path needs a password, and whether the port is open must do. */}}
{{- define "streammon.probe" -}}
{{- if .root.Values.web.configSecret -}}
tcpSocket: {port: http}
{{- else -}}
httpGet: {path: {{ .path }}, port: http}
{{- end }}
{{- end }}

{{/* How a monitor of Prometheus' operator scrapes. */}}
{{- define "streammon.endpoint" -}}
- port: http
  path: /metrics
  scheme: {{ .root.Values.web.scheme }}
  interval: {{ .monitor.interval }}
  honorTimestamps: true
  {{- with .monitor.endpoint }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
