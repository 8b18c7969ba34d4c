package generate

import (
	"fmt"
	"slices"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/eval"
)

// model is the dashboard of one model: is it healthy, is it worse, and why.
func (s *dashboardSet) model() *board {
	b := s.board(ModelUID, "streammon / Model", "One model: its service, its answers against labels and reference, and what its versions and segments do.", "now-6h")
	b.shared(use{hidden: []string{"feature"}})
	b.budget()
	b.configReloads()
	b.versions()
	b.modelNow()
	b.modelService()
	if s.has(func(m *config.Model) bool { return m.Measured() }) {
		b.modelPerformance()
	}
	b.modelPredictions()
	if s.has((*config.Model).Labelled) {
		b.modelLabels()
	}
	if s.has(func(m *config.Model) bool { return len(m.Changes) > 0 }) {
		b.modelChanges()
	}
	if s.has(func(m *config.Model) bool { return len(m.Segments) > 0 }) {
		b.modelSegments()
	}
	if s.has(func(m *config.Model) bool { return len(m.KPIs) > 0 }) {
		b.modelKPIs()
	}
	if s.has(func(m *config.Model) bool { return m.Performance.Fairness.Segment != "" }) {
		b.modelFairness()
	}
	return b.done()
}

// of matches the chosen model, versions, segment and window, and what else is said.
func (b *board) of(more ...string) []string {
	return append(b.pick("model", "version", "segment", "window"), more...)
}

func (b *board) modelNow() {
	s := b.s
	traffic := append(b.pick("model", "version", "window"), `segment=""`)
	features := link("Features", FeaturesUID, map[string]string{"feature": "$__all"})
	b.row("Now", "")
	b.stat(4, 4, note{"Requests", "Requests a second in the window, by version.", "If it is 0 or far from usual, look upstream before you look at figures of few events."}, "reqps",
		now("{{version}}", maxBy("version", s.sel("requests_per_second", b.of()...))))
	b.stat(4, 4, note{"Errors", "Share of the requests that fail, by version.", "Compare with the budget below; if one version fails, roll it back."}, "percentunit",
		now("{{version}}", maxBy("version", s.sel("error_ratio", b.of()...))))
	b.stat(4, 4, note{"Performance", "Verdict on the answers whose labels have come, against the reference (all traffic).", "If it says worse: the figure below and the segments tell where. No verdict means too few labels, or a reference without labels."}, "none",
		now("{{version}}", maxBy("version", s.sel("performance_state", traffic...)))).states(performanceStates).without("no verdict")
	b.stat(4, 4, note{"Drifted features", "How many features have drifted, by version.", "Open the features: drift with worse performance needs retraining or a mended source."}, "none",
		now("{{version}}", maxBy("version", s.sel("drifted_features", b.of()...)))).without("no verdict").linked(features)
	b.stat(4, 4, note{"Behind", "Time since the newest event.", "If it grows, the topic is silent or streammon lags."}, "s",
		now("events", "time() - "+maxBy("model", s.sel("last_event_timestamp_seconds", b.pick("model")...)))).linked(link("streammon itself", MonitorUID, nil))
	b.stat(4, 4, note{"Firing alerts", "How many alerts of the model fire.", "Open the alert's runbook."}, "none",
		now("firing", "sum("+firing("model", `, model="$model"`)+" or "+b.zeros()+")"))
}

func (b *board) modelService() {
	s := b.s
	b.row("Service", "")
	b.graph(8, 8, note{"Requests by version", "Requests a second in the window.", "A roll-out shows as one version that gives way to another; marks say when a version first appeared."}, "reqps",
		query("{{version}}", maxBy("version", s.sel("requests_per_second", b.of()...)))).from(0)
	b.graph(8, 8, note{"Errors against the budget", "Share of the requests that fail, by version, and the share that may.", "Above the dashed line users are hurt: look at the service's own logs, and roll back a version that fails alone."}, "percentunit",
		query("{{version}}", maxBy("version", s.sel("error_ratio", b.of()...))),
		query("budget", b.budgetOf(b.of()))).from(0).dashed("budget", colorBad)
	b.graph(8, 8, note{"Latency", "Quantiles of the time that requests took, by version.", "If only the upper quantile rises, few requests are slow: look for large ones, or a slow dependency. If all rise, the service is short of something."}, "s",
		query("{{q}} {{version}}", maxBy("q, version", s.sel("latency_seconds", b.of()...)))).from(0)
	b.timeline(12, 8, note{"Features that moved", "Verdicts on the features that were worst in the time that is shown.", "Open the one that turned first."}, driftStates,
		query("{{feature}}", top(10, "feature", maxBy("feature", s.sel("drift_state", b.of()...)), overTime(s.sel("drift_state", b.of()...))))).
		leads(link("This feature", FeatureUID, map[string]string{"feature": encoded("__field.labels.feature")})).without("no verdicts")
	b.graph(12, 8, note{"Drifted by importance", "Share of the features that have drifted, each weighted by its importance in the config.", "Set importance in the config by what the model makes of a feature, so that this says how much of its input has changed."}, "percentunit",
		query("{{version}}", maxBy("version", s.sel("drifted_importance_ratio", b.of()...)))).from(0).without("no verdicts")
}

