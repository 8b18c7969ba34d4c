package generate

// What the tests of all alerts are made of.

// constant is a value that does not change.
func constant(x float64) func(int) float64 { return func(int) float64 { return x } }

// turns is good until badFrom, and bad from then on.
func turns(good, bad float64) func(int) float64 {
	return func(m int) float64 {
		if m < badFrom {
			return good
		}
		return bad
	}
}

// grows is what a counter has that grows so much a minute, from badFrom on otherwise.
func grows(good, bad float64) func(int) float64 {
	return func(m int) float64 { return good*float64(min(m, badFrom)) + bad*float64(max(m-badFrom, 0)) }
}

// age is a timestamp that stands still from badFrom on; the clock begins at 0.
func age(m int) float64 { return float64(60 * min(m, badFrom)) }

// clock is a timestamp that goes with the clock.
func clock(m int) float64 { return float64(60 * m) }

const (
	short = `{model="fraud",version="7",segment="",window="5m"}`
	long  = `{model="fraud",version="7",segment="",window="1h"}`
	model = `model="fraud"`
	seven = `model="fraud",version="7"`
)

// of adds labels to those of a window.
func of(labels, more string) string { return labels[:len(labels)-1] + "," + more + "}" }

func figure(name string, value func(int) float64) sampled {
	return sampled{series: "streammon_" + name, value: value}
}

func counter(name string, value func(int) float64) sampled {
	return sampled{series: "streammon_" + name, value: value, counter: true}
}

// traffic is 10 requests a second.
func traffic(more ...sampled) []sampled { return trafficOf(10, more...) }

func trafficOf(perSecond float64, more ...sampled) []sampled {
	return append(more,
		figure("requests_per_second"+short, constant(perSecond)), figure("window_events"+short, constant(300*perSecond)), figure("window_events"+long, constant(3600*perSecond)),
	)
}

// labelled has so many labelled predictions a minute, and shares of wrong ones.
func labelled(perMinute, good, bad float64) []sampled {
	return []sampled{
		counter("labelled_predictions_total{"+model+"}", grows(perMinute, perMinute)),
		counter("mispredictions_total{"+model+"}", grows(perMinute*good, perMinute*bad)),
	}
}

// verdicts of a feature in both windows.
func verdicts(feature string, states ...func(int) float64) (out []sampled) {
	for i, w := range []string{short, long}[:len(states)] {
		out = append(out, figure("drift_state"+of(w, `feature="`+feature+`"`), states[i]))
	}
	return out
}

// both is a figure in both windows, with as many events as given.
func both(name, more string, value func(int) float64, shortEvents, longEvents float64) []sampled {
	return []sampled{
		figure(name+of(short, more), value), figure(name+of(long, more), value),
		figure("window_events"+short, constant(shortEvents)), figure("window_events"+long, constant(longEvents)),
	}
}

const (
	modelQuery   = "from=now-6h&to=now&var-job=streammon&var-model=fraud"
	versionQuery = modelQuery + "&var-version=7"
	monitorQuery = "from=now-3h&to=now&var-job=streammon"
)

