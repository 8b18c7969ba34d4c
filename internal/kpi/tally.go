package kpi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
)

// tallyVersion is the first byte of the binary form.
const tallyVersion = 1

// Tally sums up the figures of a set over events. Tallies of one set merge in any grouping: counts exactly, sums to
// rounding far below that of a plain sum.
type Tally struct {
	set   *Set
	parts []part
}

// part is what was summed up of one figure.
type part struct {
	numerator, denominator sum
	Counts
}

// Counts says how many events a figure rests on.
type Counts struct {
	// Judged are those counted in the figure, and those that its condition leaves out.
	Judged uint64
	// Undefined lacked a value, and Failed are those on which the expression failed: neither is in the figure.
	Undefined, Failed uint64
}

// Figure is the value of a figure, which is finite.
type Figure struct {
	Name  string
	Value float64
}

// sum is a sum with what rounding left of it (Neumaier's).
type sum struct{ value, rest float64 }

func (s *sum) add(x float64) {
	t := s.value + x
	if math.Abs(s.value) >= math.Abs(x) {
		s.rest += (s.value - t) + x
	} else {
		s.rest += (x - t) + s.value
	}
	s.value = t
}

func (s *sum) merge(o sum) {
	s.add(o.value)
	s.rest += o.rest
}

func (s *sum) total() float64 { return s.value + s.rest }

// NewTally returns the tally of no event.
func (s *Set) NewTally() *Tally { return &Tally{s, make([]part, len(s.exprs))} }

// Add adds the results of an event.
func (t *Tally) Add(results []Result) {
	for i := range results {
		r, p := &results[i], &t.parts[i]
		switch r.Outcome {
		case Undefined:
			p.Undefined++
		case Failed:
			p.Failed++
		default:
			p.Judged++
			p.numerator.add(r.Numerator)
			p.denominator.add(r.Denominator)
		}
	}
}

// Merge adds what o has; o stays as it is.
func (t *Tally) Merge(o *Tally) {
	for i := range o.parts {
		p, q := &t.parts[i], &o.parts[i]
		p.Judged += q.Judged
		p.Undefined += q.Undefined
		p.Failed += q.Failed
		p.numerator.merge(q.numerator)
		p.denominator.merge(q.denominator)
	}
}

// Clone returns a copy.
func (t *Tally) Clone() *Tally { return &Tally{t.set, slices.Clone(t.parts)} }

// Figures appends the values of the figures that are defined, in the order of the set: sums and counts of at
// least one judged event, means and ratios whose denominator is not 0.
func (t *Tally) Figures(dst []Figure) []Figure {
	for i, e := range t.set.exprs {
		p := &t.parts[i]
		value := p.numerator.total()
		if e.quotient() {
			value /= p.denominator.total()
		}
		if p.Judged == 0 || math.IsNaN(value) || math.IsInf(value, 0) {
			continue
		}
		dst = append(dst, Figure{e.name, value})
	}
	return dst
}

// Counts returns how many events the figure of that name rests on; false if the set has none.
func (t *Tally) Counts(name string) (Counts, bool) {
	for i, e := range t.set.exprs {
		if e.name == name {
			return t.parts[i].Counts, true
		}
	}
	return Counts{}, false
}

// Bytes is about how much memory the tally takes.
func (t *Tally) Bytes() int { return tallyBytes(len(t.parts)) }

func tallyBytes(figures int) int { return 48 + 56*figures }

// AppendBinary appends the binary form: each figure with its name and fingerprint, so that sets may change.
func (t *Tally) AppendBinary(b []byte) []byte {
	b = append(b, tallyVersion)
	b = binary.AppendUvarint(b, uint64(len(t.parts)))
	for i, e := range t.set.exprs {
		p := &t.parts[i]
		b = sketch.AppendText(b, e.name)
		b = binary.LittleEndian.AppendUint64(b, e.fingerprint)
		for _, n := range []uint64{p.Judged, p.Undefined, p.Failed} {
			b = binary.AppendUvarint(b, n)
		}
		for _, x := range []float64{p.numerator.value, p.numerator.rest, p.denominator.value, p.denominator.rest} {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
	}
	return b
}

var errSum = errors.New("a sum that cannot be")

// ReadTally reads what AppendBinary wrote, perhaps of another set, and returns the bytes behind it. Figures that this set
// lacks, or that meant something else, are left out; those that the other one lacked are of no event.
func (s *Set) ReadTally(b []byte) (*Tally, []byte, error) {
	d := sketch.NewDecoder(b)
	d.Begin(tallyVersion)
	t := s.NewTally()
	seen := map[string]bool{}
	for range d.Length(smallestPart) {
		name, fingerprint := d.Text(), d.Uint64()
		p := readPart(d)
		if seen[name] {
			d.Fail(fmt.Errorf("figure %q twice", name))
		}
		if d.Err() != nil {
			break
		}
		seen[name] = true
		if i := slices.IndexFunc(s.exprs, func(e *Expr) bool { return e.name == name && e.fingerprint == fingerprint }); i >= 0 {
			t.parts[i] = p
		}
	}
	rest, err := d.End("tally of figures")
	if err != nil {
		return nil, nil, err
	}
	return t, rest, nil
}

// smallestPart is the least that a figure takes: an empty name, the fingerprint, three counts and four numbers.
const smallestPart = 1 + 8 + 3 + 4*8

func readPart(d *sketch.Decoder) part {
	p := part{Counts: Counts{d.Count(), d.Count(), d.Count()}}
	for _, x := range []*float64{&p.numerator.value, &p.numerator.rest, &p.denominator.value, &p.denominator.rest} {
		if *x = d.Float(); math.Abs(*x) > 2*maxValue*float64(p.Judged) {
			d.Fail(errSum)
		}
	}
	return p
}
