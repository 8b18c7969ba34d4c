package generate

import (
	"fmt"

	"github.com/streammon/streammon/internal/drift"
)

// shownFeatures is how many features graphs show: those that are furthest from their reference.
const (
	shownFeatures  = 20
	listedFeatures = 25
	drawnFeatures  = 12 // each in a panel of its own
)

// distance is how far features are from their reference, as a multiple of the value from which on it is drift: of the
// statistic that is nearest to it. What is compared comes from the exported thresholds alone.
func (b *board) distance(labels string, matchers ...string) string {
	names := make([]string, 0, len(drift.Catalogue))
	for i := range drift.Catalogue {
		names = append(names, drift.Catalogue[i].Name)
	}
	by := "model, version, segment, window, feature, statistic"
	return maxBy(labels, fmt.Sprintf("%s / %s", maxBy(by, b.s.anyOf("statistic", "drift_", names, matchers...)), maxBy(by, b.s.sel("drift_threshold", matchers...))))
}

// features is the dashboard of all features of a model.
func (s *dashboardSet) features() *board {
	b := s.board(FeaturesUID, "streammon / Features", "Which features of a model moved, when, and how far.", "now-6h")
	b.shared(use{multi: []string{"feature"}})
	of := b.pick("model", "version", "segment", "window")
	each := append(of, b.pick("feature")...)
	b.variables = append(b.variables, variable{name: "moved", label: "Furthest", kind: "query", multi: true, hidden: true, all: someValue, regex: `/\{feature="(.+)"\} /`,
		query: fmt.Sprintf("query_result(topk(%d, %s))", drawnFeatures, b.distance("feature", each...))})
	b.configReloads()
	b.versions()
	b.row("Now", "")
	b.stat(4, 4, note{"Drift", "How many features have drifted.", "Start with the first line of the table below."}, "none",
		now("features", "count("+maxBy("feature", s.sel("drift_state", each...))+" == 2) or vector(0)"))
	b.stat(4, 4, note{"Warning", "How many features are moving, but less than counts as drift.", "Nothing yet; look at them again when the window has passed."}, "none",
		now("features", "count("+maxBy("feature", s.sel("drift_state", each...))+" == 1) or vector(0)"))
	b.stat(4, 4, note{"Ok", "How many features are as their reference.", "If it is less than the model has features, some have no verdict: too few values, or no reference."}, "none",
		now("features", "count("+maxBy("feature", s.sel("drift_state", each...))+" == 0) or vector(0)"))
	b.stat(6, 4, note{"Drifted by importance", "Share of the features that have drifted, each weighted by its importance in the config.", "A large share is a change of the whole input (a new source, a unit, a market), not of one feature: look upstream."}, "percentunit",
		now("{{version}}", maxBy("version", s.sel("drifted_importance_ratio", of...)))).without("no verdict")
	b.stat(6, 4, note{"Window complete", "Whether the window lies within what was read without a gap, and nothing lags behind.", "If not, wait for the window to fill, or look at lag and gaps on the dashboard of streammon itself."}, "none",
		now("{{version}}", "min by (version) ("+s.sel("window_complete", of...)+")")).states(goodStates).linked(link("streammon itself", MonitorUID, nil))
	b.featureTable(each)
	b.row("Over time", "")
	detail := link("This feature", FeatureUID, map[string]string{"feature": encoded("__field.labels.feature")})
	worst := func(name string) target {
		return query("{{feature}}", top(shownFeatures, "feature", maxBy("feature", s.sel(name, each...)), overTime(s.sel(name, each...))))
	}
	b.timeline(gridWidth, 12, note{"Verdicts", fmt.Sprintf("The verdicts on the %d features that were worst in the time that is shown.", shownFeatures), "Features that turn at the same moment have one cause; open the first that turned."}, driftStates,
		worst("drift_state")).leads(detail).without("no verdicts")
	b.graph(12, 9, note{"Missing values", fmt.Sprintf("Share of requests without the feature, of the %d that lack most.", shownFeatures), "A step is a broken source or a renamed field: ask who writes it, with the time of the step."}, "percentunit",
		worst("feature_missing_ratio")).from(0).leads(detail)
	b.graph(12, 9, note{"Invalid values", fmt.Sprintf("Share of requests with a value of the wrong type, or not finite, of the %d features that have most.", shownFeatures), "Look at a message (a dead letter, or the topic): numbers as text need parse_strings in the config, else the writer must be mended."}, "percentunit",
		worst("feature_invalid_ratio")).from(0).leads(detail)
	b.graph(12, 9, note{"Unseen categories", fmt.Sprintf("Share of the values that the reference does not know, of the %d features that have most.", shownFeatures), "New categories are answered without experience: retrain if they stay, or map them upstream if they are misspelt."}, "percentunit",
		worst("feature_unseen_ratio")).from(0).leads(detail)
	b.graph(12, 9, note{"Out of range", fmt.Sprintf("Share of the values outside the reference's range, of the %d features that have most.", shownFeatures), "A jump by a constant factor is a change of unit; a few large values are outliers or attacks."}, "percentunit",
		worst("feature_out_of_range_ratio")).from(0).leads(detail)
	b.row(fmt.Sprintf("The %d furthest from their reference", drawnFeatures), "")
	one := append(of, `feature=~"$moved"`)
	b.graph(6, 6, note{"$moved", "How far the feature is from its reference: the multiple of the value from which on it is drift, by the statistic that is nearest to it.", "Above the dashed line it counts as drift; open the feature for which statistic, and for its distribution."}, "none",
		query("{{version}}", b.distance("version", one...)),
		query("drift from here", "1 + 0 * "+b.distance("feature", one...))).from(0).dashed("drift from here", colorBad).each("moved", 4).
		linked(link("This feature", FeatureUID, map[string]string{"feature": encoded("moved")}))
	return b.done()
}

func (b *board) featureTable(each []string) {
	s := b.s
	far := b.distance("feature", each...)
	// Those without a verdict come last.
	rank := fmt.Sprintf("topk(%d, %s or on (feature) 0 * %s)", listedFeatures, far, maxBy("feature", s.sel("feature_missing_ratio", each...)))
	of := func(name string) target {
		return column(maxBy("feature", s.sel(name, each...)) + " and on (feature) " + rank)
	}
	names := []string{"Times its threshold", "State", "PSI", "Missing", "Invalid", "Unseen", "Out of range"}
	t := b.table(gridWidth, 12, note{"Features by drift", fmt.Sprintf("The %d features that are furthest from their reference, those that are nearest to drift or beyond first. From 1 on the first column is drift. The variable shows others.", listedFeatures), "Take them from the top. Missing, invalid or unseen values beside drift mean broken data; drift alone means that the world has moved."}, names,
		column(fmt.Sprintf("topk(%d, %s)", listedFeatures, far)), of("drift_state"), of("drift_psi"),
		of("feature_missing_ratio"), of("feature_invalid_ratio"), of("feature_unseen_ratio"), of("feature_out_of_range_ratio"))
	t.column("feature", "displayName", "Feature", "links", []jsonObject{link("This feature", FeatureUID, map[string]string{"feature": encoded("__data.fields.feature")})})
	t.stateColumn("State", driftStates).sorted("Times its threshold")
	for _, share := range []string{"Missing", "Invalid", "Unseen", "Out of range"} {
		t.column(share, "unit", "percentunit")
	}
	t.column("Times its threshold", "decimals", 2)
}