var alertTests = []alertTest{
	{
		alert: "StreammonDown", fires: badFrom + 3, query: monitorQuery,
		values: "Of the 1 targets of the job streammon that Prometheus knows none answers: nothing is known of any model.",
		bad:    []sampled{{series: `up{}`, value: turns(1, 0)}},
		good: map[string][]sampled{"down for a minute": {{series: `up{}`, value: func(m int) float64 {
			if m == badFrom || m == badFrom+1 {
				return 0
			}
			return 1
		}}}},
	},
	{
		alert: "StreammonStalled", fires: badFrom + 2, query: monitorQuery,
		values: "No member of the group exports: Kafka is out of reach, or its group is. Figures of models stand still or are absent.",
		bad: []sampled{
			figure("exporting{}", turns(1, 0)), figure(`consumer_lag_messages{topic="t",partition="0"}`, constant(7)), counter(`consumed_messages_total{topic="t",partition="0"}`, grows(60, 60)),
		},
		good: map[string][]sampled{
			"reads":         {figure("exporting{}", constant(1)), figure(`consumer_lag_messages{topic="t",partition="0"}`, constant(7)), counter(`consumed_messages_total{topic="t",partition="0"}`, grows(60, 1))},
			"nothing waits": {figure("exporting{}", constant(1)), figure(`consumer_lag_messages{topic="t",partition="0"}`, constant(0)), counter(`consumed_messages_total{topic="t",partition="0"}`, grows(60, 0))},
		},
	},
	{
		alert: "StreammonNoEvents", labels: model, fires: badFrom + 9, query: modelQuery,
		values: "The newest event of fraud is 9m 0s old, and streammon reads all there is.",
		bad: []sampled{
			figure("window_events"+short, turns(3000, gone)), figure("exporting{}", constant(1)), figure("last_event_timestamp_seconds{"+model+"}", age), counter("accepted_events_total{"+model+"}", grows(600, 0)),
		},
		good: map[string][]sampled{
			"events":        {figure("window_events"+short, constant(1)), figure("exporting{}", constant(1)), figure("last_event_timestamp_seconds{"+model+"}", clock)},
			"nobody reads":  {figure("window_events"+short, turns(3000, gone)), figure("exporting{}", turns(1, 0)), figure("last_event_timestamp_seconds{"+model+"}", age)},
			"short silence": {figure("window_events"+short, func(m int) float64 { return []float64{gone, 5}[(m%7)/6] }), figure("exporting{}", constant(1)), figure("last_event_timestamp_seconds{"+model+"}", clock)},
		},
	},
	{
		alert: "StreammonErrorBurnFast", labels: model, fires: badFrom + 10, query: modelQuery,
		values: "26.19% of the requests of fraud failed in the last hour, and as many do now: far more than the budget.",
		bad:    traffic(figure("error_ratio"+short, turns(0, 0.5))),
		good: map[string][]sampled{
			"below":        traffic(figure("error_ratio"+short, constant(0.143))),
			"few requests": trafficOf(199.0/3600, figure("error_ratio"+short, constant(1))),
			"over by now":  traffic(figure("error_ratio"+short, func(m int) float64 { return []float64{1, 0}[min(m/2, 1)] })),
		},
	},
	{
		alert: "StreammonErrorBurnMedium", labels: model, fires: badFrom + 20, query: modelQuery,
		values: "13.55% of the requests of fraud failed in the last 6 hours, and as many do now: many times the budget.",
		bad:    traffic(figure("error_ratio"+short, turns(0, 0.2))),
		good: map[string][]sampled{
			"below":        traffic(figure("error_ratio"+short, constant(0.059))),
			"few requests": trafficOf(199.0/21600, figure("error_ratio"+short, constant(1))),
		},
	},
	{
		alert: "StreammonErrorBurnSlow", labels: model, fires: badFrom + 80, query: modelQuery, minutes: 90,
		values: "1.78% of the requests of fraud failed in the last 3 days, and as many do now: more than the budget.",
		bad:    traffic(figure("error_ratio"+short, turns(0, 0.02))),
		good: map[string][]sampled{
			"below":        traffic(figure("error_ratio"+short, constant(0.0099))),
			"few requests": trafficOf(199.0/259200, figure("error_ratio"+short, constant(1))),
		},
	},
	{
		alert: "StreammonMispredictionBurnFast", labels: model, fires: badFrom + 60, query: modelQuery,
		values: "90% of the answers of fraud whose labels came in the last hour were wrong, and as many are now.",
		bad:    labelled(60, 0, 0.9),
		good: map[string][]sampled{
			"below":      labelled(60, 0.5, 0.5),
			"few labels": labelled(1, 0.9, 0.9),
			"other model": {
				counter(`labelled_predictions_total{model="shop (new)"}`, grows(60, 60)), counter(`mispredictions_total{model="shop (new)"}`, grows(60, 60)),
			},
		},
	},
	{
		alert: "StreammonMispredictionBurnMedium", labels: model, fires: badFrom + 60, query: modelQuery,
		values: "77.14% of the answers of fraud whose labels came in the last 6 hours were wrong, and as many are now.",
		bad:    labelled(60, 0, 0.9),
		good:   map[string][]sampled{"below": labelled(60, 0.29, 0.29), "few labels": labelled(0.5, 0.9, 0.9)},
	},
	{
		alert: "StreammonMispredictionBurnSlow", labels: model, fires: badFrom + 80, query: modelQuery, minutes: 90,
		values: "8.889% of the answers of fraud whose labels came in the last 3 days were wrong, and as many are now: more than the budget.",
		bad:    labelled(60, 0, 0.1),
		good:   map[string][]sampled{"below": labelled(60, 0.049, 0.049), "few labels": labelled(0.04, 0.9, 0.9)},
	},
	{
		alert: "StreammonPerformanceWorse", labels: seven, fires: badFrom + 6, query: modelQuery,
		values: "In windows of 2 lengths the answers of fraud 7 are significantly worse, by their labels, than those of its reference.",
		bad: []sampled{
			figure("performance_state"+short, turns(0, 2)), figure("performance_state"+long, turns(0, 2)), figure("labelled_events"+short, constant(200)), figure("labelled_events"+long, constant(9000)),
		},
		good: map[string][]sampled{
			"a warning":  {figure("performance_state"+short, constant(1)), figure("labelled_events"+short, constant(9000))},
			"few labels": {figure("performance_state"+short, constant(2)), figure("labelled_events"+short, constant(199)), figure("labelled_events"+long, constant(9000))},
			"a segment":  {figure(`performance_state{model="fraud",version="7",segment="country=DE",window="5m"}`, constant(2)), figure(`labelled_events{model="fraud",version="7",segment="country=DE",window="5m"}`, constant(9000))},
		},
	},
	{
		alert: "StreammonPredictionDrift", labels: seven, fires: badFrom + 6, query: modelQuery,
		values: "What fraud 7 answers is distributed otherwise than in its reference: 1 verdicts say drift, one an output and window length.",
		bad:    traffic(verdicts("prediction.score", turns(0, 2), constant(1))...),
		good: map[string][]sampled{
			"a warning":    traffic(verdicts("prediction.score", constant(1))...),
			"another one":  traffic(verdicts("predictions", constant(2))...),
			"an input":     traffic(verdicts("prediction.before", constant(2))...),
			"few requests": trafficOf(199.0/300, verdicts("prediction.score", constant(2))...),
		},
	},
	{
		alert: "StreammonManyFeaturesDrifted", labels: seven, fires: badFrom + 6, query: versionQuery,
		values: "40% of the features of fraud 7, by importance, have drifted from the reference.",
		bad:    traffic(figure("drifted_importance_ratio"+short, turns(0, 0.4)), figure("drifted_features"+short, turns(0, 2))),
		good: map[string][]sampled{
			"few of them":  traffic(figure("drifted_importance_ratio"+short, constant(0.3)), figure("drifted_features"+short, constant(9))),
			"one of two":   traffic(figure("drifted_importance_ratio"+short, constant(0.5)), figure("drifted_features"+short, constant(1))),
			"few requests": trafficOf(199.0/300, figure("drifted_importance_ratio"+short, constant(0.5)), figure("drifted_features"+short, constant(9))),
		},
	},
	{
		alert: "StreammonFeatureDrift", labels: seven + `,feature="amount"`, fires: badFrom + 6, query: versionQuery + "&var-feature=amount",
		values: "In windows of 2 lengths the values of amount are distributed otherwise than in the reference of fraud 7.",
		bad:    traffic(verdicts("amount", turns(0, 2), turns(0, 2))...),
		good: map[string][]sampled{
			"a warning":     traffic(verdicts("amount", constant(1))...),
			"an output":     traffic(verdicts("prediction.score", constant(2))...),
			"few requests":  trafficOf(199.0/300, verdicts("amount", constant(2))...),
			"off for these": {figure(`drift_state{model="shop (new)",version="1",segment="",window="5m",feature="basket"}`, constant(2)), figure(`window_events{model="shop (new)",version="1",segment="",window="5m"}`, constant(9000))},
		},
	},
	{
		alert: "StreammonFeatureMissing", labels: seven + `,feature="amount"`, fires: badFrom + 6, query: versionQuery + "&var-feature=amount",
		values: "6% of the requests of fraud 7 come without amount.",
		bad:    both("feature_missing_ratio", `feature="amount"`, turns(0, 0.06), 3000, 36000),
		good: map[string][]sampled{
			"below":        both("feature_missing_ratio", `feature="amount"`, constant(0.05), 3000, 36000),
			"few requests": both("feature_missing_ratio", `feature="amount"`, constant(1), 30, 199),
			"its own":      both("feature_missing_ratio", `feature="device"`, constant(0.5), 3000, 36000),
			"over by now": {
				figure("feature_missing_ratio"+of(short, `feature="amount"`), constant(0)), figure("feature_missing_ratio"+of(long, `feature="amount"`), constant(0.9)),
				figure("window_events"+short, constant(3000)), figure("window_events"+long, constant(36000)),
			},
		},
	},
	{
		alert: "StreammonFeatureInvalid", labels: seven + `,feature="amount"`, fires: badFrom + 6, query: versionQuery + "&var-feature=amount",
		values: "2% of the values of amount of fraud 7 have the wrong type, or are not finite.",
		bad:    both("feature_invalid_ratio", `feature="amount"`, turns(0, 0.02), 30, 360), // too few in 5m, enough in 1h
		good: map[string][]sampled{
			"below":        both("feature_invalid_ratio", `feature="amount"`, constant(0.01), 3000, 36000),
			"few requests": both("feature_invalid_ratio", `feature="amount"`, constant(1), 30, 199),
		},
	},
	{
		alert: "StreammonFeatureUnseen", labels: seven + `,feature="merchant"`, fires: badFrom + 6, query: versionQuery + "&var-feature=merchant",
		values: "30% of the values of merchant of fraud 7 are categories that its reference does not know.",
		bad:    both("feature_unseen_ratio", `feature="merchant"`, turns(0, 0.3), 3000, 36000),
		good: map[string][]sampled{
			"below":        both("feature_unseen_ratio", `feature="merchant"`, constant(0.05), 3000, 36000),
			"few requests": both("feature_unseen_ratio", `feature="merchant"`, constant(1), 30, 199),
		},
	},
	{
		alert: "StreammonLabelsMissing", labels: model, fires: badFrom + 60, query: modelQuery, minutes: 400,
		values: "14.29% of the predictions of fraud got a label: how good it is is not known any more.",
		bad:    traffic(counter(`labels_total{`+model+`,outcome="matched"}`, grows(100, 0)), counter(`labels_total{`+model+`,outcome="expired"}`, grows(0, 100))),
		good: map[string][]sampled{
			"a fifth of them": traffic(counter(`labels_total{`+model+`,outcome="matched"}`, grows(21, 21)), counter(`labels_total{`+model+`,outcome="expired"}`, grows(79, 79))),
			"few of them":     trafficOf(0.005, counter(`labels_total{`+model+`,outcome="matched"}`, grows(0, 0)), counter(`labels_total{`+model+`,outcome="expired"}`, grows(0.3, 0.3))),
			"just begun":      traffic(counter(`labels_total{`+model+`,outcome="matched"}`, func(m int) float64 { return float64(max(m-350, 0)) })),
		},
	},
	{
		alert: "StreammonLabelsSlow", labels: model, fires: badFrom + 16, query: modelQuery,
		values: "Five of a hundred labels of fraud take longer than 13h 53m 20s: later ones may find their prediction given up.",
		bad:    append(both("label_delay_seconds", `q="0.95"`, turns(60, 50000), 0, 0), figure("labelled_events"+short, constant(200)), figure("labelled_events"+long, constant(2000))),
		good: map[string][]sampled{
			"half of the time": append(both("label_delay_seconds", `q="0.95"`, constant(43200), 0, 0), figure("labelled_events"+short, constant(200))),
			"few labels":       append(both("label_delay_seconds", `q="0.95"`, constant(50000), 0, 0), figure("labelled_events"+short, constant(199))),
			"the slowest":      append(both("label_delay_seconds", `q="0.99"`, constant(50000), 0, 0), figure("labelled_events"+short, constant(200))),
		},
	},
	{
		alert: "StreammonLag", labels: `topic="fraud"`, fires: badFrom + 10, query: monitorQuery,
		values: "To read what waits in fraud takes 16m 40s as fast as it is read now: figures and alerts are late by it.",
		bad:    []sampled{figure(`consumer_lag_messages{topic="fraud",partition="0"}`, turns(0, 1000)), counter(`consumed_messages_total{topic="fraud",partition="0"}`, grows(60, 60))},
		good: map[string][]sampled{
			"soon read":     {figure(`consumer_lag_messages{topic="fraud",partition="0"}`, constant(299)), counter(`consumed_messages_total{topic="fraud",partition="0"}`, grows(60, 60))},
			"nothing waits": {figure(`consumer_lag_messages{topic="fraud",partition="0"}`, constant(0)), counter(`consumed_messages_total{topic="fraud",partition="0"}`, grows(0, 0))},
		},
	},
	{
		alert: "StreammonDeadLetters", labels: `topic="fraud"`, fires: badFrom + 10, query: monitorQuery,
		values: "6.667% of the messages of fraud cannot be read as events, and count nowhere.",
		bad:    []sampled{counter(`rejected_messages_total{topic="fraud",reason="syntax"}`, grows(0, 6)), counter(`consumed_messages_total{topic="fraud",partition="0"}`, grows(60, 60))},
		good: map[string][]sampled{
			"below":        {counter(`rejected_messages_total{topic="fraud",reason="syntax"}`, grows(0.59, 0.59)), counter(`consumed_messages_total{topic="fraud",partition="0"}`, grows(60, 60))},
			"few messages": {counter(`rejected_messages_total{topic="fraud",reason="syntax"}`, grows(5, 5)), counter(`consumed_messages_total{topic="fraud",partition="0"}`, grows(6, 6))},
		},
	},
	{
		alert: "StreammonDeadLettersLost", labels: `topic="fraud"`, fires: badFrom + 5, query: monitorQuery,
		values: "5 rejected messages of fraud were written to no dead-letter topic or file in 15 minutes, because writing failed.",
		bad:    []sampled{counter(`dead_letters_dropped_total{topic="fraud"}`, grows(0, 1))},
		good:   map[string][]sampled{"none": {counter(`dead_letters_dropped_total{topic="fraud"}`, grows(0, 0)), counter(`dead_letters_total{topic="fraud"}`, grows(9, 9))}},
	},
	{
		alert: "StreammonSeriesBudget", fires: badFrom + 20, query: monitorQuery,
		values: "100% of the budget of series is in use; what is over is left out, details of segments first.",
		bad:    []sampled{figure("series{}", turns(5000, 10000)), figure("series_limit{}", constant(10000)), counter(`series_dropped_total{reason="model_share"}`, grows(0, 7))},
		good: map[string][]sampled{
			"nearly all":   {figure("series{}", constant(9500)), figure("series_limit{}", constant(10000)), counter(`series_dropped_total{reason="model_share"}`, grows(0, 0))},
			"for a moment": {figure("series{}", constant(9000)), figure("series_limit{}", constant(10000)), counter(`series_dropped_total{reason="model_share"}`, func(m int) float64 { return float64(min(m, 1)) })},
		},
	},
	{
		alert: "StreammonStateNotSaved", fires: badFrom + 6, query: monitorQuery,
		values: "The state was not saved for 6m 0s: a restart has to read all since then again, if Kafka still has it.",
		bad:    []sampled{figure("state_last_save_timestamp_seconds{}", age), figure("state_save_interval_seconds{}", constant(10))},
		good: map[string][]sampled{
			"saved":     {figure("state_last_save_timestamp_seconds{}", clock), figure("state_save_interval_seconds{}", constant(10))},
			"seldom":    {figure("state_last_save_timestamp_seconds{}", func(m int) float64 { return float64(3600 * (m / 60)) }), figure("state_save_interval_seconds{}", constant(3600))},
			"has begun": {{series: `process_start_time_seconds{}`, value: func(m int) float64 { return float64(60 * (m - m%10)) }}, counter("state_saves_total{}", grows(0, 0)), figure("state_save_interval_seconds{}", constant(10))},
			"no state":  {{series: `process_start_time_seconds{}`, value: constant(0)}},
		},
	},
	{
		alert: "StreammonReloadFailed", fires: badFrom + 2, query: monitorQuery,
		values: "The newest config was refused; the one in force was loaded 12m 0s ago, and stays until it is mended. A restart would fail.",
		bad:    []sampled{figure("config_last_reload_successful{}", turns(1, 0)), figure("config_last_reload_success_timestamp_seconds{}", constant(0))},
		good:   map[string][]sampled{"loaded": {figure("config_last_reload_successful{}", constant(1)), figure("config_last_reload_success_timestamp_seconds{}", constant(0))}},
	},
}
