package web

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// modelPage is a tab of a model.
type modelPage struct {
	selection
	Result   *monitor.Result // nil: no events in the window
	Findings []finding
	Layers   []layerCell
	Learning string
	Stale    string
	Service  *servicePage
	Data     []dataRow
	Drift    *driftPage
	Answers  *answersPage
	Zoom     *zoomNav // of pictures over time
}

// titled is a picture with its title.
type titled struct {
	Title, Note string
	Legend      []legend
	Picture     template.HTML
}

// legend names a line of a picture, by its class.
type legend struct{ Class, Name string }

func (h *handler) model(v *view) (title, key string, f func() any) {
	s, ok := v.selectionOf()
	s.Feature = ""
	if s.Tab == "" {
		s.Tab = layerDrift
	}
	if !ok || !slices.Contains(layers, s.Tab) {
		return noSelection, "", nil
	}
	if s.Tab != layerDrift || !slices.Contains([]string{"name", "since", ""}, s.Sort) {
		s.Sort = ""
	}
	return report.Visible(s.Model) + " " + s.Tab, s.key(), func() any {
		m := v.status(s.Model)
		p := &modelPage{selection: s, Result: v.result(&s), Learning: v.learning(m)}
		if d := v.stale(m); d > 0 {
			p.Stale = duration(d)
		}
		all := ranked(v.ofModel(m))
		whole := s
		whole.Segment = ""
		p.Layers = v.layers(&whole, v.result(&whole), all)
		for _, x := range all {
			if x.Layer == s.Tab || s.Tab == layerDrift && x.Layer == layerData {
				p.Findings = append(p.Findings, x)
			}
		}
		if p.Result == nil {
			return p
		}
		p.Zoom = v.zoom("/model", &s)
		switch s.Tab {
		case layerService:
			p.Service = v.servicePage(&s, p.Result, p.Zoom)
		case layerData:
			p.Data = v.dataRows(&s, p.Result)
		case layerDrift:
			p.Drift = v.driftPage(&s, p.Result, p.Zoom)
		case layerPerformance:
			p.Answers = v.answersPage(&s, p.Result, m, p.Zoom)
		}
		return p
	}
}

// serviceRow is a version or segment beside the others.
type serviceRow struct {
	Name, Href string
	Here       bool
	Result     *monitor.Result
	P95        string
}

type servicePage struct {
	Latency            []tile
	Charts             []titled
	Versions, Segments []serviceRow
	Changes            []changeRow
}

// tile is a figure that is shown large.
type tile struct{ Name, Value string }

type changeRow struct{ Figure, Detector, State, Found, Since string }

func (v *view) servicePage(s *selection, r *monitor.Result, z *zoomNav) *servicePage {
	p := &servicePage{Changes: v.changeRows(r, layerService)}
	for _, q := range r.Service.Latency {
		p.Latency = append(p.Latency, tile{"latency " + quantileName(q.Q), latency(q.Value)})
	}
	track := v.History.Find(s.Model, s.Version, s.Segment, s.Window, false)
	marks := v.marks(s, r, layerService, "")
	line := func(title, label string, factor float64, c ...monitor.Column) {
		t := titled{Title: title}
		plot := chart.Plot{Label: label, From: z.from, To: z.to, Zero: true, Marks: marks}
		for i, x := range c {
			l := chart.Line{Class: []string{"now", "estimate", "reference"}[min(i, 2)], Points: z.line(series(track, x, factor))}
			if !some(l.Points) {
				continue
			}
			if x.At != "" {
				l.Name = quantileName(x.At)
				t.Legend = append(t.Legend, legend{l.Class, l.Name})
			}
			plot.Lines = append(plot.Lines, l)
		}
		if t.Picture = plot.Draw(); t.Picture != "" {
			p.Charts = append(p.Charts, t)
		}
	}
	line("Requests a second", "requests a second over time", 1, monitor.Column{Figure: "requests_per_second"})
	line("Errors, % of the requests", "share of failed requests over time", 100, monitor.Column{Figure: "error_ratio"})
	line("Latency, ms", "latency quantiles over time", 1000, monitor.Column{Figure: "latency_seconds", At: "0.95"}, monitor.Column{Figure: "latency_seconds", At: "0.99"}, monitor.Column{Figure: "latency_seconds", At: "0.5"})
	row := func(r *monitor.Result, name string, o selection) serviceRow {
		out := serviceRow{Name: name, Href: o.TabLink(layerService), Here: r.Version == s.Version && r.Segment == s.Segment, Result: r, P95: "–"}
		for _, q := range r.Service.Latency {
			if q.Q == "0.95" {
				out.P95 = latency(q.Value)
			}
		}
		return out
	}
	for _, r := range v.Results {
		if r.Model != s.Model || r.Window != s.Window {
			continue
		}
		o := *s
		if o.Version, o.Segment = r.Version, r.Segment; r.Segment == s.Segment {
			p.Versions = append(p.Versions, row(r, versionName(r.Version), o))
		}
		if r.Version == s.Version {
			p.Segments = append(p.Segments, row(r, segmentName(r.Segment), o))
		}
	}
	return p
}

