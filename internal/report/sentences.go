package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	moved, judged := map[string]*monitor.FeatureResult{}, false
	in := map[string]*monitor.Result{}
	for _, r := range results { // of all traffic before segments, and of longer windows after shorter ones
		judged = judged || r.Judged > 0
		for i := range r.Features {
			f := &r.Features[i]
			if rank[f.State] < rank[monitor.StateWarning] {
				continue
			}
			was := in[f.Name]
			if was == nil {
				features = append(features, f.Name)
			}
			if was == nil || better(r, f, was, moved[f.Name]) {
				moved[f.Name], in[f.Name] = f, r
			}
		}
	}
	for _, name := range features {
		f, r := moved[name], in[name]
		verb := map[string]string{monitor.StateDrift: "drifted", monitor.StateWarning: "may have drifted (warning)"}[f.State]
		text := fmt.Sprintf("%s of %s %s %s", visible(name), visible(m.Model), versionName(r.Version), verb)
		if f.Since > 0 {
			text += " since " + stamp(f.Since)
		}
		facts := []string{movedText(f), where(r, f, results)}
		if facts = slices.DeleteFunc(facts, func(s string) bool { return s == "" }); len(facts) > 0 {
			text += ": " + strings.Join(facts, ", ")
		}
		add(f.State, text+" (window "+r.Window+")")
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
		add("undefined", visible(m.Model)+" has no events in any window")
	case !judged:
		add("undefined", visible(m.Model)+" has no verdict: no reference, or too few events")
	default:
		add(monitor.StateOK, "Nothing of "+visible(m.Model)+" needs attention")
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
		what := visible(e.Feature) + " of " + visible(model) + " " + versionName(e.Version) + map[bool]string{true: " had drifted", false: " may have drifted (warning)"}[e.State == monitor.StateDrift]
		if e.Feature == "" {
			what = "answers of " + visible(model) + " " + versionName(e.Version) + map[bool]string{true: " were worse", false: " were perhaps worse (warning)"}[e.State == eval.Worse]
		}
		text := what + " from " + stamp(e.From.UnixNano()) + " to " + stamp(e.Until.UnixNano())
		if e.Text != "" {
			text += ": " + e.Text
		}
		out = append(out, text+" (window "+e.Window+")")
	}
	return out
}

// better reports whether a place where a feature moved says more than another: a worse state, all traffic, a shorter window, more events.
func better(r *monitor.Result, f *monitor.FeatureResult, o *monitor.Result, g *monitor.FeatureResult) bool {
	all := func(r *monitor.Result) int { return min(len(r.Segment), 1) }
	return cmp.Or(cmp.Compare(rank[f.State], rank[g.State]), cmp.Compare(all(o), all(r)), cmp.Compare(o.Length, r.Length), cmp.Compare(r.Events, o.Events)) > 0
}

// decisive returns the statistic that decides, or that of missing values if that is further beyond its threshold; nil if it is not known.
func decisive(f *monitor.FeatureResult) (by *monitor.Drift) {
	for i := range f.Drift {
		if d := &f.Drift[i]; f.Moved != nil && d.Statistic == f.Moved.Statistic || f.Moved == nil && by == nil && !d.Value.IsZero() {
			by = d
		}
	}
	for i := range f.Drift {
		if d := &f.Drift[i]; d.Statistic == "missing_psi" && over(d) > max(1, over(by)) {
			by = d
		}
	}
	return by
}

// over is the value in units of its threshold; 0 if it is not known.
func over(d *monitor.Drift) float64 {
	if d == nil || d.Value.IsZero() || d.Threshold.IsZero() || d.Threshold <= 0 {
		return 0
	}
	return float64(d.Value / d.Threshold)
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
	if d != nil && !d.Value.IsZero() {
		text := statistic(d.Statistic) + " " + chart.Number(float64(d.Value))
		if !d.Threshold.IsZero() {
			text += map[bool]string{true: " over ", false: " below "}[d.Value > d.Threshold] + chart.Number(float64(d.Threshold))
			if d.Value <= d.Threshold {
				text += " again, the state is held"
			}
		}
		facts = append(facts, text)
	}
	return strings.Join(facts, ", ")
}

