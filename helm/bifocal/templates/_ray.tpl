{{/* (list root group): a group's rayClusterConfig. */}}
{{- define "bifocal.raycluster" }}{{ $root := index . 0 }}{{ $name := index . 1 }}{{ $group := get $root.Values.gpus $name -}}
{{- $cpu := eq $group.kind "cpu" }}{{ $room := include "bifocal.room" (list $root $name) | fromJson }}{{ $per := $group.perNode | int -}}
{{- $start := dict "disable-usage-stats" "true" "object-store-memory" "134217728" -}}
{{- $cores := $cpu | ternary 1 4 | mul $per | toString }}{{ $memory := $cpu | ternary 4 24 | mul $per | printf "%dGi" -}}
{{- $resources := $group.resources | default (dict "cpu" $cores "memory" $memory) -}}
{{- /* CPUs are only a count: for ranks, replicas, and to build. Ranks on several nodes need what Ray takes for GPUs. */ -}}
{{- $spread := and $cpu (gt (int $room.hosts) 1) }}{{ $counted := ternary 1 2 (and $cpu (not $spread)) | mul $per | add1 -}}
{{- $node := merge (dict "num-cpus" (toString $counted)) ($spread | ternary (dict "num-gpus" (toString $per)) dict) $start -}}
{{- if not $cpu }}{{ $resources = merge (dict "nvidia.com/gpu" (toString $per)) $resources }}{{ end -}}
{{- $tolerations := $cpu | ternary list (list (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule")) -}}
rayVersion: {{ $root.Values.table.ray | quote }}
authOptions: {mode: token, secretName: {{ include "bifocal.tokens" $root }}}
{{- with $root.Values.head.state.redis }}
gcsFaultToleranceOptions: {redisAddress: {{ quote .address }}{{ with .secret }},
  redisPassword: {valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}}{{ end }}}{{ end }}
headGroupSpec:
  rayStartParams: {{ merge (dict "num-cpus" "0" "num-gpus" "0" "dashboard-host" "0.0.0.0") $start | toJson }}
  template:
    {{- $head := dict "bifocal/head" (printf "%s-%s" (include "bifocal.name" $root) $name) }}
    metadata: {labels: {{ include "bifocal.selector" (list $root "pools") | fromYaml | merge (deepCopy $head) | toJson }}}
    spec:
      {{- include "bifocal.ray.pod" (list $root $group $root.Values.head.resources "head" (include "bifocal.state" .)) | nindent 6 }}
      {{- if include "bifocal.state" . }}{{/* Its volume is on one node at a time, and the next cluster's head shares it. */}}
      affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
        {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {{ toJson $head }}}}]}}{{ end }}
      {{- pick $root.Values.head "nodeSelector" "tolerations" | toYaml | nindent 6 }}
workerGroupSpecs:
  - groupName: {{ $name }}
    {{- range list "replicas" "minReplicas" "maxReplicas" }}{{ printf "%s: %d" . (int $room.pods) | nindent 4 }}{{ end }}
    numOfHosts: {{ $room.hosts }}
    {{- dict "labels" ($group.labels | default dict) "rayStartParams" $node | toYaml | nindent 4 }}
    template:
      metadata: {labels: {{ include "bifocal.selector" (list $root "pools") }}}
      spec:
        {{- include "bifocal.ray.pod" (list $root $group $resources "worker" "") | nindent 8 }}
        nodeSelector: {{ $group.nodeSelector | default dict | toJson }}
        tolerations: {{ concat ($group.tolerations | default list) $tolerations | default list | toJson }}{{ end }}
{{/* (list root group): a name for all of it that KubeRay's hash sees, and nothing else (`deploy.diff.kuberay`). */}}
{{- define "bifocal.raycluster.of" }}{{ $of := include "bifocal.raycluster" . | fromYaml -}}
{{- range $each := prepend $of.workerGroupSpecs $of.headGroupSpec }}{{ $_ := unset $each.template.spec "tolerations" }}
  {{- range list "replicas" "minReplicas" "maxReplicas" }}{{ $_ := unset $each . }}{{ end }}
{{- end }}{{ toJson $of | sha256sum | trunc 8 }}{{ end }}
{{/* (list root group): the claim of its heads' state, if there is one. Each cluster has a folder on it, by
the name that KubeRay gives it, and no upgrade takes the volume from a head that still drains. */}}
{{- define "bifocal.state" }}{{ $state := (index . 0).Values.head.state -}}
{{- if and $state.keep (not $state.redis) }}{{ include "bifocal.name" (index . 0) }}-{{ index . 1 }}-state{{ end }}{{ end }}
{{/* (list root group resources part claim): the pod of a Ray head or worker. KubeRay adds the line that
starts Ray, /dev/shm, a wait for the head, and Ray's token. */}}
{{- define "bifocal.ray.pod" }}{{ $root := index . 0 }}{{ $group := index . 1 }}{{ $head := eq (index . 3) "head" -}}
{{- $times := include "bifocal.deadlines" $root | fromYaml }}{{ $table := $root.Values.table -}}
{{- $drain := dict "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S" ($head | ternary 0 $times.drain | toString) -}}
{{- $state := index . 4 | empty | ternary dict $table.state }}{{ $image := eq $group.kind "cpu" | ternary "cpu" "gpu" -}}
{{- $kept := and (not $head) (or $root.Values.volume.claim $root.Values.volume.size) -}}
{{ include "bifocal.pod" (list $root "pools") }}
terminationGracePeriodSeconds: {{ $times.grace }}
containers:
  - name: ray-{{ index . 3 }}
    {{- include "bifocal.container" (list $root $image (index . 2) (and (not $head) ($group.network).rdma)) | nindent 4 }}
    env:
      {{- range $key, $value := merge $drain $state ($head | ternary $table.head dict) $table.node }}
      - {name: {{ $key }}, value: {{ quote $value }}}{{ end }}
      - {name: BIFOCAL_POOL_TOKEN, valueFrom: {secretKeyRef: {name: {{ include "bifocal.tokens" $root }}, key: pool_token}}}
      {{- include "bifocal.weights.env" $root | nindent 6 }}
    {{ with $root.Values.secrets.hub }}envFrom: [{secretRef: {name: {{ . }}}}]{{ end }}
    ports: {{ concat $table.ports.node ($head | ternary $table.ports.head list) | toJson }}
    {{- toYaml $table.probes | nindent 4 }}
    {{ if $head }}lifecycle: {preStop: {exec: {command: [python, -m, deploy.chart.last]}}}{{ end }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      # What an engine compiles lies beside the weights where those stay, so that the next pod need not.
      - {mountPath: /cache, {{ if $kept }}name: weights, subPath: .cache{{ else }}name: cache{{ end }}}
      - {name: weights, mountPath: {{ include "bifocal.weights.folder" $root }}}
      {{ if index . 4 }}- {name: state, mountPath: {{ $table.state.RAY_gcs_storage_path }}, subPathExpr: $(RAY_CLUSTER_NAME)}{{ end }}
volumes:
  {{ with index . 4 }}- {name: state, persistentVolumeClaim: {claimName: {{ . }}}}{{ end }}
  - {name: tmp, emptyDir: {}}
  - {name: cache, emptyDir: {}}
  - name: weights
    {{- $head | ternary "emptyDir: {}" (include "bifocal.weights.volume" $root) | nindent 4 }}{{ end }}
