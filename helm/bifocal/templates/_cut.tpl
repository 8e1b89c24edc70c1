{{/*
How a model is cut over its group of GPUs: from `layouts` of the values, which `bifocal plan --values`
wrote, else from the chart's own table, which the planner wrote. Nothing is planned here: what is in
neither is refused, with what to do, and what cannot run with the planner's arithmetic.
*/}}

{{/* Read once: the table; and `on`, of which YAML 1.1 makes `true`. */}}
{{- define "bifocal.table" -}}
{{- if not .Values.table }}{{ $_ := set .Values "table" (.Files.Get "layouts.yaml" | fromYaml) }}{{ $gpus := .Values.gpus }}
{{- range $name, $model := .Values.models }}
  {{- if not (hasKey . "on") }}{{ $_ := set . "on" (get . "true") }}{{ end }}{{ $_ := unset . "true" }}
  {{- if not (hasKey $gpus .on) }}{{ printf "models.%s.on: found %q; allowed: %s" $name .on (keys $gpus | sortAlpha | join ", ") | fail }}{{ end }}
  {{- if kindIs "map" .replicas }}{{ if gt (int (.replicas.min | default 1)) (int (.replicas.max | default 1)) }}{{ printf "models.%s.replicas: min is above max" $name | fail }}{{ end }}{{ end }}
{{- end }}
{{- range $role, $name := .Values.router }}{{ if not (hasKey $.Values.models $name) }}{{ printf "router.%s: found %q; allowed: %s" $role $name (keys $.Values.models | sortAlpha | join ", ") | fail }}{{ end }}{{ end }}
{{- end }}{{ end }}
{{/* (list root name): JSON of {layout, stuckAfter, engine, env}. */}}
{{- define "bifocal.cut" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $model := get $root.Values.models $name -}}
{{- include "bifocal.table" $root -}}
{{- $known := $model.like | default $name }}{{ $precision := $model.precision | default "bf16" -}}
{{- if not (hasKey $root.Values.table.models $known) }}{{ printf "models.%s: %s is not in the catalog; allowed: %s. Another name needs `like`, the catalog entry that it is a kind of" $name $known (keys $root.Values.table.models | sortAlpha | join ", ") | fail }}{{ end }}
{{- $group := get $root.Values.gpus $model.on }}{{ $per := $group.perNode | default 1 | int }}{{ $nodes := $group.nodes | default 1 | int -}}
{{- $least := include "bifocal.least" $model | int -}}
{{- $alone := eq 1 (len (include "bifocal.names" (list $root $model.on) | fromJsonArray)) | ternary "alone" "shared" -}}
{{- $written := "" }}{{ range $key := list "data" "expert" "pipeline" "tensor" }}{{ if $model.layout }}
  {{- $size := hasKey $model.layout $key | ternary (get $model.layout $key) (eq $key "expert" | ternary false 1) }}
  {{- $written = printf "%s, %s %v" $written $key $size }}
{{- end }}{{ end }}
{{- with ($model.engine).max_num_batched_tokens }}{{ $written = printf "%s, tokens %v" $written . }}{{ end }}
{{- with ($model.engine).gpu_memory_utilization }}{{ $written = printf "%s, memory %v" $written . }}{{ end }}
{{- $of := printf "%s %s %s %dx%d, context %d, replicas %d, %s%s" $known $precision $group.kind $per $nodes ($model.context | default 0 | int) $least $alone $written -}}
{{- $where := "`bifocal plan --values VALUES > layouts.yaml` writes it; then give Helm `-f VALUES -f layouts.yaml`" -}}
{{- $shape := eq $group.kind "cpu" | ternary "" (printf " %dx%d" $per $nodes) -}}
{{- $entry := get $root.Values.table.cuts (printf "%s %s %s%s" $known $precision $group.kind $shape) | default dict -}}
{{- $planned := get ($root.Values.layouts | default dict) $name }}{{ $whole := dict "tensor" 1 "pipeline" 1 "data" 1 "expert" false -}}
{{- if $planned }}
  {{- if ne $planned.of $of }}{{ printf "layouts.%s was planned for %s, and the values have %s: %s" $name $planned.of $of $where | fail }}{{ end }}
  {{- include "bifocal.laid" (list $planned (dict "layout" (include "bifocal.laid" (list $whole $planned.layout) | fromJson))) }}
{{- else if or (not $entry) $model.context $written }}{{ printf "models.%s: the chart's table has no layout for %s: %s" $name $of $where | fail }}
{{- else if $entry.no }}{{ printf "models.%s: %s" $name $entry.no | fail }}
{{- else }}
  {{- $found := dict }}{{ $steps := get $entry $alone | default $entry.alone }}
  {{- range $steps }}{{ if and (not $found) (ge (int .upTo) $least) }}{{ $found = . }}{{ end }}{{ end }}
  {{- if not $found }}{{ printf "models.%s.replicas: found %d; %s holds at most %d" $name $least $model.on (int (last $steps).upTo) | fail }}{{ end }}
  {{- $engine := include "bifocal.laid" (list (eq $group.kind "cpu" | ternary dict $root.Values.table.planned) ($found.engine | default dict)) | fromJson }}
  {{- dict "layout" (include "bifocal.laid" (list $whole ($found.layout | default dict)) | fromJson) "engine" $engine "env" ($found.env | default dict) "stuckAfter" $found.stuckAfter | toJson }}
{{- end }}{{ end }}
{{/* Replicas that are always there. */}}
{{- define "bifocal.least" }}{{ kindIs "map" .replicas | ternary .replicas (dict "min" .replicas) | dig "min" 1 | default 1 | int }}{{ end }}
{{/* (list root group): names of its models that are deployed here, as JSON. */}}
{{- define "bifocal.names" -}}
{{- include "bifocal.table" (index . 0) }}{{ $names := list }}{{ $group := index . 1 -}}
{{- range $name, $model := (index . 0).Values.models }}
  {{- if and (eq $model.on $group) (not $model.targets) }}{{ $names = append $names $name }}{{ end }}
{{- end }}{{ toJson $names }}{{ end }}
{{/* (list root group): nodes of one replica, as JSON {hosts}; more GPUs than there are fail. */}}
{{- define "bifocal.room" -}}
{{- $root := index . 0 }}{{ $group := get $root.Values.gpus (index . 1) }}{{ $per := $group.perNode | default 1 | int -}}
{{- $total := mul $per ($group.nodes | default 1 | int) }}{{ $needed := 0 }}{{ $parts := list }}{{ $hosts := 1 -}}
{{- range $name := include "bifocal.names" . | fromJsonArray }}
  {{- $layout := (include "bifocal.cut" (list $root $name) | fromJson).layout }}
  {{- $ranks := mul $layout.tensor $layout.pipeline $layout.data }}
  {{- $least := include "bifocal.least" (get $root.Values.models $name) | int }}
  {{- $needed = add $needed (mul $least $ranks) }}
  {{- $parts = append $parts (printf "%s %d x %d" $name $least $ranks) }}
  {{- $hosts = max $hosts (div (add $ranks $per -1) $per) }}
{{- end }}
{{- if and (gt $needed $total) (ne $group.kind "cpu") }}{{ printf "gpus.%s: its models need %d GPUs (%s); it has %d" (index . 1) $needed (join ", " $parts) $total | fail }}{{ end }}
{{- toJson (dict "hosts" (eq 0 (mod ($group.nodes | default 1 | int) $hosts | int) | ternary $hosts 1)) }}
{{- end }}
