{{/* What no schema can say of the values: each mistake ends the rendering with what to do about it. */}}
{{- define "alert-receiver.checks" -}}
{{- $values := .Values -}}
{{- if and (empty $values.config) (not $values.existingSecret.name) -}}
  {{- fail "\n\nconfig is empty: the receiver needs channels. Give config, as in the example in values.yaml, or name your own Secret with it in existingSecret.name." -}}
{{- end -}}
{{- if and $values.config $values.existingSecret.name -}}
  {{- fail "\n\nBoth config and existingSecret.name are given: exactly one of them says what the configuration is." -}}
{{- end -}}
{{- if and $values.config (empty $values.config.channels) -}}
  {{- fail "\n\nconfig.channels is empty: name at least one channel, such as {name: oncall, type: slack, webhook_url_file: secrets/slack/url}." -}}
{{- end -}}
{{- $storage := get ($values.config | default dict) "storage" -}}
{{- $url := "" -}}
{{- if kindIs "map" $storage }}{{ $url = toString ($storage.url | default "") }}{{ end -}}
{{- if and $url (not (hasPrefix "sqlite:////data/" $url)) -}}
  {{- fail (printf "\n\nconfig.storage.url is %q, which is not in the volume: leave it out, or name a file under /data, such as sqlite:////data/alert-receiver.db." $url) -}}
{{- end -}}
{{- if regexMatch "^127\\.|^\\[[0:]*:0*1\\]$" $values.listenHost -}}
  {{- fail (printf "\n\nlistenHost is %q, where only the pod itself would reach the receiver: leave it empty for every address, IPv4 and IPv6." $values.listenHost) -}}
{{- end -}}
{{- include "alert-receiver.checkFiles" . -}}
{{- if include "alert-receiver.hasTokens" . -}}
  {{- if and $values.test.enabled (not (include "alert-receiver.testToken" .)) -}}
    {{- fail "\n\nconfig.auth.tokens is given, so `helm test` needs a token, and finds none: give a token with the scope webhook a token_file that secrets mounts, or name a Secret in test.tokenSecret.name, or set test.enabled=false." -}}
  {{- end -}}
  {{- if and $values.serviceMonitor.enabled (not $values.serviceMonitor.bearerTokenSecret.name) -}}
    {{- fail "\n\nconfig.auth.tokens is given, so Prometheus needs a token with the scope read: name the Secret that holds it in serviceMonitor.bearerTokenSecret.name." -}}
  {{- end -}}
  {{- if and $values.alertmanagerConfig.enabled (not $values.alertmanagerConfig.tokenSecret.name) -}}
    {{- fail "\n\nconfig.auth.tokens is given, so Alertmanager needs a token with the scope webhook: name the Secret that holds it in alertmanagerConfig.tokenSecret.name." -}}
  {{- end -}}
{{- end -}}
{{- if and $values.ingress.enabled (empty $values.ingress.hosts) -}}
  {{- fail "\n\ningress.enabled without ingress.hosts: name one, such as {host: alerts.example.com, paths: [{path: /webhook, pathType: Prefix}]}." -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (empty $values.httpRoute.parentRefs) -}}
  {{- fail "\n\nhttpRoute.enabled without httpRoute.parentRefs: name the Gateway, such as {name: public, namespace: gateways}." -}}
{{- end -}}
{{- $names := dict -}}
{{- range $values.secrets -}}
  {{- if hasKey $names .name -}}
    {{- fail (printf "\n\nsecrets names %q twice: list all its keys in one entry." .name) -}}
  {{- end -}}
  {{- $_ := set $names .name true -}}
{{- end -}}
{{- end -}}

{{/* Each file under /etc/alert-receiver that the configuration names must be mounted there. */}}
{{- define "alert-receiver.checkFiles" -}}
{{- $mounted := dict -}}
{{- range $secret := .Values.secrets -}}
  {{- range .keys }}{{ $_ := set $mounted (printf "/etc/alert-receiver/secrets/%s/%s" $secret.name .) true }}{{ end -}}
{{- end -}}
{{- range $name, $_ := .Values.files -}}
  {{- $_ := set $mounted (printf "/etc/alert-receiver/files/%s" $name) true -}}
{{- end -}}
{{- include "alert-receiver.checkFilesOf" (list .Values.config "config" $mounted) -}}
{{- end -}}

{{- define "alert-receiver.checkFilesOf" -}}
{{- $value := index . 0 -}}
{{- $path := index . 1 -}}
{{- $mounted := index . 2 -}}
{{- if kindIs "map" $value -}}
  {{- range $key, $below := $value -}}
    {{- if and (hasSuffix "_file" $key) (kindIs "string" $below) -}}
      {{- $file := include "alert-receiver.absolute" $below -}}
      {{- if and (hasPrefix "/etc/alert-receiver/" $file) (not (hasKey $mounted $file)) -}}
        {{- $there := keys $mounted | sortAlpha | join ", " | default "none" -}}
        {{- fail (printf "\n\n%s.%s is %q, in the container %s, and nothing mounts that: add the Secret and its key to secrets, {name: …, keys: […]} becomes secrets/NAME/KEY, or the text to files. Mounted there: %s." $path $key $below $file $there) -}}
      {{- end -}}
    {{- end -}}
    {{- include "alert-receiver.checkFilesOf" (list $below (printf "%s.%s" $path $key) $mounted) -}}
  {{- end -}}
{{- else if kindIs "slice" $value -}}
  {{- range $i, $below := $value -}}
    {{- include "alert-receiver.checkFilesOf" (list $below (printf "%s[%d]" $path $i) $mounted) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
