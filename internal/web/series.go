package web

import (
	"math"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// series returns the points of a column, each times factor; where slides are missing the line is broken.
func series(t *monitor.Track, c monitor.Column, factor float64) []chart.Point {
	points := t.Points(c)
	out := make([]chart.Point, 0, len(points))
	for i, p := range points {
		if gap(t.Slide, points, i) {
			out = append(out, chart.Point{X: float64(points[i-1].End)/1e9 + 1, Y: math.NaN()})
		}
		y := math.NaN()
		if !p.Value.IsZero() {
			y = factor * float64(p.Value)
		}
		out = append(out, chart.Point{X: float64(p.End) / 1e9, Y: y})
	}
	return out
}

// gap reports whether slides are missing before point i: more than two, and more than before or after the points beside it, since of a backlog
// and of what was filled in after a restart there are points further apart.
func gap(slide int64, points []monitor.Point, i int) bool {
	between := func(i int) int64 {
		if i < 1 || i >= len(points) {
			return 0
		}
		return points[i].End - points[i-1].End
	}
	return slide > 0 && between(i) > max(3*slide, 3*max(between(i-1), between(i+1))/2)
}

// some reports whether a line has a point.
func some(points []chart.Point) bool {
	for _, p := range points {
		if !math.IsNaN(p.Y) {
			return true
		}
	}
	return false
}

// constant is a line at a value over the time of others.
func constant(like []chart.Point, y float64) []chart.Point {
	if len(like) == 0 || math.IsNaN(y) {
		return nil
	}
	return []chart.Point{{X: like[0].X, Y: y}, {X: like[len(like)-1].X, Y: y}}
}

// mainFigure writes the first of the main figures after a text; nothing if there is none.
func mainFigure(p *monitor.PerformanceResult, before string) string {
	figures := eval.Main(p.Figures)
	if len(figures) == 0 {
		figures = eval.Main(p.Estimated)
	}
	if len(figures) == 0 {
		return ""
	}
	return before + report.FigureTitle(figures[0].Name, figures[0].At) + " " + number(figures[0].Value)
}
