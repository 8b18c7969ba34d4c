package sketch

import (
	"encoding/binary"
	"errors"
	"math"
)

// ExpHistogram counts values by their signed distance from a center, in buckets that
// grow by 2^(1/32). It keeps 512 buckets a sign: with M the highest bucket of all
// values of either sign, those below M−511 are counted as the center itself. So the
// state is a function of the multiset of values, and merging is exactly associative
// and commutative. A quantile is within half a bucket, 1.1 % of its distance from the
// center, or within 2^−15.9 of the largest distance near the center.
type ExpHistogram struct {
	center   float64
	count    uint64
	zero     uint64
	top      int32 // M; meaningful if a value is off the center
	off      bool  // a value is off the center
	positive buckets
	negative buckets
}

// NewExpHistogram returns an empty histogram of distances from a finite center.
func NewExpHistogram(center float64) ExpHistogram {
	return ExpHistogram{center: center + 0} // −0 becomes 0
}

// Center returns the center.
func (h *ExpHistogram) Center() float64 { return h.center }

// Count returns the number of values.
func (h *ExpHistogram) Count() uint64 { return h.count }

// Add adds a value.
func (h *ExpHistogram) Add(x float64) { h.AddAll([]float64{x}) }

// AddAll adds values in any order.
func (h *ExpHistogram) AddAll(xs []float64) {
	h.grow(uint64(len(xs)))
	h.reserve(xs)
	floor := h.top - maxBuckets + 1
	for _, x := range xs {
		d, b := x-h.center, &h.positive
		if d < 0 {
			d, b = -d, &h.negative
		}
		if d == 0 {
			h.zero++
		} else if i := boundedIndex(d); i < floor {
			h.zero++
		} else if b.wide != nil {
			b.wide[i-b.first]++
		} else {
			b.small[i-b.first]++
		}
	}
}

// grow counts n more values.
func (h *ExpHistogram) grow(n uint64) {
	if h.count += n; h.count > maxSmall {
		h.positive.widen()
		h.negative.widen()
	}
}

// boundedIndex returns the bucket of a positive distance, which may have overflowed.
func boundedIndex(d float64) int32 {
	if d > math.MaxFloat64 {
		return topIndex
	}
	return bucketIndex(d)
}

// reserve sets M and makes room for all values that the buckets reach, at once.
func (h *ExpHistogram) reserve(xs []float64) {
	var far, near [2]float64 // distances above and below the center
	for _, x := range xs {
		d, side := x-h.center, 0
		if d < 0 {
			d, side = -d, 1
		}
		if d > far[side] {
			far[side] = d
		}
		if d > 0 && (near[side] == 0 || d < near[side]) {
			near[side] = d
		}
	}
	if farthest := max(far[0], far[1]); farthest > 0 {
		h.raise(boundedIndex(farthest))
	}
	floor := h.top - maxBuckets + 1
	for side, b := range [...]*buckets{&h.positive, &h.negative} {
		if far[side] == 0 {
			continue
		}
		if top := boundedIndex(far[side]); top >= floor {
			b.reach(max(boundedIndex(near[side]), floor), top, h.count > maxSmall)
		}
	}
}

// raise sets M, if it is higher than before, and counts the values below M−511 as the
// center.
func (h *ExpHistogram) raise(top int32) {
	if h.off && top <= h.top {
		return
	}
	h.top, h.off = top, true
	floor := top - maxBuckets + 1
	h.zero += h.positive.drop(floor) + h.negative.drop(floor)
}

// Merge adds o. It fails, changing nothing, if the centers differ.
func (h *ExpHistogram) Merge(o *ExpHistogram) error {
	if h.center != o.center {
		return errors.New("merge exponential histograms: the centers differ")
	}
	h.grow(o.count)
	h.zero += o.zero
	if !o.off {
		return nil
	}
	h.raise(o.top)
	h.merge(&h.positive, &o.positive)
	h.merge(&h.negative, &o.negative)
	return nil
}

