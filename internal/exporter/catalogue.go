package exporter

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
)

// Metric is what there is to know of a metric before it is exported: dashboards and rules are made of these.
type Metric struct {
	// Name is whole, with "streammon_".
	Name, Help string
	// Counter: it is a counter, else a gauge.
	Counter bool
	// Labels that its series have, in the order of the exposition's docs; shared, not to be changed.
	Labels []string
}

// Metrics returns all metrics that are ever exported, in the order of their names.
func Metrics() []Metric {
	byName := catalogue()
	out := make([]Metric, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		m := byName[name]
		out = append(out, Metric{Name: prefix + name, Help: m.help, Counter: m.kind == counter, Labels: m.labels})
	}
	return out
}

// prefix of all names.
const prefix = "streammon_"

// kind of a metric.
type kind uint8

const (
	gauge kind = iota
	counter
)

// metric is one entry of the catalogue.
type metric struct {
	name   string // without "streammon_"
	help   string
	kind   kind
	labels []string
	desc   *prometheus.Desc
}

var (
	windowLabels    = []string{"model", "version", "segment", "window"}
	quantileLabels  = []string{"model", "version", "segment", "window", "q"}
	featureLabels   = []string{"model", "version", "segment", "window", "feature"}
	featureQLabels  = []string{"model", "version", "segment", "window", "feature", "q"}
	statisticLabels = []string{"model", "version", "segment", "window", "feature", "statistic"}
	verdictLabels   = []string{"model", "version", "segment", "window", "figure"}
	partitionLabels = []string{"topic", "partition"}
	modelLabels     = []string{"model"}
	changeLabels    = []string{"model", "version", "feature", "figure", "detector"}
	outcomeLabels   = []string{"model", "outcome"}
	figureLabels    = []string{"model", "version", "segment", "window", "figure"}
	changingLabels  = []string{"model", "version", "segment", "window", "feature", "figure", "detector"}
)

