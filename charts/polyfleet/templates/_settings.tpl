{{- /* A value as the text of an environment variable: whole numbers without an exponent. */}}
{{- define "polyfleet.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /*
Settings as lines of `NAME: "text"`: logLevel is POLYFLEET_LOG_LEVEL, a section adds two
underscores, a list is separated by commas. Takes prefix and settings.
*/}}
{{- define "polyfleet.variables" -}}
{{- range $key, $value := .settings }}
{{- $name := printf "%s%s" $.prefix (regexReplaceAll "([A-Z])" $key "_${1}" | upper) }}
{{- if kindIs "invalid" $value }}
{{- else if eq $name "POLYFLEET_IDENTITY__TOKEN_REVIEW__ACCOUNTS" }}
{{ $name }}: {{ toJson $value | quote }}
{{- else if kindIs "map" $value }}
{{- include "polyfleet.variables" (dict "prefix" (printf "%s__" $name) "settings" $value) }}
{{- else if kindIs "slice" $value }}
{{ $name }}: {{ join "," $value | quote }}
{{- else }}
{{ $name }}: {{ include "polyfleet.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A component's settings as entries of `env`, in the order of their names. Takes root, component and given (what the chart itself decides). */}}
{{- define "polyfleet.environment" -}}
{{- $own := index .root.Values .component "settings" | default dict }}
{{- $settings := mergeOverwrite (deepCopy (.root.Values.settings | default dict)) (deepCopy $own) }}
{{- $variables := include "polyfleet.variables" (dict "prefix" "POLYFLEET_" "settings" $settings) | fromYaml }}
{{- range $name, $text := mergeOverwrite $variables .given }}
- name: {{ $name }}
  value: {{ $text | toString | quote }}
{{- end }}
{{- with index .root.Values .component "extraEnv" }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The seconds that a component's open work has to end. Takes root and component. */}}
{{- define "polyfleet.shutdown" -}}
{{- $own := index .root.Values .component "settings" | default dict }}
{{- $shared := .root.Values.settings | default dict }}
{{- if hasKey $own "shutdownTimeout" }}{{ $own.shutdownTimeout }}{{ else if hasKey $shared "shutdownTimeout" }}{{ $shared.shutdownTimeout }}{{ else }}{{ ternary 5 20 (eq .component "operator") }}{{ end }}
{{- end }}

{{- /* The seconds that filling the cache may take. Takes root and component. */}}
{{- define "polyfleet.sync" -}}
{{- $own := index .root.Values .component "settings" | default dict }}
{{- $shared := .root.Values.settings | default dict }}
{{- if hasKey $own "syncTimeout" }}{{ $own.syncTimeout }}{{ else if hasKey $shared "syncTimeout" }}{{ $shared.syncTimeout }}{{ else }}120{{ end }}
{{- end }}

{{- /* Where clients reach the facade, if the values tell. */}}
{{- define "polyfleet.url" -}}
{{- $own := .Values.facade.settings | default dict }}
{{- $hosts := concat (ternary .Values.ingress.hosts list .Values.ingress.enabled) (ternary .Values.gateway.hostnames list .Values.gateway.enabled) }}
{{- if $own.publicUrl }}{{ $own.publicUrl }}
{{- else if and $hosts (not (hasPrefix "*" (first $hosts))) }}
{{- $secure := or .Values.tls.secretName .Values.tls.certManager.enabled .Values.gateway.enabled }}
{{- printf "%s://%s" (ternary "https" "http" (not (not $secure))) (first $hosts) }}
{{- end }}
{{- end }}

{{- /* The scopes of service accounts are what switches TokenReview on. */}}
{{- define "polyfleet.reviewsTokens" -}}
{{- $review := dig "identity" "tokenReview" dict (.Values.facade.settings | default dict) }}
{{- if $review.accounts }}true{{ end }}
{{- end }}

{{- /* Where applications run. */}}
{{- define "polyfleet.workloadsNamespace" -}}
{{- (.Values.settings | default dict).workloadsNamespace | default .Release.Namespace }}
{{- end }}
