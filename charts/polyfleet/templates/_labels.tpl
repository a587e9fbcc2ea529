{{- define "polyfleet.labels" -}}
app.kubernetes.io/name: polyfleet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: polyfleet
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
