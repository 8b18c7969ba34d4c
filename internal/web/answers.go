package web

import (
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// answersPage is the performance of a selection.
type answersPage struct {
	*monitor.PerformanceResult
	Sentence string
	Rows     []figureRow
	Delay    []tile
	Charts   []titled // over time
	Curves   []titled
	Matrix   *matrix
	Fairness *fairnessPart
	Segments segmentTable
	Labels   *monitor.LabelStatus
	KPIs     []kpiRow
	Changes  []changeRow
	Zoom     *zoomNav
}

// figureRow is a figure beside the reference's and the estimate.
type figureRow struct {
	Title, Help, Value, Interval, Reference, Difference, Estimate string
	Decides, Main                                                 bool
}

// intervalText writes the interval of 95 % of a figure; nothing if it has none.
func intervalText(f *eval.Figure) string {
	low, high := f.Interval()
	if !(low < high) {
		return ""
	}
	return number(low) + " to " + number(high)
}

// matrix is a confusion matrix.
type matrix struct {
	Answers []string
	Rows    []matrixRow
}

type matrixRow struct {
	Truth string
	Cells []matrixCell
}

// matrixCell has the count and its share of the row; Level is that share in tenths, for the colour.
type matrixCell struct {
	N     uint64
	Share float64
	Level int
	Right bool
}

// segmentTable compares segments by the main figures.
type segmentTable struct {
	Columns []string
	Rows    []segmentRow
}

type segmentRow struct {
	Name, Href string
	Matched    uint64
	Figures    []segmentFigure // one a column
	Worst      bool
	Need       string
}

type segmentFigure struct{ Value, Within string }

type kpiRow struct {
	Name, Value string
	Spark       template.HTML
}

func (v *view) answersPage(s *selection, r *monitor.Result, m *monitor.ModelStatus, z *zoomNav) *answersPage {
	p := &answersPage{PerformanceResult: r.Performance, Labels: m.Labels, Zoom: z, Changes: v.changeRows(r, layerPerformance)}
	track := v.History.Find(s.Model, s.Version, s.Segment, s.Window, false)
	for _, k := range r.KPIs {
		p.KPIs = append(p.KPIs, kpiRow{report.Visible(k.Name), number(k.Value), chart.Spark(report.Visible(k.Name)+" over time", series(track, monitor.Column{Figure: "kpi", At: k.Name}, 1), math.NaN())})
	}
	if r.Performance == nil {
		return p
	}
	p.Sentence = answersText(r)
	p.Rows = figureRows(r.Performance)
	for _, q := range r.Performance.Delay {
		p.Delay = append(p.Delay, tile{"label delay " + quantileName(q.Q), duration(time.Duration(float64(q.Value) * 1e9))})
	}
	p.Charts = v.answerCharts(s, r, track, z)
	p.Curves = curves(r.Performance)
	p.Matrix = matrixOf(r.Performance)
	p.Fairness = fairnessOf(r.Performance.Fairness)
	p.Segments = v.segments(s, r)
	return p
}

// figureRows pairs figures with those of the reference and the estimates; the main ones come first.
func figureRows(p *monitor.PerformanceResult) (out []figureRow) {
	main := eval.Main(p.Figures)
	isMain := func(f *eval.Figure) bool {
		return slices.ContainsFunc(main, func(o eval.Figure) bool { return o.Name == f.Name && o.Label == f.Label && o.At == f.At })
	}
	find := func(all []eval.Figure, name string, f *eval.Figure) (float64, bool) {
		for _, o := range all {
			if o.Name == name && o.Label == f.Label && o.At == f.At {
				return o.Value, true
			}
		}
		return math.NaN(), false
	}
	add := func(f *eval.Figure, estimated bool) {
		x := figureRow{Title: report.FigureTitle(f.Name, f.At), Value: "–", Main: isMain(f), Decides: f.Name == p.DecidedBy && f.At == p.DecidedAt && (f.Label == "" || f.Label == "k")}
		if d := eval.Describe(f.Name); d != nil {
			x.Help = d.Help
		}
		name := f.Name
		if estimated {
			x.Estimate, name = number(f.Value), strings.TrimPrefix(f.Name, "estimated_")
		} else {
			x.Value, x.Interval = number(f.Value), intervalText(f)
			if e, ok := find(p.Estimated, "estimated_"+f.Name, f); ok {
				x.Estimate = number(e)
			}
		}
		if then, ok := find(p.Reference, name, f); ok {
			x.Reference = number(then)
			if !estimated {
				x.Difference = signed(f.Value - then)
			}
		}
		out = append(out, x)
	}
	for i := range p.Figures {
		add(&p.Figures[i], false)
	}
	for i := range p.Estimated {
		f := &p.Estimated[i]
		if _, ok := find(p.Figures, strings.TrimPrefix(f.Name, "estimated_"), f); !ok {
			add(f, true)
			out[len(out)-1].Main = true
		}
	}
	slices.SortStableFunc(out, func(a, b figureRow) int {
		return 2*(boolean(b.Decides)-boolean(a.Decides)) + boolean(b.Main) - boolean(a.Main)
	})
	return out
}

func signed(x float64) string {
	if x >= 0 {
		return "+" + number(x)
	}
	return "−" + number(-x)
}

// answerCharts are the deciding figure (or the main one), with its limit and estimate, the labels' delay and how many came.
func (v *view) answerCharts(s *selection, r *monitor.Result, track *monitor.Track, z *zoomNav) (out []titled) {
	p := r.Performance
	name, at := p.DecidedBy, p.DecidedAt
	if name == "" {
		main := eval.Main(p.Figures)
		if len(main) == 0 {
			main = eval.Main(p.Estimated)
		}
		if len(main) == 0 {
			return nil
		}
		name, at = strings.TrimPrefix(main[0].Name, "estimated_"), main[0].At
	}
	labels := v.History.Find(s.Model, s.Version, s.Segment, s.Window, true)
	t := titled{Title: report.FigureTitle(name, at) + " over time", Note: "What labels say is known later than what is estimated: it is of the time in which labels came."}
	plot := chart.Plot{Label: t.Title, From: z.from, To: z.to, Marks: v.marks(s, r, layerPerformance, "")}
	add := func(class, title string, points []chart.Point) {
		if some(points) {
			plot.Lines = append(plot.Lines, chart.Line{Class: class, Points: points})
			t.Legend = append(t.Legend, legend{class, title})
		}
	}
	now := z.line(series(labels, monitor.Column{Figure: name, At: at}, 1))
	estimate := z.line(series(track, monitor.Column{Figure: "estimated_" + name, At: at}, 1))
	like := now
	if len(like) == 0 {
		like = estimate
	}
	add("reference", "reference", constant(like, figureOf(p.Reference, name, at)))
	if !p.Threshold.IsZero() {
		add("limit", "limit", constant(like, float64(p.Threshold)))
	}
	add("estimate", "estimated without labels", estimate)
	add("now", "by labels", now)
	if t.Picture = plot.Draw(); t.Picture != "" {
		out = append(out, t)
	}
	delay := z.line(series(labels, monitor.Column{Figure: "label_delay_seconds", At: "0.5"}, 1./60))
	if some(delay) {
		d := chart.Plot{Label: "median delay of labels in minutes over time", From: z.from, To: z.to, Zero: true, Lines: []chart.Line{{Class: "now", Points: delay}}}
		out = append(out, titled{Title: "Median delay of labels, minutes", Picture: d.Draw()})
	}
	return out
}

func points(from []eval.Point) []chart.Point {
	out := make([]chart.Point, len(from))
	for i, p := range from {
		out[i] = chart.Point(p)
	}
	return out
}

func calibrated(from []eval.Reliability) []chart.Calibrated {
	total := uint64(0)
	for _, r := range from {
		total += r.N
	}
	out := make([]chart.Calibrated, len(from))
	for i, r := range from {
		out[i] = chart.Calibrated{Mean: r.Mean, Share: r.Share, Weight: ratio(r.N, total)}
	}
	return out
}

// curves draws what there is of scores, beside the reference's.
func curves(p *monitor.PerformanceResult) (out []titled) {
	now, then := p.Curves, p.ReferenceCurves
	if now == nil {
		return nil
	}
	if then == nil {
		then = &eval.Curves{}
	}
	both := []legend{{"now", "now"}}
	if len(then.ROC) > 0 || len(then.Calibration) > 0 {
		both = append(both, legend{"reference", "reference"})
	}
	draw := func(title, x, y string, diagonal bool, a, b []eval.Point) {
		plot := chart.Plot{Label: title + " of now and of the reference", Curve: true, XName: x, YName: y, Diagonal: diagonal}
		if len(b) > 0 {
			plot.Lines = append(plot.Lines, chart.Line{Class: "reference", Points: points(b)})
		}
		plot.Lines = append(plot.Lines, chart.Line{Class: "now", Points: points(a)})
		out = append(out, titled{Title: title, Legend: both, Picture: plot.Draw()})
	}
	if len(now.ROC) > 0 {
		draw("ROC curve", "false positive rate", "true positive rate", true, now.ROC, then.ROC)
		draw("Precision and recall", "recall", "precision", false, now.PR, then.PR)
	}
	if len(now.Calibration) > 0 {
		out = append(out, titled{Title: "Calibration", Legend: both, Note: "On the diagonal what was given 30 % comes true in 30 %.",
			Picture: chart.Calibration("how often probabilities came true", calibrated(now.Calibration), calibrated(then.Calibration))})
	}
	return out
}

// matrixOf returns the confusion matrix; nil if there is none.
func matrixOf(p *monitor.PerformanceResult) *matrix {
	if p.Confusion != nil {
		names := append(slices.Clone(p.Classes), "anything else")
		return newMatrix(names, p.Confusion)
	}
	of := func(name string) uint64 {
		x := figureOf(p.Figures, name, "")
		if math.IsNaN(x) {
			return 0
		}
		return uint64(x)
	}
	cells := [][]uint64{{of("true_negatives"), of("false_positives")}, {of("false_negatives"), of("true_positives")}}
	if cells[0][0]+cells[0][1]+cells[1][0]+cells[1][1] == 0 {
		return nil
	}
	return newMatrix([]string{"negative", "positive"}, cells)
}

func newMatrix(names []string, cells [][]uint64) *matrix {
	m := &matrix{}
	for i, row := range cells {
		total := uint64(0)
		for _, n := range row {
			total += n
		}
		m.Answers = append(m.Answers, report.Visible(names[i]))
		out := matrixRow{Truth: report.Visible(names[i])}
		for j, n := range row {
			share := ratio(n, total)
			c := matrixCell{N: n, Share: share, Right: i == j}
			if total > 0 {
				c.Level = int(10 * share)
			}
			out.Cells = append(out.Cells, c)
		}
		m.Rows = append(m.Rows, out)
	}
	return m
}

func (v *view) segments(s *selection, all *monitor.Result) (out segmentTable) {
	main := eval.Main(all.Performance.Figures)
	for _, f := range main {
		out.Columns = append(out.Columns, report.FigureTitle(f.Name, f.At))
	}
	for _, r := range v.Results {
		if r.Model != s.Model || r.Version != s.Version || r.Window != s.Window || r.Performance == nil {
			continue
		}
		o := *s
		o.Segment = r.Segment
		row := segmentRow{Name: segmentName(r.Segment), Href: o.TabLink(layerPerformance), Matched: r.Performance.Matched}
		if w := all.Performance.Worst; w != nil {
			row.Worst = w.Segment == r.Segment
		}
		for _, c := range main {
			cell := segmentFigure{Value: "–"}
			for _, f := range r.Performance.Figures {
				if f.Name == c.Name && f.Label == c.Label && f.At == c.At {
					cell = segmentFigure{number(f.Value), intervalText(&f)}
				}
			}
			row.Figures = append(row.Figures, cell)
		}
		if r.Performance.Matched == 0 {
			row.Need = "no labels yet"
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}
