package sketch

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestBucketTable computes the mantissas by square roots of 200 bits.
func TestBucketTable(t *testing.T) {
	growth := big.NewFloat(2).SetPrec(200)
	for range 5 {
		growth.Sqrt(growth)
	}
	bound := big.NewFloat(1).SetPrec(200)
	for i, m := range mantissas[:octave] {
		want, _ := bound.Float64()
		if got := math.Float64frombits(m | 1023<<52); got != want {
			t.Errorf("2^(%d/32) is %v, want %v", i, got, want)
		}
		bound.Mul(bound, growth)
	}
}

// TestBucketBounds checks each bucket of all floats: its bound is its first value, and
// the float before it is in the bucket before.
func TestBucketBounds(t *testing.T) {
	for i := int32(-1022 * octave); i <= topIndex; i++ {
		b := bucketBound(i)
		if got := bucketIndex(b); got != i {
			t.Fatalf("bucket of the bound %g is %d, want %d", b, got, i)
		}
		if got := bucketIndex(math.Nextafter(b, 0)); got != i-1 {
			t.Fatalf("bucket of the value below the bound %g is %d, want %d", b, got, i-1)
		}
	}
	if i := bucketIndex(math.MaxFloat64); i != topIndex {
		t.Errorf("bucket of the largest value is %d, want %d", i, topIndex)
	}
	if i := bucketIndex(5e-324); i != lowestIndex {
		t.Errorf("bucket of the least value is %d, want %d", i, lowestIndex)
	}
}

// TestBucketsOfSubnormals scales them up to where the bounds are exact.
func TestBucketsOfSubnormals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := math.Float64frombits(rapid.Uint64Range(1, 1<<52-1).Draw(t, "bits"))
		if got, want := bucketIndex(d), bucketIndex(d*0x1p100)-100*octave; got != want {
			t.Fatalf("bucket of %g is %d, want %d", d, got, want)
		}
	})
}

// TestExpQuantileError holds quantiles to the stated error, with values that reach
// from far below M−511 to the largest.
func TestExpQuantileError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := drawValues(t, "xs")
		if len(xs) == 0 {
			return
		}
		center := rapid.SampledFrom([]float64{0, 0.75, -3, 1e9}).Draw(t, "center")
		h := NewExpHistogram(center)
		h.AddAll(xs)
		s := sorted(xs)
		farthest := max(math.Abs(s[0]-center), math.Abs(s[len(s)-1]-center))
		for _, q := range []float64{0, 0.01, 0.3, 0.5, 0.9, 1} {
			want := s[max(int(math.Ceil(q*float64(len(s)))), 1)-1]
			got := h.Quantile(q)
			bound := max(0.011*math.Abs(want-center), farthest*math.Exp2(-15.9)) + 1e-15*math.Abs(center) + 5e-324
			if !(math.Abs(got-want) <= bound) && math.Abs(want) < 1e308 {
				t.Fatalf("quantile %g is %g, want %g ± %g", q, got, want, bound)
			}
		}
	})
}

// TestExpHistogramEach checks what the buckets are for: ascending, apart, not empty,
// and together all values.
func TestExpHistogramEach(t *testing.T) {
	l := expLaw()
	rapid.Check(t, func(t *rapid.T) {
		h := l.of(drawValues(t, "xs"), drawValues(t, "ys"))
		last, total := math.Inf(-1), uint64(0)
		h.Each(func(lower, upper float64, count uint64) {
			if lower < last || upper < lower || count == 0 || math.IsInf(upper, 0) || math.IsInf(lower, 0) {
				t.Fatalf("bucket [%g, %g] of %d after %g", lower, upper, count, last)
			}
			last = upper
			total += count
		})
		if total != h.Count() {
			t.Fatalf("the buckets have %d values of %d", total, h.Count())
		}
		if most := 2 * 8 * (maxBuckets + 2*octave); h.Bytes() > most {
			t.Fatalf("%d bytes, want at most %d", h.Bytes(), most)
		}
	})
}

