{{/* serveConfigV2: one Serve application a pool, exactly as `serving.pools.serve_config` writes it on a
laptop. What needs the catalog or arithmetic comes from the table; here it is only laid over each
other, and the user's own words come last. A test holds the two equal for every profile. */}}
{{/* (list dict...): as one, the later over the earlier; `merge` would pass over false and 0. */}}
{{- define "bifocal.laid" -}}
{{- $all := dict }}{{ range . }}{{ range $key, $value := . }}{{ $_ := set $all $key $value }}{{ end }}{{ end }}
{{- toJson $all }}{{ end }}
{{/* (list root group): JSON. */}}
{{- define "bifocal.serve" -}}
{{- $root := index . 0 }}{{ $applications := list }}{{ $roomy := (include "bifocal.room" . | fromJson).roomy -}}
{{- range include "bifocal.names" . | fromJsonArray }}
  {{- $applications = append $applications (include "bifocal.application" (list $root . (has . $roomy)) | fromJson) }}
{{- end }}{{ include "bifocal.laid" (list $root.Values.table.serve (dict "applications" $applications)) }}{{ end }}
{{- define "bifocal.application" }}{{ $root := index . 0 }}{{ $name := index . 1 }}{{ $model := get $root.Values.models $name -}}
{{- $cut := include "bifocal.cut" . | fromJson }}{{ $table := $root.Values.table -}}
{{- $of := get $table.models ($model.like | default $name) }}{{ $precision := $model.precision | default "bf16" -}}
{{- if not (hasKey $of $precision) }}
  {{- printf "models.%s.precision: found %s; published are %s. Another checkpoint needs a name of its own and `like`"
             $name $precision (keys $of | sortAlpha | join ", ") | fail }}{{ end -}}
{{- $of = get $of $precision }}{{ $group := get $root.Values.gpus $model.on }}{{ $layout := $cut.layout -}}
{{- $weights := include "bifocal.weights.of" . | fromJson }}{{ $engines := mul $layout.tensor $layout.pipeline | int -}}
{{- $byRay := or (ne $group.kind "cpu") (gt $engines ($group.perNode | default 1 | int)) -}}
{{- $stuck := $cut.stuckAfter }}{{ with $model.stuckAfter }}{{ $stuck = include "bifocal.seconds" . | float64 }}{{ end -}}
{{- $sizes := dict "tensor_parallel_size" $layout.tensor "pipeline_parallel_size" $layout.pipeline
                   "data_parallel_size" $layout.data "enable_expert_parallel" $layout.expert -}}
{{- $gpu := splitList "-" $group.kind | first | upper }}{{ $accelerator := ternary $gpu nil (has $gpu $table.accelerators) -}}
{{- $args := dict "name" $name "source" ($weights.source | default $weights.folder) "cpu" (not $byRay)
                  "accelerator" $accelerator "stuck_after_s" $stuck -}}
{{- if $weights.source }}{{ $_ := set $args "weights" $weights }}{{ end -}}
{{- $spans := dict }}{{ $traced := dict }}{{ with $root.Values.tracing }}{{ $spans = dict "otlp_traces_endpoint" .endpoint }}
  {{- $traced = set (deepCopy $table.traced) "OTEL_SERVICE_NAME" (printf "bifocal-pool-%s" $name) }}{{ end -}}
{{- $engine := list $table.engine $of.engine $sizes $cut.engine $spans ($model.engine | default dict) -}}
{{- $_ := set $args "engine" (include "bifocal.laid" $engine | fromJson) -}}
{{- $_ := set $args "deployment" (include "bifocal.placement" (list $root $group $layout $byRay $accelerator) | fromJson) -}}
{{- $env := list $table.env (dict "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS" (ceil $stuck | int | toString)) -}}
{{- $env = concat $env (list $traced $cut.env (include "bifocal.network.env" $group | fromJson) ($model.env | default dict)) -}}
{{- dict "name" $name "route_prefix" (printf "/pools/%s" $name) "import_path" $table.builder
      "runtime_env" (dict "env_vars" (include "bifocal.laid" $env | fromJson)) "args" $args
      "deployments" (list (include "bifocal.scale" (list $root $model $layout (index . 2)) | fromJson)) | toJson -}}{{ end }}
{{/* (list root name): {folder}, or {source, env} of what is to be fetched, as `deploy.source` has it. */}}
{{- define "bifocal.weights.of" }}{{ $root := index . 0 }}{{ $name := index . 1 -}}
{{- $model := get $root.Values.models $name }}{{ $weights := $root.Values.weights | default dict -}}
{{- include "bifocal.table" $root }}{{ $of := get $root.Values.table.models ($model.like | default $name) | default dict -}}
{{- $source := $model.source | default (get $of ($model.precision | default "bf16") | default dict).source | default "" | trimSuffix "/" -}}
{{- if or (hasPrefix "." $source) (hasPrefix "~" $source) }}
  {{- printf "models.%s.source: found %s; in a pod a folder has no place that it is relative to: name it from /" $name $source | fail }}
{{- else if hasPrefix "/" $source }}{{ dict "folder" $source | toJson }}
{{- else }}
  {{- if not (contains "://" $source) }}{{ $source = printf "%s://%s" ($weights.hub | default "hf") $source }}{{ end }}
  {{- $revision := $model.revision | default (get (dict "hf" "main" "ms" "master") (splitList "://" $source | first)) }}
  {{- if and $revision (not (contains "@" $source)) }}{{ $source = printf "%s@%s" $source $revision }}{{ end }}
  {{- $env := dict "HF_HUB_OFFLINE" ($weights.offline | default false | ternary "1" "0") }}
  {{- with $weights.folder }}{{ $_ := set $env "BIFOCAL_WEIGHTS" . }}{{ end }}
  {{- $hub := eq ($weights.hub | default "hf") "ms" | ternary "MODELSCOPE_DOMAIN" "HF_ENDPOINT" }}
  {{- with $weights.address }}{{ $_ := set $env $hub . }}{{ end }}
  {{- dict "source" $source "env" $env | toJson }}{{ end }}{{ end }}
{{/* What is part of a replica: where its engines stand. */}}
{{- define "bifocal.placement" }}{{ $root := index . 0 }}{{ $group := index . 1 }}{{ $layout := index . 2 }}{{ $byRay := index . 3 -}}
{{- $bundle := dict "CPU" 1 }}{{ if $byRay }}{{ $_ := set $bundle "GPU" 1 }}
  {{- with index . 4 }}{{ $_ := set $bundle (printf "accelerator_type:%s" .) 0.001 }}{{ end }}{{ end -}}
{{- $ranks := mul $layout.tensor $layout.pipeline | int }}{{ $bundles := list }}
{{- range until $ranks }}{{ $bundles = append $bundles $bundle }}{{ end -}}
{{- $placed := dict "placement_group_bundles" $bundles "ray_actor_options" (dict "num_cpus" ($byRay | ternary 1 0)) -}}
{{- with $group.labels }}{{ $_ := set $placed "placement_group_bundle_label_selector" (list .) }}{{ end -}}
{{- if gt (int $layout.data) 1 }}
  {{- $_ := set $placed "num_replicas" $layout.data }}
  {{- $gang := dict "gang_size" $layout.data "gang_placement_strategy" "PACK" "runtime_failure_policy" "RESTART_GANG" }}
  {{- $_ := set $placed "gang_scheduling_config" $gang }}
{{- else }}
  {{- $_ := set $placed "placement_group_strategy" (gt $ranks ($group.perNode | default 1 | int) | ternary "PACK" "STRICT_PACK") }}
{{- end }}{{ include "bifocal.laid" (list $root.Values.table.deployment $placed) }}{{ end }}
{{/* What Serve changes while replicas run. */}}
{{- define "bifocal.scale" }}{{ $root := index . 0 }}{{ $replicas := (index . 1).replicas | default 1 }}{{ $engines := (index . 2).data -}}
{{- $table := $root.Values.table }}{{ $answer := (include "bifocal.deadlines" $root | fromYaml).answer -}}
{{- $scale := dict "name" $table.deploymentName "graceful_shutdown_timeout_s" $answer "num_replicas" nil -}}
{{- if index . 3 }}{{ $_ := set $scale "max_surge_percent" $table.oneMorePercent }}{{ end -}}
{{- if kindIs "map" $replicas }}{{ $min := hasKey $replicas "min" | ternary $replicas.min 1 | mul $engines }}
  {{- $_ := set $scale "autoscaling_config" (dict "min_replicas" $min
        "max_replicas" (mul ($replicas.max | default 1) $engines) "target_ongoing_requests" $table.ongoingPerReplica) }}
{{- else }}{{ $_ := set $scale "num_replicas" (mul $replicas $engines) }}{{ end }}{{ toJson $scale }}{{ end }}
{{/* As gloo and NCCL read it (`deploy.groups.NetworkSpec`). */}}
{{- define "bifocal.network.env" }}{{ $env := dict }}{{ with .network }}
  {{- with .interface }}{{ $_ := set $env "GLOO_SOCKET_IFNAME" . }}{{ $_ := set $env "NCCL_SOCKET_IFNAME" (printf "=%s" .) }}{{ end }}
  {{- with .rdma }}{{ $_ := set $env "NCCL_IB_HCA" (printf "=%s" (join "," .)) }}{{ end }}
  {{- range $key, $value := .nccl }}{{ $_ := set $env $key $value }}{{ end }}
{{- end }}{{ toJson $env }}{{ end }}
