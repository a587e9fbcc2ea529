{{- /*
A ValidatingAdmissionPolicy and its binding to the release's namespace. Takes root, name, resources,
conditions (of matchConditions), variables and validations.
*/}}
{{- define "polyfleet.policy" -}}
{{- $name := printf "polyfleet-%s-%s" .root.Release.Namespace .name }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "polyfleet.labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [polyfleet.dev]
        apiVersions: ["*"]
        operations: [CREATE, UPDATE]
        resources: {{ toJson .resources }}
  {{- with .conditions }}
  matchConditions:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .variables }}
  variables:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  validations:
    {{- toYaml .validations | nindent 4 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "polyfleet.labels" .root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchLabels:
        kubernetes.io/metadata.name: {{ .root.Release.Namespace | quote }}
{{- end }}
