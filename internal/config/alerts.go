package config

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Alerts say what the generated alert rules are like for all models. The running monitor takes no notice of them.
type Alerts struct {
	// Job is the name of the scrape job in Prometheus.
	Job string
	// GrafanaURL is where dashboards are, RunbookURL the folder with a page an alert.
	GrafanaURL, RunbookURL string
	// Datasource is the uid of Grafana's data source that has the metrics.
	Datasource string
	// MaxLag is how long it may take to read what waits.
	MaxLag time.Duration
	// MaxRejected is the share of messages that may be rejected, from 0 to 1.
	MaxRejected float64
	// Severity overrides those of alerts, by key; none switches an alert off.
	Severity map[string]string
}

// ModelAlerts are the thresholds of a model's alerts. Shares are from 0 to 1.
type ModelAlerts struct {
	// ErrorBudget is the share of requests that may fail.
	ErrorBudget float64
	// MispredictionBudget is the share of labelled predictions that may be wrong; 0 is any share.
	MispredictionBudget float64
	// MinEvents is the number of requests, or labelled predictions, below which none of these fires.
	MinEvents int
	// NoEvents is how long a model may be without requests.
	NoEvents time.Duration
	// MaxDrifted is the share of features, by importance, that may have drifted.
	MaxDrifted float64
	// MaxMissing, MaxInvalid and MaxUnseen are shares of a feature's values.
	MaxMissing, MaxInvalid, MaxUnseen float64
	// MinMatched is the share of predictions that get a label at least.
	MinMatched float64
	// NoLabels is how long no label may match.
	NoLabels time.Duration
	// MaxLabelDelay is what 95 of 100 labels take at most; 0 is half of the time for which labels are waited for.
	MaxLabelDelay time.Duration
	// Severity overrides those of the model's alerts, by key, and those of Alerts.
	Severity map[string]string
}

// FeatureAlerts are those of ModelAlerts for one feature; 0 is the model's.
type FeatureAlerts struct {
	MaxMissing, MaxInvalid, MaxUnseen float64
}

// The keys of alerts.
var (
	monitorAlerts = []string{"down", "stalled", "lag", "dead_letters", "dead_letters_lost", "series_budget", "state_not_saved", "reload_failed"}
	modelAlerts   = []string{
		"no_events", "error_burn_fast", "error_burn_medium", "error_burn_slow",
		"misprediction_burn_fast", "misprediction_burn_medium", "misprediction_burn_slow",
		"performance_worse", "prediction_drift", "many_features_drifted", "feature_drift",
		"feature_missing", "feature_invalid", "feature_unseen", "labels_missing", "labels_slow",
	}
)

// Severities of alerts; None is that of alerts that are switched off.
const (
	Page   = "page"
	Ticket = "ticket"
	Info   = "info"
	None   = "none"
)

// AlertKeys are the names under which a config knows the alerts of the monitor and those of models.
func AlertKeys() (monitor, model []string) {
	return slices.Clone(monitorAlerts), slices.Clone(modelAlerts)
}

// DefaultAlerts are those of a config without the key.
func DefaultAlerts() Alerts {
	return Alerts{
		Job: "streammon", GrafanaURL: "http://localhost:3000", Datasource: "prometheus",
		RunbookURL: "https://github.com/streammon/streammon/blob/main/docs/runbooks",
		MaxLag:     5 * time.Minute, MaxRejected: 0.01,
	}
}

// DefaultModelAlerts are those of a model without the key.
func DefaultModelAlerts() ModelAlerts {
	return ModelAlerts{
		ErrorBudget: 0.01, MinEvents: 200, NoEvents: 10 * time.Minute, MaxDrifted: 0.3,
		MaxMissing: 0.05, MaxInvalid: 0.01, MaxUnseen: 0.05, MinMatched: 0.2, NoLabels: 6 * time.Hour,
	}
}

