package drift

import (
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// DDMOptions are the options of DDM; the zero value has the defaults, which are those of
// the paper.
type DDMOptions struct {
	// MinPanes is the number of panes that are only learned from; 30 by default.
	MinPanes uint64
	// MinSum is the sum (of errors, say) below which panes are only learned from. Where
	// ones are rare, a minimum of 0 would make the first one a change. 0 by default.
	MinSum float64
	// Warning and Change are the standard deviations above the minimum; 2 and 3 by
	// default.
	Warning, Change float64
}

// DDM follows the ratio p of all values since the last change, with its standard
// deviation s = sqrt(p(1-p)/n), and finds a change when p + s exceeds
// p' + Change s', the p and s at which p + s was smallest: Gama, Medas, Castillo and Rodrigues,
// "Learning with drift detection" (2004). It finds increases only. After a change it
// begins anew.
//
// It looks at every pane, which its levels know nothing of: in the first hundreds of panes
// after a change it alarms falsely more often than the others. Later it is slow, since
// p is the ratio of all panes.
//
// The change is estimated to have begun at the first of the warnings that led to it, as in the
// paper, or else where it was found: by up to the delay too late, and too early if the warnings lasted
// already. The minimum itself mostly lies far before.
type DDM struct {
	course
	opt   DDMOptions
	total tally
	low   struct{ p, s float64 } // the minimum
	known bool                   // there is a minimum
}

// NewDDM returns an empty DDM.
func NewDDM(o DDMOptions) *DDM {
	if o.MinPanes == 0 {
		o.MinPanes = 30
	}
	o.MinSum = positive(o.MinSum, 0)
	o.Warning, o.Change = positive(o.Warning, 2), positive(o.Change, 3)
	return &DDM{opt: o}
}

// Update takes the next pane.
func (m *DDM) Update(sum float64, n uint64) {
	m.pass()
	if !isRatio(sum, n) {
		return
	}
	m.total.add(sum, n)
	if m.total.panes <= m.opt.MinPanes || m.total.sum < m.opt.MinSum {
		return
	}
	p := m.total.mean()
	s := math.Sqrt(p * (1 - p) / m.total.n)
	if !m.known || p+s <= m.low.p+m.low.s {
		m.low.p, m.low.s, m.known = p, s, true
	}
	if p+s > m.low.p+float64(m.opt.Change*m.low.s) {
		*m = DDM{opt: m.opt, course: m.changed(m.firstWarning())}
		return
	}
	m.say(p+s > m.low.p+float64(m.opt.Warning*m.low.s))
}

// Reset forgets all panes.
func (m *DDM) Reset() { *m = DDM{opt: m.opt} }

// Bytes returns the heap memory in use: none.
func (m *DDM) Bytes() int { return 0 }

func (m *DDM) options() []float64 {
	return []float64{float64(m.opt.MinPanes), m.opt.MinSum, m.opt.Warning, m.opt.Change}
}

// AppendBinary appends the binary form.
func (m *DDM) AppendBinary(b []byte) []byte {
	b = m.appendTo(appendFloats(append(b, ddmVersion), m.options()...))
	return appendFloats(m.total.appendTo(b), bit(m.known), m.low.p, m.low.s)
}

// ReadBinary replaces m by the binary form at the beginning of b.
func (m *DDM) ReadBinary(b []byte) ([]byte, error) {
	d := sketch.NewDecoder(b)
	d.Begin(ddmVersion)
	readOptions(d, m.options()...)
	r := DDM{opt: m.opt, course: readCourse(d)}
	r.total = readTally(d, r.now)
	known := d.Float()
	r.known = known != 0
	r.low.p, r.low.s = d.Float(), d.Float()
	check(d, known == bit(r.known), r.low.p >= 0, r.low.p <= 1, r.low.s >= 0, r.low.s <= 1)
	if d.Err() == nil {
		*m = r
	}
	return d.End("ddm")
}