// TestExpHistogramForgetsTheSmall checks the one lossy rule, at its border.
func TestExpHistogramForgetsTheSmall(t *testing.T) {
	h := NewExpHistogram(0)
	kept, lost := bucketBound(100-511), bucketBound(100-512)
	h.AddAll([]float64{kept, -kept, lost, -lost})
	if h.zero != 0 {
		t.Fatalf("%d values at the center before there is a large one", h.zero)
	}
	large := NewExpHistogram(0)
	large.Add(-bucketBound(100))
	merged := large.Clone()
	if err := merged.Merge(&h); err != nil || merged.zero != 2 {
		t.Errorf("%d values at the center after merging, want 2, %v", merged.zero, err)
	}
	h.Add(-bucketBound(100))
	if h.zero != 2 {
		t.Errorf("%d values at the center, want 2", h.zero)
	}
	h.Add(lost)
	if h.zero != 3 || h.Count() != 6 {
		t.Errorf("%d values at the center of %d, want 3 of 6", h.zero, h.Count())
	}
}

func TestExpHistogramRefusesAnotherCenter(t *testing.T) {
	a, b := NewExpHistogram(1), NewExpHistogram(2)
	b.Add(1)
	if err := a.Merge(&b); err == nil || a.Count() != 0 {
		t.Errorf("merged different centers: %v, count %d", err, a.Count())
	}
}

func TestExpHistogramUndefined(t *testing.T) {
	h := NewExpHistogram(math.Copysign(0, -1))
	if math.Signbit(h.Center()) {
		t.Error("the center is −0")
	}
	if v := h.Quantile(0.5); !math.IsNaN(v) {
		t.Errorf("quantile of nothing is %g", v)
	}
	h.Add(1)
	if v := h.Quantile(math.NaN()); !math.IsNaN(v) {
		t.Errorf("quantile NaN is %g", v)
	}
}

func TestExpHistogramClone(t *testing.T) {
	h := NewExpHistogram(0)
	h.AddAll([]float64{1, -1})
	c := h.Clone()
	h.AddAll([]float64{1, -1})
	if n := c.positive.at(0) + c.negative.at(0); c.Count() != 2 || n != 2 {
		t.Errorf("the copy changed: count %d, buckets %d", c.Count(), n)
	}
}

// TestExpHistogramWidens: buckets that no longer fit into 16 bits count on, however the values come together, and take little
// memory before.
func TestExpHistogramWidens(t *testing.T) {
	of := func(n int) *ExpHistogram {
		h := NewExpHistogram(0)
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = []float64{3, -5, 3, 1e-6, 3, 3, 3, 3, 3, 3, 3}[i%11]
		}
		h.AddAll(xs)
		return &h
	}
	if n, most := of(maxSmall).Bytes(), of(maxSmall+1).Bytes()/4; n != most {
		t.Errorf("%d bytes, want %d", n, most)
	}
	for _, n := range []int{maxSmall - 1, maxSmall, maxSmall + 1, 11 * maxSmall, 40 * maxSmall} {
		want := of(n)
		var buckets []uint64
		want.Each(func(_, _ float64, c uint64) { buckets = append(buckets, c) })
		if len(buckets) != 3 || buckets[0]+buckets[1]+buckets[2] != uint64(n) || buckets[0] != uint64((n+9)/11) || buckets[1] != uint64((n+7)/11) {
			t.Fatalf("%d values are in buckets of %d", n, buckets)
		}
		bytes := want.AppendBinary(nil)
		var read ExpHistogram
		if _, err := read.ReadBinary(bytes); err != nil || (read.positive.wide == nil) != (n <= maxSmall) || string(read.AppendBinary(nil)) != string(bytes) {
			t.Errorf("%d values are read as %+v, %v", n, read, err)
		}
		for _, first := range []int{0, 11, 22 * (n / 33), 11 * (n / 11)} { // whole rounds, so that the rest goes on where they end
			for _, swap := range []bool{false, true} {
				a, b := of(first), of(n-first)
				if swap {
					a, b = b, a
				}
				c := a.Clone()
				if err := errors.Join(a.Merge(b), c.Merge(b)); err != nil {
					t.Fatal(err)
				}
				if got := a.AppendBinary(nil); string(got) != string(bytes) || string(c.AppendBinary(nil)) != string(bytes) || a.Count() != uint64(n) {
					t.Errorf("%d and %d values merge to another histogram than all", first, n-first)
				}
			}
		}
	}
}
