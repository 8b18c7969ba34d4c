package chart

import (
	"html"
	"html/template"
	"math"
	"slices"
)

// Spark draws one line without axes, with a limit unless that is NaN. It is empty if there are fewer than two values.
func Spark(label string, points []Point, limit float64) template.HTML {
	const width, height = 120, 28
	defined := 0
	for _, p := range points {
		if !math.IsNaN(p.Y) {
			defined++
		}
	}
	if defined < 2 {
		return ""
	}
	points = thin(points, width)
	low, high := extent([]Line{{Points: points}}, math.Inf(1), math.Inf(-1))
	if !math.IsNaN(limit) {
		low, high = math.Min(low, 0), math.Max(high, limit)
	} else if low > 0 && low < high/2 {
		low = 0
	}
	if high-low < math.Abs(high)/50 { // a steady value is a straight line in the middle
		low, high = low-math.Abs(high)/4, high+math.Abs(high)/4
	}
	x := scale{low: points[0].X, high: points[len(points)-1].X, from: 1, to: width - 1}
	y := scale{low: low, high: high, from: height - 2, to: 2}
	c := &canvas{}
	c.begin("spark", width, height, label)
	if !math.IsNaN(limit) {
		c.tag("line", "line limit", segment, x.from, y.at(limit), x.to, y.at(limit))
	}
	c.path("line now", place(points, x, y))
	return c.end()
}

// place maps points to coordinates.
func place(points []Point, x, y scale) []Point {
	out := make([]Point, len(points))
	for i, p := range points {
		out[i] = Point{x.at(p.X), p.Y}
		if !math.IsNaN(p.Y) {
			out[i].Y = y.at(p.Y)
		}
	}
	return out
}

// thin keeps of many points the least and the largest of each of n parts.
func thin(points []Point, n int) []Point {
	if len(points) <= 2*n {
		return points
	}
	out := make([]Point, 0, 2*n)
	for i := range n {
		part := points[i*len(points)/n : (i+1)*len(points)/n]
		low, high := 0, 0
		for j, p := range part {
			if math.IsNaN(part[low].Y) || p.Y < part[low].Y {
				low = j
			}
			if math.IsNaN(part[high].Y) || p.Y > part[high].Y {
				high = j
			}
		}
		out = append(out, part[min(low, high)])
		if low != high {
			out = append(out, part[max(low, high)])
		}
	}
	return out
}

// Plot is lines over time, or curves.
type Plot struct {
	Label string
	Lines []Line
	// Curve: both axes go from 0 to 1 and the picture is square; else X is Unix seconds.
	Curve bool
	// XName and YName are written at the axes of a curve.
	XName, YName string
	// Diagonal draws what a guess, or a perfect calibration, would be.
	Diagonal bool
	// From and To are the ends of the axis of time, Unix seconds, and the picture tells them to scripts; both 0: those of the points.
	From, To float64
	// Zero: the axis of values begins at 0.
	Zero  bool
	Marks []Mark
}

// Mark is a time, Unix seconds, that is marked by a line from top to bottom; Name says what was then to those who point at it.
type Mark struct {
	X    float64
	Name string
}

// marks draws those that are within the picture.
func (c *canvas) marks(all []Mark, x, y scale) {
	for _, m := range all {
		if m.X >= x.low && m.X <= x.high {
			at := coordinate(x.at(m.X))
			c.text(`<line class="mark" x1="`, at, `" y1="`, coordinate(y.from), `" x2="`, at, `" y2="`, coordinate(y.to), `"><title>`, html.EscapeString(m.Name), `</title></line>`)
		}
	}
}

// Draw returns the picture; nothing if no line has a point.
func (p Plot) Draw() template.HTML {
	width, height := 640., 170.
	if p.Curve {
		width, height = 300, 300
	}
	low, high := extent(p.Lines, math.Inf(1), math.Inf(-1))
	if low > high {
		return ""
	}
	x := scale{low: math.Inf(1), high: math.Inf(-1), from: 48, to: width - 10}
	y := scale{low: low, high: high, from: height - 24, to: 10}
	if p.Curve {
		x.low, x.high, y.low, y.high, y.from = 0, 1, 0, 1, height-40
	} else {
		for _, l := range p.Lines {
			for _, q := range l.Points {
				x.low, x.high = math.Min(x.low, q.X), math.Max(x.high, q.X)
			}
		}
		if p.From < p.To {
			x.low, x.high = p.From, p.To
		}
		y.low, y.high = p.margin(low, high)
	}
	c := &canvas{}
	class := "plot"
	if p.Curve {
		class = "curve"
	}
	if p.From < p.To {
		c.beginOver(x, class, int(width), int(height), p.Label)
	} else {
		c.begin(class, int(width), int(height), p.Label)
	}
	p.axes(c, x, y)
	c.marks(p.Marks, x, y)
	if p.Diagonal {
		c.tag("line", "line guess", segment, x.from, y.from, x.to, y.to)
	}
	for _, l := range p.Lines {
		points := l.Points
		if !p.Curve {
			points = thin(points, 300)
		}
		c.path("line "+l.Class, place(points, x, y))
	}
	return c.end()
}

