package report

import (
	"math"
	"strconv"
	"strings"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

func versionOf(r *monitor.Result, h *monitor.History) Version {
	v := Version{Version: r.Version, Window: windowOf(r), Features: []Feature{}}
	track := h.Find(r.Model, r.Version, "", r.Window, false)
	for i := range r.Features {
		v.Features = append(v.Features, featureOf(&r.Features[i], track))
	}
	for _, k := range r.KPIs {
		v.KPIs = append(v.KPIs, Named{k.Name, k.Value})
	}
	if r.Performance != nil {
		v.Performance = performanceOf(r.Performance, h.Find(r.Model, r.Version, "", r.Window, true))
	}
	return v
}

func featureOf(f *monitor.FeatureResult, track *monitor.Track) Feature {
	out := Feature{
		Name: f.Name, Type: f.Type, State: f.State, Calibration: f.Calibration, Count: f.Count, Needs: f.Needs,
		Mean: known(f.Mean), StdDev: known(f.StdDev), Median: quantile(f.Quantiles, "0.5"), Text: movedText(f),
	}
	all := f.Count + f.Missing + f.Invalid
	out.Missing, out.Invalid = ratio(f.Missing, all), ratio(f.Invalid, all)
	if f.HasReference {
		out.Outside = ratio(f.OutOfRange+f.Unseen, f.Count-f.Unmatched)
	}
	if f.DistinctKnown {
		out.Distinct = &f.Distinct
	}
	by := decisive(f)
	for i := range f.Drift {
		d := &f.Drift[i]
		out.Statistics = append(out.Statistics, Statistic{d.Statistic, d == by, known(d.Value), known(d.Threshold), known(d.PValue)})
	}
	out.Shares = sharesOf(f.Distribution)
	if by != nil {
		out.addLine(track, by.Statistic, "")
		out.addLine(track, "threshold", by.Statistic)
	}
	if f.Missing > 0 || f.Invalid > 0 {
		out.addLine(track, "missing_ratio", "")
	}
	return out
}

func (f *Feature) addLine(track *monitor.Track, figure, at string) {
	f.History = appendLine(f.History, track, monitor.Column{Feature: f.Name, Figure: figure, At: at})
}

// appendLine appends the history of a column, if there are points enough to draw.
func appendLine(lines []Line, track *monitor.Track, c monitor.Column) []Line {
	l := Line{Figure: c.Figure}
	if c.At != "" && c.Figure != "threshold" {
		l.Figure = FigureTitle(c.Figure, c.At)
	}
	for _, p := range track.Points(c) {
		if !p.Value.IsZero() {
			l.Points = append(l.Points, [2]float64{float64(p.End) / 1e9, rounded(float64(p.Value))})
		}
	}
	if len(l.Points) < 2 {
		return lines
	}
	l.Points = thinned(l.Points)
	return append(lines, l)
}

// thinned leaves of each stretch of points the largest, and the last of all.
func thinned(points [][2]float64) [][2]float64 {
	if len(points) <= maxPoints {
		return points
	}
	out := make([][2]float64, 0, maxPoints)
	last := len(points) - 1
	for i := range maxPoints - 1 {
		from, to := i*last/(maxPoints-1), (i+1)*last/(maxPoints-1)
		most := points[from]
		for _, p := range points[from:to] {
			if p[1] > most[1] {
				most = p
			}
		}
		out = append(out, most)
	}
	return append(out, points[last])
}

// rounded has the seven digits that a history knows.
func rounded(x float64) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 7, 32), 64)
	if err != nil {
		return x
	}
	return y
}

func ratio(n, of uint64) *float64 {
	if of == 0 {
		return nil
	}
	x := float64(n) / float64(of)
	return &x
}

// sharesOf returns the shares of the bins; nil if there are none.
func sharesOf(d *monitor.Distribution) *Distribution {
	if d == nil {
		return nil
	}
	out := &Distribution{Bins: binNames(d), Reference: shares(d.Reference), Current: shares(d.Current)}
	if len(out.Bins) != len(out.Reference) || len(out.Bins) != len(out.Current) {
		return nil
	}
	return out
}

func binNames(d *monitor.Distribution) (names []string) {
	if d.Categories != nil {
		for _, c := range d.Categories {
			names = append(names, Visible(c))
		}
		return append(names, "other categories", "unseen categories")
	}
	for i := range len(d.Edges) + 1 {
		switch {
		case len(d.Edges) == 0:
			names = append(names, "all values")
		case i == 0:
			names = append(names, "≤ "+chart.Number(d.Edges[0]))
		case i == len(d.Edges):
			names = append(names, "> "+chart.Number(d.Edges[i-1]))
		default:
			names = append(names, chart.Number(d.Edges[i-1])+" – "+chart.Number(d.Edges[i]))
		}
	}
	return names
}

