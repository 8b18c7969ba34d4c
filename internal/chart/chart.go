// Package chart draws small pictures as SVG: lines over time, paired bars, bands of quantiles, curves and time lines of states. They have
// no style of their own, only classes, which Style colours; no script, and no reference to anything else. All text is escaped.
// Equal input gives equal bytes.
package chart

import (
	_ "embed"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// Style is the style sheet of all pictures. Its colours are variables, with values for light and dark.
//
//go:embed chart.css
var Style string

// Point of a line; Y may be NaN, which breaks it.
type Point struct{ X, Y float64 }

// Line is a series of a plot. Class is one of "now", "reference", "estimate" and "limit".
type Line struct {
	Name, Class string
	Points      []Point
}

// canvas collects an SVG.
type canvas struct{ strings.Builder }

// begin opens the picture. The label says what it shows to those who do not see it.
func (c *canvas) begin(class string, width, height int, label string) {
	c.text("<svg")
	c.open(class, width, height, label)
}

func (c *canvas) open(class string, width, height int, label string) {
	c.text(` class="chart `, class, `" viewBox="0 0 `, strconv.Itoa(width), " ", strconv.Itoa(height), `" role="img" aria-label="`, html.EscapeString(label), `">`)
}

// beginOver opens a picture over time, and tells a script which time is where.
func (c *canvas) beginOver(x scale, class string, width, height int, label string) {
	c.text(`<svg data-from="`, whole(x.low), `" data-to="`, whole(x.high), `" data-left="`, whole(x.from), `" data-right="`, whole(x.to), `"`)
	c.open(class, width, height, label)
}

func whole(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func (c *canvas) end() template.HTML {
	c.text("</svg>")
	return template.HTML(c.String()) //nolint:gosec // all text in it is escaped
}

func (c *canvas) text(parts ...string) {
	for _, p := range parts {
		c.WriteString(p)
	}
}

// tag writes an empty element with numeric attributes.
func (c *canvas) tag(name, class string, attributes []string, values ...float64) {
	c.text("<", name, ` class="`, class, `"`)
	for i, a := range attributes {
		c.text(" ", a, `="`, coordinate(values[i]), `"`)
	}
	c.text("/>")
}

var (
	rectangle = []string{"x", "y", "width", "height"}
	segment   = []string{"x1", "y1", "x2", "y2"}
	dot       = []string{"cx", "cy", "r"}
)

// say writes a text; its anchor is start, middle or end.
func (c *canvas) say(class, anchor string, x, y float64, text string) {
	c.text(`<text class="`, class, " ", anchor, `" x="`, coordinate(x), `" y="`, coordinate(y), `">`, html.EscapeString(text), "</text>")
}

// path draws a line through points that are given in the picture's coordinates.
func (c *canvas) path(class string, points []Point) {
	c.text(`<path class="`, class, `" d="`)
	pen := byte('M')
	for i, p := range points {
		if math.IsNaN(p.Y) {
			pen = 'M'
			continue
		}
		alone := pen == 'M' && (i+1 == len(points) || math.IsNaN(points[i+1].Y))
		c.WriteByte(pen)
		c.text(coordinate(p.X), " ", coordinate(p.Y))
		if alone { // else nothing would be drawn
			c.text("h.1")
		}
		pen = 'L'
	}
	c.text(`"/>`)
}

// coordinate writes a number with at most one decimal.
func coordinate(x float64) string {
	s := strconv.FormatFloat(math.Round(10*x)/10, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// Number writes a number in a few characters, with three significant digits.
func Number(x float64) string {
	switch a := math.Abs(x); {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "–"
	case a == 0:
		return "0"
	case a >= 1e15 || a < 1e-4:
		return strconv.FormatFloat(x, 'g', 3, 64)
	case a >= 1e9:
		return short(x/1e9) + "G"
	case a >= 1e6:
		return short(x/1e6) + "M"
	case a >= 1e4:
		return short(x/1e3) + "k"
	}
	return short(x)
}

// short writes a number below 10,000 with three significant digits, whole ones with all.
func short(x float64) string {
	if math.Abs(x) >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	s := strconv.FormatFloat(x, 'g', 3, 64)
	if strings.Contains(s, "e") {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return s
}

// scale maps values to coordinates.
type scale struct {
	low, high float64
	from, to  float64 // coordinates
	log       bool
}

func (s scale) at(x float64) float64 {
	low, high := s.low, s.high
	if s.log {
		x, low, high = math.Log(x), math.Log(low), math.Log(high)
	}
	if !(high > low) {
		return (s.from + s.to) / 2
	}
	return s.from + (min(max(x, low), high)-low)/(high-low)*(s.to-s.from)
}

// ticks returns about n round values within a scale.
func (s scale) ticks(n int) (out []float64) {
	if !(s.high > s.low) {
		return []float64{s.low}
	}
	if s.log {
		for _, unit := range []float64{1, 3} {
			for e := math.Floor(math.Log10(s.low)); e <= math.Log10(s.high); e++ {
				if x := unit * math.Pow(10, e); x >= s.low && x <= s.high && (unit == 1 || s.high/s.low < 300) {
					out = append(out, x)
				}
			}
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/float64(n))))
	for _, f := range []float64{1, 2, 5, 10} {
		if (s.high-s.low)/(step*f) <= float64(n) {
			step *= f
			break
		}
	}
	for k := math.Ceil(s.low/step - 1e-9); k*step <= s.high+step*1e-9; k++ {
		out = append(out, k*step)
	}
	return out
}

// extent widens low and high to hold all points of lines.
func extent(lines []Line, low, high float64) (float64, float64) {
	for _, l := range lines {
		for _, p := range l.Points {
			if !math.IsNaN(p.Y) {
				low, high = math.Min(low, p.Y), math.Max(high, p.Y)
			}
		}
	}
	return low, high
}

// clock writes the time of day of a Unix time in seconds, UTC; with the date if the span is longer than a day, with seconds if it is a few minutes.
func clock(seconds, span float64) string {
	form := "15:04"
	switch {
	case span > 26*3600:
		form = "2 Jan 15:04"
	case span < 600:
		form = "15:04:05"
	}
	return time.Unix(int64(seconds), 0).UTC().Format(form)
}
