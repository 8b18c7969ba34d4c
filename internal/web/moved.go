package web

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/monitor"
)

// place is where something moved: the result and the feature.
type place struct {
	*monitor.Result
	*monitor.FeatureResult
}

func (p place) state() string { return p.FeatureResult.State }

// better reports whether p is the better example of a move than o: a worse state, all traffic before segments, more events, and a
// shorter window.
func (p place) better(o place) bool {
	return cmp.Or(cmp.Compare(ranks[p.state()], ranks[o.state()]), boolean(p.Segment == "")-boolean(o.Segment == ""),
		cmp.Compare(o.Length, p.Length), cmp.Compare(p.Events, o.Events)) > 0
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// moved returns a sentence for each feature of a model that has moved in some version, segment or window.
func (v *view) moved(model string) (out []finding) {
	places := map[string][]place{}
	var names []string
	for _, r := range v.Results {
		if r.Model != model {
			continue
		}
		for i := range r.Features {
			if f := &r.Features[i]; ranks[f.State] > 0 {
				addNew(&names, f.Name)
				places[f.Name] = append(places[f.Name], place{r, f})
			}
		}
	}
	for _, name := range names {
		all := places[name]
		best := all[0]
		for _, p := range all[1:] {
			if p.better(best) {
				best = p
			}
		}
		s := selection{Model: model, Version: best.Version, Segment: best.Segment, Window: best.Window}
		f := finding{State: best.state(), Layer: layerDrift, Model: model, Subject: visible(name), Href: s.FeatureLink(name)}
		if absent(best.FeatureResult) || unseen(best.FeatureResult) > 0 {
			f.Layer = layerData
		}
		f.rank = int(10 * min(excess(best.FeatureResult)/10, 0.9))
		if name == "prediction.score" || name == "prediction.label" {
			f.rank = 0 // follows from others, as a rule
		}
		f.Rest = " " + v.movedText(best, all)
		out = append(out, f)
	}
	return out
}

// movedText goes on after a feature's name.
func (v *view) movedText(p place, all []place) string {
	f := p.FeatureResult
	verb := "drifted"
	if f.State == monitor.StateWarning {
		verb = "may have drifted (warning)"
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "of %s %s", visible(p.Model), versionName(p.Version))
	b.WriteString(" " + verb)
	if f.Since > 0 {
		b.WriteString(" since " + clockOf(f.Since, v.now))
	}
	var facts []string
	for _, t := range []string{shift(f), verdictText(f), v.where(p)} {
		if t != "" {
			facts = append(facts, t)
		}
	}
	if len(facts) > 0 {
		b.WriteString(": " + strings.Join(facts, ", "))
	}
	b.WriteString(others(p, all))
	return b.String()
}

// others names the windows and versions in which a feature has moved, too.
func others(p place, all []place) string {
	var windows, versions []string
	for _, o := range all {
		if o.Segment != p.Segment {
			continue
		}
		if o.Version == p.Version {
			addNew(&windows, o.Window)
		} else {
			addNew(&versions, versionName(o.Version))
		}
	}
	out := " (window " + p.Window
	if len(windows) > 1 {
		windows = slices.DeleteFunc(windows, func(w string) bool { return w == p.Window })
		out += ", also in " + strings.Join(windows, ", ")
	}
	return out + alsoVersions(versions) + ")"
}

func alsoVersions(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", also version " + strings.Join(names, ", ")
}

// deciding returns the statistic that decides, or that of missing values if that is further beyond its threshold.
func deciding(f *monitor.FeatureResult) *monitor.Drift {
	var by *monitor.Drift
	for i := range f.Drift {
		d := &f.Drift[i]
		if f.Moved != nil && d.Statistic == f.Moved.Statistic || f.Moved == nil && by == nil && !d.Threshold.IsZero() {
			by = d
		}
	}
	for i := range f.Drift {
		if d := &f.Drift[i]; d.Statistic == missingStatistic && over(d) > 1 && (by == nil || over(d) > over(by)) {
			by = d
		}
	}
	return by
}

const missingStatistic = "missing_psi"

// over is the value in units of its threshold; 0 if it is not known.
func over(d *monitor.Drift) float64 {
	if d == nil || d.Value.IsZero() || d.Threshold.IsZero() || d.Threshold <= 0 {
		return 0
	}
	return float64(d.Value / d.Threshold)
}

func excess(f *monitor.FeatureResult) float64 { return over(deciding(f)) }

// absent reports whether it is missing values that moved.
func absent(f *monitor.FeatureResult) bool {
	d := deciding(f)
	return d != nil && d.Statistic == missingStatistic
}

// unseen returns the share of values that the reference does not have, if most of the move comes from them.
func unseen(f *monitor.FeatureResult) float64 {
	if f.Moved != nil {
		for _, p := range f.Moved.Parts {
			if p.Unseen && p.Contribution > 0.5 {
				return p.Current
			}
		}
	}
	return 0
}

// statistics have their short names in sentences.
var statistics = map[string]string{
	"psi": "PSI", "js_distance": "Jensen–Shannon distance", "kl_divergence": "KL divergence", "hellinger_distance": "Hellinger distance",
	"total_variation": "total variation", "chi_square": "chi-square", "ks_statistic": "KS", "wasserstein_normalized": "Wasserstein distance",
	missingStatistic: "PSI of missing values",
}

func statisticName(s string) string { return cmp.Or(statistics[s], s) }

// verdictText says how far the deciding statistic is.
func verdictText(f *monitor.FeatureResult) string {
	d := deciding(f)
	switch {
	case d == nil || d.Value.IsZero():
		return ""
	case d.Threshold.IsZero():
		return statisticName(d.Statistic) + " " + number(d.Value)
	case d.Value > d.Threshold:
		return statisticName(d.Statistic) + " " + number(d.Value) + " over " + number(d.Threshold)
	}
	return statisticName(d.Statistic) + " " + number(d.Value) + " is below " + number(d.Threshold) + " again, the state is held"
}

// shift says what moved, in a few words.
func shift(f *monitor.FeatureResult) string {
	m := f.Moved
	if m == nil {
		return ""
	}
	if absent(f) {
		return "missing or invalid " + percent(m.Absent.Reference) + " → " + percent(m.Absent.Current)
	}
	if share := unseen(f); share > 0 {
		text := "categories that the reference does not have make " + percent(share)
		if m.Categories != nil && len(m.Categories.Top) > 0 {
			text += " (" + visible(m.Categories.Top[0].Category) + ")"
		}
		return text
	}
	if !m.MedianShift.IsZero() && math.Abs(float64(m.MedianShift)) >= 0.05 {
		return fmt.Sprintf("median %+.1f σ", float64(m.MedianShift))
	}
	if len(m.Parts) > 0 {
		p := m.Parts[0]
		return partName(f, &p) + " " + percent(p.Reference) + " → " + percent(p.Current)
	}
	return ""
}

// partName names a bin or category.
func partName(f *monitor.FeatureResult, p *monitor.MovedPart) string {
	switch {
	case p.Unseen:
		return "unseen categories"
	case p.Named:
		return quoted(p.Category)
	case f.Type == "categorical":
		return "a category"
	}
	return interval(float64(p.Lower), float64(p.Upper))
}

func quoted(s string) string {
	if s == "" {
		return "the empty category"
	}
	return visible(s)
}

// interval writes a bin: above low, up to high.
func interval(low, high float64) string {
	switch {
	case math.IsNaN(low) && math.IsNaN(high):
		return "all values"
	case math.IsNaN(low):
		return "up to " + number(high)
	case math.IsNaN(high):
		return "above " + number(low)
	}
	return number(low) + " to " + number(high)
}

// where says in which segments a feature has moved, of those that are judged.
func (v *view) where(p place) string {
	var in, all []place
	for _, r := range v.Results {
		if r.Model != p.Model || r.Version != p.Version || r.Window != p.Window || r.Segment == "" {
			continue
		}
		for i := range r.Features {
			if f := &r.Features[i]; f.Name == p.Name && f.State != "" {
				all = append(all, place{r, f})
				if ranks[f.State] >= ranks[monitor.StateWarning] {
					in = append(in, place{r, f})
				}
			}
		}
	}
	if len(in) == 0 {
		return ""
	}
	slices.SortStableFunc(in, func(a, b place) int { return cmp.Compare(excess(b.FeatureResult), excess(a.FeatureResult)) })
	if len(in) == len(all) && p.Segment == "" {
		return fmt.Sprintf("in all %d segments, most in %s", len(all), segmentName(in[0].Segment))
	}
	var names []string
	for _, s := range in[:min(len(in), 3)] {
		names = append(names, segmentName(s.Segment))
	}
	if more := len(in) - len(names); more > 0 {
		return fmt.Sprintf("in %s and %d more of %d segments", strings.Join(names, ", "), more, len(all))
	}
	return "in " + strings.Join(names, " and ") + " only"
}

// statisticHelp describes a statistic.
func statisticHelp(name string) string {
	for i := range drift.Catalogue {
		if drift.Catalogue[i].Name == name {
			return drift.Catalogue[i].Help
		}
	}
	return ""
}