func shift(f *monitor.FeatureResult, d *monitor.Drift) string {
	m := f.Moved
	if d != nil && d.Statistic == "missing_psi" {
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
		return visible(p.Category)
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
func where(r *monitor.Result, f *monitor.FeatureResult, results []*monitor.Result) string {
	var in []string
	judged := 0
	for _, o := range results {
		if o.Version != r.Version || o.Window != r.Window || o.Segment == "" {
			continue
		}
		for i := range o.Features {
			if g := &o.Features[i]; g.Name == f.Name && g.State != "" {
				judged++
				if rank[g.State] >= rank[monitor.StateWarning] {
					in = append(in, segmentName(o.Segment))
				}
			}
		}
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
	text := fmt.Sprintf("answers of %s %s are %s: %s", visible(model), versionName(r.Version), map[bool]string{true: "worse", false: "perhaps worse (warning)"}[p.State == eval.Worse], performanceText(p))
	if p.Worst != nil {
		text += ", worst in " + segmentName(p.Worst.Segment) + " (" + chart.Number(p.Worst.Value) + ")"
	}
	return text + " (window " + r.Window + ")"
}

// performanceText is the deciding figure beside that of the reference.
func performanceText(p *monitor.PerformanceResult) (text string) {
	if f := deciding(p); f != nil {
		text = title(f.Name, f.At) + " " + chart.Number(f.Value)
		if then := valueOf(p.Reference, f.Name, f.Label, f.At); then != nil {
			text += ", the reference has " + chart.Number(*then)
		}
		if !p.Threshold.IsZero() {
			text += " (limit " + chart.Number(float64(p.Threshold)) + ")"
		}
	}
	return text
}

// changes are what detectors have found within a window, each once.
func changes(model string, results []*monitor.Result) (out []string) {
	for _, r := range results {
		for _, c := range r.Changes {
			var by *monitor.DetectorResult
			for i := range c.Detectors {
				if d := &c.Detectors[i]; d.State == monitor.StateChange && (by == nil || d.Found > by.Found) {
					by = d
				}
			}
			if by == nil {
				continue
			}
			name := strings.ReplaceAll(c.Figure, "_", " ")
			if c.Feature != "" {
				name += " of " + visible(c.Feature)
			}
			text := fmt.Sprintf("%s of %s %s changed at %s (%s, found at %s)", name, visible(model), versionName(r.Version),
				stamp(cmp.Or(by.Since, by.Found)), strings.ReplaceAll(by.Detector, "_", "-"), stamp(by.Found))
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

var statistics = map[string]string{
	"psi": "PSI", "js_distance": "Jensen–Shannon distance", "kl_divergence": "KL divergence", "hellinger_distance": "Hellinger distance",
	"total_variation": "total variation", "chi_square": "chi-square", "ks_statistic": "KS", "wasserstein_normalized": "Wasserstein distance", "missing_psi": "PSI of missing values",
}

func statistic(name string) string { return cmp.Or(statistics[name], name) }

// titles of figures that are not their names with spaces.
var titles = map[string]string{"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "mcc": "MCC", "mae": "MAE", "rmse": "RMSE", "mse": "MSE", "ndcg": "NDCG", "r2": "R²", "f1": "F1", "rmsle": "RMSLE", "mape": "MAPE"}

func title(name, at string) string {
	if at != "" {
		at = " at " + at
	}
	return cmp.Or(titles[name], strings.ReplaceAll(name, "_", " ")) + at
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04 UTC") }

func versionName(s string) string {
	switch s {
	case "":
		return "without a version"
	case "__other__":
		return "(other versions)"
	}
	return "version " + visible(s)
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
	return visible(name) + " " + visible(value)
}

// visible replaces control characters, and those that turn the direction of what follows.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// count writes a number with spaces between thousands.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
