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
// The rank error is at most 1 % in the middle and a tenth of that at the 1st and 99th
// percentile; 0 and 1 give the exact minimum and maximum. Equal operations in equal
// order give equal bytes; merging is commutative, but associative within the error only.
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
	q.extend(uint64(len(xs)), xs[0], xs[len(xs)-1])
	w.cluster(xs)
	q.absorb(w.clusters, w)
}

// cluster groups ascending values by the scale function of the digest, k₁(q) =
// δ/2π·asin(2q−1) with δ the compression, into centroids half as wide as the digest
// makes them. Those at the ends are single values.
func (w *Workspace) cluster(xs []float64) {
	w.clusters = w.clusters[:0]
	n, scale := len(xs), scaleOf(xs[0], xs[len(xs)-1])
	for i := 0; i < n; {
		width := math.Pi / 2 / compression * math.Sqrt((float64(i)+0.5)*(float64(n-i)-0.5))
		end := min(i+max(int(width), 1), n)
		first := xs[i] * scale
		var sum float64
		for _, x := range xs[i+1 : end] {
			sum += float64(x*scale) - first
		}
		size := float64(end - i)
		mean := min((first+sum/size)/scale, xs[end-1])
		w.clusters = append(w.clusters, tdigest.Centroid{Mean: mean, Weight: size})
		i = end
	}
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

// absorb adds ascending centroids in [min, max]; the list gets exactly the memory it
// needs.
func (q *Quantiles) absorb(cs tdigest.CentroidList, w *Workspace) {
	scale := scaleOf(q.min, q.max)
	w.join(q.centroids, cs, scale)
	w.digest.Reset()
	w.digest.AddCentroidList(w.joined)
	w.joined = w.digest.Centroids(w.joined[:0])
	if n := len(w.joined); n != cap(q.centroids) {
		q.centroids = make(tdigest.CentroidList, n)
	}
	q.centroids = q.centroids[:len(w.joined)]
	last := q.min
	for i, c := range w.joined {
		last = min(max(c.Mean/scale, last), q.max) // against rounding
		q.centroids[i] = tdigest.Centroid{Mean: last, Weight: c.Weight}
	}
}

// join merges two ascending lists into one, because the digest sorts what is sorted
// fast. Ties are ordered by weight, which makes merging commutative.
func (w *Workspace) join(a, b tdigest.CentroidList, scale float64) {
	w.joined = w.joined[:0]
	for len(a)+len(b) > 0 {
		from := &a
		if len(a) == 0 || len(b) > 0 && less(b[0], a[0]) {
			from = &b
		}
		c := (*from)[0]
		*from = (*from)[1:]
		w.joined = append(w.joined, tdigest.Centroid{Mean: c.Mean * scale, Weight: c.Weight})
	}
}

func less(a, b tdigest.Centroid) bool {
	return a.Mean < b.Mean || a.Mean == b.Mean && a.Weight < b.Weight
}

// Quantile returns the value below which a share p of the values lies, interpolated
// between the middles of the centroids and, beyond those, the minimum and maximum.
// It is never outside of these; NaN if there is no value or p is NaN.
func (q *Quantiles) Quantile(p float64, _ *Workspace) float64 {
	if q.count == 0 || math.IsNaN(p) {
		return math.NaN()
	}
	rank := min(max(p, 0), 1) * float64(q.count)
	// A middle with the value there, and the one before.
	last, lastValue, below := 0.0, q.min, 0.0
	for _, c := range q.centroids {
		middle := below + c.Weight/2
		if rank < middle {
			return between(lastValue, c.Mean, (rank-last)/(middle-last))
		}
		last, lastValue, below = middle, c.Mean, below+c.Weight
	}
	return between(lastValue, q.max, (rank-last)/(below-last))
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
	d := decoder{b: b}
	d.begin(quantilesVersion)
	var r Quantiles
	if n := d.length(9); n > 0 {
		r.min, r.max = d.float(), d.float()
		r.centroids = make(tdigest.CentroidList, n)
		last := r.min
		for i := range r.centroids {
			mean, weight := d.float(), d.count()
			if mean < last || mean > r.max || weight == 0 {
				d.fail(errDamaged)
			}
			last = mean
			r.centroids[i] = tdigest.Centroid{Mean: mean, Weight: float64(weight)}
			r.count += weight
		}
		if r.count > maxCount {
			d.fail(errDamaged)
		}
	}
	if d.err == nil {
		*q = r
	}
	return d.end("quantiles")
}
