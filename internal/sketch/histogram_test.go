package sketch

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawBins(t *rapid.T) *Bins {
	edges := sorted(rapid.SliceOfNDistinct(rapid.Float64Range(-4, 4), 0, 70, rapid.ID).Draw(t, "edges"))
	bins, err := NewBins(edges)
	if err != nil {
		t.Fatal(err)
	}
	return bins
}

// TestHistogramCounts compares with looking up one value after the other.
func TestHistogramCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := drawBins(t)
		want := make([]uint64, bins.Len())
		h := NewHistogram(bins)
		var total uint64
		for range rapid.IntRange(1, 3).Draw(t, "chunks") {
			xs := drawValues(t, "xs")
			xs = append(xs, bins.Edges()...) // an edge is in the bin that it closes
			for _, x := range xs {
				want[lookUp(bins.Edges(), x)]++
				if i := bins.Index(x); i != lookUp(bins.Edges(), x) {
					t.Fatalf("%g is in bin %d of %v", x, i, bins.Edges())
				}
			}
			total += uint64(len(xs))
			h.AddSorted(sorted(xs))
		}
		if got := h.Counts(); total > 0 && !slices.Equal(got, want) || h.Total() != total {
			t.Fatalf("counted %v, in all %d, want %v, %d", got, h.Total(), want, total)
		}
	})
}

func lookUp(edges []float64, x float64) int {
	for i, e := range edges {
		if x <= e {
			return i
		}
	}
	return len(edges)
}

func TestNewBinsRefuses(t *testing.T) {
	for want, edges := range map[string][]float64{
		"edge 1 is NaN":              {1, math.NaN()},
		"edge 0 is -Inf":             {math.Inf(-1), 1},
		"edge 2, 1, is not above 1":  {0, 1, 1},
		"edge 1, -1, is not above 0": {0, -1},
	} {
		if _, err := NewBins(edges); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", edges, err, want)
		}
	}
}

func TestBinsAreACopy(t *testing.T) {
	edges := []float64{1, 2}
	bins, err := NewBins(edges)
	if err != nil {
		t.Fatal(err)
	}
	edges[0] = 5
	if bins.Edges()[0] != 1 {
		t.Error("the bins changed with the caller's slice")
	}
}

func TestHistogramRefusesOtherBins(t *testing.T) {
	a, _ := NewBins([]float64{1, 2})
	b, _ := NewBins([]float64{1, 3})
	x, y := NewHistogram(a), NewHistogram(b)
	x.AddSorted([]float64{0, 1})
	y.AddSorted([]float64{0, 1})
	if err := x.Merge(&y); err == nil {
		t.Error("merged histograms of different bins")
	}
	if !slices.Equal(x.Counts(), []uint64{2, 0, 0}) {
		t.Errorf("a refused merge changed the counts to %v", x.Counts())
	}
	var none Histogram
	if err := x.Merge(&none); err == nil {
		t.Error("merged a histogram without bins")
	}
}

// TestHistogramSharesBins checks that a form read into a histogram of the same bins
// does not make a copy of these.
func TestHistogramSharesBins(t *testing.T) {
	l := histogramLaw()
	h := l.of([]float64{1, 2, 3})
	r := l.empty()
	if _, err := r.ReadBinary(form[Histogram](h)); err != nil || r.Bins() != h.Bins() {
		t.Errorf("bins %p, want %p, %v", r.Bins(), h.Bins(), err)
	}
	var fresh Histogram
	if _, err := fresh.ReadBinary(form[Histogram](h)); err != nil || fresh.Bins() == h.Bins() || !fresh.Bins().Equal(h.Bins()) {
		t.Errorf("bins %v, %v", fresh.Bins(), err)
	}
}

func TestHistogramClone(t *testing.T) {
	h := histogramLaw().of([]float64{1})
	c := h.Clone()
	h.AddSorted([]float64{1})
	if c.Total() != 1 || h.Total() != 2 {
		t.Errorf("totals %d and %d", c.Total(), h.Total())
	}
}
