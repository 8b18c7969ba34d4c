package sketch

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// distributions are what the stated rank error is held against; they may change from
// pane to pane.
var distributions = map[string]func(r *rand.Rand, pane int) float64{
	"uniform":   func(r *rand.Rand, _ int) float64 { return r.Float64() },
	"normal":    func(r *rand.Rand, _ int) float64 { return r.NormFloat64() },
	"lognormal": func(r *rand.Rand, _ int) float64 { return math.Exp(3 * r.NormFloat64()) },
	"bimodal":   func(r *rand.Rand, _ int) float64 { return r.NormFloat64() + 1000*float64(r.IntN(2)) },
	"tied":      func(r *rand.Rand, _ int) float64 { return math.Floor(3 * math.Abs(r.NormFloat64())) },
	"integers":  func(r *rand.Rand, _ int) float64 { return math.Floor(r.NormFloat64() * 50) },
	"binary":    func(r *rand.Rand, _ int) float64 { return float64(r.IntN(10) / 7) },
	"constant":  func(*rand.Rand, int) float64 { return 0.1 },
	"far":       func(r *rand.Rand, _ int) float64 { return 1e12 + r.Float64() },
	"inflated":  func(r *rand.Rand, _ int) float64 { return math.Max(0, r.NormFloat64()-0.5) },
	"rising":    func(r *rand.Rand, pane int) float64 { return float64(pane) + r.Float64() },
	"falling":   func(r *rand.Rand, pane int) float64 { return -float64(pane) + 10*r.Float64() },
}

// rankBound is the stated rank error at p of a digest of many values.
func rankBound(p float64) float64 { return 0.0001 + 0.01*math.Sqrt(p*(1-p)) }

var ranks = []float64{0.0005, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9995}

// TestQuantilesRankError compares with exact ranks after folding chunk by chunk, and
// after merging the digests of 60 panes in a row and by a tree.
func TestQuantilesRankError(t *testing.T) {
	w := NewWorkspace()
	for name, draw := range distributions {
		r := rand.New(rand.NewPCG(7, 7))
		var folded, row Quantiles
		var all []float64
		panes := make([]Quantiles, 60)
		for i := range panes {
			xs := make([]float64, 1+r.IntN(2*chunk))
			for j := range xs {
				xs[j] = draw(r, i)
			}
			all = append(all, xs...)
			for xs := range slices.Chunk(xs, chunk) {
				w.Sort(xs)
				panes[i].AddSorted(xs, w)
				folded.AddSorted(xs, w)
			}
			row.Merge(&panes[i], w)
		}
		w.Sort(all)
		tree := mergeTree(panes, w)
		for way, q := range map[string]*Quantiles{"folded": &folded, "row": &row, "tree": &tree} {
			if q.Count() != uint64(len(all)) {
				t.Errorf("%s, %s: count %d, want %d", name, way, q.Count(), len(all))
			}
			if n := len(q.centroids); n > compression*3/2 {
				t.Errorf("%s, %s: %d centroids", name, way, n)
			}
			for _, p := range ranks {
				e := rankError(all, q.Quantile(p, w), p)
				if e > rankBound(p) {
					t.Errorf("%s, %s: rank error %.5f at %g, want at most %.5f", name, way, e, p, rankBound(p))
				}
			}
		}
	}
}

func mergeTree(panes []Quantiles, w *Workspace) Quantiles {
	if len(panes) == 1 {
		return panes[0].Clone()
	}
	left, right := mergeTree(panes[:len(panes)/2], w), mergeTree(panes[len(panes)/2:], w)
	left.Merge(&right, w)
	return left
}

// rankError returns how far p is from the ranks that v has in ascending values: from
// the share of those below v to the share of those up to v.
func rankError(xs []float64, v, p float64) float64 {
	low, _ := slices.BinarySearch(xs, v)
	high, _ := slices.BinarySearch(xs, math.Nextafter(v, math.Inf(1)))
	n := float64(len(xs))
	return max(0, float64(low)/n-p, p-float64(high)/n)
}