func (p *Plot) margin(low, high float64) (float64, float64) {
	if p.Zero {
		low = math.Min(low, 0)
	}
	if high-low <= 1e-9*math.Max(math.Abs(low), math.Abs(high)) {
		room := math.Max(math.Abs(high)/10, 1e-9)
		return low - room, high + room
	}
	room := (high - low) / 20
	if p.Zero && low == 0 {
		return 0, high + room
	}
	return low - room, high + room
}

func (p *Plot) axes(c *canvas, x, y scale) {
	for _, t := range y.ticks(4) {
		c.tag("line", "grid", segment, x.from, y.at(t), x.to, y.at(t))
		c.say("tick", "end", x.from-5, y.at(t)+4, Number(t))
	}
	if p.Curve {
		for _, t := range x.ticks(4) {
			c.say("tick", "middle", x.at(t), y.from+15, Number(t))
		}
		c.say("axis", "middle", (x.from+x.to)/2, y.from+33, p.XName)
		c.text(`<text class="axis middle" transform="translate(12 `, coordinate((y.from+y.to)/2), `) rotate(-90)">`, template.HTMLEscapeString(p.YName), "</text>")
		return
	}
	times(c, x, y.from+16)
}

// times writes the times at both ends and in the middle.
func times(c *canvas, x scale, at float64) {
	span := x.high - x.low
	c.say("tick", "start", x.from, at, clock(x.low, span))
	if span >= 120 {
		c.say("tick", "middle", (x.from+x.to)/2, at, clock(x.low+span/2, span))
	}
	if span > 0 {
		c.say("tick", "end", x.to, at, clock(x.high, span))
	}
}

// Row is a line of a Timeline. States are "ok", "warning", "drift", "worse", "change" or empty, each from its time on, Unix seconds.
type Row struct {
	Name   string
	Starts []float64
	States []string
}

// Timeline draws rows of states from a time to another, with marks as of a plot; nothing if no row has a state.
func Timeline(label string, rows []Row, from, to float64, marks []Mark) template.HTML {
	const width, left, height = 640, 150, 18
	if !(from < to) || !slices.ContainsFunc(rows, func(r Row) bool { return len(r.Starts) > 0 }) {
		return ""
	}
	x := scale{low: from, high: to, from: left, to: width - 10}
	bottom := float64(len(rows)*height + 4)
	c := &canvas{}
	c.beginOver(x, "timeline", width, int(bottom)+20, label)
	for i, r := range rows {
		y := float64(i*height + 3)
		c.say("tick", "end", left-6, y+11, clip(r.Name, 24))
		for j := 0; j < len(r.Starts); {
			k := j + 1
			for k < len(r.Starts) && r.States[k] == r.States[j] {
				k++
			}
			end := to
			if k < len(r.Starts) {
				end = r.Starts[k]
			}
			state := r.States[j]
			if state == "" {
				state = "unknown"
			}
			c.state(state, x, y, height-5, r.Starts[j], end)
			j = k
		}
	}
	c.marks(marks, x, scale{to: bottom})
	times(c, x, bottom+14)
	return c.end()
}

// state draws a state from a time to another: the worse, the higher, and in words to those who point at it.
func (c *canvas) state(state string, x scale, y, height, from, to float64) {
	share := 1.
	switch state {
	case "ok", "unknown":
		share = 0.4
	case "warning":
		share = 0.7
	}
	text := state + " from " + clock(from, x.high-x.low) + " to " + clock(to, x.high-x.low)
	c.text(`<rect class="state `, state, `" x="`, coordinate(x.at(from)), `" y="`, coordinate(y+height*(1-share)), `" width="`, coordinate(math.Max(x.at(to)-x.at(from), 0.5)), `" height="`, coordinate(height*share), `"><title>`, text, `</title></rect>`)
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
