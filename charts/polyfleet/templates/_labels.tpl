{{- /* Every object of the chart carries these. */}}
{{- define "polyfleet.labels" -}}
app.kubernetes.io/name: polyfleet
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: polyfleet
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* What Services, budgets and spreading know a component's pods by; it never changes. Takes root and component. */}}
{{- define "polyfleet.selector" -}}
app.kubernetes.io/name: polyfleet
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}