// TestQuantilesOfFew checks that some dozens of values are kept as they are: a
// quantile is between its two neighbours.
func TestQuantilesOfFew(t *testing.T) {
	w := NewWorkspace()
	rapid.Check(t, func(t *rapid.T) {
		xs := sorted(rapid.SliceOfN(rapid.Float64Range(-9, 9), 1, 12).Draw(t, "xs"))
		var q Quantiles
		q.AddSorted(xs, w)
		n := float64(len(xs))
		for _, p := range []float64{0, 0.1, 0.5, 0.9, 1} {
			below := xs[int(max(p*n-0.5, 0))]
			above := xs[int(min(p*n+0.5, n-1))]
			if v := q.Quantile(p, w); v < below || v > above {
				t.Fatalf("quantile %g of %v is %g", p, xs, v)
			}
		}
	})
}

func TestQuantilesStayInRange(t *testing.T) {
	w, l := NewWorkspace(), quantilesLaw()
	rapid.Check(t, func(t *rapid.T) {
		xs, ys := drawValues(t, "xs"), drawValues(t, "ys")
		q := l.of(xs, ys)
		l.merge(q, l.of(ys, xs))
		if q.Count() != 2*uint64(len(xs)+len(ys)) {
			t.Fatalf("count %d", q.Count())
		}
		if q.Count() == 0 {
			return
		}
		all := sorted(slices.Concat(xs, ys))
		low, high := all[0], all[len(all)-1]
		if q.Min() != low || q.Max() != high || q.Quantile(0, w) != low || q.Quantile(1, w) != high {
			t.Fatalf("range [%g, %g], want [%g, %g]", q.Min(), q.Max(), low, high)
		}
		last := low
		for i := range 101 {
			v := q.Quantile(float64(i)/100, w)
			if !(last <= v && v <= high) {
				t.Fatalf("quantile %d %% is %g, after %g, at most %g", i, v, last, high)
			}
			last = v
		}
	})
}

// TestQuantilesOfTheLargest has two heaps as far apart as floats can be.
func TestQuantilesOfTheLargest(t *testing.T) {
	w := NewWorkspace()
	var xs []float64
	for i := range 1500 {
		x := math.MaxFloat64 * (1 - float64(i)/10000)
		xs = append(xs, x, -x, -x*0.999)
	}
	w.Sort(xs)
	var q Quantiles
	for range 3 {
		q.AddSorted(xs, w)
	}
	for _, p := range ranks {
		if v := q.Quantile(p, w); !(rankError(xs, v, p) <= rankBound(p)) || math.IsInf(v, 0) {
			t.Errorf("quantile %g is %g, rank error %g", p, v, rankError(xs, v, p))
		}
	}
}

func TestQuantilesCommute(t *testing.T) {
	l := quantilesLaw()
	rapid.Check(t, func(t *rapid.T) {
		x, y := l.of(drawValues(t, "xs")), l.of(drawValues(t, "ys"))
		equal[Quantiles](t, "commuted", l.merged(x, y), l.merged(y, x))
	})
}

func TestQuantilesUndefined(t *testing.T) {
	w := NewWorkspace()
	var q Quantiles
	if v := q.Quantile(0.5, w); !math.IsNaN(v) {
		t.Errorf("quantile of nothing is %g", v)
	}
	q.AddSorted([]float64{1}, w)
	if v := q.Quantile(math.NaN(), w); !math.IsNaN(v) {
		t.Errorf("quantile NaN is %g", v)
	}
}

func TestQuantilesClone(t *testing.T) {
	w := NewWorkspace()
	var q Quantiles
	q.AddSorted([]float64{1, 2, 3}, w)
	c := q.Clone()
	q.AddSorted([]float64{4, 5, 6}, w)
	if c.Count() != 3 || c.Quantile(1, w) != 3 || c.Quantile(0.5, w) != 2 {
		t.Errorf("the copy changed: %+v", c)
	}
}

// TestSort compares with the library, over the lengths about which the way changes.
func TestSort(t *testing.T) {
	w := NewWorkspace()
	rapid.Check(t, func(t *rapid.T) {
		xs := drawValues(t, "xs")
		want := sorted(xs)
		w.Sort(xs)
		if !slices.Equal(xs, want) {
			t.Fatalf("sorted to %v, want %v", xs, want)
		}
	})
}
