{{/* How a model is cut over its group of GPUs: from `layouts` of the values, which `bifocal plan --values`
wrote, else from the chart's own table, which the planner wrote. Nothing is planned here: what is in
neither is refused, with what to do, and what cannot run with the planner's arithmetic. */}}
{{/* Once: the table into the values, and these made, and held to be, what all templates count on. */}}
{{- define "bifocal.table" }}{{ if not .Values.table }}{{ $_ := set .Values "table" (.Files.Get "layouts.yaml" | fromYaml) }}
  {{- include "bifocal.renamed" . }}{{ include "bifocal.completed" .Values }}
  {{- range $name, $_ := .Values.models }}{{ include "bifocal.checked" (list $.Values $name) }}{{ end }}
  {{- range $role, $is := .Values.router }}{{ include "bifocal.among" (list (print "router." $role) . $.Values.models) }}{{ end }}
{{- end }}{{ end }}
{{/* Nodes and their GPUs are one each where nothing is said; YAML 1.1 makes `true` of a model's `on`. */}}
{{- define "bifocal.completed" }}{{ range $group := .gpus }}{{ range list "nodes" "perNode" }}
  {{- $_ := get $group . | default 1 | int | set $group . }}{{ end }}{{ end }}
  {{- range .models }}{{ if not (hasKey . "on") }}{{ $_ := get . "true" | set . "on" }}{{ end }}{{ $_ := unset . "true" }}{{ end }}{{ end }}
{{/* Values under an old name come under the new one (`deploy.chart.renamed`); the notes name them. */}}
{{- define "bifocal.renamed" }}{{ $told := list }}{{ range .Values.table.renamed }}{{ $old := $.Values }}{{ $new := $.Values }}
  {{- range splitList "." .was | initial }}{{ $old = get $old . | default dict }}{{ end }}{{ $key := splitList "." .was | last }}
  {{- range splitList "." .now | initial }}{{ $new = get $new . }}{{ end }}{{ $now := splitList "." .now | last }}
  {{- if hasKey $old $key }}{{ $told = append $told . }}{{ $_ := set $new $now (get $old $key) }}{{ end }}
{{- end }}{{ $_ := set .Values.table "told" $told }}{{ end }}
{{/* (list place name map): the name is a key of the map, or it fails. */}}
{{- define "bifocal.among" }}{{ $names := keys (index . 2) | sortAlpha | join ", " }}{{ if not (hasKey (index . 2) (index . 1)) }}
  {{- printf "%s: found %q; allowed: %s" (index . 0) (index . 1) $names | fail }}{{ end }}{{ end }}
{{/* (list values name): what no schema can refuse of a model fails here. */}}
{{- define "bifocal.checked" }}{{ $all := index . 0 }}{{ $name := index . 1 }}{{ $model := get $all.models $name -}}
{{- $at := print "models." $name }}{{ $kind := $model.like | default $name }}{{ $known := $all.table.models -}}
{{- include "bifocal.among" (list (print $at ".on") $model.on $all.gpus) }}{{ $longest := $all.longestAnswer | default "1h" }}
{{- if not (hasKey $known $kind) }}{{ $names := keys $known | sortAlpha | join ", " }}
  {{- printf "%s: %s is not in the catalog; allowed: %s. Another name needs a `source`, and `like`" $at $kind $names | fail }}{{ end }}
{{- if and (ne $kind $name) (not $model.source) (not $model.targets) }}
  {{- printf "%s: like %s, without a source, is %s by another name: write the source of its weights" $at $kind $kind | fail }}{{ end }}
{{- if gt (include "bifocal.least" $model | int) (include "bifocal.most" $model | int) }}
  {{- printf "%s.replicas: min is above max" $at | fail }}{{ end }}
{{- range $key, $_ := $model.engine }}{{ if not (has $key (splitList " " $all.table.arguments)) }}
  {{- printf "%s.engine: found %s; allowed: vLLM's own arguments, whose names have underscores" $at $key | fail }}{{ end }}{{ end }}
{{- with $model.instead }}{{ include "bifocal.among" (list (print $at ".instead") . (omit $all.models $name)) }}
  {{- $theirs := (get $all.models .).like | default . }}{{ if get $all.table.apart $kind | default list | has $theirs }}
  {{- printf "%s.instead: found %q, which never answers in a mode of %s" $at . $kind | fail }}{{ end }}{{ end }}
{{- with $model.holdFor }}{{ if ge (include "bifocal.seconds" . | float64) (include "bifocal.seconds" $longest | float64) }}
  {{- printf "%s.holdFor: found %s; allowed: less than longestAnswer (%s)" $at . $longest | fail }}{{ end }}{{ end }}{{ end }}
{{/* (list root name): what a cut of it rests on, as `deploy.chart.cuts` has it. */}}
{{- define "bifocal.of" }}{{ include "bifocal.table" (first .) }}{{ $all := (first .).Values }}{{ $model := get $all.models (index . 1) -}}
{{- $group := get $all.gpus $model.on }}{{ $names := include "bifocal.names" (list (first .) $model.on) | fromJsonArray -}}
{{- $model.like | default (index . 1) }} {{ $model.precision | default "bf16" }} {{ $group.kind }}
{{- printf " %dx%d, context %d" $group.perNode $group.nodes ($model.context | default 0 | int) }}
{{- printf ", replicas %s, %s" (include "bifocal.most" $model) (len $names | eq 1 | ternary "alone" "shared") }}
{{- with $model.layout }}{{ range $key, $size := include "bifocal.layout" . | fromJson }}{{ printf ", %s %v" $key $size }}{{ end }}{{ end }}
{{- with ($model.engine).max_num_batched_tokens }}{{ printf ", tokens %v" . }}{{ end }}
{{- with ($model.engine).gpu_memory_utilization }}{{ printf ", memory %v" . }}{{ end }}{{ end }}
{{- define "bifocal.layout" }}{{ include "bifocal.laid" (list (dict "tensor" 1 "pipeline" 1 "data" 1 "expert" false) .) }}{{ end }}
{{/* (list root name): JSON of {layout, stuckAfter, engine, env}. */}}
{{- define "bifocal.cut" }}{{ $of := include "bifocal.of" . }}{{ $all := (index . 0).Values }}{{ $name := index . 1 -}}
{{- $where := "`bifocal plan --values VALUES > layouts.yaml` writes it; then give Helm `-f VALUES -f layouts.yaml`" -}}
{{- $planned := get ($all.layouts | default dict) $name }}{{ $usual := regexMatch ", context 0, replicas \\d+, [a-z]+$" $of -}}
{{- $entry := get $all.table.cuts (regexReplaceAll " cpu .*" (splitList "," $of | first) " cpu") -}}
{{- if and $planned (ne ($planned | default dict).of $of) }}
  {{- printf "layouts.%s was planned for %s, and the values have %s: %s" $name $planned.of $of $where | fail }}
{{- else if $planned }}{{ dict "layout" (include "bifocal.layout" $planned.layout | fromJson) | list $planned | include "bifocal.laid" }}
{{- else if not (and $entry $usual) }}{{ printf "models.%s: the chart's table has no layout for %s: %s" $name $of $where | fail }}
{{- else if $entry.no }}{{ printf "models.%s: %s" $name $entry.no | fail }}
{{- else }}{{ include "bifocal.step" (list $all $name (get $entry (splitList ", " $of | last) | default $entry.alone)) }}{{ end }}{{ end }}
{{/* (list values name steps): the same, of the table's first step that has room for as many replicas. */}}
{{- define "bifocal.step" }}{{ $all := first . }}{{ $model := get $all.models (index . 1) }}{{ $group := get $all.gpus $model.on -}}
{{- $most := include "bifocal.most" $model | int }}{{ $steps := index . 2 }}{{ $found := last $steps -}}
{{- range reverse $steps }}{{ if ge (int .upTo) $most }}{{ $found = . }}{{ end }}{{ end }}
{{- $layout := include "bifocal.layout" ($found.layout | default dict) | fromJson }}{{ if lt (int $found.upTo) $most }}
  {{- $each := printf "each on %d of its %d GPUs" (mul $layout.tensor $layout.pipeline $layout.data) (mul $group.perNode $group.nodes) }}
  {{- printf "models.%s.replicas: found %d; %s holds at most %d, %s" (index . 1) $most $model.on (int $found.upTo) $each | fail }}{{ end }}
{{- $engine := list (eq $group.kind "cpu" | ternary dict $all.table.planned) ($found.engine | default dict) }}
{{- dict "layout" $layout "engine" (include "bifocal.laid" $engine | fromJson) "env" ($found.env | default dict)
  "stuckAfter" $found.stuckAfter | toJson }}{{ end }}
{{/* Replicas that are always there, and those that must find room at some time. */}}
{{- define "bifocal.least" }}{{ (kindIs "map" .replicas | ternary .replicas (dict "min" .replicas)).min | default 1 | int }}{{ end }}
{{- define "bifocal.most" }}{{ (kindIs "map" .replicas | ternary .replicas (dict "max" .replicas)).max | default 1 | int }}{{ end }}
{{/* (list root group): names of its models that are deployed here, as JSON. */}}
{{- define "bifocal.names" }}{{ include "bifocal.table" (index . 0) }}{{ $names := list }}{{ $group := index . 1 -}}
{{- range $name, $is := (index . 0).Values.models }}{{ if and (eq .on $group) (not .targets) }}{{ $names = append $names $name }}{{ end }}
{{- end }}{{ toJson $names }}{{ end }}
{{/* (list root group): of each model its replicas, and the GPUs of one, in all and together on a node: JSON. */}}
{{- define "bifocal.takes" }}{{ $root := index . 0 }}{{ $all := dict }}{{ $group := index . 1 -}}
{{- range $name := include "bifocal.names" . | fromJsonArray }}{{ $model := get $root.Values.models $name }}
  {{- $cut := (include "bifocal.cut" (list $root $name) | fromJson).layout }}{{ $engine := mul $cut.tensor $cut.pipeline | int }}
  {{- $block := and (le $engine (get $root.Values.gpus $group).perNode) (eq 1 (int $cut.data)) | ternary $engine $cut.tensor }}
  {{- $_ := dict "gpus" (mul $engine $cut.data) "block" $block "least" (include "bifocal.least" $model | int) "most"
    (include "bifocal.most" $model | int) | set $all $name }}
{{- end }}{{ toJson $all }}{{ end }}
{{/* (list group spec takes grown): the most replicas of what has grown find room beside the fewest of the others, or it fails. */}}
{{- define "bifocal.fits" }}{{ $of := . }}{{ $needs := 0 }}{{ $parts := list }}{{ $has := mul (index . 1).perNode (index . 1).nodes -}}
{{- range $name, $is := index . 2 }}{{ $count := eq $name (last $of) | ternary .most .least | int }}{{ $_ := set . "count" $count }}
  {{- $needs = mul $count $is.gpus | add $needs }}{{ $parts = printf "%s %d x %d" $name $count (int $is.gpus) | append $parts }}{{ end }}
{{- with last . }}{{ $parts = printf "with %s at its max" . | append $parts }}{{ end }}{{ $said := join ", " $parts }}
{{- if gt $needs $has }}{{ printf "gpus.%s: its models need %d GPUs (%s); it has %d" (first .) $needs $said $has | fail }}{{ end }}
{{- include "bifocal.packed" (append . $said) }}{{ end }}
{{/* The same, with what to say: blocks are placed from the largest on, each where the fewest GPUs are left, or it fails. */}}
{{- define "bifocal.packed" }}{{ $of := . }}{{ $per := (index . 1).perNode }}{{ $free := dict }}{{ $blocks := list -}}
{{- range until (index . 1).nodes }}{{ $_ := set $free (toString .) $per }}{{ end }}
{{- range $name, $is := index . 2 }}{{ range until (div (mul $is.count $is.gpus) $is.block | int) }}
  {{- $blocks = printf "%08d %s" (int $is.block) $name | append $blocks }}{{ end }}{{ end }}
{{- range sortAlpha $blocks | reverse }}{{ $block := splitList " " . | first | atoi }}{{ $best := "" }}
  {{- range $node, $left := $free }}{{ $than := get $free $best | default (add1 $per | int) }}
    {{- if and (ge $left $block) (lt $left $than) }}{{ $best = $node }}{{ end }}{{ end }}
  {{- if not $best }}{{ $said := printf "on %d nodes of %d GPUs: %s" (len $free) $per (splitList " " . | last) }}
    {{- printf "gpus.%s: its models (%s) do not fit %s needs %d together on one" (first $of) (last $of) $said $block | fail }}{{ end }}
  {{- $_ := sub (get $free $best) $block | int | set $free $best }}{{ end }}{{ end }}
{{/* (list spec takes): models of one replica, of which one more finds room wherever all stand (`deploy.room`): JSON. */}}
{{- define "bifocal.roomy" }}{{ $group := first . }}{{ $takes := last . }}{{ $roomy := list }}{{ $unit := $group.perNode -}}
{{- $left := mul $unit $group.nodes }}{{ range $takes }}{{ $unit = min $unit .block }}{{ $left = mul .most .gpus | sub $left }}{{ end }}
{{- range $takes }}{{ if or (mod $group.perNode $unit) (mod .block $unit) }}{{ $unit = 1 }}{{ end }}{{ end }}
{{- range $name, $is := $takes }}{{ $taken := div .gpus .block | add $group.nodes -1 | mul (div .block $unit) }}
  {{- if and (eq (int .least) 1) (gt (div $left $unit) (sub $taken $group.nodes)) }}{{ $roomy = append $roomy $name }}{{ end }}{{ end }}
{{- toJson $roomy }}{{ end }}
{{/* (list root group): nodes of a replica, of how many of these there are pods, and what has room for one more: JSON. */}}
{{- define "bifocal.room" }}{{ $takes := include "bifocal.takes" . | fromJson }}{{ $name := index . 1 }}{{ $hosts := 1 }}{{ $most := 0 -}}
{{- $group := get (index . 0).Values.gpus $name }}{{ $per := $group.perNode }}{{ $gpu := ne $group.kind "cpu" -}}
{{- if $gpu }}{{ include "bifocal.fits" (list $name $group $takes "") }}{{ range $grown, $is := $takes }}
  {{- if gt (int .most) (int .least) }}{{ include "bifocal.fits" (list $name $group $takes $grown) }}{{ end }}{{ end }}{{ end }}
{{- range $takes }}{{ $hosts = div (add .gpus $per -1) $per | max $hosts }}{{ $most = mul .most .gpus | add $most }}{{ end }}
{{- $hosts = mod $group.nodes $hosts | eq 0 | ternary $hosts 1 }}{{ $pods := div $group.nodes $hosts }}{{ $unit := mul $per $hosts }}
{{- if and $gpu (eq ($group.upgrade).strategy "blueGreen") }}{{ $takes = dict }}{{/* What is free is the next cluster's. */}}
  {{- $pods = div (add $most $unit -1) $unit | min $pods }}{{ end }}
{{- dict "hosts" $hosts "pods" $pods "roomy" (include "bifocal.roomy" (list $group $takes) | fromJsonArray) | toJson }}{{ end }}
