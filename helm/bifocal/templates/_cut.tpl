{{/*
How a model is cut over its group of GPUs: from `layouts` of the values, which `bifocal plan --values`
wrote, else from the chart's own table, which the planner wrote. Nothing is planned here: what is in
neither is refused, with what to do, and what cannot run with the planner's arithmetic.
*/}}
{{/* Read once: the table; and `on`, of which YAML 1.1 makes `true`. What a schema cannot refuse is refused here. */}}
{{- define "bifocal.table" -}}
{{- if not .Values.table }}{{ $_ := set .Values "table" (.Files.Get "layouts.yaml" | fromYaml) }}{{ $gpus := .Values.gpus }}{{ $models := .Values.models }}
{{- include "bifocal.renamed" . }}{{ $known := .Values.table.models }}{{ $arguments := splitList " " .Values.table.arguments }}{{ $longest := .Values.longestAnswer | default "1h" }}
{{- range $name, $model := $models }}
  {{- if not (hasKey . "on") }}{{ $_ := set . "on" (get . "true") }}{{ end }}{{ $_ := unset . "true" }}
  {{- if not (hasKey $gpus .on) }}{{ printf "models.%s.on: found %q; allowed: %s" $name .on (keys $gpus | sortAlpha | join ", ") | fail }}{{ end }}
  {{- if not (hasKey $known (.like | default $name)) }}{{ printf "models.%s: %s is not in the catalog; allowed: %s. Another name needs `like`, the catalog entry that it is a kind of" $name (.like | default $name) (keys $known | sortAlpha | join ", ") | fail }}{{ end }}
  {{- if and .like (ne .like $name) (not .source) (not .targets) }}{{ printf "models.%s: like says that it is a kind of %s, and there is no source, so %s itself would answer by another name: write the source of its weights, or call it %s" $name .like .like .like | fail }}{{ end }}
  {{- if kindIs "map" .replicas }}{{ if gt (int (.replicas.min | default 1)) (int (.replicas.max | default 1)) }}{{ printf "models.%s.replicas: min is above max" $name | fail }}{{ end }}{{ end }}
  {{- range $key, $_ := .engine }}{{ if not (has $key $arguments) }}{{ printf "models.%s.engine: found %s; allowed: vLLM's own arguments, whose names have underscores" $name $key | fail }}{{ end }}{{ end }}
  {{- with .instead }}{{ if or (eq . $name) (not (hasKey $models .)) }}{{ printf "models.%s.instead: found %q; allowed: %s" $name . (without (keys $models) $name | sortAlpha | join ", ") | fail }}{{ end }}{{ end }}
  {{- with .holdFor }}{{ if ge (include "bifocal.seconds" . | float64) (include "bifocal.seconds" $longest | float64) }}{{ printf "models.%s.holdFor: found %s; allowed: less than longestAnswer (%s)" $name . $longest | fail }}{{ end }}{{ end }}
{{- end }}
{{- range $role, $name := .Values.router }}{{ if not (hasKey $models $name) }}{{ printf "router.%s: found %q; allowed: %s" $role $name (keys $models | sortAlpha | join ", ") | fail }}{{ end }}{{ end }}
{{- end }}{{ end }}
{{/* Values under an old name come under the new one (`deploy.chart.renamed`); the notes name them. */}}
{{- define "bifocal.renamed" }}{{ $told := list }}{{ range $is := .Values.table.renamed }}{{ $old := $.Values }}{{ $new := $.Values }}
  {{- range splitList "." .was | initial }}{{ $old = get $old . | default dict }}{{ end }}
  {{- range splitList "." .now | initial }}{{ $new = get $new . }}{{ end }}
  {{- $key := splitList "." .was | last }}{{ if hasKey $old $key }}{{ $told = append $told . }}{{ $_ := set $new (splitList "." .now | last) (get $old $key) }}{{ end }}
{{- end }}{{ $_ := set .Values.table "told" $told }}{{ end }}
{{/* (list root name): JSON of {layout, stuckAfter, engine, env}. */}}
{{- define "bifocal.cut" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $model := get $root.Values.models $name -}}
{{- include "bifocal.table" $root -}}
{{- $known := $model.like | default $name }}{{ $precision := $model.precision | default "bf16" -}}
{{- $group := get $root.Values.gpus $model.on }}{{ $per := $group.perNode | default 1 | int }}{{ $nodes := $group.nodes | default 1 | int -}}
{{- $least := include "bifocal.least" $model | int -}}
{{- $alone := eq 1 (len (include "bifocal.names" (list $root $model.on) | fromJsonArray)) | ternary "alone" "shared" -}}
{{- $whole := dict "tensor" 1 "pipeline" 1 "data" 1 "expert" false }}{{ $written := "" -}}
{{- with $model.layout }}{{ range $key, $size := merge (deepCopy .) $whole }}{{ $written = printf "%s, %s %v" $written $key $size }}{{ end }}{{ end }}
{{- with ($model.engine).max_num_batched_tokens }}{{ $written = printf "%s, tokens %v" $written . }}{{ end }}
{{- with ($model.engine).gpu_memory_utilization }}{{ $written = printf "%s, memory %v" $written . }}{{ end }}
{{- $of := printf "%s %s %s %dx%d, context %d, replicas %d, %s%s" $known $precision $group.kind $per $nodes ($model.context | default 0 | int) $least $alone $written -}}
{{- $where := "`bifocal plan --values VALUES > layouts.yaml` writes it; then give Helm `-f VALUES -f layouts.yaml`" -}}
{{- $shape := eq $group.kind "cpu" | ternary "" (printf " %dx%d" $per $nodes) -}}
{{- $entry := get $root.Values.table.cuts (printf "%s %s %s%s" $known $precision $group.kind $shape) | default dict -}}
{{- $planned := get ($root.Values.layouts | default dict) $name }}
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
{{/* (list root group): nodes of a replica, and of how many of these there are pods: JSON. What has no room fails. */}}
{{- define "bifocal.room" -}}
{{- $root := index . 0 }}{{ $group := get $root.Values.gpus (index . 1) }}{{ $per := $group.perNode | default 1 | int }}{{ $nodes := $group.nodes | default 1 | int -}}
{{- $total := mul $per $nodes }}{{ $needed := 0 }}{{ $most := 0 }}{{ $parts := list }}{{ $hosts := 1 }}{{ $blocks := list }}{{ $mine := dict }}{{ $unit := $per }}{{ $roomy := list -}}
{{- range $name := include "bifocal.names" . | fromJsonArray }}
  {{- $layout := (include "bifocal.cut" (list $root $name) | fromJson).layout }}{{ $model := get $root.Values.models $name }}
  {{- $ranks := mul $layout.tensor $layout.pipeline $layout.data }}{{ $engine := mul $layout.tensor $layout.pipeline }}
  {{- $least := include "bifocal.least" $model | int }}
  {{- $needed = add $needed (mul $least $ranks) }}{{ $most = add $most (mul (kindIs "map" $model.replicas | ternary $model.replicas dict | dig "max" $least | max $least) $ranks) }}
  {{- $parts = append $parts (printf "%s %d x %d" $name $least $ranks) }}
  {{- $hosts = max $hosts (div (add $ranks $per -1) $per) }}
  {{- $block := le $engine $per | ternary $engine (int $layout.tensor) | int }}{{ $_ := set $mine $name (list $block (div $ranks $block) $least) }}{{ $unit = min $unit $block | int }}
  {{- range until (div (mul $least $ranks) $block | int) }}{{ $blocks = append $blocks (printf "%08d %s" (int $block) $name) }}{{ end }}
{{- end }}
{{- range $mine }}{{ if or (mod $per $unit) (mod (first .) $unit) }}{{ $unit = 1 }}{{ end }}{{ end }}
{{- range $name, $is := $mine }}{{ $size := div (first $is) $unit }}{{ if and (le (last $is) 1) (gt (div (sub $total $most) $unit) (add (mul $nodes (sub $size 1)) (mul $size (sub (index $is 1) 1)))) }}{{ $roomy = append $roomy $name }}{{ end }}{{ end }}
{{- if ne $group.kind "cpu" }}
  {{- if gt $needed $total }}{{ printf "gpus.%s: its models need %d GPUs (%s); it has %d" (index . 1) $needed (join ", " $parts) $total | fail }}{{ end }}
  {{- $free := dict }}{{ range until $nodes }}{{ $_ := set $free (toString .) $per }}{{ end }}
  {{- range reverse (sortAlpha $blocks) }}{{ $block := splitList " " . | first | atoi }}{{ $best := "" }}
    {{- range $node, $left := $free }}{{ if and (ge $left $block) (or (not $best) (lt $left (get $free $best | default 0))) }}{{ $best = $node }}{{ end }}{{ end }}
    {{- if not $best }}{{ printf "gpus.%s: its models (%s) do not fit on %d nodes of %d GPUs: %s needs %d together on one" (index $ 1) (join ", " $parts) $nodes $per (splitList " " . | last) $block | fail }}{{ end }}
    {{- $_ := set $free $best (sub (get $free $best) $block | int) }}
  {{- end }}
{{- end }}
{{- $hosts = eq 0 (mod $nodes $hosts | int) | ternary $hosts 1 }}{{ $pods := div $nodes $hosts }}
{{- if and (eq ($group.upgrade).strategy "blueGreen") (ne $group.kind "cpu") }}{{ $roomy = list }}{{ $pods = min $pods (div (add $most (mul $per $hosts) -1) (mul $per $hosts)) }}{{ end }}
{{- toJson (dict "hosts" $hosts "pods" $pods "roomy" $roomy) }}
{{- end }}