// figureNames are those of performance figures that say the most, and of all that can decide a verdict.
func figureNames() (main, deciding []string) {
	for i := range eval.Figures {
		if d := &eval.Figures[i]; d.Main && !isEstimate(d.Name) && !slices.Contains(d.Labels, "k") {
			main = append(main, d.Name)
		}
	}
	for i := range eval.Catalogue {
		name := eval.Catalogue[i].Name
		if labels := eval.Describe(name).Labels; len(labels) == 0 || !slices.ContainsFunc(labels, func(l string) bool { return l == "top" || l == "q" || l == "level" }) {
			deciding = append(deciding, name)
		}
	}
	return main, deciding
}

const estimated = "estimated_"

func isEstimate(name string) bool {
	return len(name) > len(estimated) && name[:len(estimated)] == estimated
}

func (b *board) modelPerformance() {
	s := b.s
	main, deciding := figureNames()
	traffic := append(b.pick("model", "version", "window"), `segment=""`)
	threshold := s.sel("performance_threshold", traffic...)
	b.row("Performance", "")
	by := "figure, version"
	decides := func(expr string) string { return expr + " and on (figure, version) " + maxBy(by, threshold) }
	b.graph(12, 9, note{"Against the reference", "The figure that decides the verdict, its confidence interval of 95 %, and the value from which on it is worse than the reference's (all traffic).", "The verdict turns when the figure has passed the dashed line; while the interval is wide there are few labels: choose a longer window."}, "none",
		query("{{figure}} {{version}} {{k}}", decides(maxBy(by+", k", s.anyOf("figure", "", deciding, append(traffic, `decision=""`, `average=""`)...)))),
		query("low {{version}}", decides(maxBy(by, s.sel("performance_low", traffic...)))),
		query("high {{version}}", decides(maxBy(by, s.sel("performance_high", traffic...)))),
		query("worse from here {{version}}", maxBy(by, threshold))).
		dashed("worse from here.*", colorBad).dashed("(low|high) .*", colorReference).without("no reference with labels")
	b.timeline(12, 9, note{"Verdict", "Verdict on the answers against the reference's, over time.", "When did it turn, and which version was in traffic then? Marks say when a version appeared."}, performanceStates,
		query("{{version}}", maxBy("version", s.sel("performance_state", traffic...)))).without("no verdicts")
	b.graph(12, 9, note{"Main figures", "The figures that say the most of the model's task, by version.", "A fall of all is a change of the world or of the model; of precision or recall alone, of the threshold."}, "none",
		query("{{figure}} {{version}}", maxBy("figure, version", s.anyOf("figure", "", main, b.of(`decision=""`, `average=~"|macro"`)...)))).without("no labels yet")
	if s.has(func(m *config.Model) bool { return m.Task == "ranking" }) {
		b.graph(12, 9, note{"Rankings", "NDCG and mean reciprocal rank of the lists, at each cut-off, by version.", "A fall at small cut-offs alone means that good items are there, but not on top: look at the order; a fall of all, at the items that are offered."}, "none",
			query("{{figure}}@{{k}} {{version}}", maxBy("figure, version, k", s.anyOf("figure", "", []string{"ndcg", "mean_reciprocal_rank"}, b.of()...)))).from(0).without("no ranking, or no labels yet")
	}
	pairs := []string{"accuracy", "roc_auc", "f1"}
	guesses := []string{"estimated_accuracy", "estimated_roc_auc", "estimated_f1"}
	b.graph(12, 9, note{"Estimate against truth", "Accuracy, ROC AUC and F1 by the labels that have come, and as they are expected by calibrated scores without labels (dashed).", "If the truth falls and the estimate does not, the world has turned (concept drift): inputs are as ever, answers are wrong, and only retraining helps. If both fall, the inputs have moved."}, "none",
		query("{{figure}} {{version}}", maxBy(by, s.anyOf("figure", "", pairs, b.of()...))),
		query("{{figure}} {{version}}", maxBy(by, s.anyOf("figure", "", guesses, b.of()...)))).dashed("estimated_.*", colorReference).without("no labels and no estimates")
}

