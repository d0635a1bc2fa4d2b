{{/* Names */}}

{{- define "alert-receiver.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* No dots, which a release may have and a Service not. At most 52 characters: Kubernetes puts a StatefulSet's name and a hash of 10 into a label, which may have 63. */}}
{{- define "alert-receiver.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $cut := default $full .Values.fullnameOverride | replace "." "-" | trunc 52 -}}
{{- $taken := regexReplaceAll "-+$" $cut "" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $taken) -}}
  {{- fail (printf "\n\nThe objects would be called %q, which a Service can't be: its name begins with a letter and has only a-z, 0-9 and hyphens. Take another release name, or give fullnameOverride." $taken) -}}
{{- end -}}
{{- $taken -}}
{{- end -}}

{{/* The full name with something after it: (list $ "rules"). A long name is cut, so that all of it fits into a label. */}}
{{- define "alert-receiver.derived" -}}
{{- $suffix := index . 1 -}}
{{- $room := sub 62 (len $suffix) | int -}}
{{- printf "%s-%s" (include "alert-receiver.fullname" (index . 0) | trunc $room | trimSuffix "-") $suffix -}}
{{- end -}}

{{- define "alert-receiver.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "alert-receiver.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "alert-receiver.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "alert-receiver.image" -}}
{{- $registry := (.Values.global).imageRegistry | default .Values.image.registry -}}
{{- $image := printf "%s/%s:%s" (trimSuffix "/" $registry) .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- with .Values.image.digest }}{{ $image = printf "%s@%s" $image . }}{{ end -}}
{{- $image -}}
{{- end -}}

{{- define "alert-receiver.url" -}}
http://{{ include "alert-receiver.fullname" . }}.{{ include "alert-receiver.namespace" . }}.svc:{{ .Values.service.port | int64 }}/webhook
{{- end -}}

{{/* Labels */}}

{{- define "alert-receiver.selectorLabels" -}}
app.kubernetes.io/name: {{ include "alert-receiver.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* What the StatefulSet's pod has and no other pod of the release. */}}
{{- define "alert-receiver.podSelectorLabels" -}}
{{ include "alert-receiver.selectorLabels" . }}
app.kubernetes.io/component: receiver
{{- end -}}

{{/*
A pod's labels: (list $ "receiver"), with further labels as a third. None that changes with the chart's version alone, so that no such change restarts
the receiver.
*/}}
{{- define "alert-receiver.podLabels" -}}
{{- $root := index . 0 -}}
{{- $own := include "alert-receiver.selectorLabels" $root | fromYaml -}}
{{- $further := gt (len .) 2 | ternary (last .) dict -}}
{{- $own = set $own "app.kubernetes.io/component" (index . 1) -}}
{{- merge $own $further $root.Values.podLabels $root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* An object's labels: (list $ "receiver"), with further labels as a third. What selectors ask for can't be overridden. */}}
{{- define "alert-receiver.labels" -}}
{{- $root := index . 0 -}}
{{- $own := include "alert-receiver.selectorLabels" $root | fromYaml -}}
{{- $own = merge $own (dict
      "app.kubernetes.io/component" (index . 1)
      "app.kubernetes.io/managed-by" $root.Release.Service
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")) -}}
{{- $further := gt (len .) 2 | ternary (last .) dict -}}
{{- merge $own $further $root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* The configuration */}}

{{/* What the file holds: the values' `config`, with the books in the volume. */}}
{{- define "alert-receiver.configuration" -}}
{{- mergeOverwrite (dict "storage" (dict "url" "sqlite:////data/alert-receiver.db")) (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{/* The texts of the chart's own Secret by their keys. */}}
{{- define "alert-receiver.configFiles" -}}
{{- if not .Values.existingSecret.name -}}
alert-receiver.yml: |
  {{- include "alert-receiver.configuration" . | nindent 2 }}
{{- end }}
{{- range $name, $text := .Values.files }}
{{ printf "files-%s" $name | quote }}: {{ $text | quote }}
{{- end }}
{{- end -}}

{{/*
Everything under /etc/alert-receiver as one volume, so that it changes as one: (list $ "name of the chart's Secret").
*/}}
{{- define "alert-receiver.configVolume" -}}
{{- $root := index . 0 -}}
{{- $secret := index . 1 -}}
name: config
projected:
  defaultMode: 0440
  sources:
    {{- if $root.Values.existingSecret.name }}
    - secret:
        name: {{ $root.Values.existingSecret.name | quote }}
        items:
          - key: {{ $root.Values.existingSecret.key | quote }}
            path: alert-receiver.yml
    {{- end }}
    {{- if or $root.Values.files (not $root.Values.existingSecret.name) }}
    - secret:
        name: {{ $secret | quote }}
        items:
          {{- if not $root.Values.existingSecret.name }}
          - key: alert-receiver.yml
            path: alert-receiver.yml
          {{- end }}
          {{- range $name, $_ := $root.Values.files }}
          - key: {{ printf "files-%s" $name | quote }}
            path: {{ printf "files/%s" $name | quote }}
          {{- end }}
    {{- end }}
    {{- range $root.Values.secrets }}
    {{- $name := .name }}
    - secret:
        name: {{ $name | quote }}
        items:
          {{- range .keys }}
          - key: {{ . | quote }}
            path: {{ printf "secrets/%s/%s" $name . | quote }}
          {{- end }}
    {{- end }}
{{- end -}}

{{/* What the container of the receiver and that of the check have in common. */}}
{{- define "alert-receiver.containerEnvironment" -}}
{{- $environment := dict -}}
{{- with .Values.extraEnv }}{{ $_ := set $environment "env" . }}{{ end -}}
{{- with .Values.extraEnvFrom }}{{ $_ := set $environment "envFrom" . }}{{ end -}}
{{- with $environment }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- define "alert-receiver.imagePullSecrets" -}}
{{- with concat (.Values.imagePullSecrets | default list) ((.Values.global).imagePullSecrets | default list) -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* A probe of this path: (list $probe "/-/healthy"). */}}
{{- define "alert-receiver.probe" -}}
httpGet:
  path: {{ index . 1 | quote }}
  port: http
{{ omit (index . 0) "enabled" | toYaml }}
{{- end -}}

{{/* The configuration's tokens as YAML. What is of another kind than it should be is left to check-config. */}}
{{- define "alert-receiver.tokens" -}}
{{- $tokens := list -}}
{{- $auth := get (.Values.config | default dict) "auth" -}}
{{- if kindIs "map" $auth -}}
  {{- if kindIs "slice" $auth.tokens -}}
    {{- range $auth.tokens }}{{ if kindIs "map" . }}{{ $tokens = append $tokens . }}{{ end }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- if $tokens }}{{ toYaml $tokens }}{{ end -}}
{{- end -}}

{{/* Yes, if the configuration has tokens, as far as the chart can see. */}}
{{- define "alert-receiver.hasTokens" -}}
{{- if include "alert-receiver.tokens" . }}yes{{ end -}}
{{- end -}}

{{/* Where a path of the configuration is in the container. */}}
{{- define "alert-receiver.absolute" -}}
{{- ternary . (printf "/etc/alert-receiver/%s" .) (hasPrefix "/" .) | clean -}}
{{- end -}}

{{/* Name and key of the Secret with the token for `helm test`, as YAML; empty if there is none to be had. */}}
{{- define "alert-receiver.testToken" -}}
{{- $found := dict -}}
{{- if .Values.test.tokenSecret.name -}}
  {{- $found = .Values.test.tokenSecret -}}
{{- else -}}
  {{- range $token := include "alert-receiver.tokens" . | fromYamlArray -}}
    {{- $scopes := ternary $token.scopes list (kindIs "slice" $token.scopes) -}}
    {{- if and (kindIs "string" $token.token_file) (has "webhook" $scopes) -}}
      {{- $path := include "alert-receiver.absolute" $token.token_file -}}
      {{- range $secret := $.Values.secrets -}}
        {{- range $key := $secret.keys -}}
          {{- if and (not $found) (eq $path (printf "/etc/alert-receiver/secrets/%s/%s" $secret.name $key)) -}}
            {{- $found = dict "name" $secret.name "key" $key -}}
          {{- end -}}
        {{- end -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $found }}{{ toYaml $found }}{{ end -}}
{{- end -}}
