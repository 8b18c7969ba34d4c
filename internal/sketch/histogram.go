package sketch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Bins are right-closed bins between ascending edges: (−∞, e₁], (e₁, e₂], …, (eₖ, +∞).
// They never change and are shared by many histograms.
type Bins struct{ edges []float64 }

// NewBins returns the bins between the edges, which must be finite and strictly
// ascending; without edges there is one bin.
func NewBins(edges []float64) (*Bins, error) {
	for i, e := range edges {
		if math.IsNaN(e) || math.IsInf(e, 0) {
			return nil, fmt.Errorf("bins: edge %d is %g", i, e)
		}
		if i > 0 && edges[i-1] >= e {
			return nil, fmt.Errorf("bins: edge %d, %g, is not above %g", i, e, edges[i-1])
		}
	}
	return &Bins{slices.Clone(edges)}, nil
}

// Edges returns the edges; the caller must not change them.
func (b *Bins) Edges() []float64 { return b.edges }

// Len returns the number of bins, one more than the edges.
func (b *Bins) Len() int { return len(b.edges) + 1 }

// Index returns the bin that holds x.
func (b *Bins) Index(x float64) int {
	i, _ := slices.BinarySearch(b.edges, x)
	return i
}

// Equal reports whether the edges are the same.
func (b *Bins) Equal(o *Bins) bool {
	return b == o || b != nil && o != nil && slices.Equal(b.edges, o.edges)
}

// Histogram has exact counts in bins: the same under any partitioning and order of the
// values. The zero value has no bins, and values cannot be added to it.
type Histogram struct {
	bins   *Bins
	counts []uint64 // nil while all are 0
}

// NewHistogram returns an empty histogram.
func NewHistogram(b *Bins) Histogram { return Histogram{bins: b} }

// Bins returns the bins, nil for the zero value.
func (h *Histogram) Bins() *Bins { return h.bins }

// Counts returns the counts of all bins, or nil if all are 0. The caller must not
// change them.
func (h *Histogram) Counts() []uint64 { return h.counts }

// Total returns the number of values.
func (h *Histogram) Total() (n uint64) {
	for _, c := range h.counts {
		n += c
	}
	return n
}

// AddSorted adds ascending values to a histogram that has bins: by one merge with the
// edges, in steps that double where many values fall into one bin.
func (h *Histogram) AddSorted(xs []float64) {
	if len(xs) == 0 {
		return
	}
	h.fill()
	last := len(h.bins.edges)
	for i, e := range h.bins.edges {
		if len(xs) == 0 {
			return
		}
		n := countUpTo(xs, e)
		h.counts[i] += uint64(n)
		xs = xs[n:]
	}
	h.counts[last] += uint64(len(xs))
}

// countUpTo returns how many of the ascending values are at most e, in a time that
// grows with the logarithm of their number.
func countUpTo(xs []float64, e float64) int {
	low, high := 0, 1 // xs[:low] are at most e
	for high <= len(xs) && xs[high-1] <= e {
		low, high = high, 2*high
	}
	high = min(high, len(xs)+1)
	for low+1 < high {
		if middle := (low + high) / 2; xs[middle-1] <= e {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func (h *Histogram) fill() {
	if h.counts == nil {
		h.counts = make([]uint64, h.bins.Len())
	}
}

// Merge adds o. It fails, changing nothing, if the bins differ.
func (h *Histogram) Merge(o *Histogram) error {
	if !h.bins.Equal(o.bins) {
		return errors.New("merge histograms: the bins differ")
	}
	if o.counts == nil {
		return nil
	}
	h.fill()
	for i, c := range o.counts {
		h.counts[i] += c
	}
	return nil
}

// Clone returns an independent copy with the same bins.
func (h *Histogram) Clone() Histogram { return Histogram{h.bins, slices.Clone(h.counts)} }

// Reset empties the histogram; the bins stay.
func (h *Histogram) Reset() { h.counts = nil }

// Bytes returns the heap memory in use, in bytes, without the shared bins.
func (h *Histogram) Bytes() int { return 8 * cap(h.counts) }

// AppendBinary appends the binary form, the edges included.
func (h *Histogram) AppendBinary(b []byte) []byte {
	b = append(b, histogramVersion)
	if h.bins == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(h.bins.Len()))
	for _, e := range h.bins.edges {
		b = appendFloat(b, e)
	}
	for i := range h.bins.Len() {
		var c uint64
		if h.counts != nil {
			c = h.counts[i]
		}
		b = binary.AppendUvarint(b, c)
	}
	return b
}

// ReadBinary replaces h by the binary form at the beginning of b. Bins that are the
// same as before stay shared.
func (h *Histogram) ReadBinary(b []byte) ([]byte, error) {
	d := Decoder{b: b}
	d.Begin(histogramVersion)
	var r Histogram
	if n := d.Length(1); n > 0 {
		r.bins = h.readBins(&d, n-1)
		r.counts = readCounts(&d, n)
	}
	if d.err == nil {
		*h = r
	}
	return d.End("histogram")
}

func (h *Histogram) readBins(d *Decoder, edges int) *Bins {
	if edges > len(d.b)/8 {
		d.Fail(errShort)
		return nil
	}
	read := make([]float64, edges)
	for i := range read {
		read[i] = d.Float()
	}
	bins, err := NewBins(read)
	if err != nil {
		d.Fail(err)
	}
	if bins.Equal(h.bins) {
		return h.bins
	}
	return bins
}

// readCounts returns n counts, or nil if all are 0.
func readCounts(d *Decoder, n int) []uint64 {
	if d.err != nil {
		return nil
	}
	counts, some := make([]uint64, n), false
	for i := range counts {
		counts[i] = d.Count()
		some = some || counts[i] > 0
	}
	if !some {
		return nil
	}
	return counts
}
