{{/* One number, longestAnswer, from which every time that could cut an answer follows. Seconds, each
longer than the one before it, so that what waits outside never ends what is inside:
  answer     the gateway's own limit; a replica that leaves has as long (Serve's graceful shutdown)
  proxy      an Ingress or HTTPRoute before the gateway
  drain      a Ray node that is told to leave waits for its replicas; the head, for such nodes (`deploy.chart.last`)
  grace      of pods: the gateway's, `leave` after nothing new comes, makes room (`deploy.succession`): each
             connection ends with an answer that says so; a signal would cut clients that ask again at once
  deletion   KubeRay's old cluster, once a new one has its place */}}
{{- define "bifocal.deadlines" }}{{ include "bifocal.table" . -}}
{{- $answer := include "bifocal.seconds" (.Values.longestAnswer | default "1h") | float64 | ceil | int -}}
{{- range $mode, $is := .Values.table.promises }}
  {{- $slo := merge (dig $mode dict ($.Values.slo | default dict) | deepCopy) $is }}
  {{- $tokens := dig "limits" "outputTokens" $mode $is.tokens $.Values.gateway }}
  {{- $needed := addf (include "bifocal.seconds" $slo.ttft) (mulf $tokens (include "bifocal.seconds" $slo.tpot)) }}
  {{- if gt $needed (float64 $answer) }}
    {{- printf "longestAnswer: found %d s; %v tokens of gateway.limits.outputTokens.%s take %v s at slo.%s"
               $answer $tokens $mode $needed $mode | fail }}{{ end }}
{{- end }}{{ toYaml (dict "answer" $answer "proxy" (add $answer 10) "drain" (add $answer 30)
                       "grace" (add $answer 60) "deletion" (add $answer 120) "leave" 15) }}{{ end }}
{{/* `500ms`, `90s`, `5m`, `1.5h`, `90d` in seconds. */}}
{{- define "bifocal.seconds" }}{{ $number := regexFind "^[0-9]+(\\.[0-9]+)?" . -}}
{{- $unit := dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400 -}}
{{- mulf (float64 $number) (get $unit (trimPrefix $number .)) -}}{{ end }}
