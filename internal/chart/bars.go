package chart

import (
	"html/template"
	"math"
	"strconv"
)

// Bin is a pair of bars: its shares of the reference and of now.
type Bin struct {
	Name           string
	Reference, Now float64
}

// Bars draws paired bars, one pair a line, with their shares in words.
func Bars(label string, bins []Bin) template.HTML {
	const width, left, right, height = 640, 190, 96, 30
	most := 0.0
	for _, b := range bins {
		most = math.Max(most, math.Max(b.Reference, b.Now))
	}
	if most == 0 {
		return ""
	}
	x := scale{low: 0, high: most, from: left, to: width - right}
	c := &canvas{}
	c.begin("bars", width, len(bins)*height+4, label)
	for i, b := range bins {
		y := float64(i*height + 3)
		c.say("name", "end", left-8, y+16, clip(b.Name, 28))
		c.tag("rect", "bar reference", rectangle, left, y, x.at(b.Reference)-left, 11)
		c.tag("rect", "bar now", rectangle, left, y+12, x.at(b.Now)-left, 11)
		c.say("tick", "start", x.at(math.Max(b.Reference, b.Now))+6, y+16, Percent(b.Reference)+" → "+Percent(b.Now))
	}
	return c.end()
}

// Percent writes a share.
func Percent(share float64) string {
	if math.IsNaN(share) {
		return "–"
	}
	p := 100 * share
	switch {
	case p == 0:
		return "0 %"
	case p < 0.01:
		return "<0.01 %"
	case p < 9.95:
		return strconv.FormatFloat(p, 'g', 2, 64) + " %"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + " %"
}

// Band is the spread of a feature: five rising quantiles.
type Band struct {
	Name, Class string
	Quantiles   [5]float64
}

// Bands draws bands above each other: thin from the first to the last quantile, thick in between, with the middle one marked. The
// axis is logarithmic where all is above 0 and far apart.
func Bands(label string, bands []Band) template.HTML {
	const width, left, height = 640, 120, 30
	low, high := math.Inf(1), math.Inf(-1)
	for _, b := range bands {
		for _, q := range b.Quantiles {
			if math.IsNaN(q) || math.IsInf(q, 0) {
				return ""
			}
		}
		low, high = math.Min(low, b.Quantiles[0]), math.Max(high, b.Quantiles[4])
	}
	if len(bands) == 0 {
		return ""
	}
	x := scale{low: low, high: high, from: left, to: width - 20, log: low > 0 && high/low > 30}
	bottom := float64(len(bands)*height + 2)
	c := &canvas{}
	c.begin("bands", width, int(bottom)+22, label)
	for _, t := range x.ticks(6) {
		c.tag("line", "grid", segment, x.at(t), 2, x.at(t), bottom)
		c.say("tick", "middle", x.at(t), bottom+15, Number(t))
	}
	for i, b := range bands {
		y := float64(i*height) + 6
		q := b.Quantiles
		c.say("name", "end", left-8, y+13, b.Name)
		c.tag("rect", "bar thin "+b.Class, rectangle, x.at(q[0]), y+7, math.Max(x.at(q[4])-x.at(q[0]), 1), 4)
		c.tag("rect", "bar "+b.Class, rectangle, x.at(q[1]), y, math.Max(x.at(q[3])-x.at(q[1]), 1), 18)
		c.tag("line", "middle", segment, x.at(q[2]), y-2, x.at(q[2]), y+20)
	}
	return c.end()
}

// Calibrated is a bin of probabilities.
type Calibrated struct {
	Mean, Share, Weight float64 // Weight is its share of all, which makes its dot larger
}

// Calibration draws how often what was given a probability came true; the reference may have no bins.
func Calibration(label string, now, reference []Calibrated) template.HTML {
	p := Plot{Curve: true, XName: "probability that was given", YName: "share that came true"}
	x := scale{low: 0, high: 1, from: 48, to: 290}
	y := scale{low: 0, high: 1, from: 260, to: 10}
	c := &canvas{}
	c.begin("curve", 300, 300, label)
	p.axes(c, x, y)
	c.tag("line", "line guess", segment, x.from, y.from, x.to, y.to)
	for _, side := range []struct {
		class string
		bins  []Calibrated
	}{{"reference", reference}, {"now", now}} {
		points := make([]Point, len(side.bins))
		for i, b := range side.bins {
			points[i] = Point{x.at(b.Mean), y.at(b.Share)}
			c.tag("circle", "dot "+side.class, dot, points[i].X, points[i].Y, 2+6*math.Sqrt(b.Weight))
		}
		if len(points) > 1 {
			c.path("line "+side.class, points)
		}
	}
	return c.end()
}
