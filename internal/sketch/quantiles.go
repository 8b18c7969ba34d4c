package sketch

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/influxdata/tdigest"
)

// compression of the t-digests: at most twice as many centroids.
const compression = 200

// Quantiles is a t-digest (Dunning and Ertl, "Computing extremely accurate quantiles
// using t-digests", 2019): centroids of values that are close in rank, the closer
// the nearer they are to an end. It keeps the centroids alone; the library's digest,
// many times as large, is in the Workspace. Weights are integers.
//
// The rank error at p is at most √(p(1−p)) %, that is 0.5 % at the median and 0.1 % at
// the 1st and 99th percentile, after any folding and merging; half of it was
// measured. 0 and 1 give the exact minimum and maximum. A value that more than 0.8 %
// of all have is kept apart, so that ties of few values have no error. Equal operations
// in equal order give equal bytes; merging is commutative, but associative within the
// error only.
type Quantiles struct {
	centroids tdigest.CentroidList // ascending
	count     uint64
	min, max  float64
}

// Count returns the number of values.
func (q *Quantiles) Count() uint64 { return q.count }

// Min returns the smallest value, 0 if there is none.
func (q *Quantiles) Min() float64 { return q.min }

// Max returns the largest value, 0 if there is none.
func (q *Quantiles) Max() float64 { return q.max }

// AddSorted adds ascending values. They are clustered first, so that the digest sees
// hundreds of centroids and not thousands of values.
func (q *Quantiles) AddSorted(xs []float64, w *Workspace) {
	if len(xs) == 0 {
		return
	}
	q.extend(uint64(len(xs)), xs[0]+0, xs[len(xs)-1]+0) // −0 becomes 0
	w.cluster(xs)
	q.absorb(w.clusters, w)
}

// cluster groups ascending values by the scale function of the digest, k₁(q) =
// δ/2π·asin(2q−1) with δ the compression, into centroids half as wide as the digest
// makes them; those at the ends are single values. Equal values stay together: alone,
// if they are many.
func (w *Workspace) cluster(xs []float64) {
	w.clusters = w.clusters[:0]
	n, scale := len(xs), scaleOf(xs[0], xs[len(xs)-1])
	for i := 0; i < n; {
		width := math.Pi / 2 / compression * math.Sqrt((float64(i)+0.5)*(float64(n-i)-0.5))
		end := groupEnd(xs, i, min(i+max(int(width), 1), n))
		first := xs[i] * scale
		var sum float64
		for _, x := range xs[i+1 : end] {
			sum += float64(x*scale) - first
		}
		size := float64(end - i)
		mean := min((first+sum/size)/scale, xs[end-1]) + 0 // −0 becomes 0
		w.clusters = append(w.clusters, tdigest.Centroid{Mean: mean, Weight: size})
		i = end
	}
}

// groupEnd moves the end of the group from i on so that it parts no equal values.
func groupEnd(xs []float64, i, end int) int {
	if xs[i] == xs[end-1] {
		for end < len(xs) && xs[end] == xs[i] {
			end++
		}
		return end
	}
	if end < len(xs) && xs[end-1] == xs[end] {
		for xs[end-1] == xs[end] {
			end--
		}
	}
	return end
}

// scaleOf returns a power of two by which values in [low, high] are multiplied
// before differences times weights are taken, which must not overflow.
func scaleOf(low, high float64) float64 {
	if max(-low, high) > 0x1p960 {
		return 0x1p-64
	}
	return 1
}

// Merge adds o.
func (q *Quantiles) Merge(o *Quantiles, w *Workspace) {
	if o.count == 0 {
		return
	}
	if q.count == 0 {
		*q = o.Clone()
		return
	}
	q.extend(o.count, o.min, o.max)
	q.absorb(o.centroids, w)
}

func (q *Quantiles) extend(n uint64, low, high float64) {
	if q.count == 0 {
		q.min, q.max = low, high
	}
	q.count += n
	q.min, q.max = min(q.min, low), max(q.max, high)
}

// absorb adds ascending centroids in [min, max]. The list grows by little, because most
// of the memory of panes is in these, and keeps its memory from fold to fold.
func (q *Quantiles) absorb(cs tdigest.CentroidList, w *Workspace) {
	scale := scaleOf(q.min, q.max)
	w.join(q.centroids, cs, scale)
	w.digest.Reset()
	w.digest.AddCentroidList(w.joined)
	w.joined = w.digest.Centroids(w.joined[:0])
	if n := len(w.joined); n > cap(q.centroids) {
		q.centroids = make(tdigest.CentroidList, (n+15)&^15)
	}
	q.centroids = q.centroids[:len(w.joined)]
	last := q.min
	for i, c := range w.joined {
		last = min(max(c.Mean/scale, last), q.max) + 0 // against rounding and −0
		q.centroids[i] = tdigest.Centroid{Mean: last, Weight: c.Weight}
	}
}

