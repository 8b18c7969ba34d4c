package drift

import (
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// HDDMWOptions are the options of HDDMW; the zero value has the defaults.
type HDDMWOptions struct {
	HDDMOptions
	// Lambda is the weight of a value in an average before the next one comes, in (0, 1);
	// 0.05 by default, as in the paper. The average remembers about 1/Lambda values, which should
	// be some panes' worth.
	Lambda float64
}

// HDDMW compares an exponentially weighted average of the values since a cut with the one
// up to it, by McDiarmid's bound: the W-test of Frías-Blanco et al., "Online and
// non-parametric drift detection methods based on Hoeffding's bounds" (2015). After a
// change it begins anew.
//
// A pane of n values enters with the weight that n values in a row have, 1-(1-λ)^n, shared
// evenly among them, since their order is not known; the bound is that of these weights. As
// HDDMA, it knows nothing of the variance, and of the number of tests.
//
// The cut is where average + bound is smallest (for decreases, average - bound largest), which
// mostly lies far before the change. That is estimated to have begun at the first of the warnings
// that led to it, or else where it was found: by up to the delay too late, and too early if the
// warnings lasted already.
type HDDMW struct {
	course
	opt      HDDMWOptions
	total    weighted
	up, down weightedCut
}

// weighted is an average in which new values weigh more.
type weighted struct {
	mean    float64
	squares float64 // the sum of the squared weights; 0 is no value yet
}

// weightedCut has the averages up to a cut and since then, for increases.
type weightedCut struct {
	before, since weighted
}

// NewHDDMW returns an empty HDDMW.
func NewHDDMW(o HDDMWOptions) *HDDMW {
	o.defaults()
	o.Lambda = share(o.Lambda, 0.05)
	return &HDDMW{opt: o}
}

// Update takes the next pane.
func (h *HDDMW) Update(sum float64, n uint64) {
	h.pass()
	if !isRatio(sum, n) {
		return
	}
	mean, count := sum/float64(n), float64(n)
	weight := -math.Expm1(count * math.Log1p(-h.opt.Lambda))
	h.total.add(mean, count, weight)
	up, down := h.up.add(mean, count, weight, h.total, h.opt.Change), 0.0
	if h.opt.TwoSided {
		mirror := weighted{1 - h.total.mean, h.total.squares}
		down = h.down.add(1-mean, count, weight, mirror, h.opt.Change)
	}
	if max(up, down) > math.Log(1/h.opt.Change) {
		*h = HDDMW{opt: h.opt, course: h.changed(h.firstWarning())}
		return
	}
	h.say(max(up, down) > math.Log(1/h.opt.Warning))
}

// add adds n values.
func (w *weighted) add(mean, n, weight float64) {
	if w.squares == 0 {
		*w = weighted{mean, 1 / n}
		return
	}
	w.mean = min(float64(weight*mean)+float64((1-weight)*w.mean), 1)
	w.squares = float64(weight*weight/n) + float64((1-weight)*(1-weight)*w.squares)
}

// bound is the largest difference from the expected value at a level of significance, by its
// logarithm.
func (w *weighted) bound(log float64) float64 { return math.Sqrt(w.squares * log / 2) }

// add adds the n values that total has already, moves the cut to here if average + bound is
// the smallest so far, and returns the logarithm of 1 over the largest level of
// significance at which the average has increased since the cut.
func (c *weightedCut) add(mean, n, weight float64, total weighted, level float64) float64 {
	log := math.Log(1 / level)
	if c.before.squares == 0 || total.mean+total.bound(log) < c.before.mean+c.before.bound(log) {
		*c = weightedCut{before: total}
		return 0
	}
	c.since.add(mean, n, weight)
	d := c.since.mean - c.before.mean
	if d <= 0 {
		return 0
	}
	return 2 * d * d / (c.before.squares + c.since.squares)
}

// Reset forgets all panes.
func (h *HDDMW) Reset() { *h = HDDMW{opt: h.opt} }

// Bytes returns the heap memory in use: none.
func (h *HDDMW) Bytes() int { return 0 }

func (h *HDDMW) options() []float64 { return append(h.opt.list(), h.opt.Lambda) }

// AppendBinary appends the binary form.
func (h *HDDMW) AppendBinary(b []byte) []byte {
	b = h.appendTo(appendFloats(append(b, hddmwVersion), h.options()...))
	b = appendFloats(b, h.total.mean, h.total.squares)
	for _, c := range [...]*weightedCut{&h.up, &h.down} {
		b = appendFloats(b, c.before.mean, c.before.squares, c.since.mean, c.since.squares)
	}
	return b
}

// ReadBinary replaces h by the binary form at the beginning of b.
func (h *HDDMW) ReadBinary(b []byte) ([]byte, error) {
	d := sketch.NewDecoder(b)
	d.Begin(hddmwVersion)
	readOptions(d, h.options()...)
	r := HDDMW{opt: h.opt, course: readCourse(d)}
	r.total = readWeighted(d)
	for _, c := range [...]*weightedCut{&r.up, &r.down} {
		*c = weightedCut{readWeighted(d), readWeighted(d)}
	}
	began := r.total.squares > 0
	check(d, (r.up.before.squares > 0) == began, (r.down.before.squares > 0) == (began && r.opt.TwoSided))
	if d.Err() == nil {
		*h = r
	}
	return d.End("hddm-w")
}

func readWeighted(d *sketch.Decoder) weighted {
	w := weighted{d.Float(), d.Float()}
	check(d, w.mean >= 0, w.mean <= 1, w.squares >= 0, w.squares <= 1)
	return w
}
