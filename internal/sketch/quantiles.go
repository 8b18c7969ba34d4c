package sketch

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/influxdata/tdigest"
)

// compression of the t-digests: about twice as many centroids at most.
const compression = 200

// Quantiles is a t-digest (Dunning and Ertl, "Computing extremely accurate quantiles
// using t-digests", 2019). It keeps only the centroids; the library's digest is in
// the Workspace. Weights are integers. The rank error is about 1 % in the middle and
// less at the tails; 0 and 1 give the exact minimum and maximum. Equal operations in
// equal order give equal bytes, but merging is associative within the error only.
type Quantiles struct {
	centroids tdigest.CentroidList
	count     uint64
	min, max  float64
}

// Count returns the number of values.
func (q *Quantiles) Count() uint64 { return q.count }

// Min returns the smallest value, 0 if there is none.
func (q *Quantiles) Min() float64 { return q.min }

// Max returns the largest value, 0 if there is none.
func (q *Quantiles) Max() float64 { return q.max }

// AddSorted adds ascending values. They are clustered first, by the digest's own
// scale, so that the digest sees some hundred centroids and not all the values.
func (q *Quantiles) AddSorted(xs []float64, w *Workspace) {
	if len(xs) == 0 {
		return
	}
	q.extend(uint64(len(xs)), xs[0], xs[len(xs)-1])
	w.cluster(xs)
	q.absorb(w.clusters, w)
}

// cluster groups ascending values into centroids no heavier than 2·n·q(1−q)/δ (δ the
// compression), and never puts a value together with part of an equal run.
func (w *Workspace) cluster(xs []float64) {
	w.clusters = w.clusters[:0]
	n := float64(len(xs))
	for i := 0; i < len(xs); {
		q := (float64(i) + 0.5) / n
		limit := max(1, int(2*n*q*(1-q)/compression))
		end := min(i+limit, len(xs))
		var sum float64
		for _, x := range xs[i:end] {
			sum += x - xs[i]
		}
		if math.IsInf(sum, 0) {
			end, sum = i+1, 0
		}
		w.clusters = append(w.clusters, tdigest.Centroid{Mean: xs[i] + sum/float64(end-i), Weight: float64(end - i)})
		i = end
	}
}

// Merge adds o.
func (q *Quantiles) Merge(o *Quantiles, w *Workspace) {
	if o.count == 0 {
		return
	}
	if q.count == 0 {
		q.count, q.min, q.max = o.count, o.min, o.max
		q.centroids = append(q.centroids[:0], o.centroids...)
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

// absorb adds centroids; the result has a list of its own, of exact length.
func (q *Quantiles) absorb(cs tdigest.CentroidList, w *Workspace) {
	w.digest.Reset()
	w.digest.AddCentroidList(q.centroids)
	w.digest.AddCentroidList(cs)
	w.clusters = w.digest.Centroids(w.clusters[:0])
	if cap(q.centroids) < len(w.clusters) || cap(q.centroids) > 2*len(w.clusters) {
		q.centroids = make(tdigest.CentroidList, 0, len(w.clusters))
	}
	q.centroids = append(q.centroids[:0], w.clusters...)
}

// Quantile returns the value below which a share p of the values lies, interpolated;
// NaN if there is none.
func (q *Quantiles) Quantile(p float64, w *Workspace) float64 {
	switch {
	case q.count == 0 || math.IsNaN(p):
		return math.NaN()
	case p <= 0:
		return q.min
	case p >= 1:
		return q.max
	}
	w.digest.Reset()
	w.digest.AddCentroidList(q.centroids)
	return min(max(w.digest.Quantile(p), q.min), q.max)
}

// Clone returns an independent copy.
func (q *Quantiles) Clone() Quantiles {
	c := *q
	c.centroids = slices.Clone(q.centroids)
	return c
}

// Reset empties the digest.
func (q *Quantiles) Reset() { *q = Quantiles{} }

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
	n := d.length(9)
	var r Quantiles
	if n > 0 {
		r.min, r.max = d.float(), d.float()
		r.centroids = make(tdigest.CentroidList, n)
		last := r.min
		for i := range r.centroids {
			mean, weight := d.float(), d.uvarint()
			if mean < last || mean > r.max || weight == 0 || weight > 1<<53 || r.count > 1<<53 {
				d.fail(errDamaged)
			}
			last = mean
			r.centroids[i] = tdigest.Centroid{Mean: mean, Weight: float64(weight)}
			r.count += weight
		}
	}
	if d.err == nil {
		*q = r
	}
	return d.end("quantiles")
}
