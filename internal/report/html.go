package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/chart"
)

//go:embed report.html
var pageText string

//go:embed report.css
var style string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(chart.Style + style) }, "v": Visible, "version": versionName, "segment": segmentName, "count": Count,
	"number": number, "percent": percent, "title": FigureTitle, "statistic": StatisticName, "join": func(names []string) string { return Visible(strings.Join(names, ", ")) },
	"when": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }, "state": stateText, "raw": func(b json.RawMessage) string { return string(b) },
	"text": VisibleLines, "bars": bars, "lines": lines, "roc": roc, "calibration": calibration,
}).Parse(pageText))

// WriteHTML writes the report as one page that loads nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	if err := page.Execute(w, r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func number(x *float64) string {
	if x == nil {
		return "–"
	}
	return chart.Number(*x)
}

func percent(x *float64) string {
	if x == nil {
		return "–"
	}
	return chart.Percent(*x)
}

// stateText is a state in words.
func stateText(s string) string {
	switch s {
	case "":
		return "no verdict"
	case "undefined":
		return "unknown"
	}
	return s
}

func bars(name string, d *Distribution) template.HTML {
	if d == nil || len(d.Bins) != len(d.Reference) || len(d.Bins) != len(d.Current) {
		return ""
	}
	var bins []chart.Bin
	for i := range d.Bins {
		bins = append(bins, chart.Bin{Name: d.Bins[i], Reference: d.Reference[i], Now: d.Current[i]})
	}
	return chart.Bars("Shares of the values of "+Visible(name)+", in the reference and now", bins)
}

// theAnswers is what history lines of answers are of.
const theAnswers = "the answers"

// lines draws a history: the first line, its threshold, and other lines in pictures of their own.
func lines(name string, history []Line) template.HTML {
	var out template.HTML
	for i, l := range history {
		if l.Figure == "threshold" {
			continue
		}
		p := chart.Plot{Label: StatisticName(l.Figure) + " of " + Visible(name) + " over time", Zero: name != theAnswers, Lines: []chart.Line{{Class: "now", Points: points(l.Points)}}}
		if i+1 < len(history) && history[i+1].Figure == "threshold" {
			p.Lines = append(p.Lines, chart.Line{Class: "limit", Points: points(history[i+1].Points)})
		}
		out += template.HTML("<figure><figcaption>"+template.HTMLEscapeString(FigureTitle(StatisticName(l.Figure), ""))+" over time</figcaption>") + p.Draw() + "</figure>"
	}
	return out
}

func points(all [][2]float64) (out []chart.Point) {
	for _, p := range all {
		if !math.IsNaN(p[1]) {
			out = append(out, chart.Point{X: p[0], Y: p[1]})
		}
	}
	return out
}

func roc(p *Performance) template.HTML {
	if len(p.ROC) == 0 {
		return ""
	}
	plot := chart.Plot{Label: "ROC curve, now and in the reference", Curve: true, XName: "false positive rate", YName: "true positive rate", Diagonal: true}
	if len(p.ROCThen) > 0 {
		plot.Lines = append(plot.Lines, chart.Line{Class: "reference", Points: points(p.ROCThen)})
	}
	plot.Lines = append(plot.Lines, chart.Line{Class: "now", Points: points(p.ROC)})
	return plot.Draw()
}

func calibration(p *Performance) template.HTML {
	if len(p.Calibration) == 0 {
		return ""
	}
	var bins []chart.Calibrated
	for _, b := range p.Calibration {
		bins = append(bins, chart.Calibrated{Mean: b.Mean, Share: b.Share, Weight: b.Weight})
	}
	return chart.Calibration("How often probabilities come true", bins, nil)
}
