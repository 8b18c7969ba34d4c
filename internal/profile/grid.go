package profile

import (
	"math"
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

const (
	// overlap is how many windows begin within the length of one.
	overlap = 8
	// maxWindows is about how many are looked at of each length. Where more would overlap they overlap less; where
	// more would lie side by side some are picked.
	maxWindows = 2000
	// edge is the part of a window's length by which it may reach beyond the last row, and the mean time between rows: the
	// last event of a day does not come at midnight.
	edge = 64
)

// piece is rows [low, high) in the order of time: a part of a window.
type piece struct {
	low, high int32
	ends      bool  // a window, made of this and the pieces before
	start     int64 // of that window
}

// grid is how windows of one length lie over the rows: each is made of so many pieces in a row.
type grid struct {
	length int64
	parts  int
	pieces []piece
}

// stretch is rows [low, high) without a gap, how long it is, and how many disjoint windows fit.
type stretch struct {
	low, high  int
	width, fit int64
}

// newGrid cuts windows out of rows at these times, ascending. None lies over a gap, a time as long as a window without
// a row: those of a reference that was put together from several days are within the days.
func newGrid(times []int64, length int64) grid {
	stretches, fit := stretchesOf(times, length)
	g := grid{length: length, parts: overlap}
	for g.parts > 1 && (length%int64(g.parts) != 0 || fit*int64(g.parts) > maxWindows) {
		g.parts /= 2
	}
	every := max(1, (fit+maxWindows-1)/maxWindows) // one of so many disjoint windows
	for _, s := range stretches {
		g.cut(times, s, every)
	}
	return g
}

// stretchesOf returns the stretches into which windows fit, and how many.
func stretchesOf(times []int64, length int64) (all []stretch, fit int64) {
	low := 0
	for i := range times {
		if i+1 < len(times) && uint64(times[i+1]-times[i]) < uint64(length) {
			continue
		}
		width := times[i] - times[low]
		width += width/max(1, int64(i-low)) + length/edge
		s := stretch{low, i + 1, width, width / length}
		if low = i + 1; s.fit > 0 {
			all, fit = append(all, s), fit+s.fit
		}
	}
	return all, fit
}

// cut adds the windows of a stretch. They begin with its first row.
func (g *grid) cut(times []int64, s stretch, every int64) {
	first, width := times[s.low], g.length/int64(g.parts)
	pieces := s.width / width
	row := s.low
	upTo := func(t int64) int32 {
		for row < s.high && times[row] < t {
			row++
		}
		return int32(row)
	}
	for i := int64(0); ; i++ {
		k := picked(i, every)
		if k >= pieces {
			return
		}
		start := first + k*width
		low := upTo(start)
		g.pieces = append(g.pieces, piece{low, upTo(start + width), i+1 >= int64(g.parts), start + width - g.length})
	}
}

// picked returns which one of the pieces [i n, (i+1) n) is looked at: by the golden ratio, since a fixed
// step may always meet the same hour of the day.
func picked(i, n int64) int64 {
	_, fraction := math.Modf(float64(i) / math.Phi)
	return i*n + int64(fraction*float64(n))
}

// calibrate returns how the feature varies between the windows.
func (g *grid) calibrate(f *Feature, c column) drift.Calibration {
	size, windows, disjoint := g.sizes(c)
	if disjoint >= 3 {
		k := drift.NewCalibrator(f.Sample(g.length), size)
		g.windows(f, c, func(w *content) { k.Add(f.window(w)) })
		if out := k.Calibration(g.length, disjoint); out != nil {
			return *out
		}
	}
	return drift.Calibration{Length: g.length, Windows: windows, Disjoint: disjoint}
}

// sizes returns the harmonic mean of the numbers of values in the windows that tell something, how many these are, and
// how many of them disjoint.
func (g *grid) sizes(c column) (mean float64, windows, disjoint int) {
	valid := make([]uint64, len(g.pieces))
	next, inverses := int64(math.MinInt64), 0.0
	for i, p := range g.pieces {
		for _, b := range c.bins[p.low:p.high] {
			if b != absentBin {
				valid[i]++
			}
		}
		if !p.ends {
			continue
		}
		n := sum(valid[i+1-g.parts : i+1])
		if n < drift.MinWindow {
			continue
		}
		windows, inverses = windows+1, inverses+1/float64(n)
		if p.start >= next {
			disjoint, next = disjoint+1, p.start+g.length
		}
	}
	return float64(windows) / inverses, windows, disjoint
}

// content is what a feature has in a piece or window.
type content struct {
	bins   []uint64
	exp    sketch.ExpHistogram
	absent uint64
}

func newContent(f *Feature) content {
	if f.Type == event.Categorical {
		return content{bins: make([]uint64, len(f.Categories)+1)}
	}
	return content{bins: make([]uint64, f.Bins.Len()), exp: sketch.NewExpHistogram(f.Median)}
}

func (c *content) reset() {
	clear(c.bins)
	c.exp.Reset()
	c.absent = 0
}

func (c *content) merge(o *content) {
	for i, n := range o.bins {
		c.bins[i] += n
	}
	mustMerge(c.exp.Merge(&o.exp))
	c.absent += o.absent
}

// count adds the rows [low, high) of a column.
func (c *content) count(col column, low, high int32) {
	for _, b := range col.bins[low:high] {
		if b == absentBin {
			c.absent++
		} else {
			c.bins[b]++
		}
	}
	if col.values != nil {
		c.exp.AddAll(slices.DeleteFunc(slices.Clone(col.values[low:high]), math.IsNaN))
	}
}

// windows calls do with each window of a feature, which is valid until the next one.
func (g *grid) windows(f *Feature, c column, do func(w *content)) {
	parts := make([]content, g.parts)
	for i := range parts {
		parts[i] = newContent(f)
	}
	window := newContent(f)
	for i, p := range g.pieces {
		part := &parts[i%len(parts)]
		part.reset()
		part.count(c, p.low, p.high)
		if p.ends {
			window.reset()
			for k := range parts {
				window.merge(&parts[k])
			}
			do(&window)
		}
	}
}

// window returns one of the reference's own windows as one side of a comparison.
func (f *Feature) window(w *content) drift.Sample {
	s := drift.Sample{Bins: w.bins, Absent: w.absent}
	if f.Type == event.Numeric {
		s.Bins, s.Fine, s.Exp = f.AppendDeciles(nil, w.bins), w.bins, &w.exp
	}
	return s
}
