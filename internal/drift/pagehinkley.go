package drift

import (
	"encoding/binary"
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// Direction is the direction of changes.
type Direction int

// The directions.
const (
	Both Direction = iota
	Up
	Down
)

// PageHinkleyOptions are the options of PageHinkley; the zero value has the defaults.
type PageHinkleyOptions struct {
	// Raw takes the deviations of pane means as they are, in units of the figure. By
	// default they are in standard deviations of a pane's mean, and at most 4.
	Raw bool
	// Delta is the deviation that is tolerated for ever; 0.5 by default.
	Delta float64
	// Threshold is the cumulated deviation that is a change; 15 by default.
	Threshold float64
	// Fading is what a pane leaves of the sum before it, in (0, 1]; all, 1, by default. Less
	// suits short streams only: a fading sum that falls by Delta a pane comes to rest at
	// -Delta/(1 - Fading), and its noise above the minimum is then taken for a change.
	Fading float64
	// MinPanes is the number of panes before there can be a change; 30 by default.
	MinPanes uint64
	// Direction of changes; Both by default.
	Direction Direction
}

// PageHinkley cumulates how far pane means deviate from the mean of all panes so far, and
// finds a change when the sum has risen by more than the threshold above its minimum (or
// fallen below its maximum): Page, "Continuous inspection schemes" (1954); Hinkley,
// "Inference about the change-point from cumulative sum tests" (1971). After a change
// it begins anew.
//
// A deviation is measured in the standard deviation of a pane's mean, σ/√n, with σ² the
// variance between panes (Σ n (mean - μ)² over their number), so that options fit any figure
// and any traffic. It counts as 4 at most: a single pane, however far off, is an outlier
// and no change, and a large change takes at least Threshold/(4 - Delta) panes.
//
// The change is estimated to have begun after the minimum (or maximum) of the sum, as
// Hinkley shows.
type PageHinkley struct {
	course
	opt     PageHinkleyOptions
	panes   uint64
	n, mean float64
	squares float64 // Σ n (mean - μ)² over the panes
	up      slope
	down    slope
}

// slope is a cumulated sum with its minimum.
type slope struct {
	sum, low float64
	at       uint64 // the pane of the minimum; 0 before the first pane
}

const maxDeviation = 4

// NewPageHinkley returns an empty PageHinkley.
func NewPageHinkley(o PageHinkleyOptions) *PageHinkley {
	o.Delta, o.Threshold = positive(o.Delta, 0.5), positive(o.Threshold, 15)
	o.Fading = share(o.Fading, 1)
	if o.MinPanes == 0 {
		o.MinPanes = 30
	}
	return &PageHinkley{opt: o}
}

// Update takes the next pane.
func (p *PageHinkley) Update(sum float64, n uint64) {
	p.pass()
	if !isFigure(sum, n) {
		return
	}
	d := p.deviation(sum/float64(n), float64(n))
	p.up.add(d, p.now, &p.opt)
	p.down.add(-d, p.now, &p.opt)
	if p.panes < p.opt.MinPanes {
		return
	}
	switch {
	case p.opt.Direction != Down && p.up.sum-p.up.low > p.opt.Threshold:
		p.change(p.up.at + 1)
	case p.opt.Direction != Up && p.down.sum-p.down.low > p.opt.Threshold:
		p.change(p.down.at + 1)
	}
}

// deviation adds a pane's mean to the mean, and returns how far it is from it.
func (p *PageHinkley) deviation(x, n float64) float64 {
	p.panes++
	p.n += n
	d := x - p.mean
	p.mean += float64(d * (n / p.n))
	rest := x - p.mean
	p.squares += float64(d * rest * n)
	if p.opt.Raw {
		return rest
	}
	if p.squares <= 0 || math.Abs(rest) <= rounding*math.Abs(x) {
		return 0
	}
	z := rest * math.Sqrt(n) / math.Sqrt(p.squares/float64(p.panes))
	return min(max(z, -maxDeviation), maxDeviation)
}

func (s *slope) add(d float64, now uint64, o *PageHinkleyOptions) {
	s.sum = float64(o.Fading*s.sum) + d - o.Delta
	if s.at == 0 || s.sum < s.low {
		s.low, s.at = s.sum, now
	}
}

func (p *PageHinkley) change(began uint64) {
	*p = PageHinkley{opt: p.opt, course: p.changed(began)}
}

// Reset forgets all panes.
func (p *PageHinkley) Reset() { *p = PageHinkley{opt: p.opt} }

// Bytes returns the heap memory in use: none.
func (p *PageHinkley) Bytes() int { return 0 }

func (p *PageHinkley) options() []float64 {
	o := &p.opt
	return []float64{bit(o.Raw), o.Delta, o.Threshold, o.Fading, float64(o.MinPanes), float64(o.Direction)}
}

// AppendBinary appends the binary form.
func (p *PageHinkley) AppendBinary(b []byte) []byte {
	b = p.appendTo(appendFloats(append(b, pageHinkleyVersion), p.options()...))
	b = appendFloats(binary.AppendUvarint(b, p.panes), p.n, p.mean, p.squares)
	for _, s := range [...]*slope{&p.up, &p.down} {
		b = binary.AppendUvarint(appendFloats(b, s.sum, s.low), s.at)
	}
	return b
}

// ReadBinary replaces p by the binary form at the beginning of b.
func (p *PageHinkley) ReadBinary(b []byte) ([]byte, error) {
	d := sketch.NewDecoder(b)
	d.Begin(pageHinkleyVersion)
	readOptions(d, p.options()...)
	r := PageHinkley{opt: p.opt, course: readCourse(d), panes: d.Count()}
	r.n, r.mean, r.squares = d.Float(), d.Float(), d.Float()
	for _, s := range [...]*slope{&r.up, &r.down} {
		*s = slope{d.Float(), d.Float(), d.Count()}
		check(d, s.at <= r.now, (s.at > 0) == (r.panes > 0),
			s.low <= s.sum, s.sum <= maxSquares, s.low >= -maxSquares)
	}
	check(d, r.panes <= r.now, r.n >= float64(r.panes), r.n <= maxValues,
		math.Abs(r.mean) <= 2*maxSum, math.Abs(r.squares) <= maxSquares)
	if d.Err() == nil {
		*p = r
	}
	return d.End("page-hinkley")
}
