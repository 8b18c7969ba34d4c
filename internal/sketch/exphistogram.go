package sketch

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
)

// The buckets of an ExpHistogram: 32 an octave.
const (
	bucketsPerOctave = 32
	maxBuckets       = 512 // a sign
	lowestIndex      = -1075 * bucketsPerOctave
)

// mantissas[i] is the mantissa, as 52 bits, of 2^(i/32): the lower bound of the
// i-th bucket of an octave. From math.Exp2, rounded once; kept as bits so that a
// bucket never depends on the platform's logarithm.
var mantissas = makeMantissas()

func makeMantissas() (table [bucketsPerOctave]uint64) {
	for i := range table {
		table[i] = math.Float64bits(math.Exp2(float64(i)/bucketsPerOctave)) & (1<<52 - 1)
	}
	return table
}

// bucketIndex returns the bucket of a positive finite distance: the largest i with
// 2^(i/32) ≤ d.
func bucketIndex(d float64) int32 {
	b := math.Float64bits(d)
	exponent, mantissa := int(b>>52)-1023, b&(1<<52-1)
	if b>>52 == 0 { // subnormal: normalise
		shift := bits.LeadingZeros64(mantissa) - 11
		exponent, mantissa = -1022-shift, mantissa<<shift&(1<<52-1)
	}
	// The leading five bits of the mantissa are at most the bucket's number.
	i := int(mantissa >> 47)
	for i+1 < bucketsPerOctave && mantissas[i+1] <= mantissa {
		i++
	}
	return int32(exponent*bucketsPerOctave + i)
}

// bucketBound returns 2^(i/32), the lower bound of bucket i.
func bucketBound(i int32) float64 {
	octave, rest := int(i)>>5, int(i)&(bucketsPerOctave-1)
	return math.Ldexp(math.Float64frombits(mantissas[rest]|1023<<52), octave)
}

// ExpHistogram counts values by their signed distance from a center, in buckets that
// grow by 2^(1/32). It keeps 512 buckets a sign: with M the highest bucket of all
// values of either sign, those below M−511 are counted as the center itself. So the
// state is a function of the multiset of values, and merging is exactly associative
// and commutative. A quantile is within half a bucket, 1.1 % of its distance from the
// center, or within the largest distance times 2^−15.9 near the center.
type ExpHistogram struct {
	center   float64
	count    uint64
	zero     uint64
	top      int32 // the highest bucket of all values that have one
	any      bool  // top is set
	positive buckets
	negative buckets
}

// buckets are dense counts from the bucket first on.
type buckets struct {
	first  int32
	counts []uint64
}

// NewExpHistogram returns an empty histogram of distances from a finite center.
func NewExpHistogram(center float64) ExpHistogram { return ExpHistogram{center: center} }

// Center returns the center.
func (h *ExpHistogram) Center() float64 { return h.center }

// Count returns the number of values.
func (h *ExpHistogram) Count() uint64 { return h.count }

// Add adds a value.
func (h *ExpHistogram) Add(x float64) {
	h.count++
	d := x - h.center
	switch {
	case d == 0:
		h.zero++
	case d > 0:
		h.add(&h.positive, bucketIndex(min(d, math.MaxFloat64)))
	default:
		h.add(&h.negative, bucketIndex(min(-d, math.MaxFloat64)))
	}
}

// AddAll adds values in any order.
func (h *ExpHistogram) AddAll(xs []float64) {
	for _, x := range xs {
		h.Add(x)
	}
}

func (h *ExpHistogram) add(b *buckets, i int32) {
	if !h.any || i > h.top {
		h.raise(i)
	}
	if i <= h.top-maxBuckets {
		h.zero++
		return
	}
	b.reach(i)
	b.counts[i-b.first]++
}

// raise sets the highest bucket and counts those that fall out of reach as zero.
func (h *ExpHistogram) raise(top int32) {
	h.top, h.any = top, true
	h.zero += h.positive.drop(top-maxBuckets+1) + h.negative.drop(top-maxBuckets+1)
}

// drop removes the buckets below first and returns their counts.
func (b *buckets) drop(first int32) (n uint64) {
	if len(b.counts) == 0 || b.first >= first {
		return 0
	}
	k := min(int(first-b.first), len(b.counts))
	for _, c := range b.counts[:k] {
		n += c
	}
	b.counts = slices.Delete(b.counts, 0, k)
	b.first = first
	return n
}

// reach makes room for bucket i.
func (b *buckets) reach(i int32) {
	switch {
	case len(b.counts) == 0:
		b.first, b.counts = i, append(b.counts[:0], 0)
	case i < b.first:
		b.counts = slices.Insert(b.counts, 0, make([]uint64, b.first-i)...)
		b.first = i
	default:
		for int(i-b.first) >= len(b.counts) {
			b.counts = append(b.counts, 0)
		}
	}
}

