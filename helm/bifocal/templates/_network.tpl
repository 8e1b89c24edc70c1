{{/* What policies say. (list root part): the pods of a part; a namespace: its pods, by a label that Kubernetes
sets from 1.21 on; (list port...). */}}
{{- define "bifocal.peer" }}{podSelector: {{ include "bifocal.these" . }}}{{ end }}
{{- define "bifocal.namespace" }}{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ quote . }}}}}{{ end }}
{{- define "bifocal.tcp" }}ports: [{protocol: TCP, port: {{ join "}, {protocol: TCP, port: " . }}}]{{ end }}
{{/* The port of an address, else that of its kind. */}}
{{- define "bifocal.port" }}{{ $usual := dict "http:" "80" "redis:" "6379" "rediss:" "6379" -}}
{{- $parts := regexReplaceAll "@[0-9a-f]{64}$" . "" | splitList "/" -}}
{{- regexFind ":[0-9]+$" (index $parts 2) | trimPrefix ":" | default (get $usual (first $parts)) | default "443" }}{{ end }}
{{/* The ports that weights come by: what values name, and those of mirrors, of sources, and of a proxy in `volume.env`. */}}
{{- define "bifocal.weights.ports" }}{{ $ports := list }}{{ $from := values .Values.volume.env -}}
{{- range .Values.network.weightsPorts }}{{ $ports = append $ports (int . | toString) }}{{ end -}}
{{- range .Values.models }}{{ $from = append $from (.source | default "") }}{{ end -}}
{{- range append $from (.Values.weights).address }}{{ if regexMatch "^https?://" (. | default "") -}}
{{- $ports = append $ports (include "bifocal.port" .) }}{{ end }}{{ end -}}
{{- include "bifocal.tcp" ($ports | uniq | sortAlpha) }}{{ end }}
