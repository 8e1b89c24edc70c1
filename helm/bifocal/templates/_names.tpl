{{/* Names, labels, images, and what every pod has in common. */}}
{{- define "bifocal.name" }}{{ $name := .Release.Name }}{{ $cut := printf "%s-%s" (trunc 13 $name) (sha256sum $name | trunc 6) -}}
{{- if gt (len $name) 20 }}{{ $name = $cut }}{{ end }}{{ $name }}{{ if not (contains "bifocal" $name) }}-bifocal{{ end }}{{ end }}
{{- define "bifocal.tokens" }}{{ .Values.secrets.tokens | default (printf "%s-tokens" (include "bifocal.name" .)) }}{{ end }}
{{- define "bifocal.keys" }}{{ .Values.secrets.keys | default (printf "%s-keys" (include "bifocal.name" .)) }}{{ end }}
{{- define "bifocal.policy" }}{{ .Capabilities.APIVersions.Has "policy/v1" | ternary "policy/v1" "policy/v1beta1" }}{{ end }}
{{/* (list root part): labels by which services, policies and monitors find the pods of a part. */}}
{{- define "bifocal.selector" -}}
{app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}, app.kubernetes.io/component: {{ index . 1 }}}{{ end }}
{{- define "bifocal.these" }}{matchLabels: {{ include "bifocal.selector" . }}}{{ end }}
{{/* (list root apiVersion kind part suffix): how an object begins, the labels last. */}}
{{- define "bifocal.object" }}{{ $root := index . 0 -}}
---
apiVersion: {{ index . 1 }}
kind: {{ index . 2 }}
metadata:
  name: {{ include "bifocal.name" $root }}{{ with index . 4 }}-{{ . }}{{ end }}
  labels:
    app.kubernetes.io/part-of: bifocal
    app.kubernetes.io/managed-by: {{ $root.Release.Service }}
    helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
    app.kubernetes.io/instance: {{ quote $root.Release.Name }}
    app.kubernetes.io/component: {{ index . 3 }}{{ end }}
{{/* (list root key): registry/name:tag@digest */}}
{{- define "bifocal.image" }}{{ $root := index . 0 }}{{ $image := get $root.Values.images (index . 1) -}}
{{- with $root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.name }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ with $image.digest }}@{{ . }}{{ end -}}{{ end }}
{{/* (list root image resources [rdma]): of a container, as Pod Security "restricted" has it; RDMA pins
memory, which that does not allow. Memory that is asked for is the limit, too. */}}
{{- define "bifocal.container" -}}
image: {{ include "bifocal.image" . | quote }}
imagePullPolicy: {{ (index . 0).Values.images.pullPolicy }}
securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,
                  capabilities: {drop: [ALL]{{ if and (gt (len .) 3) (last .) }}, add: [IPC_LOCK]{{ end }}}}
resources: {requests: {{ index . 2 | toJson }}, limits: {{ omit (index . 2) "cpu" | toJson }}}{{ end }}
{{/* (list root account): of a pod. */}}
{{- define "bifocal.pod" }}{{ $root := index . 0 -}}
serviceAccountName: {{ include "bifocal.name" $root }}-{{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
{{ with $root.Values.images.pullSecrets }}imagePullSecrets: [{name: {{ join "}, {name: " . }}}]{{ end }}
securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000,
                  fsGroupChangePolicy: OnRootMismatch, seccompProfile: {type: RuntimeDefault}}{{ end }}
{{/* (list root part name what resources): a Job as far as what its container runs; two kinds ask the API server.
It cannot be changed, so another chart, image or `what` is another Job. */}}
{{- define "bifocal.job" }}{{ $root := index . 0 }}{{ $part := index . 1 }}{{ $asks := has $part (list "secrets" "renew") -}}
{{- $pulled := omit $root.Values.images "gateway" "gpu" "cpu" | merge (dict "by" $root.Chart.Version) | toJson -}}
{{- $hash := list (include "bifocal.image" (list $root "gateway")) $pulled (index . 3) | join " " | sha256sum | trunc 8 -}}
{{ include "bifocal.object" (list $root "batch/v1" "Job" $part (printf "%s-%s" (index . 2) $hash)) }}
spec:
  backoffLimit: 20
  template:
    metadata: {labels: {{ include "bifocal.selector" . }}}
    spec:
      {{- include "bifocal.pod" (list $root ($asks | ternary $part "jobs")) | nindent 6 }}
      restartPolicy: OnFailure
      {{- if $asks }}
      volumes:
        - name: account
          projected:
            sources:
              - serviceAccountToken: {path: token, expirationSeconds: 3600}
              - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
              - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}{{ end }}
      containers:
        - name: {{ $part }}
          {{- include "bifocal.container" (list $root "gateway" (index . 4)) | nindent 10 }}
          {{- if $asks }}
          volumeMounts: [{name: account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]{{ end }}{{ end }}
{{/* Variables by which a pod finds the weights, and what pulls them finds the hub. */}}
{{- define "bifocal.weights.env" -}}
- {name: BIFOCAL_WEIGHTS, value: {{ include "bifocal.weights.folder" . }}}
{{- range $name, $value := .Values.volume.env }}{{ printf "- {name: %s, value: %q}" $name $value | nindent 0 }}{{ end }}{{ end }}
{{- define "bifocal.weights.folder" }}{{ (.Values.weights).folder | default "/weights" }}{{ end }}
{{- define "bifocal.weights.volume" }}{{ $made := printf "%s-weights" (include "bifocal.name" .) -}}
{{- with .Values.volume.claim | default (.Values.volume.size | empty | ternary "" $made) -}}
persistentVolumeClaim: {claimName: {{ . }}}{{ else }}emptyDir: {}{{ end }}{{ end }}
{{/* (list root part): of a part's Role to its ServiceAccount. */}}
{{- define "bifocal.binding" }}{{ $name := printf "%s-%s" (include "bifocal.name" (index . 0)) (index . 1) -}}
{{ include "bifocal.object" (list (index . 0) "rbac.authorization.k8s.io/v1" "RoleBinding" (index . 1) (index . 1)) }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects: [{kind: ServiceAccount, name: {{ $name }}, namespace: {{ (index . 0).Release.Namespace }}}]{{ end }}
