package drift

import (
	"encoding/binary"
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// HDDMOptions are the options of HDDMA and, in part, HDDMW; the zero value has the
// defaults.
type HDDMOptions struct {
	// Change and Warning are the levels of significance of a single test, in (0, 1);
	// 0.001 and 0.005 by default.
	Change, Warning float64
	// TwoSided finds decreases, too.
	TwoSided bool
}

func (o *HDDMOptions) defaults() {
	o.Change, o.Warning = share(o.Change, 0.001), share(o.Warning, 0.005)
}

func (o *HDDMOptions) list() []float64 { return []float64{o.Change, o.Warning, bit(o.TwoSided)} }

// HDDMA compares the ratio of all values since the last change with the ratio up to
// a cut, by Hoeffding's bound: the A-test of Frías-Blanco et al., "Online and
// non-parametric drift detection methods based on Hoeffding's bounds" (2015). After a
// change it begins anew.
//
// The bound holds for all independent values in [0, 1], scores as well as errors. It
// knows nothing of their variance, so that for ratios near 0 or 1 it is far too cautious; and it holds for
// one test, while there is one a pane and the cut is chosen.
//
// The cut is where ratio + bound is smallest (for decreases, ratio - bound largest). The
// change is estimated to have begun after it, or at the first of the warnings that led to it (where it
// was found, if there were none): at that of the two where the test's statistic is larger, since
// the cut may lie far before, and the warnings come late.
type HDDMA struct {
	course
	opt      HDDMOptions
	total    tally
	quiet    tally // the panes before the warnings that last; empty without any
	up, down averageCut
}

// averageCut is the part of the panes up to a cut, for increases of the ratio.
type averageCut struct {
	tally
	at uint64 // the last pane of the part; 0 is none yet
}

// NewHDDMA returns an empty HDDMA.
func NewHDDMA(o HDDMOptions) *HDDMA {
	o.defaults()
	return &HDDMA{opt: o}
}

// Update takes the next pane.
func (h *HDDMA) Update(sum float64, n uint64) {
	h.pass()
	if !isRatio(sum, n) {
		return
	}
	before := h.total
	h.total.add(sum, n)
	up, down := h.up.add(h.total, h.now, h.opt.Change), 0.0
	if h.opt.TwoSided {
		mirror := h.total
		mirror.sum = mirror.n - mirror.sum
		down = h.down.add(mirror, h.now, h.opt.Change)
	}
	if h.warned == 0 {
		h.quiet = before
	}
	switch limit := math.Log(2 / h.opt.Change); {
	case up >= limit:
		h.change(h.up.at+1, up)
	case down >= limit:
		h.change(h.down.at+1, down)
	default:
		if h.say(max(up, down) >= math.Log(2/h.opt.Warning)); h.warned == 0 {
			h.quiet = tally{}
		}
	}
}

// change is one that began at a pane, or when warnings did.
func (h *HDDMA) change(began uint64, excess float64) {
	if h.quiet.excess(h.total) > excess {
		began = h.firstWarning()
	}
	*h = HDDMA{opt: h.opt, course: h.changed(began)}
}

// excess returns the logarithm of 2 over the largest level of significance at which all of total
// has another ratio than its part t; 0 if t is nothing or all.
func (t *tally) excess(total tally) float64 {
	if t.panes == 0 || total.n <= t.n {
		return 0
	}
	d := total.mean() - t.mean()
	return 2 * d * d * t.n * total.n / (total.n - t.n)
}

// add makes all panes the part, if their ratio + bound is the smallest so far, and returns the
// excess of all panes where their ratio is larger than that of the part, else 0.
func (c *averageCut) add(total tally, now uint64, level float64) float64 {
	log := math.Log(1 / level)
	if c.at == 0 || c.mean()+math.Sqrt(log/(2*c.n)) >= total.mean()+math.Sqrt(log/(2*total.n)) {
		c.tally, c.at = total, now
		return 0
	}
	if total.mean() <= c.mean() {
		return 0
	}
	return c.excess(total)
}

// Reset forgets all panes.
func (h *HDDMA) Reset() { *h = HDDMA{opt: h.opt} }

// Bytes returns the heap memory in use: none.
func (h *HDDMA) Bytes() int { return 0 }

// AppendBinary appends the binary form.
func (h *HDDMA) AppendBinary(b []byte) []byte {
	b = h.appendTo(appendFloats(append(b, hddmaVersion), h.opt.list()...))
	b = h.quiet.appendTo(h.total.appendTo(b))
	for _, c := range [...]*averageCut{&h.up, &h.down} {
		b = binary.AppendUvarint(c.appendTo(b), c.at)
	}
	return b
}

// ReadBinary replaces h by the binary form at the beginning of b.
func (h *HDDMA) ReadBinary(b []byte) ([]byte, error) {
	d := sketch.NewDecoder(b)
	d.Begin(hddmaVersion)
	readOptions(d, h.opt.list()...)
	r := HDDMA{opt: h.opt, course: readCourse(d)}
	r.total, r.quiet = readTally(d, r.now), readTally(d, r.now)
	for _, c := range [...]*averageCut{&r.up, &r.down} {
		*c = averageCut{readTally(d, r.now), d.Count()}
		check(d, c.at <= r.now, c.n <= r.total.n, (c.at > 0) == (c.panes > 0))
	}
	began := r.total.panes > 0
	check(d, r.quiet.n <= r.total.n, r.warned > 0 || r.quiet.n == 0)
	check(d, (r.up.at > 0) == began, (r.down.at > 0) == (began && r.opt.TwoSided))
	if d.Err() == nil {
		*h = r
	}
	return d.End("hddm-a")
}
