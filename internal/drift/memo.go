package drift

import (
	"math"
	"unsafe"
)

// Memo remembers what was found out of quadratic forms, from window to window: their tails depend on the sizes of the
// windows and on the levels alone, which come again and again. It changes no result. It is for one goroutine.
type Memo struct {
	tails []tail // by a hash; a newer one takes the place of an older one
	shift int
}

const memoBits = 11

// MemoBytes is what a Memo takes.
const MemoBytes = int64(unsafe.Sizeof(tail{})) << memoBits

// NewMemo returns an empty one.
func NewMemo() *Memo { return newMemo(memoBits) }

func newMemo(bits int) *Memo { return &Memo{make([]tail, 1<<bits), 64 - bits} }

// tail is what is known of a form around what it exceeds with probability alpha. NaN is not known yet.
type tail struct {
	form           unitForm
	alpha          float64
	inside, beyond float64 // the largest value found that is not significant, and the smallest that is
	critical       float64
}

// tail returns that of a form and a level. It is valid until the next call.
func (m *Memo) tail(f unitForm, alpha float64) *tail {
	nan := math.NaN()
	if m == nil {
		return &tail{f, alpha, nan, nan, nan}
	}
	h := ((math.Float64bits(f.dof)*31+math.Float64bits(f.nu))*31+math.Float64bits(f.terms))*31 + math.Float64bits(alpha)
	t := &m.tails[h*0x9e3779b97f4a7c15>>m.shift]
	if t.form != f || t.alpha != alpha {
		*t = tail{f, alpha, nan, nan, nan}
	}
	return t
}

// significant reports whether the form exceeds x with a probability of at most alpha.
func (t *tail) significant(x float64) bool {
	switch {
	case x >= t.beyond:
		return true
	case x <= t.inside:
		return false
	}
	if t.form.survival(x) <= t.alpha {
		t.beyond = x
		return true
	}
	t.inside = x
	return false
}

// quantile returns what the form exceeds with probability alpha.
func (t *tail) quantile() float64 {
	if math.IsNaN(t.critical) {
		t.critical = t.form.quantile(t.alpha)
	}
	return t.critical
}
