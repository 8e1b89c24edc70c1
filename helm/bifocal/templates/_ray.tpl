{{/* (list root group resources part): the pod of a Ray head or worker. KubeRay adds the line that
starts Ray, /dev/shm, a wait for the head, and Ray's token. */}}
{{- define "bifocal.ray.pod" -}}
{{- $root := index . 0 }}{{ $group := index . 1 }}{{ $head := eq (index . 3) "head" -}}
{{- $times := include "bifocal.deadlines" $root | fromYaml -}}
{{ include "bifocal.pod" (list $root "pools") }}
terminationGracePeriodSeconds: {{ $times.grace }}
containers:
  - name: ray-{{ index . 3 }}
    {{- include "bifocal.container" (list $root (eq $group.kind "cpu" | ternary "cpu" "gpu") (index . 2) (and (not $head) ($group.network).rdma)) | nindent 4 }}
    env:
      - {name: HOME, value: /tmp}
      - {name: XDG_CACHE_HOME, value: /cache}
      - {name: RAY_SERVE_ENABLE_DIRECT_INGRESS, value: "1"}
      - {name: RAY_SERVE_ENABLE_HA_PROXY, value: "0"}
      - {name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: {{ quote $times.drain }}}
      - {name: RAY_USAGE_STATS_ENABLED, value: "0"}
      - {name: BIFOCAL_POOL_TOKEN, valueFrom: {secretKeyRef: {name: {{ include "bifocal.tokens" $root }}, key: pool_token}}}
      {{- include "bifocal.weights.env" $root | nindent 6 }}
    {{ with $root.Values.secrets.hub }}envFrom: [{secretRef: {name: {{ . }}}}]{{ end }}
    ports:
      {{- range $name, $port := $head | ternary (dict "gcs-server" 6379 "dashboard" 8265 "serve" 8000 "metrics" 8080) (dict "serve" 8000 "metrics" 8080) }}
      - {name: {{ $name }}, containerPort: {{ $port }}, protocol: TCP}
      {{- end }}
    readinessProbe: {httpGet: {path: /api/healthz, port: 52365}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 10}
    livenessProbe: {httpGet: {path: /api/healthz, port: 52365}, initialDelaySeconds: 30, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 120}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: cache, mountPath: /cache}
      - {name: weights, mountPath: {{ include "bifocal.weights.folder" $root }}}
volumes:
  - {name: tmp, emptyDir: {}}
  - {name: cache, emptyDir: {}}
  - name: weights
    {{- $head | ternary "emptyDir: {}" (include "bifocal.weights.volume" $root) | nindent 4 }}
{{- end }}
