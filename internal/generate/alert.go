package generate

import (
	"strings"
	"time"

	"github.com/streammon/streammon/internal/config"
)

// alertDefinition is one kind of alert: from it come the rules of Prometheus and of Grafana, and the tables of the documentation.
type alertDefinition struct {
	key, level, severity string
	// pending is how long the expression must hold; keep bridges restarts of the monitor, and values about the threshold.
	pending, keep        time.Duration
	summary, description string
	// dashboard is the path of a page and its variables, a template.
	dashboard string
	expr      func(*scope) string
}

// name is the key in the style of Prometheus.
func (d *alertDefinition) name() string {
	name := "Streammon"
	for word := range strings.SplitSeq(d.key, "_") {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// Dashboards that alerts link to, with the time before the alert.
const (
	overviewPage = "/d/" + OverviewUID + "?from=now-3h&to=now&var-job={{ $labels.job | urlquery }}"
	monitorPage  = "/d/" + MonitorUID + "?from=now-3h&to=now&var-job={{ $labels.job | urlquery }}"
	modelPage    = "/d/" + ModelUID + "?from=now-6h&to=now&var-job={{ $labels.job | urlquery }}&var-model={{ $labels.model | urlquery }}"
	featuresPage = "/d/" + FeaturesUID + "?from=now-6h&to=now&var-job={{ $labels.job | urlquery }}&var-model={{ $labels.model | urlquery }}&var-version={{ $labels.version | urlquery }}"
	featurePage  = "/d/" + FeatureUID + "?from=now-6h&to=now&var-job={{ $labels.job | urlquery }}&var-model={{ $labels.model | urlquery }}&var-version={{ $labels.version | urlquery }}&var-feature={{ $labels.feature | urlquery }}"
)

// outputs are the features that stand for what models answer, a pattern: a feature of another name is an input.
const outputs = "prediction[.](label|score|value)"

// alertDefinitions are all alerts, those that hurt most first.
var alertDefinitions = []alertDefinition{
	{
		key: "down", level: levelMonitor, severity: config.Page, pending: 2 * time.Minute, dashboard: overviewPage, expr: (*scope).down,
		summary:     "No streammon of the job {{ $labels.job }} answers",
		description: "Of the {{ $value }} targets of the job {{ $labels.job }} that Prometheus knows none answers: nothing is known of any model.",
	},
	{
		key: "stalled", level: levelMonitor, severity: config.Page, pending: 2 * time.Minute, keep: 10 * time.Minute, dashboard: monitorPage, expr: (*scope).stalled,
		summary:     "streammon ({{ $labels.job }}) is blind: it does not read",
		description: "{{ if $value }}Messages wait in {{ $value }} topics and none is read{{ else }}No member of the group exports: Kafka is out of reach, or its group is{{ end }}. Figures of models stand still or are absent.",
	},
	{
		key: "no_events", level: levelModel, severity: config.Page, pending: 2 * time.Minute, keep: 10 * time.Minute, dashboard: modelPage, expr: (*scope).noEvents,
		summary:     "Model {{ $labels.model }} gets no requests",
		description: "{{ if $value }}The newest event of {{ $labels.model }} is {{ $value | humanizeDuration }} old{{ else }}There never was an event of {{ $labels.model }}{{ end }}, and streammon reads all there is.",
	},
	{
		key: "error_burn_fast", level: levelModel, severity: config.Page, pending: 2 * time.Minute, keep: 10 * time.Minute, dashboard: modelPage,
		expr:        func(s *scope) string { return s.errorBurn(burnFast) },
		summary:     "Requests of {{ $labels.model }} fail",
		description: "{{ $value | humanizePercentage }} of the requests of {{ $labels.model }} failed in the last hour, and as many do now: far more than the budget.",
	},
	{
		key: "error_burn_medium", level: levelModel, severity: config.Page, pending: 5 * time.Minute, keep: 30 * time.Minute, dashboard: modelPage,
		expr:        func(s *scope) string { return s.errorBurn(burnMedium) },
		summary:     "Many requests of {{ $labels.model }} fail",
		description: "{{ $value | humanizePercentage }} of the requests of {{ $labels.model }} failed in the last 6 hours, and as many do now: many times the budget.",
	},
	{
		key: "error_burn_slow", level: levelModel, severity: config.Ticket, pending: time.Hour, keep: time.Hour, dashboard: modelPage,
		expr:        func(s *scope) string { return s.errorBurn(burnSlow) },
		summary:     "More requests of {{ $labels.model }} fail than may",
		description: "{{ $value | humanizePercentage }} of the requests of {{ $labels.model }} failed in the last 3 days, and as many do now: more than the budget.",
	},
	{
		key: "misprediction_burn_fast", level: levelModel, severity: config.Page, pending: 2 * time.Minute, keep: 10 * time.Minute, dashboard: modelPage,
		expr:        func(s *scope) string { return s.mispredictionBurn(burnFast) },
		summary:     "Answers of {{ $labels.model }} are wrong",
		description: "{{ $value | humanizePercentage }} of the answers of {{ $labels.model }} whose labels came in the last hour were wrong, and as many are now.",
	},
	{
		key: "misprediction_burn_medium", level: levelModel, severity: config.Page, pending: 5 * time.Minute, keep: 30 * time.Minute, dashboard: modelPage,
		expr:        func(s *scope) string { return s.mispredictionBurn(burnMedium) },
		summary:     "Many answers of {{ $labels.model }} are wrong",
		description: "{{ $value | humanizePercentage }} of the answers of {{ $labels.model }} whose labels came in the last 6 hours were wrong, and as many are now.",
	},
	{
		key: "misprediction_burn_slow", level: levelModel, severity: config.Ticket, pending: time.Hour, keep: time.Hour, dashboard: modelPage,
		expr:        func(s *scope) string { return s.mispredictionBurn(burnSlow) },
		summary:     "More answers of {{ $labels.model }} are wrong than may be",
		description: "{{ $value | humanizePercentage }} of the answers of {{ $labels.model }} whose labels came in the last 3 days were wrong, and as many are now: more than the budget.",
	},
	{
		key: "performance_worse", level: levelModel, severity: config.Ticket, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: modelPage, expr: (*scope).performanceWorse,
		summary:     "Model {{ $labels.model }} {{ $labels.version }} is worse than its reference",
		description: "In windows of {{ $value }} lengths the answers of {{ $labels.model }} {{ $labels.version }} are significantly worse, by their labels, than those of its reference.",
	},
	{
		key: "prediction_drift", level: levelModel, severity: config.Ticket, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: modelPage,
		expr:        func(s *scope) string { return s.verdicts("job, model, version", `,feature=~"`+outputs+`"`) },
		summary:     "Answers of {{ $labels.model }} {{ $labels.version }} have drifted",
		description: "What {{ $labels.model }} {{ $labels.version }} answers is distributed otherwise than in its reference: {{ $value }} verdicts say drift, one an output and window length.",
	},
	{
		key: "many_features_drifted", level: levelModel, severity: config.Ticket, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: featuresPage, expr: (*scope).manyDrifted,
		summary:     "Many features of {{ $labels.model }} {{ $labels.version }} have drifted",
		description: "{{ $value | humanizePercentage }} of the features of {{ $labels.model }} {{ $labels.version }}, by importance, have drifted from the reference.",
	},
	{
		key: "feature_drift", level: levelFeature, severity: config.Info, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: featurePage,
		expr: func(s *scope) string {
			return s.verdicts("job, model, version, feature", `,feature!~"`+outputs+`|label"`)
		},
		summary:     "Feature {{ $labels.feature }} of {{ $labels.model }} {{ $labels.version }} has drifted",
		description: "In windows of {{ $value }} lengths the values of {{ $labels.feature }} are distributed otherwise than in the reference of {{ $labels.model }} {{ $labels.version }}.",
	},
	{
		key: "feature_missing", level: levelFeature, severity: config.Ticket, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: featurePage,
		expr: func(s *scope) string {
			return s.quality("feature_missing_ratio", s.MaxMissing, func(a config.FeatureAlerts) float64 { return a.MaxMissing })
		},
		summary:     "Feature {{ $labels.feature }} of {{ $labels.model }} {{ $labels.version }} is missing",
		description: "{{ $value | humanizePercentage }} of the requests of {{ $labels.model }} {{ $labels.version }} come without {{ $labels.feature }}.",
	},
	{
		key: "feature_invalid", level: levelFeature, severity: config.Ticket, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: featurePage,
		expr: func(s *scope) string {
			return s.quality("feature_invalid_ratio", s.MaxInvalid, func(a config.FeatureAlerts) float64 { return a.MaxInvalid })
		},
		summary:     "Feature {{ $labels.feature }} of {{ $labels.model }} {{ $labels.version }} is invalid",
		description: "{{ $value | humanizePercentage }} of the values of {{ $labels.feature }} of {{ $labels.model }} {{ $labels.version }} have the wrong type, or are not finite.",
	},
	{
		key: "feature_unseen", level: levelFeature, severity: config.Ticket, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: featurePage,
		expr: func(s *scope) string {
			return s.quality("feature_unseen_ratio", s.MaxUnseen, func(a config.FeatureAlerts) float64 { return a.MaxUnseen })
		},
		summary:     "Feature {{ $labels.feature }} of {{ $labels.model }} {{ $labels.version }} has new categories",
		description: "{{ $value | humanizePercentage }} of the values of {{ $labels.feature }} of {{ $labels.model }} {{ $labels.version }} are categories that its reference does not know.",
	},
	{
		key: "labels_missing", level: levelModel, severity: config.Ticket, pending: 15 * time.Minute, keep: 30 * time.Minute, dashboard: modelPage, expr: (*scope).labelsMissing,
		summary:     "Labels of {{ $labels.model }} do not come",
		description: "{{ $value | humanizePercentage }} of the predictions of {{ $labels.model }} got a label: how good it is is not known any more.",
	},
	{
		key: "labels_slow", level: levelModel, severity: config.Ticket, pending: 15 * time.Minute, keep: 30 * time.Minute, dashboard: modelPage, expr: (*scope).labelsSlow,
		summary:     "Labels of {{ $labels.model }} come late",
		description: "Five of a hundred labels of {{ $labels.model }} take longer than {{ $value | humanizeDuration }}: later ones may find their prediction given up.",
	},
	{
		key: "lag", level: levelMonitor, severity: config.Ticket, pending: 5 * time.Minute, keep: 10 * time.Minute, dashboard: monitorPage, expr: (*scope).lag,
		summary:     "streammon ({{ $labels.job }}) lags behind on {{ $labels.topic }}",
		description: "To read what waits in {{ $labels.topic }} takes {{ $value | humanizeDuration }} as fast as it is read now: figures and alerts are late by it.",
	},
	{
		key: "dead_letters", level: levelMonitor, severity: config.Ticket, pending: 5 * time.Minute, keep: 15 * time.Minute, dashboard: monitorPage, expr: (*scope).deadLetters,
		summary:     "Messages of {{ $labels.topic }} are rejected",
		description: "{{ $value | humanizePercentage }} of the messages of {{ $labels.topic }} cannot be read as events, and count nowhere.",
	},
	{
		key: "dead_letters_lost", level: levelMonitor, severity: config.Ticket, keep: 15 * time.Minute, dashboard: monitorPage, expr: (*scope).deadLettersLost,
		summary:     "Dead letters of {{ $labels.topic }} are lost",
		description: "{{ $value | humanize }} rejected messages of {{ $labels.topic }} were written to no dead-letter topic or file in 15 minutes, because writing failed.",
	},
	{
		key: "series_budget", level: levelMonitor, severity: config.Ticket, pending: 15 * time.Minute, keep: 15 * time.Minute, dashboard: monitorPage, expr: (*scope).seriesBudget,
		summary:     "streammon ({{ $labels.job }}) has more series than its budget",
		description: "{{ $value | humanizePercentage }} of the budget of series is in use; what is over is left out, details of segments first.",
	},
	{
		key: "state_not_saved", level: levelMonitor, severity: config.Ticket, pending: 2 * time.Minute, keep: 10 * time.Minute, dashboard: monitorPage, expr: (*scope).stateNotSaved,
		summary:     "streammon ({{ $labels.job }}) does not save its state",
		description: "The state was not saved for {{ $value | humanizeDuration }}: a restart has to read all since then again, if Kafka still has it.",
	},
	{
		key: "reload_failed", level: levelMonitor, severity: config.Ticket, pending: time.Minute, keep: 10 * time.Minute, dashboard: monitorPage, expr: (*scope).reloadFailed,
		summary:     "streammon ({{ $labels.job }}) refused its config",
		description: "The newest config was refused; the one in force was loaded {{ $value | humanizeDuration }} ago, and stays until it is mended. A restart would fail.",
	},
}
