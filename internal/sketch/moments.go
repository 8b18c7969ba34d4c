package sketch

import (
	"encoding/binary"
	"math"
)

// Moments are the count, mean, sum of squared deviations from the mean (M2), and the
// range of values. Merging follows Chan, Golub and LeVeque, "Updating formulae and a
// pairwise algorithm for computing sample variances" (1979); results agree to a
// relative 1e-9 under any order. Where M2 overflows it is +Inf, and the deviations
// are not finite.
type Moments struct {
	Count    uint64
	Mean, M2 float64
	Min, Max float64
}

// AddAll adds a chunk of values in two passes.
func (m *Moments) AddAll(xs []float64) {
	if len(xs) == 0 {
		return
	}
	c := Moments{Count: uint64(len(xs)), Min: xs[0], Max: xs[0]}
	n := float64(len(xs))
	for _, x := range xs {
		c.Min, c.Max = min(c.Min, x), max(c.Max, x)
	}
	c.Mean = mean(xs, c.Min, c.Max)
	var rest float64 // what rounding left of the mean
	for _, x := range xs {
		d := x - c.Mean
		c.M2 += d * d
		rest += d
	}
	if !math.IsInf(c.M2, 0) {
		c.M2 -= rest * rest / n
		c.Mean += rest / n
	}
	c.M2 = max(c.M2, 0)
	m.Merge(&c)
}

// mean of values in [low, high]; their sum may overflow.
func mean(xs []float64, low, high float64) float64 {
	n := float64(len(xs))
	var sum float64
	if max(-low, high) < math.MaxFloat64/n {
		for _, x := range xs {
			sum += x
		}
		return sum / n
	}
	for _, x := range xs {
		sum += x / n
	}
	return min(max(sum, low), high)
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
	// The difference of two means may overflow where neither mean does.
	d := o.Mean - m.Mean
	if math.IsInf(d, 0) {
		m.Mean = m.Mean*(1-share) + o.Mean*share
	} else {
		m.Mean += d * share
	}
	m.M2 += o.M2 + d*d*a*share
	m.Count += o.Count
	m.Min, m.Max = min(m.Min, o.Min), max(m.Max, o.Max)
}

// Reset empties m.
func (m *Moments) Reset() { *m = Moments{} }

// Variance returns the sample variance; NaN for fewer than two values.
func (m *Moments) Variance() float64 {
	if m.Count < 2 {
		return math.NaN()
	}
	return m.M2 / float64(m.Count-1)
}

// StdDev returns the sample standard deviation; NaN for fewer than two values.
func (m *Moments) StdDev() float64 { return math.Sqrt(m.Variance()) }

// PopulationStdDev returns the standard deviation that divides by the count; NaN if
// there is no value.
func (m *Moments) PopulationStdDev() float64 { return math.Sqrt(m.M2 / float64(m.Count)) }

// AppendBinary appends the binary form.
func (m *Moments) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(append(b, momentsVersion), m.Count)
	for _, f := range [...]float64{m.Mean, m.M2, m.Min, m.Max} {
		b = appendFloat(b, f)
	}
	return b
}

// ReadBinary replaces m by the binary form at the beginning of b.
func (m *Moments) ReadBinary(b []byte) ([]byte, error) {
	d := decoder{b: b}
	d.begin(momentsVersion)
	r := Moments{Count: d.uvarint(), Mean: d.float()}
	r.M2 = math.Float64frombits(d.uint64()) // may be +Inf
	r.Min, r.Max = d.float(), d.float()
	if d.err == nil && (!(r.M2 >= 0) || r.Min > r.Mean || r.Mean > r.Max || r.Count == 0 && r != (Moments{})) {
		d.fail(errDamaged)
	}
	if d.err == nil {
		*m = r
	}
	return d.end("moments")
}
