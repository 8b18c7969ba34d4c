package sketch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// chunk is the number of values that profiles fold at once.
const chunk = 2048

func lognormal(n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = math.Exp(2 + r.NormFloat64())
	}
	return xs
}

func perValue(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/value")
}

// BenchmarkSort sorts one of many arrays, so that the branch predictor does not learn
// one by heart.
func BenchmarkSort(b *testing.B) {
	w := NewWorkspace()
	for _, n := range []int{32, 64, 128, 512, chunk} {
		run := func(name string, sort func([]float64)) {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				xs, scratch := lognormal(n<<8, 1), make([]float64, n)
				i := 0
				for b.Loop() {
					i = (i + n) % len(xs)
					copy(scratch, xs[i:])
					sort(scratch)
				}
				perValue(b, n)
			})
		}
		run("workspace", w.Sort)
		run("slices", slices.Sort[[]float64])
	}
}

// BenchmarkFold adds one chunk of sorted values to an empty and to a full sketch.
func BenchmarkFold(b *testing.B) {
	xs, old := lognormal(chunk, 1), lognormal(chunk, 2)
	slices.Sort(xs)
	slices.Sort(old)
	w := NewWorkspace()
	bins := decileBins(xs)
	fold := func(name string, add func(full bool)) {
		for _, full := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/full=%t", name, full), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					add(full)
				}
				perValue(b, chunk)
			})
		}
	}
	var m Moments
	fold("Moments", func(full bool) {
		if !full {
			m.Reset()
		}
		m.AddAll(xs)
	})
	h := NewHistogram(bins)
	fold("Histogram", func(full bool) {
		if !full {
			h.Reset()
		}
		h.AddSorted(xs)
	})
	e := NewExpHistogram(7)
	fold("ExpHistogram", func(full bool) {
		if !full {
			e.Reset()
		}
		e.AddAll(xs)
	})
	var q Quantiles
	fold("Quantiles", func(full bool) {
		if !full {
			q.Reset()
		}
		q.AddSorted(xs, w)
	})
	var d Distinct
	fold("Distinct", func(full bool) {
		if !full {
			d.Reset()
		}
		for _, x := range xs {
			d.Add(HashNumber(x))
		}
	})
}

func decileBins(sorted []float64) *Bins {
	var edges []float64
	for i := 1; i < 60; i++ {
		edges = append(edges, sorted[i*len(sorted)/60])
	}
	bins, err := NewBins(edges)
	if err != nil {
		panic(err)
	}
	return bins
}

// BenchmarkMerge merges the sketch of one chunk into that of another.
func BenchmarkMerge(b *testing.B) {
	xs, ys := lognormal(chunk, 1), lognormal(chunk, 2)
	slices.Sort(xs)
	slices.Sort(ys)
	w, bins := NewWorkspace(), decileBins(xs)
	run := func(name string, merge func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				merge()
			}
		})
	}
	var m, m2 Moments
	m.AddAll(xs)
	m2.AddAll(ys)
	run("Moments", func() { m.Merge(&m2) })
	h, h2 := NewHistogram(bins), NewHistogram(bins)
	h.AddSorted(xs)
	h2.AddSorted(ys)
	run("Histogram", func() { _ = h.Merge(&h2) })
	e, e2 := NewExpHistogram(7), NewExpHistogram(7)
	e.AddAll(xs)
	e2.AddAll(ys)
	run("ExpHistogram", func() { _ = e.Merge(&e2) })
	var q, q2 Quantiles
	q.AddSorted(xs, w)
	q2.AddSorted(ys, w)
	run("Quantiles", func() { q.Merge(&q2, w) })
	var d, d2 Distinct
	k, k2 := NewTopK(64), NewTopK(64)
	for i, x := range xs {
		d.Add(HashNumber(x))
		d2.Add(HashNumber(ys[i]))
		k.Add(fmt.Appendf(nil, "%.0f", x), 1)
		k2.Add(fmt.Appendf(nil, "%.0f", ys[i]), 1)
	}
	run("Distinct", func() { d.Merge(&d2) })
	run("TopK", func() { k.Merge(&k2) })
}

// BenchmarkRead takes the figures of a sketch of 64 chunks.
func BenchmarkRead(b *testing.B) {
	w := NewWorkspace()
	var q Quantiles
	e := NewExpHistogram(7)
	var d Distinct
	for seed := range uint64(64) {
		xs := lognormal(chunk, seed)
		slices.Sort(xs)
		q.AddSorted(xs, w)
		e.AddAll(xs)
		for _, x := range xs {
			d.Add(HashNumber(x))
		}
	}
	b.Run("Quantiles.Quantile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			q.Quantile(0.95, w)
		}
		b.ReportMetric(float64(q.Bytes()), "B/sketch")
	})
	b.Run("ExpHistogram.Quantile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.Quantile(0.95)
		}
		b.ReportMetric(float64(e.Bytes()), "B/sketch")
	})
	b.Run("Distinct.Estimate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Estimate()
		}
		b.ReportMetric(float64(d.Bytes()), "B/sketch")
	})
}

// BenchmarkEstimate has the registers of 10,000 values.
func BenchmarkEstimate(b *testing.B) {
	var d Distinct
	for n := range 10_000 {
		d.Add(HashNumber(float64(n)))
	}
	b.Run("distinct", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Estimate()
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			d.dense.Estimate()
		}
	})
}

func BenchmarkTopKAdd(b *testing.B) {
	keys := make([][]byte, 1<<16)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%d", i)
	}
	for _, distinct := range []int{50, 1 << 16} {
		b.Run(fmt.Sprintf("distinct=%d", distinct), func(b *testing.B) {
			b.ReportAllocs()
			t, i := NewTopK(64), 0
			for b.Loop() {
				t.Add(keys[i%distinct], 1)
				i++
			}
		})
	}
	b.Run("heavy and flood", func(b *testing.B) {
		b.ReportAllocs()
		t, i := NewTopK(64), 0
		for j := range 63 {
			t.Add(keys[j], 1<<40)
		}
		for b.Loop() {
			t.Add(keys[i%len(keys)], 1)
			i++
		}
	})
}

func BenchmarkBinary(b *testing.B) {
	xs := lognormal(chunk, 1)
	slices.Sort(xs)
	var q Quantiles
	q.AddSorted(xs, NewWorkspace())
	e := NewExpHistogram(7)
	e.AddAll(xs)
	var buf []byte
	b.Run("Quantiles", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = q.AppendBinary(buf[:0])
		}
		b.ReportMetric(float64(len(buf)), "B/form")
	})
	b.Run("ExpHistogram", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = e.AppendBinary(buf[:0])
		}
		b.ReportMetric(float64(len(buf)), "B/form")
	})
}
