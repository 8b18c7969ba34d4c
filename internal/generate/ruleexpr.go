package generate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/exporter"
)

// burn is a pair of windows of a burn-rate alert: both must have used up the budget factor times as fast as it lasts.
type burn struct {
	long, short time.Duration
	factor      float64
}

var (
	burnFast   = burn{time.Hour, 5 * time.Minute, 14.4}
	burnMedium = burn{6 * time.Hour, 30 * time.Minute, 6}
	burnSlow   = burn{3 * 24 * time.Hour, 6 * time.Hour, 1}
)

// burnWindows are the lengths of all pairs.
var burnWindows = []time.Duration{5 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 3 * 24 * time.Hour}

// threshold is the share from which on the alert fires. Of large budgets a multiple is more than all requests, so that it is at
// most half-way from the budget to all.
func (b burn) threshold(budget float64) float64 {
	return min(b.factor*budget, (1+budget)/2)
}

// ruleNumber writes a number above 0 with at most six digits, or as many as its whole part has, and without needless zeros.
func ruleNumber(x float64) string {
	text := strconv.FormatFloat(x, 'f', int(max(0, 5-math.Floor(math.Log10(max(x, 1e-9))))), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// records are the recording rules: what burn rates are made of, without the labels of the scraper but its job.
func (g *ruleGenerator) records() []Record {
	w := g.windows[0]
	in := fmt.Sprintf(`{segment="",window=%q}`, w.Name)
	perModel := func(expr string) string {
		return "sum by (job, model) (\n  max by (job, model, version) (" + expr + ")\n)"
	}
	out := []Record{
		{"streammon:window_events", perModel("streammon_window_events" + in)},
		{"streammon:requests_per_second", perModel("streammon_requests_per_second" + in)},
		{"streammon:failures_per_second", perModel("streammon_requests_per_second" + in + " * streammon_error_ratio" + in)},
	}
	for _, length := range burnWindows {
		over := func(name string) string { return acrossTime("avg_over_time", name, length-w.Length) }
		out = append(out, Record{
			"streammon:error_ratio:" + promDuration(length),
			over("streammon:failures_per_second") + "\n/\n(" + over("streammon:requests_per_second") + " > 0)",
		})
	}
	for _, length := range burnWindows {
		of := func(name string) string {
			return fmt.Sprintf("sum by (job, model) (increase(%s[%s]))", name, promDuration(length))
		}
		out = append(out, Record{
			"streammon:misprediction_ratio:" + promDuration(length),
			of("streammon_mispredictions_total") + "\n/\n(" + of("streammon_labelled_predictions_total") + " > 0)",
		})
	}
	return out
}

// acrossTime is a function over the time that a gauge of a window does not cover by itself; nothing is left of it if that is none.
func acrossTime(function, series string, length time.Duration) string {
	if length <= 0 {
		return series
	}
	return fmt.Sprintf("%s(%s[%s])", function, series, promDuration(length))
}

// selector selects figures over all traffic in a window, of the models of the scope.
func (s *scope) selector(name, window string, matchers ...string) string {
	all := `segment=""` + s.models
	if window != "" {
		all += fmt.Sprintf(",window=%q", window)
	}
	return "streammon_" + name + "{" + all + strings.Join(matchers, "") + "}"
}

// own is a selector of figures without a window.
func (s *scope) own(name string, matchers ...string) string {
	all := strings.TrimPrefix(s.models+strings.Join(matchers, ""), ",")
	if all == "" {
		return name
	}
	return name + "{" + all + "}"
}

// enough joins that a window has events enough to tell anything; counts is the gauge that counts them.
func (s *scope) enough(window, counts string) string {
	return fmt.Sprintf("and on (job, instance, model, version, segment, window) %s >= %d", s.selector(counts, window), s.MinEvents)
}

// shortest is a figure in the shortest window that has enough events of it, so that a busy model is judged by its last
// minutes, and a quiet one at all.
func (s *scope) shortest(by, figure, counts string, matchers ...string) string {
	var parts []string
	for _, w := range s.windows {
		parts = append(parts, fmt.Sprintf("max by (%s) (\n  %s\n  %s\n)", by, s.selector(figure, w.Name, matchers...), s.enough(w.Name, counts)))
	}
	return "(\n" + strings.Join(parts, "\nor\n") + "\n)"
}

// errorBurn is the expression of a burn-rate alert on failed requests.
func (s *scope) errorBurn(b burn) string {
	requests := fmt.Sprintf("avg_over_time(%s[%s]) * %d", s.own("streammon:requests_per_second"), promDuration(b.long), int(b.long.Seconds()))
	return s.burn(b, "streammon:error_ratio", s.ErrorBudget, requests)
}

// mispredictionBurn is that of one on wrong answers; empty if the models have no budget of these.
func (s *scope) mispredictionBurn(b burn) string {
	if s.MispredictionBudget == 0 {
		return ""
	}
	labelled := fmt.Sprintf("sum by (job, model) (increase(%s[%s]))", s.own("streammon_labelled_predictions_total"), promDuration(b.long))
	return s.burn(b, "streammon:misprediction_ratio", s.MispredictionBudget, labelled)
}

func (s *scope) burn(b burn, ratio string, budget float64, count string) string {
	most := ruleNumber(b.threshold(budget))
	return fmt.Sprintf("(\n  %s > %s\n  and\n  %s > %s\n)\nand on (job, model) %s >= %d",
		s.own(ratio+":"+promDuration(b.long)), most, s.own(ratio+":"+promDuration(b.short)), most, count, s.MinEvents)
}

// noEvents holds where a model that is configured has no window with an event, though somebody reads, and did so long ago. Its value is the age of the newest
// event, or 0 if there never was one.
func (s *scope) noEvents() string {
	events := acrossTime("max_over_time", s.own("streammon:window_events"), s.NoEvents-s.windows[0].Length)
	return "(\n  time() - max by (job, model) (" + s.own("streammon_last_event_timestamp_seconds") + ")\n  or\n  0 * max by (job, model) (" +
		s.own("streammon_accepted_events_total") + ")\n)\nunless on (job, model) " + events + "\nand on (job) max by (job) (streammon_exporting) == 1\nand on (job) max by (job) (streammon_exporting offset " + promDuration(s.NoEvents) + ") == 1"
}

// verdicts counts the verdicts of drift of some features, by some labels.
func (s *scope) verdicts(by, features string) string {
	return "count by (" + by + ") (\n  " + s.selector("drift_state", "", features) + " == 2\n  " + s.enough("", "window_events") + "\n)"
}

// performanceWorse counts the windows in which a version is worse than its reference.
func (s *scope) performanceWorse() string {
	return "count by (job, model, version) (\n  " + s.selector("performance_state", "") + " == 2\n  " + s.enough("", "labelled_events") + "\n)"
}

// manyDrifted is the share of features that have drifted in the window where it is largest.
func (s *scope) manyDrifted() string {
	return "max by (job, model, version) (\n  " + s.selector("drifted_importance_ratio", "") + " > " + ruleNumber(s.MaxDrifted) +
		"\n  and " + s.selector("drifted_features", "") + " >= 2\n  " + s.enough("", "window_events") + "\n)"
}

// quality is a share of a feature's values above what it may be: that of the model, or of the feature itself.
func (s *scope) quality(figure string, most float64, own func(config.FeatureAlerts) float64) string {
	named := map[float64][]string{} // by what they may be
	for _, f := range s.features {
		if x := own(f.Alerts); x > 0 {
			named[x] = append(named[x], exporter.Label(f.Name))
		}
	}
	above := func(x float64, features string) string {
		return s.shortest("job, model, version, feature", figure, "window_events", features) + " > " + ruleNumber(x)
	}
	var all, parts []string
	for _, x := range slices.Sorted(maps.Keys(named)) {
		all = append(all, named[x]...)
		parts = append(parts, above(x, anyOf("feature", named[x])))
	}
	return strings.Join(append([]string{above(most, noneOf("feature", all))}, parts...), "\nor\n")
}

// labelsMissing is the share of predictions that got a label, of those that got one or were given up, where it is too small; it is 0, too, where no label
// has matched for so long, though predictions came and labels did before.
func (s *scope) labelsMissing() string {
	r := promDuration(s.NoLabels)
	count := func(outcome string) string {
		return fmt.Sprintf("sum by (job, model) (increase(%s[%s]))", s.own("streammon_labels_total", `,outcome`+outcome), r)
	}
	matched, all := count(`="matched"`), count(`=~"matched|expired|evicted"`)
	return "(\n  " + matched + "\n  /\n  (" + all + " >= " + strconv.Itoa(s.MinEvents) + ") < " + ruleNumber(s.MinMatched) + "\n)\nor\n(\n  " + matched + " == 0\n  and on (job, model) sum by (job, model) (" +
		s.own("streammon_labels_total", `,outcome="matched"`) + " offset " + r + ") >= 0\n  and on (job, model) avg_over_time(" + s.own("streammon:requests_per_second") +
		"[" + r + "]) * " + strconv.Itoa(int(s.NoLabels.Seconds())) + " >= " + strconv.Itoa(s.MinEvents) + "\n)"
}

// labelsSlow is the 95th percentile of what labels take, where it is too long.
func (s *scope) labelsSlow() string {
	return s.shortest("job, model", "label_delay_seconds", "labelled_events", `,q="0.95"`) + " > " + ruleNumber(s.MaxLabelDelay.Seconds())
}