func (h *ExpHistogram) merge(dst, src *buckets) {
	k, n := src.trimmed()
	for n > 0 && src.first+int32(k) <= h.top-maxBuckets {
		h.zero += src.at(k)
		k, n = k+1, n-1
	}
	if n == 0 {
		return
	}
	first := src.first + int32(k)
	dst.reach(first, first+int32(n-1), h.count > maxSmall)
	dst.add(src, k, n)
}

// Clone returns an independent copy.
func (h *ExpHistogram) Clone() ExpHistogram {
	c := *h
	c.positive, c.negative = h.positive.clone(), h.negative.clone()
	return c
}

// Reset empties the histogram; the center stays.
func (h *ExpHistogram) Reset() { *h = ExpHistogram{center: h.center} }

// Bytes returns the heap memory in use, in bytes.
func (h *ExpHistogram) Bytes() int {
	return h.positive.bytes() + h.negative.bytes()
}

// Each calls f for each bucket that is not empty, ascending, with its bounds in
// units of the values. The bucket of the center has no width.
func (h *ExpHistogram) Each(f func(lower, upper float64, count uint64)) {
	for k := h.negative.len() - 1; k >= 0; k-- {
		if c := h.negative.at(k); c > 0 {
			i := h.negative.first + int32(k)
			f(h.at(-bucketBound(i+1)), h.at(-bucketBound(i)), c)
		}
	}
	if h.zero > 0 {
		f(h.center, h.center, h.zero)
	}
	for k := range h.positive.len() {
		if c := h.positive.at(k); c > 0 {
			i := h.positive.first + int32(k)
			f(h.at(bucketBound(i)), h.at(bucketBound(i+1)), c)
		}
	}
}

// at returns the value at a distance from the center, finite.
func (h *ExpHistogram) at(d float64) float64 {
	return min(max(h.center+d, -math.MaxFloat64), math.MaxFloat64)
}

// Quantile returns the middle of the bucket that holds the smallest value that at least a
// share q of all do not exceed (the one of rank ⌈q·n⌉, counted from 1), with q in [0, 1];
// NaN if there is no value or q is NaN.
func (h *ExpHistogram) Quantile(q float64) float64 {
	if h.count == 0 || math.IsNaN(q) {
		return math.NaN()
	}
	rank := max(uint64(math.Ceil(min(max(q, 0), 1)*float64(h.count))), 1) - 1
	found, seen := math.NaN(), uint64(0)
	h.Each(func(lower, upper float64, c uint64) {
		if seen <= rank && rank < seen+c {
			found = lower + (upper-lower)/2
		}
		seen += c
	})
	return found
}

// AppendBinary appends the binary form: the same bytes for the same values in any
// order and partitioning.
func (h *ExpHistogram) AppendBinary(b []byte) []byte {
	b = appendFloat(append(b, expVersion), h.center)
	b = binary.AppendUvarint(b, h.zero)
	if !h.off {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(h.top-lowestIndex)+1)
	b = h.negative.appendBinary(b, h.top)
	return h.positive.appendBinary(b, h.top)
}

// ReadBinary replaces h by the binary form at the beginning of b.
func (h *ExpHistogram) ReadBinary(b []byte) ([]byte, error) {
	d := Decoder{b: b}
	d.Begin(expVersion)
	r := ExpHistogram{center: d.Float() + 0, zero: d.Count()}
	r.count = r.zero
	if top := d.Uvarint(); d.err == nil && top > 0 {
		if top > topIndex-lowestIndex+1 {
			d.Fail(errDamaged)
			return d.End("exponential histogram")
		}
		r.top, r.off = int32(top-1)+lowestIndex, true
		r.count += r.negative.read(&d, r.top) + r.positive.read(&d, r.top)
		if !r.negative.has(r.top) && !r.positive.has(r.top) {
			d.Fail(errDamaged)
		}
	}
	if d.err == nil {
		if r.count <= maxSmall {
			r.positive.narrow()
			r.negative.narrow()
		}
		*h = r
	}
	return d.End("exponential histogram")
}
