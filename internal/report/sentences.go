package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

// rank of states: what is first in a summary.
var rank = map[string]int{eval.Worse: 5, monitor.StateDrift: 4, monitor.StateChange: 3, monitor.StateWarning: 2, "undefined": 1, "over": -1}

// sentences says what needs attention of a model, or that nothing does.
func sentences(m *monitor.ModelStatus, results []*monitor.Result, past []Episode) (out []Sentence) {
	add := func(state, text string) { out = append(out, Sentence{state, m.Model, text}) }
	var features []string
	for _, x := range Moves(results) {
		features = append(features, x.Name)
		verb := map[string]string{monitor.StateDrift: "drifted", monitor.StateWarning: "may have drifted (warning)"}[x.State]
		text := fmt.Sprintf("%s of %s %s %s", Visible(x.Name), Visible(m.Model), versionName(x.Version), verb)
		if x.Since > 0 {
			text += " since " + stamp(x.Since)
		}
		facts := []string{movedText(x.FeatureResult), where(x.Place, results)}
		if facts = slices.DeleteFunc(facts, func(s string) bool { return s == "" }); len(facts) > 0 {
			text += ": " + strings.Join(facts, ", ")
		}
		add(x.State, text+" (window "+x.Window+")")
	}
	worse := answers(results)
	for _, r := range worse {
		add(r.Performance.State, answersText(m.Model, r))
	}
	changed := changes(m.Model, results)
	for _, text := range changed {
		add(monitor.StateChange, text)
	}
	switch {
	case len(out) > 0:
	case len(results) == 0:
		add("undefined", Visible(m.Model)+" has no events in any window")
	case !slices.ContainsFunc(results, func(r *monitor.Result) bool { return r.Judged > 0 }):
		add("undefined", Visible(m.Model)+" has no verdict: no reference, or too few events")
	default:
		add(monitor.StateOK, "Nothing of "+Visible(m.Model)+" needs attention")
	}
	for _, text := range formerly(m.Model, past, features, worse) {
		add("over", text)
	}
	return out
}

// formerly tells of what had moved and has no more, each once.
func formerly(model string, past []Episode, features []string, worse []*monitor.Result) (out []string) {
	const most = 10
	told := slices.Clone(features)
	if len(worse) > 0 {
		told = append(told, "")
	}
	for i := range past {
		e := &past[i]
		if e.Open || slices.Contains(told, e.Feature) || len(out) == most {
			continue
		}
		told = append(told, e.Feature)
		what := Visible(e.Feature) + " of " + Visible(model) + " " + versionName(e.Version) + map[bool]string{true: " had drifted", false: " may have drifted (warning)"}[e.State == monitor.StateDrift]
		if e.Feature == "" {
			what = "answers of " + Visible(model) + " " + versionName(e.Version) + map[bool]string{true: " were worse", false: " were perhaps worse (warning)"}[e.State == eval.Worse]
		}
		text := what + " from " + stamp(e.From.UnixNano()) + " to " + stamp(e.Until.UnixNano())
		if e.Text != "" {
			text += ": " + e.Text
		}
		out = append(out, text+" (window "+e.Window+")")
	}
	return out
}

// decisive is Deciding, of a feature that has not moved the first statistic with a value.
func decisive(f *monitor.FeatureResult) *monitor.Drift {
	return Deciding(f, func(d *monitor.Drift) bool { return !d.Value.IsZero() })
}

// ValueText says how far the statistic that decides is, of a feature in a state; nothing if it has no value.
func ValueText(state string, d *monitor.Drift) string {
	if d == nil || d.Value.IsZero() {
		return ""
	}
	text := StatisticName(d.Statistic) + " " + chart.Number(float64(d.Value))
	limit := chart.Number(float64(d.Threshold))
	switch {
	case d.Threshold.IsZero():
		return text
	case d.Value > d.Threshold:
		return text + " over " + limit
	case state == monitor.StateWarning:
		return text + ", drift from " + limit + " on"
	}
	return text + " below " + limit + " again, the state is held"
}

// movedText says what moved in a feature, and by how much; empty if nothing did.
func movedText(f *monitor.FeatureResult) string {
	if f.Moved == nil {
		return ""
	}
	d := decisive(f)
	var facts []string
	if text := shift(f, d); text != "" {
		facts = append(facts, text)
	}
	if text := ValueText(f.State, d); text != "" {
		facts = append(facts, text)
	}
	return strings.Join(facts, ", ")
}

