package web

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// featurePage is one feature of a selection.
type featurePage struct {
	selection
	Result   *monitor.Result
	Feature  *monitor.FeatureResult // nil: no events in the window
	Sentence string
	Need     string
	Bars     titled
	Bands    titled
	Values   []tile
	Parts    []partRow
	Stats    []statRow
	Charts   []titled   // over time, that of the deciding statistic first
	Others   []driftRow // the same feature in other segments, and of other versions
	Fresh    []monitor.NewCategory
	Gone     []monitor.VanishedCategory
	Findings []finding
	Zoom     *zoomNav
}

// partRow is a bin or category that moved.
type partRow struct {
	Name string
	monitor.MovedPart
}

// statRow is a statistic with its verdict.
type statRow struct {
	Name, Help string
	monitor.Drift
	Decides, Over bool
}

func (h *handler) feature(v *view) (title, key string, f func() any) {
	v.query.Set("name", cmp.Or(v.query.Get("name"), v.query.Get("model")))
	s, ok := v.selectionOf()
	s.Tab, s.Sort = "", ""
	if !ok {
		return noSelection, "", nil
	}
	if !slices.ContainsFunc(v.Results, func(r *monitor.Result) bool {
		return r.Model == s.Model && slices.ContainsFunc(r.Features, func(f monitor.FeatureResult) bool { return f.Name == s.Feature })
	}) {
		return "The model has no such feature, or no events with it.", "", nil
	}
	return report.Visible(s.Feature) + " of " + report.Visible(s.Model), s.key(), func() any { return v.featurePage(s) }
}

// Selection is that of the page.
func (p *featurePage) Selection() selection { return p.selection }

// FeatureName is there when the feature itself is not.
func (p *featurePage) FeatureName() string { return p.selection.Feature }

func find(r *monitor.Result, feature string) *monitor.FeatureResult {
	if r != nil {
		for i := range r.Features {
			if r.Features[i].Name == feature {
				return &r.Features[i]
			}
		}
	}
	return nil
}

func (v *view) featurePage(s selection) *featurePage {
	p := &featurePage{selection: s, Result: v.result(&s)}
	p.Feature = find(p.Result, s.Feature)
	f := p.Feature
	if f == nil {
		return p
	}
	p.Need = need(f)
	if ranks[f.State] > 0 {
		here := report.Place{Result: p.Result, FeatureResult: f}
		p.Sentence = v.movedText(here, []report.Place{here})
	}
	whole := s
	whole.Last, whole.From, whole.To = "", "", ""
	for _, x := range ranked(v.ofModel(v.status(s.Model))) {
		if x.State == monitor.StateChange && x.Href == whole.FeatureLink(s.Feature) {
			p.Findings = append(p.Findings, x)
		}
	}
	p.values()
	p.Bars, p.Bands = bars(f), bands(f)
	if m := f.Moved; m != nil {
		if absent(f) { // bins are of the values that are there
			p.Parts = []partRow{{"missing or invalid", monitor.MovedPart{MovedShares: m.Absent, Contribution: 1}}}
		} else {
			for _, x := range m.Parts {
				p.Parts = append(p.Parts, partRow{partName(f, &x), x})
			}
		}
		if m.Categories != nil {
			p.Fresh, p.Gone = m.Categories.Top, m.Categories.Gone
		}
	}
	by := deciding(f)
	for _, d := range f.Drift {
		known, _ := drift.Lookup(d.Statistic)
		p.Stats = append(p.Stats, statRow{report.StatisticName(d.Statistic), known.Help, d, by != nil && by.Statistic == d.Statistic, report.Over(&d) > 1})
	}
	p.Zoom = v.zoom("/feature", &s)
	p.history(v)
	p.others(v)
	return p
}

func (p *featurePage) values() {
	f := p.Feature
	add := func(name string, x monitor.Figure) {
		if !x.IsZero() {
			p.Values = append(p.Values, tile{name, number(x)})
		}
	}
	all := f.Count + f.Missing + f.Invalid
	p.Values = append(p.Values, tile{"values", report.Count(f.Count)}, tile{"missing", percent(ratio(f.Missing, all))}, tile{"invalid", percent(ratio(f.Invalid, all))})
	if f.HasReference && f.Type == "numeric" {
		p.Values = append(p.Values, tile{"out of the reference's range", percent(ratio(f.OutOfRange, f.Count))})
	}
	if f.HasReference && f.Type == "categorical" {
		p.Values = append(p.Values, tile{"unseen in the reference", percent(ratio(f.Unseen, f.Count))})
	}
	if f.DistinctKnown {
		p.Values = append(p.Values, tile{"different values", report.Count(f.Distinct)})
	}
	add("mean", f.Mean)
	add("standard deviation", f.StdDev)
	add("least", f.Min)
	add("largest", f.Max)
}

var bothSides = []legend{{"reference", "reference"}, {"now", "now"}}

// bars draws the distribution beside the reference's.
func bars(f *monitor.FeatureResult) titled {
	d := f.Distribution
	if d == nil {
		return titled{}
	}
	total := func(counts []uint64) (n uint64) {
		for _, c := range counts {
			n += c
		}
		return n
	}
	then, now := total(d.Reference), total(d.Current)
	if now == 0 {
		return titled{}
	}
	var bins []chart.Bin
	for i := range d.Reference {
		b := chart.Bin{Reference: ratio(d.Reference[i], max(then, 1)), Now: ratio(d.Current[i], now)}
		switch {
		case f.Type != "categorical":
			low, high := math.NaN(), math.NaN()
			if i > 0 {
				low = d.Edges[i-1]
			}
			if i < len(d.Edges) {
				high = d.Edges[i]
			}
			b.Name = interval(low, high)
		case i < len(d.Categories):
			b.Name = quoted(d.Categories[i])
		case i == len(d.Categories):
			if b.Name = "other known categories"; len(d.Categories) == 0 {
				b.Name = "known categories"
			}
			if b.Reference == 0 && b.Now == 0 {
				continue
			}
		default:
			b.Name = "not in the reference"
		}
		bins = append(bins, b)
	}
	t := titled{Title: "Distribution", Legend: bothSides, Picture: chart.Bars("shares of the values, of the reference and now; the texts beside the bars have them in numbers", bins)}
	if f.Type != "categorical" {
		t.Note = "The bins are the reference's deciles: each has about a tenth of its values, or more where many are equal."
	}
	return t
}

