package generate

import "github.com/streammon/streammon/internal/config"

// File is one that is made, by its name below a folder.
type File struct {
	Name string
	Data []byte
	// Starter: it is a start for one's own, which is not to be overwritten.
	Starter bool
}

// RuleFiles are the rules, routes and messages of alerts, for Prometheus with Alertmanager and for Grafana, and a config of Prometheus.
func RuleFiles(c *config.Config) []File {
	r := NewRules(c)
	return []File{
		{"prometheus/rules/streammon.yml", r.Prometheus(), false},
		{"prometheus/prometheus.yml", r.PrometheusConfig(), true},
		{"alertmanager/alertmanager.yml", Alertmanager(), true},
		{"alertmanager/templates/streammon.tmpl", []byte(messageTemplates), true},
		{"grafana/provisioning/alerting/rules.yaml", r.GrafanaRules(), false},
		{"grafana/provisioning/alerting/contact-points.yaml", GrafanaContactPoints(), true},
		{"grafana/provisioning/alerting/policies.yaml", GrafanaPolicies(), true},
		{"grafana/provisioning/alerting/templates.yaml", GrafanaTemplates(), true},
	}
}