// quantileName writes the quantile 0.5 as p50.
func quantileName(q string) string {
	x, err := strconv.ParseFloat(q, 64)
	if err != nil {
		return report.Visible(q)
	}
	return "p" + strconv.FormatFloat(math.Round(1e4*x)/100, 'f', -1, 64)
}

// changeRows lists what detectors say of a layer.
func (v *view) changeRows(r *monitor.Result, layer string) (out []changeRow) {
	for _, c := range r.Changes {
		if layerOfFigure(c.Figure) != layer {
			continue
		}
		for _, d := range c.Detectors {
			x := changeRow{Figure: report.ChangeName(&c), Detector: detectorName(d.Detector), State: d.State}
			if d.Found != 0 {
				x.Found = clockOf(d.Found, v.now)
			}
			if d.Since != 0 {
				x.Since = clockOf(d.Since, v.now)
			}
			out = append(out, x)
		}
	}
	return out
}

// marks are when detectors say that figures of a layer, or all of them, or those of a feature changed, and when another version came, for
// pictures over time.
func (v *view) marks(s *selection, r *monitor.Result, layer, feature string) (out []chart.Mark) {
	for _, c := range r.Changes {
		if layer != "" && layerOfFigure(c.Figure) != layer || feature != "" && c.Feature != feature {
			continue
		}
		for _, d := range c.Detectors {
			if d.Found != 0 {
				out = append(out, chart.Mark{X: float64(cmp.Or(d.Since, d.Found)) / 1e9, Name: report.ChangeName(&c) + " changed"})
			}
		}
	}
	began := v.History.Find(s.Model, s.Version, "", s.Window, false).First()
	for _, version := range s.Versions {
		t := v.History.Find(s.Model, version, "", s.Window, false)
		if t.Len() > 0 && version != s.Version && t.First().After(began.Add(time.Duration(t.Slide))) {
			out = append(out, chart.Mark{X: seconds(t.First()), Name: "version " + versionName(version) + " came"})
		}
	}
	slices.SortStableFunc(out, func(a, b chart.Mark) int { return cmp.Or(cmp.Compare(a.X, b.X), strings.Compare(a.Name, b.Name)) })
	out = slices.Compact(out)
	for i := range out {
		out[i].Name = clockOf(int64(out[i].X)*1e9, v.now) + " " + out[i].Name
	}
	return out
}

