{{- /* Whether several pods may write into one artifact folder. */}}
{{- define "polyfleet.sharedFolder" -}}
{{- $claim := .Values.artifacts.persistence }}
{{- if and $claim.enabled (has "ReadWriteMany" $claim.accessModes) }}true{{ end }}
{{- end }}

{{- /* The most facades that there can be. */}}
{{- define "polyfleet.mostFacades" -}}
{{- if .Values.facade.autoscaling.enabled }}{{ int64 .Values.facade.autoscaling.maxReplicas }}{{ else }}{{ int64 .Values.facade.replicas }}{{ end }}
{{- end }}

{{- /* What a schema cannot say: values that contradict each other. */}}
{{- define "polyfleet.checks" -}}
{{- $artifacts := .Values.artifacts }}
{{- if and (gt (int64 (include "polyfleet.mostFacades" .)) 1) (eq $artifacts.driver "local") (not (include "polyfleet.sharedFolder" .)) }}
{{- fail (printf "\n\nThere can be %s facades, and each would keep its own artifacts: a device would find a file on one replica only.\nGive them one store: artifacts.driver=s3 with artifacts.s3.bucket, or artifacts.persistence.accessModes={ReadWriteMany} with a storage class that can do it, or stay with facade.replicas=1.\n" (include "polyfleet.mostFacades" .)) }}
{{- end }}
{{- if and (eq $artifacts.driver "s3") (not $artifacts.s3.bucket) }}
{{- fail "\n\nartifacts.driver=s3 needs artifacts.s3.bucket.\n" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled (not .Values.ingress.enabled) (not .Values.gateway.enabled) }}
{{- fail "\n\ntls.certManager.enabled asks for a certificate, but neither ingress.enabled nor gateway.enabled says for which hosts.\n" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled .Values.gateway.enabled (not .Values.gateway.hostnames) (not .Values.ingress.enabled) }}
{{- fail "\n\ntls.certManager.enabled asks for a certificate, but gateway.hostnames names no host.\n" }}
{{- end }}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) }}
{{- fail "\n\ntls.certManager.enabled needs tls.certManager.issuerRef.name: the Issuer or ClusterIssuer that signs.\n" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "\n\ningress.enabled needs ingress.hosts: the names under which clients reach the facade.\n" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
{{- fail "\n\ngateway.enabled needs gateway.parentRefs: the Gateway that the route is attached to.\n" }}
{{- end }}
{{- if and (ne .Values.service.ipFamilyPolicy "SingleStack") (not (contains ":" .Values.facade.listen)) }}
{{- fail (printf "\n\nservice.ipFamilyPolicy=%s leads clients to addresses of IPv6, too: set facade.listen=\"::\".\n" .Values.service.ipFamilyPolicy) }}
{{- end }}
{{- end }}