func (b *board) modelPredictions() {
	s := b.s
	answers := b.of(`feature=~"prediction\\.(score|value)"`)
	b.row("Predictions", "")
	p := b.graph(12, 9, note{"Distribution of answers", "Quantiles of the scores, or values, that the model answered (largest of the versions).", "A shift without a new version means other inputs; with a new version, another calibration: thresholds that act on scores may no longer fit."}, "none",
		query("{{q}}", maxBy("q", s.sel("feature_quantile", answers...))),
		query("reference {{q}}", maxBy("q", s.sel("reference_quantile", append(b.pick("model", "version"), `feature=~"prediction\\.(score|value)"`, `q=~"0.05|0.5|0.95"`)...))))
	p.band().without("no scores")
	b.graph(6, 9, note{"Drift of answers", "How far answers are from the reference's, as a multiple of the value from which on it is drift.", "Answers that drift while inputs do not are a change of the model itself."}, "none",
		query("{{feature}} {{version}}", top(20, "feature", b.distance("feature, version", b.of(`feature=~"`+outputs+`"`)...), overTime(s.sel("drift_psi", b.of(`feature=~"`+outputs+`"`)...))))).from(0).without("no reference").
		leads(link("This feature", FeatureUID, map[string]string{"feature": encoded("__field.labels.feature")}))
	if s.has(func(m *config.Model) bool { return m.Task == "binary" }) {
		b.graph(6, 9, note{"Positive answers and truths", "Share of the answers that are positive, and of the labels that are.", "If the truth's share rises above the answers', positives are missed: look at recall, and at the threshold."}, "percentunit",
			query("answers {{version}}", maxBy("version", s.sel("predicted_positive_ratio", b.of(`decision=""`)...))),
			query("truth {{version}}", maxBy("version", s.sel("positive_ratio", b.of()...)))).from(0).without("no labels yet")
	}
}

func (b *board) modelLabels() {
	s := b.s
	traffic := append(b.pick("model", "version", "window"), `segment=""`)
	of := b.pick("model")
	b.row("Labels", "")
	b.graph(8, 8, note{"Delay of labels", "Quantiles of the time from a prediction to its label.", "If it grows, performance is told later: look at who writes labels. Above half of labels.timeout raise that."}, "s",
		query("{{q}} {{version}}", maxBy("q, version", s.sel("label_delay_seconds", traffic...)))).from(0).without("no labels yet")
	b.graph(8, 8, note{"Matched", "Share of the predictions that got a label, among those that got one or waited in vain.", "A fall means that labels are missing, come too late, or have other ids: compare with what becomes of labels."}, "percentunit",
		query("{{version}}", maxBy("version", s.sel("labels_matched_ratio", traffic...)))).from(0).without("no labels yet")
	b.graph(8, 8, note{"What becomes of labels", "Labels a second by what became of them, and predictions that got none (expired, evicted).", "Unmatched: ids or partitions differ. Conflict: two truths for one prediction. Evicted: raise labels.max_pending."}, "ops",
		query("{{outcome}}", sumBy("outcome", s.perSecond("labels_total", of...)))).from(0)
	b.graph(8, 8, note{"Waiting", "Predictions that wait for their labels, and labels that wait for predictions.", "Waiting labels that grow mean that the topic of predictions is behind; it is read first."}, "none",
		query("predictions", sumBy("model", s.sel("pending_predictions", of...))),
		query("labels", sumBy("model", s.sel("waiting_labels", of...)))).from(0)
	b.graph(8, 8, note{"Labelled", "Predictions in the window that have a label, and those that waited in vain.", "Figures of few labels have wide intervals: choose a longer window."}, "none",
		query("labelled {{version}}", maxBy("version", s.sel("labelled_events", traffic...))),
		query("in vain {{version}}", maxBy("version", s.sel("expired_events", traffic...)))).from(0).without("no labels yet")
	if s.has(func(m *config.Model) bool { return m.Task == "binary" || m.Task == "multiclass" }) {
		b.graph(8, 8, note{"Wrong answers", "Share of the answers with a label that were wrong, as they came in.", "This is what burn-rate alerts look at; it knows no window, so that it shows a step at once."}, "percentunit",
			query("wrong", sumBy("model", s.perSecond("mispredictions_total", of...))+" / "+sumBy("model", s.perSecond("labelled_predictions_total", of...)))).from(0).without("no labels yet")
	}
}

func (b *board) modelChanges() {
	s := b.s
	b.row("Changes", "")
	all := append(b.pick("model", "version", "window"), `segment=""`)
	b.timeline(14, 9, note{"Detectors", "What change detectors say of the figures that the config has watched.", "The first one that turns dates the change; several at once confirm it. A change that was wanted (a roll-out, a campaign) needs nothing."}, changeStates,
		query("{{figure}} {{feature}} {{detector}}", top(30, "figure, feature, detector", maxBy("figure, feature, detector", s.sel("change_state", all...)), overTime(s.sel("change_state", all...))))).without("nothing is watched")
	t := b.table(10, 9, note{"Newest changes", "When detectors found the newest change of each figure, in event time.", "Compare with deployments and with marks of new versions."}, []string{"Found"},
		column("topk(50, "+maxBy("figure, feature, detector", s.sel("change_timestamp_seconds", b.pick("model", "version")...))+") * 1000"))
	t.column("Found", "unit", "dateTimeAsIso").sorted("Found").without("no changes yet")
}