// bands draws the quantiles beside the reference's.
func bands(f *monitor.FeatureResult) titled {
	if f.Distribution == nil || len(f.Distribution.Band) != 5 || len(f.Quantiles) == 0 {
		return titled{}
	}
	now := chart.Band{Name: "now", Class: "now"}
	then := chart.Band{Name: "reference", Class: "reference"}
	for i, q := range f.Distribution.Band {
		then.Quantiles[i] = float64(q.Value)
		at := slices.IndexFunc(f.Quantiles, func(o monitor.Quantile) bool { return o.Q == q.Q })
		if at < 0 {
			return titled{}
		}
		now.Quantiles[i] = float64(f.Quantiles[at].Value)
	}
	return titled{
		Title: "Quantile bands", Note: "Thin: 5 % to 95 % of the values. Thick: 25 % to 75 %. The stroke is the median: " + number(then.Quantiles[2]) + " in the reference, " + number(now.Quantiles[2]) + " now.",
		Picture: chart.Bands("quantiles of the reference and of now", []chart.Band{then, now}),
	}
}

// history draws each statistic with its threshold, and the quality.
func (p *featurePage) history(v *view) {
	track := v.History.Find(p.Model, p.Version, p.Segment, p.Window, false)
	marks := v.marks(&p.selection, p.Result, "", p.Feature.Name)
	column := func(figure, at string) []chart.Point {
		return p.Zoom.line(series(track, monitor.Column{Feature: p.Feature.Name, Figure: figure, At: at}, 1))
	}
	by := deciding(p.Feature)
	var rest []titled
	for _, d := range p.Feature.Drift {
		value := column(d.Statistic, "")
		if !some(value) {
			continue
		}
		t := titled{Title: report.StatisticName(d.Statistic), Legend: []legend{{"now", "value"}}}
		plot := chart.Plot{Label: t.Title + " over time", From: p.Zoom.from, To: p.Zoom.to, Zero: true, Marks: marks, Lines: []chart.Line{{Class: "now", Points: value}}}
		if limit := column("threshold", d.Statistic); some(limit) {
			plot.Lines = append(plot.Lines, chart.Line{Class: "limit", Points: limit})
			t.Legend = append(t.Legend, legend{"limit", "threshold"})
		}
		t.Picture = plot.Draw()
		if by != nil && by.Statistic == d.Statistic {
			t.Title += " (decides)"
			p.Charts = append(p.Charts, t)
		} else {
			rest = append(rest, t)
		}
	}
	draw := func(title string, lines []chart.Line, zero bool) {
		t := titled{Title: title}
		plot := chart.Plot{Label: title + " over time", From: p.Zoom.from, To: p.Zoom.to, Zero: zero, Marks: marks}
		for _, l := range lines {
			if some(l.Points) {
				plot.Lines = append(plot.Lines, l)
				t.Legend = append(t.Legend, legend{l.Class, l.Name})
			}
		}
		if t.Picture = plot.Draw(); t.Picture != "" {
			p.Charts = append(p.Charts, t)
		}
	}
	share := func(figure string) []chart.Point {
		return p.Zoom.line(series(track, monitor.Column{Feature: p.Feature.Name, Figure: figure}, 100))
	}
	third := chart.Line{Name: "out of range", Class: "estimate", Points: share("out_of_range_ratio")}
	if p.Feature.Type == "categorical" {
		third = chart.Line{Name: "unseen", Class: "estimate", Points: share("unseen_ratio")}
	}
	draw("Missing, invalid and "+third.Name+", %", []chart.Line{{Name: "missing", Class: "now", Points: share("missing_ratio")}, {Name: "invalid", Class: "reference", Points: share("invalid_ratio")}, third}, true)
	draw("Median and mean", []chart.Line{{Name: "median", Class: "now", Points: column("quantile", "0.5")}, {Name: "mean", Class: "reference", Points: column("mean", "")}}, false)
	p.Charts = append(p.Charts, rest...)
}

// others fills in the same feature elsewhere.
func (p *featurePage) others(v *view) {
	for _, r := range v.Results {
		if r.Model != p.Model || r.Window != p.Window || r.Version == p.Version && r.Segment == p.Segment || r.Version != p.Version && r.Segment != p.Segment {
			continue
		}
		f := find(r, p.selection.Feature)
		if f == nil {
			continue
		}
		s := p.selection
		s.Version, s.Segment = r.Version, r.Segment
		row := v.driftRow(&s, r, f, v.History.Find(s.Model, s.Version, s.Segment, s.Window, false))
		row.Where = strings.Join([]string{versionName(r.Version), segmentName(r.Segment)}, ", ")
		p.Others = append(p.Others, row)
	}
	slices.SortStableFunc(p.Others, func(a, b driftRow) int {
		return cmp.Or(cmp.Compare(ranks[b.State], ranks[a.State]), cmp.Compare(excess(b.FeatureResult), excess(a.FeatureResult)))
	})
}