func shares(counts []uint64) []float64 {
	total := uint64(0)
	for _, c := range counts {
		total += c
	}
	out := make([]float64, len(counts))
	for i, c := range counts {
		if total > 0 {
			out[i] = float64(c) / float64(total)
		}
	}
	return out
}

func performanceOf(p *monitor.PerformanceResult, track *monitor.Track) *Performance {
	out := &Performance{State: p.State, Matched: p.Matched, Ratio: known(p.MatchedRatio), Delay: quantile(p.Delay, "0.5"), Figures: []Figure{}}
	if !p.Labelled {
		out.Ratio = nil
	}
	if p.DecidedBy != "" {
		out.Figure = FigureTitle(p.DecidedBy, p.DecidedAt)
	}
	for _, f := range shownFigures(p.Figures) {
		g := Figure{Name: f.Name, At: f.At, Value: &f.Value, Reference: valueOf(p.Reference, f.Name, f.Label, f.At), Estimate: valueOf(p.Estimated, "estimated_"+f.Name, f.Label, f.At)}
		if low, high := f.Interval(); !math.IsNaN(low) {
			g.Low, g.High = &low, &high
		}
		out.Figures = append(out.Figures, g)
	}
	for _, f := range p.Estimated {
		name := strings.TrimPrefix(f.Name, "estimated_")
		if f.Label == "" && valueOf(p.Figures, name, "", "") == nil {
			out.Figures = append(out.Figures, Figure{Name: name, Reference: valueOf(p.Reference, name, "", ""), Estimate: &f.Value})
		}
	}
	if w := p.Worst; w != nil {
		out.Worst = segmentName(w.Segment) + ": " + FigureTitle(w.Figure, w.At) + " " + chart.Number(w.Value) + " of " + Count(w.Matched) + " matched predictions"
	}
	out.Fairness = fairnessOf(p.Fairness)
	if c := p.Curves; c != nil {
		out.ROC, out.Calibration = curve(c.ROC), calibrationOf(c.Calibration)
	}
	if c := p.ReferenceCurves; c != nil {
		out.ROCThen = curve(c.ROC)
	}
	if f := deciding(p); f != nil {
		out.History = appendLine(out.History, track, monitor.Column{Figure: f.Name, At: f.At})
		out.History = appendLine(out.History, track, monitor.Column{Figure: "threshold"})
	}
	return out
}

// shownFigures are those that there is one of, and the main ones of the others.
func shownFigures(figures []eval.Figure) (out []eval.Figure) {
	for _, f := range figures {
		if f.Label == "" {
			out = append(out, f)
		}
	}
	for _, f := range eval.Main(figures) {
		if f.Label != "" {
			out = append(out, f)
		}
	}
	return out
}

func valueOf(figures []eval.Figure, name, label, at string) *float64 {
	for i := range figures {
		if f := &figures[i]; f.Name == name && f.Label == label && f.At == at {
			x := f.Value
			return &x
		}
	}
	return nil
}

// fairnessOf are the comparisons by the four-fifths rule that fail, or that none does.
func fairnessOf(f *monitor.FairnessResult) (out []string) {
	if f == nil {
		return nil
	}
	for i := range f.Figures {
		d := &f.Figures[i]
		if !d.Adverse {
			continue
		}
		text := strings.ReplaceAll(d.Name, "_", " ")
		if d.Group != "" {
			text += " of " + Visible(d.Group)
		}
		if d.Against != "" {
			text += " against " + Visible(d.Against)
		}
		out = append(out, text+" is "+chart.Number(d.Value)+", below four fifths")
	}
	if len(out) == 0 {
		out = append(out, "no ratio between the groups of "+Visible(f.Segment)+" is below four fifths")
	}
	return out
}

func curve(points []eval.Point) (out [][2]float64) {
	for _, p := range points {
		out = append(out, [2]float64{rounded(p.X), rounded(p.Y)})
	}
	return out
}

func calibrationOf(bins []eval.Reliability) (out []Calibrated) {
	all := uint64(0)
	for _, b := range bins {
		all += b.N
	}
	for _, b := range bins {
		out = append(out, Calibrated{rounded(b.Mean), rounded(b.Share), rounded(float64(b.N) / float64(max(all, 1)))})
	}
	return out
}
