package web

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// moved returns a sentence for each feature of a model that has moved in some version, segment or window.
func (v *view) moved(model string) (out []finding) {
	var results []*monitor.Result
	for _, r := range v.Results {
		if r.Model == model {
			results = append(results, r)
		}
	}
	for _, x := range report.Moves(results) {
		s := selection{Model: model, Version: x.Version, Segment: x.Segment, Window: x.Window}
		f := finding{State: x.State, Layer: layerDrift, Model: model, Subject: report.Visible(x.Name), Href: s.FeatureLink(x.Name)}
		if absent(x.FeatureResult) || unseen(x.FeatureResult) > 0 {
			f.Layer = layerData
		}
		f.rank = int(10 * min(excess(x.FeatureResult)/10, 0.9))
		if x.Name == "prediction.score" || x.Name == "prediction.label" {
			f.rank = 0 // follows from others, as a rule
		}
		f.Rest = " " + v.movedText(x.Place, x.All)
		out = append(out, f)
	}
	return out
}

// movedText goes on after a feature's name.
func (v *view) movedText(p report.Place, all []report.Place) string {
	f := p.FeatureResult
	verb := "drifted"
	if f.State == monitor.StateWarning {
		verb = "may have drifted (warning)"
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "of %s %s", report.Visible(p.Model), versionName(p.Version))
	b.WriteString(" " + verb)
	if f.Since > 0 {
		b.WriteString(" since " + clockOf(f.Since, v.now))
	}
	var facts []string
	for _, t := range []string{shift(f), report.ValueText(f.State, deciding(f)), v.where(p)} {
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
func others(p report.Place, all []report.Place) string {
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

// deciding is report.Deciding, of a feature that has not moved the first statistic with a threshold.
func deciding(f *monitor.FeatureResult) *monitor.Drift {
	return report.Deciding(f, func(d *monitor.Drift) bool { return !d.Threshold.IsZero() })
}

func excess(f *monitor.FeatureResult) float64 { return report.Over(deciding(f)) }

// absent reports whether it is missing values that moved.
func absent(f *monitor.FeatureResult) bool {
	d := deciding(f)
	return d != nil && d.Statistic == report.MissingStatistic
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
			text += " (" + report.Visible(m.Categories.Top[0].Category) + ")"
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
	return report.Visible(s)
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
func (v *view) where(p report.Place) string {
	in, judged := p.Segments(v.Results)
	if len(in) == 0 {
		return ""
	}
	slices.SortStableFunc(in, func(a, b report.Place) int { return cmp.Compare(excess(b.FeatureResult), excess(a.FeatureResult)) })
	if len(in) == judged && p.Segment == "" {
		return fmt.Sprintf("in all %d segments, most in %s", judged, segmentName(in[0].Segment))
	}
	var names []string
	for _, s := range in[:min(len(in), 3)] {
		names = append(names, segmentName(s.Segment))
	}
	if more := len(in) - len(names); more > 0 {
		return fmt.Sprintf("in %s and %d more of %d segments", strings.Join(names, ", "), more, judged)
	}
	return "in " + strings.Join(names, " and ") + " only"
}
