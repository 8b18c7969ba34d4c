package generate

import "github.com/streammon/streammon/internal/drift"

// feature is the dashboard of one feature: all there is to know of it.
func (s *dashboardSet) feature() *board {
	b := s.board(FeatureUID, "streammon / Feature", "One feature of a model: its distribution against the reference, every statistic with its threshold, and what is missing.", "now-6h")
	b.shared(use{})
	b.configReloads()
	b.versions()
	of := append(b.pick("model", "version", "segment", "window"), b.pick("feature")...)
	b.featureNow(of)
	b.featureDistribution(of)
	b.featureStatistics(of)
	return b.done()
}

func (b *board) featureNow(of []string) {
	s := b.s
	b.row("Now", "")
	b.stat(4, 4, note{"Verdict", "Whether the feature is as its reference.", "If it says drift, see below which statistic, when it began, and whether values are missing; then ask its source."}, "none",
		now("{{version}}", maxBy("version", s.sel("drift_state", of...)))).states(driftStates).without("no verdict").linked(link("All features", FeaturesUID, map[string]string{"feature": "$__all"}))
	b.stat(4, 4, note{"Times its threshold", "How far it is, as a multiple of the value from which on it is drift, by the statistic that is nearest to it.", "From 1 on it is drift; near 1 it may turn soon."}, "none",
		now("{{version}}", b.distance("version", of...))).without("no verdict")
	b.stat(4, 4, note{"Missing", "Share of the answered requests without a value.", "More than in the reference means a broken source, or a client that does not send it."}, "percentunit",
		now("{{version}}", maxBy("version", s.sel("feature_missing_ratio", of...))))
	b.stat(4, 4, note{"Invalid", "Share of the answered requests with a value of the wrong type, or not finite.", "Look at a message: numbers as text need parse_strings in the config."}, "percentunit",
		now("{{version}}", maxBy("version", s.sel("feature_invalid_ratio", of...))))
	b.stat(4, 4, note{"Unseen or out of range", "Share of the values that the reference does not know: categories, or numbers outside its range.", "New categories: retrain or map them. Numbers: look for a change of unit."}, "percentunit",
		now("unseen {{version}}", maxBy("version", s.sel("feature_unseen_ratio", of...))),
		now("out of range {{version}}", maxBy("version", s.sel("feature_out_of_range_ratio", of...))))
	b.stat(4, 4, note{"Distinct", "Estimated number of distinct values in the window (all traffic).", "A fall to 1 is a constant: a default in the place of the value."}, "none",
		now("{{version}}", maxBy("version", s.sel("feature_distinct", of...)))).without("not in segments")
}

func (b *board) featureDistribution(of []string) {
	s := b.s
	reference := append(b.pick("model", "version"), b.pick("feature")...)
	b.row("Distribution", "")
	b.graph(12, 10, note{"Quantiles against the reference", "The band of the values: from 0.05 to 0.95, the middle half darker, and the median; the reference's are dashed. Of numeric features, all traffic, the largest of the versions.", "A shift of the whole band is another unit or population; a wider band, a mixture; only one end, outliers or a cut."}, "none",
		query("{{q}}", maxBy("q", s.sel("feature_quantile", append(of, `q=~"0.05|0.25|0.5|0.75|0.95"`)...))),
		query("reference {{q}}", maxBy("q", s.sel("reference_quantile", append(reference, `q=~"0.05|0.5|0.95"`)...)))).band().without("not numeric")
	b.graph(12, 10, note{"Missing, invalid, unseen, out of range", "Shares of the answered requests without a valid value, and of the values that the reference does not know.", "A step here explains drift: mend the source first, then look at the distribution again."}, "percentunit",
		query("missing {{version}}", maxBy("version", s.sel("feature_missing_ratio", of...))),
		query("invalid {{version}}", maxBy("version", s.sel("feature_invalid_ratio", of...))),
		query("unseen {{version}}", maxBy("version", s.sel("feature_unseen_ratio", of...))),
		query("out of range {{version}}", maxBy("version", s.sel("feature_out_of_range_ratio", of...)))).from(0)
	b.graph(8, 8, note{"Mean", "Mean of the values, and one standard deviation to both sides.", "A jump by a constant factor is a change of unit."}, "none",
		query("mean {{version}}", maxBy("version", s.sel("feature_mean", of...))),
		query("mean - stddev {{version}}", maxBy("version", s.sel("feature_mean", of...))+" - "+maxBy("version", s.sel("feature_stddev", of...))),
		query("mean + stddev {{version}}", maxBy("version", s.sel("feature_mean", of...))+" + "+maxBy("version", s.sel("feature_stddev", of...)))).
		dashed("mean [-+] .*", colorReference).without("not numeric")
	b.graph(8, 8, note{"Smallest and largest", "The ends of the values in the window.", "One absurd value moves these alone: find its event by its time."}, "none",
		query("smallest {{version}}", "min by (version) ("+s.sel("feature_min", of...)+")"),
		query("largest {{version}}", maxBy("version", s.sel("feature_max", of...)))).without("not numeric")
	b.graph(8, 8, note{"Distinct values", "Estimated number of distinct values in the window (all traffic).", "A rise of categories means free text or ids in the place of a category; a fall, a default."}, "none",
		query("{{version}}", maxBy("version", s.sel("feature_distinct", of...)))).from(0).without("not in segments")
}

func (b *board) featureStatistics(of []string) {
	s := b.s
	b.row("Drift", "")
	b.timeline(12, 6, note{"Verdict over time", "Whether the feature was as its reference, by version.", "When did it turn? Marks say when versions and references appeared."}, driftStates,
		query("{{version}}", maxBy("version", s.sel("drift_state", of...)))).without("no verdict")
	b.graph(12, 6, note{"P-values", "The probability of at least this value of each statistic while nothing changes (the smallest of the versions).", "Small values with a small effect are no drift: the effect floor keeps them quiet. Judge by the verdict."}, "none",
		query("{{statistic}}", "min by (statistic) ("+s.sel("drift_pvalue", of...)+")")).from(0).without("no reference")
	for i := range drift.Catalogue {
		d := &drift.Catalogue[i]
		b.graph(8, 7, note{d.Name, d.Help, "Above the dashed line, its threshold, this statistic says drift. Where there is no line there are too few values, or it is not among drift.statistics."}, "none",
			query("{{version}}", maxBy("version", s.sel("drift_"+d.Name, of...))),
			query("drift from here {{version}}", maxBy("version", s.sel("drift_threshold", append(of, `statistic="`+d.Name+`"`)...)))).
			from(0).dashed("drift from here.*", colorBad).without("not of this type of feature")
	}
}