// strokes says in words what marks within the time say; nothing if there are none.
func (z *zoomNav) strokes(marks []chart.Mark) string {
	var names []string
	for _, m := range marks {
		if m.X >= z.from && m.X <= z.to {
			addNew(&names, m.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "Strokes: " + strings.Join(names, ", ") + "."
}

// dataRow is a feature's quality.
type dataRow struct {
	*monitor.FeatureResult
	Href                             string
	Missing, Invalid, Outside, Fresh float64 // shares of all, and of valid values
	HasOutside, HasFresh, DataMove   bool
	Spark                            template.HTML
	Need                             string
}

func ratio(part, whole uint64) float64 {
	if whole == 0 {
		return float64(monitor.Undefined)
	}
	return float64(part) / float64(whole)
}

func (v *view) dataRows(s *selection, r *monitor.Result) (out []dataRow) {
	track := v.History.Find(s.Model, s.Version, s.Segment, s.Window, false)
	for i := range r.Features {
		f := &r.Features[i]
		all := f.Count + f.Missing + f.Invalid
		x := dataRow{
			FeatureResult: f, Href: s.FeatureLink(f.Name), Missing: ratio(f.Missing, all), Invalid: ratio(f.Invalid, all), Need: need(f),
			Outside: ratio(f.OutOfRange, f.Count), Fresh: ratio(f.Unseen, f.Count),
			HasOutside: f.HasReference && f.Type == "numeric", HasFresh: f.HasReference && f.Type == "categorical",
			DataMove: ranks[f.State] > 0 && (absent(f) || unseen(f) > 0),
		}
		x.Spark = chart.Spark("share missing of "+report.Visible(f.Name)+" over time", series(track, monitor.Column{Feature: f.Name, Figure: "missing_ratio"}, 1), math.NaN())
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b dataRow) int {
		return cmp.Or(cmp.Compare(boolean(b.DataMove), boolean(a.DataMove)), cmp.Compare(b.Missing+b.Invalid, a.Missing+a.Invalid))
	})
	return out
}

// driftPage is the table of features and the time line of their verdicts.
type driftPage struct {
	Timeline   template.HTML
	Strokes    string // what marks in it say
	Cut        int    // features that the time line leaves out
	Rows       []driftRow
	ByState    string
	ByName     string
	BySince    string
	Changes    []changeRow
	Calibrated string // why verdicts may be wrong
}

// driftRow is a feature's verdict.
type driftRow struct {
	*monitor.FeatureResult
	Href, Moved, By, Where, Need, When string
	Value, Threshold                   monitor.Figure
	Spark                              template.HTML
}

// timelineRows is how many features the time line has.
const timelineRows = 12

func (v *view) driftPage(s *selection, r *monitor.Result, z *zoomNav) *driftPage {
	p := &driftPage{
		ByState: s.link("/model", "sort", ""), ByName: s.link("/model", "sort", "name"), BySince: s.link("/model", "sort", "since"),
		Changes: v.changeRows(r, layerDrift),
	}
	track := v.History.Find(s.Model, s.Version, s.Segment, s.Window, false)
	order := make([]*monitor.FeatureResult, len(r.Features))
	for i := range r.Features {
		order[i] = &r.Features[i]
		if c := r.Features[i].Calibration; c != "" {
			p.Calibrated = c
		}
	}
	byDrift := func(a, b *monitor.FeatureResult) int {
		return cmp.Or(cmp.Compare(ranks[b.State], ranks[a.State]), cmp.Compare(excess(b), excess(a)), strings.Compare(a.Name, b.Name))
	}
	slices.SortStableFunc(order, byDrift)
	marks := v.marks(s, r, "", "")
	p.Strokes = z.strokes(marks)
	p.Timeline, p.Cut = v.timeline(s, marks, z, track, order)
	switch s.Sort {
	case "name":
		slices.SortStableFunc(order, func(a, b *monitor.FeatureResult) int { return strings.Compare(a.Name, b.Name) })
	case "since":
		slices.SortStableFunc(order, func(a, b *monitor.FeatureResult) int { return cmp.Compare(b.Since, a.Since) })
	}
	for _, f := range order {
		p.Rows = append(p.Rows, v.driftRow(s, r, f, track))
	}
	return p
}

func (v *view) driftRow(s *selection, r *monitor.Result, f *monitor.FeatureResult, track *monitor.Track) driftRow {
	x := driftRow{FeatureResult: f, Href: s.FeatureLink(f.Name), Need: need(f), Value: monitor.Undefined, Threshold: monitor.Undefined}
	if d := deciding(f); d != nil {
		x.By, x.Value, x.Threshold = report.StatisticName(d.Statistic), d.Value, d.Threshold
		x.Spark = chart.Spark(x.By+" of "+report.Visible(f.Name)+" over time", series(track, monitor.Column{Feature: f.Name, Figure: d.Statistic}, 1), float64(d.Threshold))
	}
	if f.Since > 0 {
		x.When = clockOf(f.Since, v.now)
	}
	if ranks[f.State] > 0 {
		x.Moved = shift(f)
		if s.Segment == "" {
			x.Where = v.where(report.Place{Result: r, FeatureResult: f})
		}
	}
	return x
}

// timeline draws the states of those features that come first, and of the answers, over time.
func (v *view) timeline(s *selection, marks []chart.Mark, z *zoomNav, track *monitor.Track, order []*monitor.FeatureResult) (picture template.HTML, cut int) {
	var rows []chart.Row
	add := func(name string, t *monitor.Track, c monitor.Column, bad string) {
		row := chart.Row{Name: report.Visible(name)}
		for _, q := range z.states(t.Points(c)) {
			state := monitor.StateOf(q.Value)
			if state == monitor.StateDrift {
				state = bad
			}
			row.Starts, row.States = append(row.Starts, float64(q.End)/1e9), append(row.States, state)
		}
		rows = append(rows, row)
	}
	for _, f := range order[:min(len(order), timelineRows)] {
		add(f.Name, track, monitor.Column{Feature: f.Name, Figure: "state"}, monitor.StateDrift)
	}
	if t := v.History.Find(s.Model, s.Version, s.Segment, s.Window, true); t != nil {
		add("(answers)", t, monitor.Column{Figure: "state"}, "worse")
	}
	return chart.Timeline(fmt.Sprintf("states of %d features over time; the table below has those of now in words", len(rows)), rows, z.from, z.to, marks), len(order) - min(len(order), timelineRows)
}