// metrics are all that are exported, but the drift statistics' values, business figures and fairness.
var metrics = []metric{
	{name: "window_events", help: "Accepted predictions in the window, failed requests included.", labels: windowLabels},
	{name: "window_end_timestamp_seconds", help: "End of the window in event time.", labels: windowLabels},
	{name: "window_complete", help: "1 if the window lies within what was read without a gap and no partition lags behind, else 0.", labels: windowLabels},
	{name: "requests_per_second", help: "Predictions in the window over its length.", labels: windowLabels},
	{name: "error_ratio", help: "Share of the window's requests that failed, from 0 to 1.", labels: windowLabels},
	{name: "latency_seconds", help: "Quantile q of the latency of the window's requests: at least a share q took no longer, within 1.1 %.", labels: quantileLabels},
	{name: "feature_missing_ratio", help: "Share of the window's answered requests without a value of the feature, from 0 to 1.", labels: featureLabels},
	{name: "feature_invalid_ratio", help: "Share of the window's answered requests with a value of the wrong type or not finite, from 0 to 1.", labels: featureLabels},
	{name: "feature_out_of_range_ratio", help: "Share of the numeric values outside the reference's minimum and maximum, from 0 to 1.", labels: featureLabels},
	{name: "feature_unseen_ratio", help: "Share of the categorical values that the reference does not know, from 0 to 1.", labels: featureLabels},
	{name: "feature_mean", help: "Mean of the feature's values in the window.", labels: featureLabels},
	{name: "feature_stddev", help: "Sample standard deviation of the feature's values in the window.", labels: featureLabels},
	{name: "feature_min", help: "Smallest value of the feature in the window.", labels: featureLabels},
	{name: "feature_max", help: "Largest value of the feature in the window.", labels: featureLabels},
	{name: "feature_quantile", help: "Quantile q of the feature's values in the window.", labels: featureQLabels},
	{name: "reference_quantile", help: "Quantile q of the feature's values in the reference that its windows are compared with.", labels: []string{"model", "version", "feature", "q"}},
	{name: "feature_distinct", help: "Estimated number of distinct values of the feature in the window.", labels: featureLabels},
	{name: "drift_state", help: "Verdict on the feature: 0 ok, 1 warning, 2 drift.", labels: featureLabels},
	{name: "drift_pvalue", help: "Probability of at least this value of the statistic while nothing changes.", labels: statisticLabels},
	{name: "drift_threshold", help: "Value of the statistic from which on the feature has drifted.", labels: statisticLabels},
	{name: "drifted_features", help: "Number of features whose verdict is drift.", labels: windowLabels},
	{name: "drifted_importance_ratio", help: "Share of the features with a verdict whose verdict is drift, each weighted by its importance, from 0 to 1.", labels: windowLabels},

	{name: "performance_state", help: "Verdict on the answers whose labels have come, against the reference: 0 ok, 1 warning, 2 worse.", labels: windowLabels},
	{name: "performance_threshold", help: "Value of the deciding performance figure from which on the answers are worse than the reference's.", labels: verdictLabels},

	{name: "change_state", help: "What a change detector says of a figure: 0 nothing, 1 warning, 2 a change was found within the window.", labels: changingLabels},
	{name: "change_timestamp_seconds", help: "Event time at which a change detector found the newest change of a figure.", labels: changeLabels},

	{name: "labelled_events", help: "Predictions whose labels have a time in the window.", labels: windowLabels},
	{name: "expired_events", help: "Predictions that, in the window, had waited in vain for as long as a label may come.", labels: windowLabels},
	{name: "labels_matched_ratio", help: "Share of those with a label among the predictions that got one, or expired, in the window, from 0 to 1.", labels: windowLabels},
	{name: "label_delay_seconds", help: "Quantile q of the time from a prediction to its label, 0 where the label is earlier: at least a share q took no longer, within 1.1 %.", labels: quantileLabels},
	{name: "labels_window_end_timestamp_seconds", help: "End of the window in label time; it is earlier than that of the predictions' while labels are waited for.", labels: windowLabels},
	{name: "labels_window_complete", help: "1 if the window begins after the first label, else 0.", labels: windowLabels},
	{name: "performance_low", help: "Lower end of the figure's confidence interval at 95 %, by the sample's size and the bounds of its histogram.", labels: figureLabels},
	{name: "performance_high", help: "Upper end of the figure's confidence interval at 95 %, by the sample's size and the bounds of its histogram.", labels: figureLabels},

	{name: "labels_total", help: "What became of labels, and of predictions that got none (expired, evicted), by outcome.", kind: counter, labels: outcomeLabels},
	{name: "early_labels_total", help: "Labels that matched a prediction and have an earlier time.", kind: counter, labels: modelLabels},
	{name: "labelled_predictions_total", help: "Predictions with an answer that was compared with its label.", kind: counter, labels: modelLabels},
	{name: "mispredictions_total", help: "Labelled predictions whose answer was wrong.", kind: counter, labels: modelLabels},
	{name: "absolute_error_total", help: "Sum of the absolute errors of labelled predictions, in the unit of the target.", kind: counter, labels: modelLabels},
	{name: "squared_error_total", help: "Sum of the squared errors of labelled predictions, in the squared unit of the target.", kind: counter, labels: modelLabels},
	{name: "pending_predictions", help: "Predictions that wait for their labels.", labels: modelLabels},
	{name: "waiting_labels", help: "Labels that wait until the predictions are read as far.", labels: modelLabels},

	{name: "misplaced_labels_ratio", help: "Share of those whose prediction is in another partition, where no label finds it, among the newest sampled labels of the topic, from 0 to 1.", labels: []string{"topic"}},

	{name: "consumed_messages_total", help: "Messages read.", kind: counter, labels: partitionLabels},
	{name: "accepted_events_total", help: "Events that were accepted.", kind: counter, labels: modelLabels},
	{name: "rejected_messages_total", help: "Messages that were rejected, by reason.", kind: counter, labels: []string{"topic", "reason"}},
	{name: "late_events_total", help: "Events whose pane was sealed when they came.", kind: counter, labels: modelLabels},
	{name: "duplicate_events_total", help: "Events whose id was seen before.", kind: counter, labels: modelLabels},
	{name: "folded_values_total", help: "Values of accepted events that have no place of their own, by reason.", kind: counter, labels: []string{"model", "reason"}},
	{name: "consumer_lag_messages", help: "Messages of the partition that were not read yet, those that an open transaction holds up among them.", labels: partitionLabels},
	{name: "watermark_timestamp_seconds", help: "Event time before which the partition's events are late.", labels: partitionLabels},
	{name: "last_event_timestamp_seconds", help: "Largest event time that was accepted.", labels: modelLabels},
	{name: "forgotten_ids_total", help: "Ids that were forgotten before their time, because there were more than max_ids: a repeat of these counts twice.", kind: counter, labels: partitionLabels},
	{name: "offset_gap_messages_total", help: "Messages that retention took away before they were read.", kind: counter, labels: partitionLabels},
	{name: "skipped_batches_total", help: "Batches of messages that could not be read, by reason.", kind: counter, labels: []string{"topic", "partition", "reason"}},
	{name: "dead_letters_total", help: "Rejected messages that were written to the dead-letter topic or file.", kind: counter, labels: []string{"topic"}},
	{name: "dead_letters_dropped_total", help: "Rejected messages that were written to no dead-letter topic or file, because writing failed.", kind: counter, labels: []string{"topic"}},
	{name: "reference_info", help: "References in force; the value is 1.", labels: []string{"model", "version", "fingerprint"}},
	{name: "reference_learning", help: "1 while the model's reference is learned from its first events, 0 when it is; absent if it is not learned.", labels: modelLabels},
	{name: "reference_learning_until_timestamp_seconds", help: "End of the event time that the model's reference is, or was, learned from.", labels: modelLabels},
	{name: "exporting", help: "1 while this member of the group exports the models' figures, else 0."},
	{name: "memory_budget_bytes", help: "The most memory that the config takes."},
	{name: "memory_limit_bytes", help: "Memory above which reading pauses: the budget, or the machine's limit if that is less."},
	{name: "memory_in_use_bytes", help: "Memory in use, garbage included."},
	{name: "memory_paused_seconds_total", help: "Time for which reading was paused for lack of memory, all partitions together.", kind: counter},
	{name: "series", help: "Series exported by the last scrape, without those of the process."},
	{name: "series_limit", help: "Budget of series."},
	{name: "series_dropped_total", help: "Series that did not fit the budget, summed over publications, by reason.", kind: counter, labels: []string{"reason"}},
	{name: "http_refused_total", help: "HTTP requests that were refused, and connections that were closed to make room for others, by reason.", kind: counter, labels: []string{"reason"}},
	{name: "state_last_save_timestamp_seconds", help: "Time of the last save of the state."},
	{name: "state_save_interval_seconds", help: "Time between saves of the state that is in force now."},
	{name: "state_save_duration_seconds", help: "Time that the last save of the state took."},
	{name: "state_save_held_seconds", help: "Time for which the last save of the state held reading up."},
	{name: "state_save_bytes", help: "Bytes that the last save of the state wrote."},
	{name: "state_saves_total", help: "Saves of the state.", kind: counter},
	{name: "results_write_failures_total", help: "Failures to write final results; what could not be written is tried again.", kind: counter},
	{name: "state_save_failures_total", help: "Saves of the state that failed.", kind: counter},
	{name: "state_resets_total", help: "Parts of the state that had to begin anew, by reason.", kind: counter, labels: []string{"reason"}},
	{name: "config_last_reload_successful", help: "1 if the config was loaded when it was last read, 0 if it was refused and the one before stays in force."},
	{name: "config_last_reload_success_timestamp_seconds", help: "Time at which the config in force was loaded."},
	{name: "config_reload_failures_total", help: "Reloads of the config that were refused.", kind: counter},
	{name: "build_info", help: "What the program was built from; the value is 1.", labels: []string{"version", "revision", "goversion"}},
}

// catalogue indexes the metrics by name, with their descriptions.
func catalogue() map[string]*metric {
	byName := map[string]*metric{}
	add := func(m metric) {
		m.desc = prometheus.NewDesc(prefix+m.name, m.help, m.labels, nil)
		byName[m.name] = &m
	}
	for _, m := range metrics {
		add(m)
	}
	for _, m := range slices.Concat(kpiMetrics, fairnessMetrics) {
		add(m)
	}
	for _, s := range drift.Catalogue {
		add(metric{name: "drift_" + s.Name, help: s.Help, labels: featureLabels})
	}
	for _, d := range eval.Figures {
		add(metric{name: d.Name, help: d.Help, labels: slices.Concat(windowLabels, d.Labels)})
	}
	return byName
}