func shift(f *monitor.FeatureResult, d *monitor.Drift) string {
	m := f.Moved
	if d != nil && d.Statistic == MissingStatistic {
		return "missing or invalid " + chart.Percent(m.Absent.Reference) + " → " + chart.Percent(m.Absent.Current)
	}
	for _, p := range m.Parts {
		if p.Unseen && p.Contribution > 0.5 {
			return "categories that the reference does not have make " + chart.Percent(p.Current)
		}
	}
	if !m.MedianShift.IsZero() && math.Abs(float64(m.MedianShift)) >= 0.05 {
		return fmt.Sprintf("median %+.1f σ", float64(m.MedianShift))
	}
	if len(m.Parts) == 0 {
		return ""
	}
	p := m.Parts[0]
	return partName(f, &p) + " " + chart.Percent(p.Reference) + " → " + chart.Percent(p.Current)
}

func partName(f *monitor.FeatureResult, p *monitor.MovedPart) string {
	switch {
	case p.Unseen:
		return "unseen categories"
	case p.Named && p.Category == "":
		return "the empty category"
	case p.Named:
		return Visible(p.Category)
	case f.Type == "categorical":
		return "a category"
	case p.Lower.IsZero() && p.Upper.IsZero():
		return "all values"
	case p.Lower.IsZero():
		return "values up to " + chart.Number(float64(p.Upper))
	case p.Upper.IsZero():
		return "values above " + chart.Number(float64(p.Lower))
	}
	return "values from " + chart.Number(float64(p.Lower)) + " to " + chart.Number(float64(p.Upper))
}

// where says in which of the judged segments a feature has moved.
func where(p Place, results []*monitor.Result) string {
	places, judged := p.Segments(results)
	var in []string
	for _, o := range places {
		in = append(in, segmentName(o.Segment))
	}
	switch {
	case len(in) == 0:
		return ""
	case len(in) == judged && judged > 1:
		return fmt.Sprintf("in all %d segments", judged)
	case len(in) > 3:
		return fmt.Sprintf("in %s and %d more of %d segments", strings.Join(in[:3], ", "), len(in)-3, judged)
	case len(in) == judged:
		return "in " + in[0]
	}
	return "in " + strings.Join(in, " and ") + " only"
}

// answers returns of each version whose answers are worse the shortest window that shows it.
func answers(results []*monitor.Result) (out []*monitor.Result) {
	for _, r := range results {
		p := r.Performance
		if r.Segment != "" || p == nil || rank[p.State] == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(o *monitor.Result) bool { return o.Version == r.Version })
		if i < 0 {
			out = append(out, r)
		} else if cmp.Or(cmp.Compare(rank[p.State], rank[out[i].Performance.State]), cmp.Compare(out[i].Length, r.Length)) > 0 {
			out[i] = r
		}
	}
	return out
}

func answersText(model string, r *monitor.Result) string {
	p := r.Performance
	text := fmt.Sprintf("answers of %s %s are %s: %s", Visible(model), versionName(r.Version), map[bool]string{true: "worse", false: "perhaps worse (warning)"}[p.State == eval.Worse], PerformanceText(p))
	if p.Worst != nil {
		text += ", worst in " + segmentName(p.Worst.Segment) + " (" + chart.Number(p.Worst.Value) + ")"
	}
	return text + " (window " + r.Window + ")"
}

// changes are what detectors have found within a window, each once.
func changes(model string, results []*monitor.Result) (out []string) {
	for _, r := range results {
		for _, c := range r.Changes {
			by := Newest(c.Detectors)
			if by == nil {
				continue
			}
			text := fmt.Sprintf("%s of %s %s changed at %s (%s, found at %s)", ChangeName(&c), Visible(model), versionName(r.Version),
				stamp(cmp.Or(by.Since, by.Found)), strings.ReplaceAll(by.Detector, "_", "-"), stamp(by.Found))
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04 UTC") }

func versionName(s string) string {
	switch s {
	case "":
		return "without a version"
	case "__other__":
		return "(other versions)"
	}
	return "version " + Visible(s)
}

func segmentName(s string) string {
	name, value, _ := strings.Cut(s, "=")
	switch value {
	case "":
		value = "(empty)"
	case "__other__":
		value = "(other values)"
	}
	if s == "" {
		return "all traffic"
	}
	return Visible(name) + " " + Visible(value)
}