// listedSegments is how many segments the table has.
const listedSegments = 30

func (b *board) modelSegments() {
	s := b.s
	all := append(b.pick("model", "version", "window"), `segment!=""`)
	b.row("Segments", "")
	names := []string{"Requests/s", "Error ratio", "Drifted", "ROC AUC (of regressions: MAE)", "Accuracy"}
	busiest := fmt.Sprintf("topk(%d, %s)", listedSegments, sumBy("segment", maxBy("segment, version", s.sel("requests_per_second", all...))))
	of := func(name string, more ...string) target {
		return column(maxBy("segment", s.sel(name, append(all, more...)...)) + " and on (segment) " + busiest)
	}
	t := b.table(gridWidth, 9, note{"Segments", fmt.Sprintf("The %d busiest segments: the largest value of the chosen versions, of requests their sum.", listedSegments), "A segment that fails or drifts alone is a market, a client or a device: choose it above, and all graphs show it."}, names,
		column(busiest), of("error_ratio"), of("drifted_features"),
		column("("+maxBy("segment", s.sel("roc_auc", all...))+" or "+maxBy("segment", s.sel("mae", all...))+") and on (segment) "+busiest), of("accuracy", `decision=""`))
	t.column("Requests/s", "unit", "reqps").column("Error ratio", "unit", "percentunit").sorted("Error ratio")
	t.column("segment", "displayName", "Segment", "links", []jsonObject{link("This segment", ModelUID, map[string]string{"segment": encoded("__data.fields.segment")})})
}

func (b *board) modelKPIs() {
	s := b.s
	b.row("Business figures", "")
	b.graph(16, 8, note{"Business figures", "The figures of kpis in the config, in their own units.", "Compare a step with verdicts above: a figure that moves without drift moves for reasons outside the model."}, "none",
		query("{{kpi}} {{version}}", maxBy("kpi, version", s.sel("kpi", b.of()...)))).without("no figures in the config")
	b.graph(8, 8, note{"Left out", "Predictions a second that a figure left out, because a value was missing (undefined) or its expression failed.", "Failed ones need another expression; undefined ones are missing features."}, "ops",
		query("{{kpi}} {{reason}}", sumBy("kpi, reason", s.perSecond("kpi_failures_total", append(b.pick("model"), `reason=~"undefined|failed"`)...)))).from(0).without("no figures in the config")
}

func (b *board) modelFairness() {
	s := b.s
	all := append(b.pick("model", "version", "window"), `segment=""`)
	b.row("Fairness", "")
	by := "by, figure, group, against"
	t := b.table(14, 9, note{"Between groups", "Figures of fairness between the groups of the segmentation in the config, or of one of them, with the ends of their intervals of 95 %; those that are largest.", "An interval that holds 0 (of differences) or 1 (of ratios) tells nothing yet: choose a longer window."}, []string{"Value", "Low", "High"},
		column("topk(60, "+maxBy(by, s.sel("fairness", all...))+")"),
		column(maxBy(by, s.sel("fairness_low", all...))+" and on ("+by+") topk(60, "+maxBy(by, s.sel("fairness", all...))+")"),
		column(maxBy(by, s.sel("fairness_high", all...))+" and on ("+by+") topk(60, "+maxBy(by, s.sel("fairness", all...))+")"))
	t.sorted("Value")
	b.timeline(10, 9, note{"Adverse impact", "Whether the ratio of selection rates is below four fifths, by group.", "If it says yes for long, have the threshold and the features reviewed by those who answer for the model."}, yesStates,
		query("{{by}} {{group}} {{against}}", top(20, "by, group, against", maxBy("by, group, against", s.sel("fairness_adverse_impact", all...)), overTime(s.sel("fairness_adverse_impact", all...))))).without("no groups in the config")
}

// band fills what is between pairs of quantiles, and draws the reference's dashed.
func (p *panel) band() *panel {
	for _, pair := range [][3]any{{"0.95", "0.05", 15}, {"0.75", "0.25", 30}} {
		p.override("byName", pair[0].(string), "custom.fillBelowTo", pair[1], "custom.fillOpacity", pair[2])
	}
	p.override("byRegexp", "0\\..*", "color", jsonObject{"mode": "fixed", "fixedColor": colorPlain})
	return p.dashed("reference .*", colorReference)
}
