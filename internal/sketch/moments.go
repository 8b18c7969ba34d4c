package sketch

import (
	"encoding/binary"
	"math"
)

// Moments are the count, mean, sum of squared deviations from the mean (M2) and the
// range of values. Merging follows Chan, Golub and LeVeque, "Updating formulae and a
// pairwise algorithm for computing sample variances" (1979); results agree to a
// relative 1e-9 under any order, however far the values are from zero. M2 may
// overflow to +Inf for values beyond 1e150; the deviations are right even then. The
// squares of deviations below 1e-150 underflow: the standard deviation is exact to an
// absolute 1e-150 only.
type Moments struct {
	Count    uint64
	Mean, M2 float64
	Min, Max float64

	rest float64 // what rounding left of the mean: far from zero, M2 depends on it
	huge float64 // M2·shrink² where M2 is +Inf, else 0
}

// shrink scales deviations whose squares overflow, without rounding.
const shrink = 0x1p-540

// AddAll adds values in any order as one chunk, in two passes.
func (m *Moments) AddAll(xs []float64) {
	if len(xs) == 0 {
		return
	}
	c := located(xs)
	n := float64(len(xs))
	sum, squares := deviations(xs, c.Mean, 1)
	if math.IsInf(squares, 1) {
		c.M2 = squares
		_, c.huge = deviations(xs, c.Mean, shrink)
	} else { // the sum is 0 but for rounding
		c.M2 = max(squares-float64(sum*sum)/n, 0)
		c.move(sum / n)
	}
	m.Merge(&c)
}

// located returns the moments of values without M2: the first of the two passes.
func located(xs []float64) Moments {
	n, first := float64(len(xs)), xs[0]
	c := Moments{Count: uint64(len(xs)), Min: first, Max: first}
	var sum float64 // of differences, so that equal values have no rounding
	for _, x := range xs {
		sum += x - first
		if x < c.Min {
			c.Min = x
		}
		if x > c.Max {
			c.Max = x
		}
	}
	c.Mean = first + sum/n
	if math.IsInf(sum, 0) {
		small, _ := deviations(xs, 0, shrink)
		c.Mean = small / n / shrink
	}
	c.Mean = min(max(c.Mean, c.Min), c.Max)
	c.Mean, c.Min, c.Max = c.Mean+0, c.Min+0, c.Max+0 // −0 becomes 0
	return c
}

// deviations returns the sum of the scaled deviations from the mean and that of
// their squares. The conversions keep all platforms from fusing operations.
func deviations(xs []float64, mean, scale float64) (sum, squares float64) {
	mean *= scale
	for _, x := range xs {
		d := float64(x*scale) - mean
		sum += d
		squares += float64(d * d)
	}
	return sum, squares
}

// Merge adds o.
func (m *Moments) Merge(o *Moments) {
	if o.Count == 0 {
		return
	}
	if m.Count == 0 {
		*m = *o
		return
	}
	a, b := float64(m.Count), float64(o.Count)
	share := b / (a + b)
	d := o.Mean - m.Mean + (o.rest - m.rest)
	squares := m.M2 + o.M2 + float64(d*d*a*share)
	if math.IsInf(squares, 1) {
		small := o.Mean*shrink - m.Mean*shrink
		m.huge = m.shrunk() + o.shrunk() + float64(small*small*a*share)
	}
	m.M2 = squares
	m.Count += o.Count
	m.Min, m.Max = min(m.Min, o.Min), max(m.Max, o.Max)
	if math.IsInf(d, 0) {
		m.Mean *= 1 - share
		d = o.Mean
	}
	m.move(float64(d * share))
}

// move adds a step to the mean and keeps what rounding leaves, by Knuth's exact sum of
// two; it does not let rounding move the mean out of the range.
func (m *Moments) move(step float64) {
	step += m.rest
	sum := m.Mean + step
	moved := sum - m.Mean
	m.Mean, m.rest = sum, (m.Mean-(sum-moved))+(step-moved)
	if sum < m.Min || sum > m.Max {
		m.Mean, m.rest = min(max(sum, m.Min), m.Max), 0
	}
}

// shrunk returns M2·shrink².
func (m *Moments) shrunk() float64 {
	if m.huge > 0 {
		return m.huge
	}
	return m.M2 * shrink * shrink
}

// Bytes returns the heap memory in use beyond the struct: none.
func (m *Moments) Bytes() int { return 0 }

// Reset empties m.
func (m *Moments) Reset() { *m = Moments{} }

// Variance returns the sample variance; NaN for fewer than two values, +Inf if it
// is too large for a float64.
func (m *Moments) Variance() float64 {
	if m.Count < 2 {
		return math.NaN()
	}
	n := float64(m.Count - 1)
	if m.huge > 0 {
		return m.huge / n / shrink / shrink
	}
	return m.M2 / n
}

// StdDev returns the sample standard deviation; NaN for fewer than two values.
func (m *Moments) StdDev() float64 {
	if m.Count < 2 {
		return math.NaN()
	}
	return m.deviation(float64(m.Count - 1))
}

// PopulationStdDev returns the standard deviation that divides by the count; NaN if
// there is no value.
func (m *Moments) PopulationStdDev() float64 {
	if m.Count == 0 {
		return math.NaN()
	}
	return m.deviation(float64(m.Count))
}

func (m *Moments) deviation(n float64) float64 {
	if m.huge > 0 {
		return math.Sqrt(m.huge/n) / shrink
	}
	return math.Sqrt(m.M2 / n)
}

// AppendBinary appends the binary form.
func (m *Moments) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(append(b, momentsVersion), m.Count)
	for _, f := range [...]float64{m.Mean, m.rest, m.M2, m.huge, m.Min, m.Max} {
		b = appendFloat(b, f)
	}
	return b
}

// ReadBinary replaces m by the binary form at the beginning of b.
func (m *Moments) ReadBinary(b []byte) ([]byte, error) {
	d := Decoder{b: b}
	d.Begin(momentsVersion)
	r := Moments{Count: d.Count(), Mean: d.Float(), rest: d.Float()}
	r.M2 = math.Float64frombits(d.Uint64()) // may be +Inf
	r.huge, r.Min, r.Max = d.Float(), d.Float(), d.Float()
	if !r.valid() {
		d.Fail(errDamaged)
	}
	if d.err == nil {
		*m = r
	}
	return d.End("moments")
}

func (m *Moments) valid() bool {
	if m.Count == 0 {
		return *m == Moments{}
	}
	return m.M2 >= 0 && m.huge >= 0 && (m.huge > 0) == math.IsInf(m.M2, 1) &&
		m.Min <= m.Mean && m.Mean <= m.Max && m.Mean+m.rest == m.Mean
}
