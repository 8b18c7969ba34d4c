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

// Histogram has exact counts in bins. The zero value has no bins and takes none.
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

// AddSorted adds ascending values, by one merge with the edges.
func (h *Histogram) AddSorted(xs []float64) {
	if len(xs) == 0 {
		return
	}
	h.fill()
	from := 0
	for i, e := range h.bins.edges {
		to := from
		for to < len(xs) && xs[to] <= e {
			to++
		}
		h.counts[i] += uint64(to - from)
		from = to
	}
	h.counts[len(h.bins.edges)] += uint64(len(xs) - from)
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

// Reset empties the histogram; the bins stay.
func (h *Histogram) Reset() { h.counts = nil }

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

// ReadBinary replaces h by the binary form at the beginning of b.
func (h *Histogram) ReadBinary(b []byte) ([]byte, error) {
	d := decoder{b: b}
	d.begin(histogramVersion)
	n := d.length(1)
	var r Histogram
	if n > 0 && d.err == nil {
		if n-1 > len(d.b)/8 {
			d.fail(errShort)
			return d.end("histogram")
		}
		edges := make([]float64, n-1)
		for i := range edges {
			edges[i] = d.float()
		}
		bins, err := NewBins(edges)
		if d.err == nil && err != nil {
			d.fail(err)
		}
		r.bins = bins
		var any uint64
		counts := make([]uint64, n)
		for i := range counts {
			counts[i] = d.uvarint()
			any |= counts[i]
		}
		if any != 0 {
			r.counts = counts
		}
	}
	if d.err == nil {
		*h = r
	}
	return d.end("histogram")
}