// Merge adds o. It fails, changing nothing, if the centers differ.
func (h *ExpHistogram) Merge(o *ExpHistogram) error {
	if h.center != o.center {
		return errors.New("merge exponential histograms: the centers differ")
	}
	if o.any && (!h.any || o.top > h.top) {
		h.raise(o.top)
	}
	h.count += o.count
	h.zero += o.zero
	h.merge(&h.positive, &o.positive)
	h.merge(&h.negative, &o.negative)
	return nil
}

func (h *ExpHistogram) merge(dst, src *buckets) {
	for k, c := range src.counts {
		i := src.first + int32(k)
		switch {
		case c == 0:
		case i <= h.top-maxBuckets:
			h.zero += c
		default:
			dst.reach(i)
			dst.counts[i-dst.first] += c
		}
	}
}

// Clone returns an independent copy.
func (h *ExpHistogram) Clone() ExpHistogram {
	c := *h
	c.positive.counts, c.negative.counts = slices.Clone(h.positive.counts), slices.Clone(h.negative.counts)
	return c
}

// Reset empties the histogram; the center stays.
func (h *ExpHistogram) Reset() { *h = ExpHistogram{center: h.center} }

// Each calls f for each bucket that is not empty, ascending, with its bounds in
// units of the values. The bucket of the center has no width.
func (h *ExpHistogram) Each(f func(lower, upper float64, count uint64)) {
	for k := len(h.negative.counts) - 1; k >= 0; k-- {
		if c := h.negative.counts[k]; c > 0 {
			i := h.negative.first + int32(k)
			f(h.at(-bucketBound(i+1)), h.at(-bucketBound(i)), c)
		}
	}
	if h.zero > 0 {
		f(h.center, h.center, h.zero)
	}
	for k, c := range h.positive.counts {
		if c > 0 {
			i := h.positive.first + int32(k)
			f(h.at(bucketBound(i)), h.at(bucketBound(i+1)), c)
		}
	}
}

// at returns the value at a distance from the center, finite.
func (h *ExpHistogram) at(d float64) float64 {
	return min(max(h.center+d, -math.MaxFloat64), math.MaxFloat64)
}

// Quantile returns the middle of the bucket that holds the value of rank q·(n−1);
// NaN if there is none. q is in [0, 1].
func (h *ExpHistogram) Quantile(q float64) float64 {
	if h.count == 0 {
		return math.NaN()
	}
	rank := uint64(min(max(q, 0), 1) * float64(h.count-1))
	found, seen := math.NaN(), uint64(0)
	h.Each(func(lower, upper float64, c uint64) {
		if seen <= rank && rank < seen+c {
			found = lower/2 + upper/2
		}
		seen += c
	})
	return found
}

// AppendBinary appends the binary form.
func (h *ExpHistogram) AppendBinary(b []byte) []byte {
	b = appendFloat(append(b, expVersion), h.center)
	b = binary.AppendUvarint(b, h.zero)
	if !h.any {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(h.top-lowestIndex)+1)
	for _, s := range [...]*buckets{&h.positive, &h.negative} {
		// Leading and trailing zeros depend on the order of adding; they are left out.
		first, counts := s.trimmed()
		b = binary.AppendUvarint(b, uint64(len(counts)))
		if len(counts) == 0 {
			continue
		}
		b = binary.AppendUvarint(b, uint64(h.top-first))
		for _, c := range counts {
			b = binary.AppendUvarint(b, c)
		}
	}
	return b
}

func (b *buckets) trimmed() (int32, []uint64) {
	first, counts := b.first, b.counts
	for len(counts) > 0 && counts[0] == 0 {
		first, counts = first+1, counts[1:]
	}
	for len(counts) > 0 && counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	return first, counts
}

// ReadBinary replaces h by the binary form at the beginning of b.
func (h *ExpHistogram) ReadBinary(b []byte) ([]byte, error) {
	d := decoder{b: b}
	d.begin(expVersion)
	r := ExpHistogram{center: d.float(), zero: d.uvarint()}
	r.count = r.zero
	if top := d.uvarint(); d.err == nil && top > 0 {
		if top > 2*-lowestIndex {
			d.fail(errDamaged)
		}
		r.top, r.any = int32(top-1)+lowestIndex, true
		r.readBuckets(&d, &r.positive)
		r.readBuckets(&d, &r.negative)
	}
	if d.err == nil {
		*h = r
	}
	return d.end("exponential histogram")
}

func (h *ExpHistogram) readBuckets(d *decoder, s *buckets) {
	n := d.length(1)
	if n == 0 || d.err != nil {
		return
	}
	below := d.uvarint()
	if n > maxBuckets || below >= maxBuckets || int(below) < n-1 {
		d.fail(errDamaged)
		return
	}
	s.first, s.counts = h.top-int32(below), make([]uint64, n)
	for i := range s.counts {
		s.counts[i] = d.uvarint()
		h.count += s.counts[i]
	}
}
