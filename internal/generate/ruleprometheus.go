package generate

import "time"

// What a file begins with: one that is overwritten, and one that is not.
const (
	generatedNotice = "# Made by `streammon rules generate`; do not edit, it is overwritten.\n"
	starterNotice   = "# Made by `streammon rules generate`: a start for your own, which is not overwritten.\n"
)

// Prometheus writes the rules as a file of Prometheus, of 2.42 or later.
func (r *Rules) Prometheus() []byte {
	records := make([]any, len(r.Records))
	for i, x := range r.Records {
		records[i] = mapping{{"record", x.Name}, {"expr", x.Expr}}
	}
	groups := []any{mapping{{"name", "streammon-records"}, {"rules", records}}}
	for _, level := range []string{levelMonitor, levelModel, levelFeature} {
		var rules []any
		for _, a := range r.Alerts {
			if a.Level == level {
				rules = append(rules, a.prometheus())
			}
		}
		if len(rules) > 0 {
			groups = append(groups, mapping{{"name", "streammon-" + level}, {"rules", rules}})
		}
	}
	return []byte(generatedNotice + yamlOf(mapping{{"groups", groups}}))
}

// PrometheusConfig writes a config of Prometheus that has the rules, which are beside it, and scrapes the job that they ask for.
func (r *Rules) PrometheusConfig() []byte {
	static := func(target string) []any { return []any{mapping{{"targets", []string{target}}}} }
	return []byte(starterNotice + "# The targets are examples: where Alertmanager and streammon are.\n" + yamlOf(mapping{
		{"global", mapping{{"scrape_interval", "15s"}, {"evaluation_interval", "15s"}}},
		{"rule_files", []string{"rules/*.yml"}},
		{"alerting", mapping{{"alertmanagers", []any{mapping{{"static_configs", static("localhost:9093")}}}}}},
		{"scrape_configs", []any{mapping{{"job_name", r.config.Alerts.Job}, {"static_configs", static("localhost:9108")}}}},
	}))
}

func (a *Alert) prometheus() mapping {
	return mapping{
		{"alert", a.Name},
		{"expr", a.Expr},
		{"for", durationText(a.For)},
		{"keep_firing_for", durationText(a.KeepFiring)},
		{"labels", mapping{{"severity", a.Severity}, {"level", a.Level}}},
		{"annotations", mapping{
			{"summary", a.Summary}, {"description", a.Description}, {"dashboard_url", a.Dashboard}, {"runbook_url", a.Runbook},
		}},
	}
}

// durationText is empty for none.
func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return promDuration(d)
}
