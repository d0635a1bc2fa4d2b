{{/* The bundled rules, by domain, as YAML: rules/*.yml and those that are off by default. */}}
{{- define "alert-receiver.domains" -}}
{{- $domains := dict -}}
{{- range $pattern := list "rules/*.yml" "rules/optional/*.yml" -}}
  {{- range $path, $_ := $.Files.Glob $pattern -}}
    {{- $_ := set $domains (base $path | trimSuffix ".yml") ($.Files.Get $path | fromYaml) -}}
  {{- end -}}
{{- end -}}
{{- if empty $domains -}}
  {{- fail "\n\nThe bundled rules are not in the chart: take it from a package, or from a checkout that has the link rules." -}}
{{- end -}}
{{- toYaml $domains -}}
{{- end -}}

{{/* Ends the rendering: there is no such alert. (list "name" "the value that names it" "a list of all names") */}}
{{- define "alert-receiver.unknownAlert" -}}
{{- $name := index . 0 -}}
{{- $all := index . 2 | sortAlpha -}}
{{- $alike := list -}}
{{- range $known := $all -}}
  {{- if eq (lower $known | trunc 4) (lower $name | trunc 4) }}{{ $alike = append $alike $known }}{{ end -}}
{{- end -}}
{{- fail (printf "\n\n%s names %q, and no bundled alert is called so. There are: %s." (index . 1) $name (join ", " ($alike | default $all))) -}}
{{- end -}}

{{/* The groups of a domain as they are to be: (list $ "its rules as an object"). */}}
{{- define "alert-receiver.groups" -}}
{{- $values := (index . 0).Values.prometheusRule -}}
{{- $groups := list -}}
{{- range $group := (index . 1).groups -}}
  {{- $rules := list -}}
  {{- range $rule := $group.rules -}}
    {{- if not (has $rule.alert $values.disabled) -}}
      {{- $_ := set $rule "labels" (merge (dict) $rule.labels $values.alertLabels) -}}
      {{- if $values.runbookBase -}}
        {{- $runbook := printf "%s/%s" (trimAll "/" $values.runbookBase) (base $rule.annotations.runbook_url) -}}
        {{- $_ := set $rule.annotations "runbook_url" $runbook -}}
      {{- end -}}
      {{- $rules = append $rules $rule -}}
    {{- end -}}
  {{- end -}}
  {{- if $rules -}}
    {{- $groups = append $groups (set $group "rules" $rules) -}}
  {{- end -}}
{{- end -}}
{{- if $groups }}{{ toYaml $groups }}{{ end -}}
{{- end -}}

{{/* The recording rules for other thresholds, as YAML; each name must be that of an alert that looks one up. */}}
{{- define "alert-receiver.thresholds" -}}
{{- $expressions := dict -}}
{{- range $domain := include "alert-receiver.domains" . | fromYaml -}}
  {{- range $domain.groups }}{{ range .rules }}{{ $_ := set $expressions .alert .expr }}{{ end }}{{ end -}}
{{- end -}}
{{- $rules := list -}}
{{- range $alert, $threshold := .Values.prometheusRule.thresholds -}}
  {{- if not (hasKey $expressions $alert) -}}
    {{- include "alert-receiver.unknownAlert" (list $alert "prometheusRule.thresholds" (keys $expressions)) -}}
  {{- end -}}
  {{- if not (contains (printf "alert:threshold{alert=%q}" $alert) (get $expressions $alert)) -}}
    {{- fail (printf "\n\nprometheusRule.thresholds names %q, which has no threshold: it is a condition without a number. prometheusRule.disabled leaves it out." $alert) -}}
  {{- end -}}
  {{- $rules = append $rules (dict "record" "alert:threshold" "labels" (dict "alert" $alert) "expr" (toString $threshold)) -}}
{{- end -}}
{{- if $rules }}{{ toYaml $rules }}{{ end -}}
{{- end -}}
