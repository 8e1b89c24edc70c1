{{/* The gateway's cluster file: the values without what only Kubernetes knows. */}}
{{- define "bifocal.cluster" }}{{ include "bifocal.table" . }}{{ $gpus := dict -}}
{{- range $name, $group := .Values.gpus }}{{ $_ := set $gpus $name (omit $group "tolerations" "resources" "upgrade") }}{{ end -}}
{{- $listens := dict "host" "0.0.0.0" "port" 8000 "keys" "/etc/bifocal-keys/keys.yaml" -}}
{{- $gateway := include "bifocal.laid" (list (omit .Values.gateway "replicas" "maxReplicas" "resources") $listens) | fromJson -}}
{{- $file := pick .Values "models" "router" "slo" "tracing" "longestAnswer" "weights" -}}
{{- include "bifocal.laid" (list $file (dict "gpus" $gpus "gateway" $gateway)) | fromJson | toYaml }}{{ end }}
{{/* (list root name which): seconds that a pool takes to `start`, or its weights to `pull`, from its bytes. */}}
{{- define "bifocal.time" }}{{ $_ := include "bifocal.table" (index . 0) }}{{ $model := get (index . 0).Values.models (index . 1) -}}
{{- $precision := $model.precision | default "bf16" }}{{ $known := (index . 0).Values.table.models -}}
{{- dig ($model.like | default (index . 1)) $precision (index . 2) 86400 $known }}{{ end }}
{{/* Seconds until the first pool answers: of the fewest bytes to load, and to pull while all others pull, too. */}}
{{- define "bifocal.first" }}{{ $first := 86400 }}{{ $models := .Values.models }}{{ range $name, $model := $models -}}
{{- $seconds := include "bifocal.time" (list $ $name "start") | int }}{{ $weights := include "bifocal.weights.of" (list $ $name) -}}
{{- if and (fromJson $weights).source (not ($.Values.weights).offline) -}}
{{- $seconds = include "bifocal.time" (list $ $name "pull") | int | mul (len $models) | add $seconds }}{{ end -}}
{{- $first = min $first $seconds }}{{ end }}{{ $first }}{{ end }}