// join merges two ascending lists into one, because the digest sorts what is sorted
// fast, and makes one centroid of those with one mean.
func (w *Workspace) join(a, b tdigest.CentroidList, scale float64) {
	w.joined = w.joined[:0]
	for len(a)+len(b) > 0 {
		from := &a
		if len(a) == 0 || len(b) > 0 && b[0].Mean < a[0].Mean {
			from = &b
		}
		c := tdigest.Centroid{Mean: (*from)[0].Mean * scale, Weight: (*from)[0].Weight}
		*from = (*from)[1:]
		if n := len(w.joined); n > 0 && w.joined[n-1].Mean == c.Mean {
			w.joined[n-1].Weight += c.Weight
		} else {
			w.joined = append(w.joined, c)
		}
	}
}

// Quantile returns the value below which a share p of the values lies, interpolated
// between the middles of the centroids and, beyond those, the minimum and maximum.
// It is never outside of these; NaN if there is no value or p is NaN.
func (q *Quantiles) Quantile(p float64, _ *Workspace) float64 {
	if q.count == 0 || math.IsNaN(p) {
		return math.NaN()
	}
	rank := min(max(p, 0), 1) * float64(q.count)
	below, last, lastValue := 0.0, 0.0, q.min // last is a rank with lastValue
	for _, c := range q.centroids {
		half := c.Weight / 2
		if q.isOneValue(below, c.Weight) {
			half = 0.5
		}
		if from := below + half; rank < from {
			return between(lastValue, c.Mean, (rank-last)/(from-last))
		}
		below += c.Weight
		last, lastValue = below-half, c.Mean
		if rank <= last {
			return c.Mean
		}
	}
	return between(lastValue, q.max, (rank-last)/(below-last))
}

// isOneValue reports that a centroid is too heavy to be of different values. Those are
// at most 1 wide on the scale k₁, so that their share of all is at most
// 2·sin(π/2δ)·√(m(1−m)), with m their middle; merging only makes shares smaller.
func (q *Quantiles) isOneValue(below, weight float64) bool {
	const share = math.Pi / compression // ≥ 2·sin(π/2δ)
	middle := below + weight/2
	return weight == 1 || weight*weight > share*share*middle*(float64(q.count)-middle)
}

// between returns the value at a share of the way from a to b, a ≤ b.
func between(a, b, share float64) float64 {
	return min(max(float64(a*(1-share))+float64(b*share), a), b)
}

// Clone returns an independent copy.
func (q *Quantiles) Clone() Quantiles {
	c := *q
	c.centroids = slices.Clone(q.centroids)
	return c
}

// Reset empties the digest.
func (q *Quantiles) Reset() { *q = Quantiles{} }

// Bytes returns the heap memory in use, in bytes.
func (q *Quantiles) Bytes() int { return 16 * cap(q.centroids) }

// AppendBinary appends the binary form.
func (q *Quantiles) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(append(b, quantilesVersion), uint64(len(q.centroids)))
	if len(q.centroids) == 0 {
		return b
	}
	b = appendFloat(appendFloat(b, q.min), q.max)
	for _, c := range q.centroids {
		b = binary.AppendUvarint(appendFloat(b, c.Mean), uint64(c.Weight))
	}
	return b
}

// ReadBinary replaces q by the binary form at the beginning of b.
func (q *Quantiles) ReadBinary(b []byte) ([]byte, error) {
	d := Decoder{b: b}
	d.Begin(quantilesVersion)
	var r Quantiles
	if n := d.Length(9); n > 0 {
		r.min, r.max = d.Float(), d.Float()
		r.centroids = make(tdigest.CentroidList, n)
		last := r.min
		for i := range r.centroids {
			mean, weight := d.Float(), d.Count()
			if mean < last || mean > r.max || weight == 0 {
				d.Fail(errDamaged)
			}
			last = mean
			r.centroids[i] = tdigest.Centroid{Mean: mean, Weight: float64(weight)}
			r.count += weight
		}
		if r.count > maxCount {
			d.Fail(errDamaged)
		}
	}
	if d.err == nil {
		*q = r
	}
	return d.End("quantiles")
}
