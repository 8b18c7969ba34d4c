package generate

import (
	"fmt"
	"strings"
)

// Grafana's alert rules take recording rules from Prometheus, and no data for no alert.
const grafanaFolder = "streammon"

// GrafanaRules writes the alert rules as a file of Grafana's provisioning, of 12 or later. Their
// expressions are those for Prometheus: each series that is left is an alert.
func (r *Rules) GrafanaRules() []byte {
	var groups []any
	for _, level := range []string{levelMonitor, levelModel, levelFeature} {
		var rules []any
		for i, a := range r.Alerts {
			if a.Level == level {
				title := a.Name // which Grafana takes for the alert's name, and wants once in a folder
				if i > 0 && r.Alerts[i-1].Name == title {
					title += " " + a.Severity
				}
				rules = append(rules, a.grafana(title, r.config.Alerts.Datasource))
			}
		}
		if len(rules) > 0 {
			groups = append(groups, mapping{
				{"orgId", 1}, {"name", "streammon-" + level}, {"folder", grafanaFolder}, {"interval", "30s"}, {"rules", rules},
			})
		}
	}
	return []byte(generatedNotice + yamlOf(mapping{{"apiVersion", 1}, {"groups", groups}}))
}

// longestUID is how many characters Grafana takes; cut there, uids still differ.
const longestUID = 40

func (a *Alert) grafana(title, datasource string) mapping {
	uid := "streammon-" + strings.ReplaceAll(a.Key, "_", "-") + "-" + a.Severity
	return mapping{
		{"uid", uid[:min(len(uid), longestUID)]},
		{"title", title},
		{"condition", "B"},
		{"data", []any{
			mapping{
				{"refId", "A"}, {"relativeTimeRange", mapping{{"from", 600}, {"to", 0}}}, {"datasourceUid", escapeDollars(datasource)},
				{"model", mapping{
					{"refId", "A"}, {"expr", escapeDollars(a.Expr)}, {"instant", true}, {"range", false}, {"intervalMs", 1000}, {"maxDataPoints", 43200},
				}},
			},
			mapping{
				{"refId", "B"}, {"relativeTimeRange", mapping{{"from", 0}, {"to", 0}}}, {"datasourceUid", "__expr__"},
				// Whatever the value: 0 and infinity are alerts, too.
				{"model", mapping{
					{"refId", "B"}, {"type", "math"}, {"expression", "is_number($$A) || is_inf($$A)"}, {"datasource", mapping{{"type", "__expr__"}, {"uid", "__expr__"}}},
				}},
			},
		}},
		{"noDataState", "OK"},
		{"execErrState", "Error"},
		{"for", fmt.Sprintf("%ds", int(a.For.Seconds()))},
		{"keepFiringFor", fmt.Sprintf("%ds", int(a.KeepFiring.Seconds()))},
		{"annotations", mapping{
			{"summary", grafanaTemplate(a.Summary)}, {"description", grafanaTemplate(a.Description)},
			{"dashboard_url", grafanaTemplate(a.Dashboard)}, {"runbook_url", escapeDollars(a.Runbook)},
		}},
		{"labels", mapping{{"severity", a.Severity}, {"level", a.Level}}},
		{"isPaused", false},
	}
}

// grafanaTemplate turns a template of Prometheus into one of Grafana.
func grafanaTemplate(text string) string {
	return escapeDollars(strings.ReplaceAll(text, "$value", "$values.A.Value"))
}

// escapeDollars protects dollar signs from Grafana, which takes them for variables of the environment in provisioned files.
func escapeDollars(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// grafanaReceivers are examples, as those of Alertmanager. Secrets come from the environment.
const grafanaReceivers = `apiVersion: 1
contactPoints:
  - orgId: 1
    name: pager
    receivers:
      - uid: streammon-pager
        type: pagerduty
        settings:
          integrationKey: $PAGERDUTY_KEY
          severity: critical
          summary: '{{ template "streammon.title" . }}'
          details:
            firing: '{{ template "streammon.text" . }}'
  - orgId: 1
    name: tickets
    receivers:
      - uid: streammon-tickets
        type: webhook
        settings:
          url: http://localhost:9099/tickets
          httpMethod: POST
          title: '{{ template "streammon.title" . }}'
          message: '{{ template "streammon.text" . }}'
  - orgId: 1
    name: chat
    receivers:
      - uid: streammon-chat
        type: slack
        settings:
          url: $SLACK_URL
          title: '{{ template "streammon.title" . }}'
          text: '{{ template "streammon.text" . }}'
  - orgId: 1
    name: pager-opsgenie
    receivers:
      - uid: streammon-opsgenie
        type: opsgenie
        settings:
          apiKey: $OPSGENIE_KEY
          apiUrl: https://api.opsgenie.com/v2/alerts
          message: '{{ template "streammon.title" . }}'
          description: '{{ template "streammon.text" . }}'
  - orgId: 1
    name: tickets-mail
    receivers:
      - uid: streammon-mail
        type: email
        settings:
          addresses: ml-platform@example.com
          subject: '{{ template "streammon.title" . }}'
          message: '{{ template "streammon.text" . }}'
`

// GrafanaContactPoints writes the examples of receivers.
func GrafanaContactPoints() []byte { return []byte(starterNotice + grafanaReceivers) }

// GrafanaPolicies writes the routes by severity. Grafana has one tree a organisation: this file replaces it.
func GrafanaPolicies() []byte {
	var routes []any
	for _, r := range alertRoutes {
		routes = append(routes, mapping{
			{"receiver", r.receiver}, {"object_matchers", verbatim(`[[severity, "=", ` + r.severity + "]]")}, {"group_by", append([]string{"grafana_folder"}, alertGroupLabels...)},
			{"group_wait", r.wait}, {"group_interval", r.interval}, {"repeat_interval", r.repeat},
		})
	}
	return []byte(starterNotice + yamlOf(mapping{{"apiVersion", 1}, {"policies", []any{mapping{
		{"orgId", 1}, {"receiver", "tickets"}, {"group_by", append([]string{"grafana_folder"}, alertGroupLabels...)}, {"routes", routes},
	}}}}))
}

// GrafanaTemplates writes the templates of messages.
func GrafanaTemplates() []byte {
	return []byte(starterNotice + yamlOf(mapping{{"apiVersion", 1}, {"templates", []any{mapping{
		{"orgId", 1}, {"name", "streammon"}, {"template", escapeDollars(strings.TrimSuffix(messageTemplates, "\n"))},
	}}}}))
}
