package generate

import "strings"

// alertRoute says what becomes of the alerts of a severity.
type alertRoute struct {
	severity, receiver string
	// wait is how long others of the group are waited for, interval how long until news of it are sent, and repeat until it is said again.
	wait, interval, repeat string
}

// alertRoutes are the same in Alertmanager and in Grafana.
var alertRoutes = []alertRoute{
	{"page", "pager", "10s", "1m", "4h"},
	{"ticket", "tickets", "1m", "10m", "1d"},
	{"info", "chat", "5m", "30m", "7d"},
}

// alertGroupLabels are what alerts have in common that are told together: all of a model, and all of the monitor itself.
var alertGroupLabels = []string{"job", "model"}

// inhibition says that an alert, while it fires, silences others of the same labels.
type inhibition struct {
	why            string
	source, target []string // matchers
	equal          []string
}

// nothingKnown are the alerts during which no figure of a model can be trusted.
const nothingKnown = `alertname=~"StreammonDown|StreammonStalled"`

var inhibitions = []inhibition{
	{
		"While nothing is read, what is said of models is old, and follows from it.",
		[]string{nothingKnown}, []string{`level=~"model|feature"`}, []string{"job"},
	},
	{
		"So does what is said of the monitor itself.",
		[]string{nothingKnown}, []string{`level="monitor"`, `severity!="page"`}, []string{"job"},
	},
	{
		"Where none answers, none reads.",
		[]string{`alertname="StreammonDown"`}, []string{`alertname="StreammonStalled"`}, []string{"job"},
	},
	{
		"An alert on a model silences notes about its features: its page shows them.",
		[]string{`level="model"`}, []string{`level="feature"`, `severity="info"`}, []string{"job", "model"},
	},
	{
		"Where most features moved, or no request comes, each of them is no news.",
		[]string{`alertname=~"StreammonManyFeaturesDrifted|StreammonNoEvents"`}, []string{`level="feature"`}, []string{"job", "model"},
	},
	{
		"What burns fast burns slowly, too.",
		[]string{`alertname="StreammonErrorBurnFast"`}, []string{`alertname=~"StreammonErrorBurn(Medium|Slow)"`}, []string{"job", "model"},
	},
	{
		"So does what burns for hours.",
		[]string{`alertname="StreammonErrorBurnMedium"`}, []string{`alertname="StreammonErrorBurnSlow"`}, []string{"job", "model"},
	},
	{
		"The same of wrong answers.",
		[]string{`alertname="StreammonMispredictionBurnFast"`}, []string{`alertname=~"StreammonMispredictionBurn(Medium|Slow)"`}, []string{"job", "model"},
	},
	{
		"And for hours.",
		[]string{`alertname="StreammonMispredictionBurnMedium"`}, []string{`alertname="StreammonMispredictionBurnSlow"`}, []string{"job", "model"},
	},
}

// receiverExamples are what pager, tickets and chat may be; secrets are in files.
const receiverExamples = `
receivers:
  # Pages: somebody gets up.
  - name: pager
    pagerduty_configs:
      - routing_key_file: /etc/alertmanager/secrets/pagerduty
        url: https://events.pagerduty.com/v2/enqueue
        severity: critical
        description: '{{ template "streammon.title" . }}'
        client: streammon
        client_url: '{{ (index .Alerts 0).Annotations.dashboard_url }}'
        details:
          firing: '{{ template "streammon.text" . }}'
        links:
          - href: '{{ (index .Alerts 0).Annotations.dashboard_url }}'
            text: Dashboard
          - href: '{{ (index .Alerts 0).Annotations.runbook_url }}'
            text: Runbook
  # Tickets: somebody looks at it on the next working day. A webhook takes any tracker.
  - name: tickets
    webhook_configs:
      - url: http://localhost:9099/tickets
        send_resolved: true
  # Notes for whoever is interested.
  - name: chat
    slack_configs:
      - api_url_file: /etc/alertmanager/secrets/slack
        channel: '#models'
        send_resolved: true
        title: '{{ template "streammon.title" . }}'
        title_link: '{{ (index .Alerts 0).Annotations.dashboard_url }}'
        text: '{{ template "streammon.text" . }}'
        actions:
          - type: button
            text: Dashboard
            url: '{{ (index .Alerts 0).Annotations.dashboard_url }}'
          - type: button
            text: Runbook
            url: '{{ (index .Alerts 0).Annotations.runbook_url }}'
  # In place of one of the above.
  - name: pager-opsgenie
    opsgenie_configs:
      - api_key_file: /etc/alertmanager/secrets/opsgenie
        api_url: https://api.opsgenie.com/
        message: '{{ template "streammon.title" . }}'
        description: '{{ template "streammon.text" . }}'
        priority: P1
        details:
          dashboard: '{{ (index .Alerts 0).Annotations.dashboard_url }}'
          runbook: '{{ (index .Alerts 0).Annotations.runbook_url }}'
  - name: tickets-mail
    email_configs:
      - to: ml-platform@example.com
        from: alertmanager@example.com
        smarthost: mail.example.com:587
        auth_username: alertmanager
        auth_password_file: /etc/alertmanager/secrets/mail
        send_resolved: true
        headers:
          Subject: '{{ template "streammon.title" . }}'
        text: '{{ template "streammon.text" . }}'
        html: ''
`

// messageTemplates are the title and text of messages. They are the same in Alertmanager and in Grafana.
const messageTemplates = `{{ define "streammon.title" -}}
{{ if eq .Status "firing" }}[{{ .Alerts.Firing | len }}] {{ else }}Over: {{ end }}{{ (index .Alerts 0).Annotations.summary }}
{{- if gt (len .Alerts) 1 }} (and more){{ end }}
{{- end }}

{{ define "streammon.text" -}}
{{ range .Alerts -}}
{{ if eq .Status "resolved" }}Over: {{ end }}{{ .Annotations.summary }} ({{ .Labels.severity }})
{{ .Annotations.description }}
Since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05" }} UTC
Dashboard: {{ .Annotations.dashboard_url }}
Runbook: {{ .Annotations.runbook_url }}

{{ end }}
{{- end }}
`

// Alertmanager writes a config of Alertmanager, of 0.25 or later: routes by severity, what silences what, and examples of receivers.
func Alertmanager() []byte {
	var routes, rules []any
	for _, r := range alertRoutes {
		routes = append(routes, mapping{
			{"receiver", r.receiver}, {"matchers", []string{`severity="` + r.severity + `"`}},
			{"group_wait", r.wait}, {"group_interval", r.interval}, {"repeat_interval", r.repeat},
		})
	}
	for _, i := range inhibitions {
		rules = append(rules, mapping{{"source_matchers", i.source}, {"target_matchers", i.target}, {"equal", i.equal}})
	}
	text := yamlOf(mapping{
		{"templates", []string{"templates/*.tmpl"}},
		{"route", mapping{
			{"receiver", "tickets"}, {"group_by", alertGroupLabels}, {"routes", routes},
		}},
		{"inhibit_rules", rules},
	})
	for _, i := range inhibitions { // each begins with a comment
		line := "  - source_matchers: " + strings.TrimPrefix(yamlOf(mapping{{"x", i.source}}), "x: ")
		line = strings.TrimSuffix(line, "\n") + "\n    target_matchers: " + strings.TrimPrefix(yamlOf(mapping{{"x", i.target}}), "x: ")
		text = strings.Replace(text, line, "  # "+i.why+"\n"+line, 1)
	}
	return []byte(starterNotice + "# The receivers are examples.\n" + text + receiverExamples)
}