var alertKeys = []field[Alerts]{
	{key: "job", read: func(v value, a *Alerts) { v.name(&a.Job) }},
	{key: "grafana_url", read: func(v value, a *Alerts) { v.url(&a.GrafanaURL) }},
	{key: "runbook_url", read: func(v value, a *Alerts) { v.url(&a.RunbookURL) }},
	{key: "datasource", read: func(v value, a *Alerts) { v.name(&a.Datasource) }},
	{key: "max_lag", read: func(v value, a *Alerts) { v.duration(&a.MaxLag, time.Second, day) }},
	{key: "max_rejected", read: func(v value, a *Alerts) { v.share(&a.MaxRejected) }},
	{key: "severity", read: func(v value, a *Alerts) { v.severities(&a.Severity, slices.Concat(monitorAlerts, modelAlerts)) }},
}

var modelAlertKeys = []field[ModelAlerts]{
	{key: "error_budget", read: func(v value, a *ModelAlerts) { v.share(&a.ErrorBudget) }},
	{key: "misprediction_budget", read: func(v value, a *ModelAlerts) { v.share(&a.MispredictionBudget) }},
	{key: "min_events", read: func(v value, a *ModelAlerts) { v.integer(&a.MinEvents, 1, 1_000_000_000) }},
	{key: "no_events", read: func(v value, a *ModelAlerts) { v.duration(&a.NoEvents, time.Minute, 31*day) }},
	{key: "max_drifted", read: func(v value, a *ModelAlerts) { v.share(&a.MaxDrifted) }},
	{key: "max_missing", read: func(v value, a *ModelAlerts) { v.share(&a.MaxMissing) }},
	{key: "max_invalid", read: func(v value, a *ModelAlerts) { v.share(&a.MaxInvalid) }},
	{key: "max_unseen", read: func(v value, a *ModelAlerts) { v.share(&a.MaxUnseen) }},
	{key: "min_matched", read: func(v value, a *ModelAlerts) { v.share(&a.MinMatched) }},
	{key: "no_labels", read: func(v value, a *ModelAlerts) { v.duration(&a.NoLabels, time.Minute, 365*day) }},
	{key: "max_label_delay", read: func(v value, a *ModelAlerts) { v.duration(&a.MaxLabelDelay, time.Second, 365*day) }},
	{key: "severity", read: func(v value, a *ModelAlerts) { v.severities(&a.Severity, modelAlerts) }},
}

// alertTasks are the tasks that keys of a model's alerts are for; the other keys are for all.
var alertTasks = []keyTasks{{"alerts.misprediction_budget", []string{"binary", "multiclass"}}}

var featureAlertKeys = []field[FeatureAlerts]{
	{key: "max_missing", read: func(v value, a *FeatureAlerts) { v.share(&a.MaxMissing) }},
	{key: "max_invalid", read: func(v value, a *FeatureAlerts) { v.share(&a.MaxInvalid) }},
	{key: "max_unseen", read: func(v value, a *FeatureAlerts) { v.share(&a.MaxUnseen) }},
}

// share reads a number between 0 and 1, neither of which could be told from no threshold.
func (v value) share(to *float64) {
	x, ok := v.real()
	if !ok || x <= 0 || x >= 1 {
		v.want("a share between 0 and 1, such as 0.01,")
		return
	}
	*to = x
}

// url reads the address of a page or folder, without the slash at its end.
func (v value) url(to *string) {
	var s string
	if v.text(&s, maxTextBytes); s == "" {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(s, "{}\"'` ") {
		v.want("an address such as https://grafana.example.com")
		return
	}
	*to = strings.TrimRight(s, "/")
}

// severities reads the severities of some of the alerts.
func (v value) severities(to *map[string]string, alerts []string) {
	*to = map[string]string{}
	fields := make([]field[map[string]string], len(alerts))
	for i, key := range alerts {
		fields[i] = field[map[string]string]{key: key, read: func(v value, to *map[string]string) {
			var s string
			if v.oneOf(&s, Page, Ticket, Info, None); s != "" {
				(*to)[key] = s
			}
		}}
	}
	object(v, fields, to)
}
