package web

import (
	"math"
	"time"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/monitor"
)

// span is a time, in Unix seconds.
type span struct{ from, to float64 }

// newest are the names of the newest parts of a history that can be chosen (last=), the shortest first.
var newest = []struct {
	name   string
	length time.Duration
}{{"15m", 15 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}}

func seconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }

// lengthOf returns how long a part of newest is; 0 if there is none of this name.
func lengthOf(name string) time.Duration {
	for _, n := range newest {
		if n.name == name {
			return n.length
		}
	}
	return 0
}

// zoomOf reads from the address which time pictures show: last=, or from= and to=; false if it makes no sense.
func (s *selection) zoomOf(v *view) bool {
	from, to := v.query.Get("from"), v.query.Get("to")
	if from == "" && to == "" {
		s.Last = v.query.Get("last")
		return s.Last == "" || lengthOf(s.Last) > 0
	}
	a, err := time.Parse(time.RFC3339, from)
	b, err2 := time.Parse(time.RFC3339, to)
	s.From, s.To = a.UTC().Format(time.RFC3339), b.UTC().Format(time.RFC3339)
	return err == nil && err2 == nil && a.Before(b)
}

// zoomNav is what a page offers of time to choose.
type zoomNav struct {
	span
	Links []zoomLink
	// Chosen is the time that is shown, in words, if that is not all.
	Chosen string
	// Empty says why there are no pictures.
	Empty string
}

type zoomLink struct {
	Name, Href string
	Here       bool
}

// zoom returns the time that pictures at a path show, which lies within what is kept of a selection, and what else can be chosen. It is empty
// (from not before to) if nothing is kept of that time.
func (v *view) zoom(path string, s *selection) *zoomNav {
	all := span{math.Inf(1), math.Inf(-1)}
	for _, labels := range []bool{false, true} {
		if t := v.History.Find(s.Model, s.Version, s.Segment, s.Window, labels); t.Len() > 0 {
			all = span{min(all.from, seconds(t.First())), max(all.to, seconds(t.Last()))}
		}
	}
	if r := v.result(s); r != nil { // what is shown may end after the newest slide
		all.to = max(all.to, seconds(r.End))
	}
	z := &zoomNav{span: all, Empty: "No history yet: the first point comes with the first slide of the window."}
	if !(all.from < all.to) {
		return z
	}
	to := func(name string, at span) {
		z.Links = append(z.Links, zoomLink{name, s.link(path, "last", "", "from", stamp(int64(at.from)*1e9), "to", stamp(int64(at.to)*1e9)), false})
	}
	z.Links = append(z.Links, zoomLink{"all", s.link(path, "last", "", "from", "", "to", ""), s.Last == "" && s.From == ""})
	for _, n := range newest {
		if n.length.Seconds() < all.to-all.from || n.name == s.Last {
			z.Links = append(z.Links, zoomLink{"last " + n.name, s.link(path, "last", n.name, "from", "", "to", ""), n.name == s.Last})
		}
	}
	switch {
	case s.From != "":
		from, _ := time.Parse(time.RFC3339, s.From)
		to, _ := time.Parse(time.RFC3339, s.To)
		z.span = span{max(all.from, seconds(from)), min(all.to, seconds(to))}
	case s.Last != "":
		z.from = max(all.from, all.to-lengthOf(s.Last).Seconds())
	}
	if !(z.from < z.to) {
		z.Empty = "Nothing is kept of this time."
		return z
	}
	half := (z.to - z.from) / 2
	if half >= 60 {
		to("closer", span{z.from + math.Floor(half/2), z.to - math.Floor(half/2)})
	}
	if z.span == all {
		return z
	}
	z.Empty = "No points in this time."
	say := func(x float64) string {
		text := clockOf(int64(x)*1e9, v.now)
		if z.to-z.from < 600 {
			text += time.Unix(int64(x), 0).UTC().Format(":05")
		}
		return text
	}
	z.Chosen = say(z.from) + " to " + say(z.to)
	if z.from > all.from {
		to("earlier", span{max(all.from, z.from-half), max(all.from, z.from-half) + 2*half})
	}
	if z.to < all.to {
		to("later", span{min(all.to, z.to+half) - 2*half, min(all.to, z.to+half)})
	}
	return z
}

// line leaves of a line the part of the time: its points, and where it begins and ends between two.
func (z *zoomNav) line(points []chart.Point) []chart.Point {
	out := make([]chart.Point, 0, len(points)+2)
	for i, p := range points {
		if i > 0 {
			for _, x := range []float64{z.from, z.to} {
				if q := points[i-1]; q.X < x && x < p.X {
					out = append(out, chart.Point{X: x, Y: q.Y + (p.Y-q.Y)*(x-q.X)/(p.X-q.X)})
				}
			}
		}
		if p.X >= z.from && p.X <= z.to {
			out = append(out, p)
		}
	}
	return out
}

// states leaves the points of the time, and the one before it, whose state lasts into it.
func (z *zoomNav) states(points []monitor.Point) []monitor.Point {
	first, end := 0, 0
	for i, p := range points {
		if x := float64(p.End) / 1e9; x <= z.from {
			first, end = i, i+1
		} else if x <= z.to {
			end = i + 1
		}
	}
	return points[first:end]
}
