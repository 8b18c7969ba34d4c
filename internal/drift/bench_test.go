package drift

import (
	"math/rand/v2"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
	"gonum.org/v1/gonum/stat/distuv"
)

// BenchmarkEvaluate has all statistics of a numeric feature with and without
// Wasserstein, of one whose reference is calibrated, in one window and in windows of a size, and of a categorical one with 20 categories.
func BenchmarkEvaluate(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	ref, cur := numericSample(rng, 50_000, 0), numericSample(rng, 2_000, 0.1)
	ref.Prepare()
	calibrated := ref
	calibrated.Calibration = &Calibration{Disjoint: 30, Windows: 240, Size: 2000, Bins: 10, Trace: 0.002, Square: 1e-6, Degrees: 7, Excess: map[string]float64{"psi": 0.002, "js": 0.002}}
	bins := func(s Sample) Sample { return Sample{Bins: s.Bins, Fine: s.Fine} }
	for _, bm := range []struct {
		name     string
		ref, cur Sample
		memo     *Memo
	}{
		{"numeric", ref, cur, nil},
		{"numeric_without_wasserstein", bins(ref), bins(cur), nil},
		{"calibrated", calibrated, cur, nil},
		{"calibrated_again", calibrated, cur, NewMemo()},
		{"categorical_20", Sample{Bins: ref.Fine[:20]}, Sample{Bins: cur.Fine[:20]}, nil},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Evaluate(bm.ref, bm.cur, Options{Memo: bm.memo})
			}
		})
	}
}

// numericSample draws n normal values around mean, with the bins of a standard normal reference.
func numericSample(rng *rand.Rand, n int, mean float64) Sample {
	exp := sketch.NewExpHistogram(0)
	s := Sample{Bins: make([]uint64, 10), Fine: make([]uint64, 60), Exp: &exp, StdDev: 1}
	for range n {
		x := mean + rng.NormFloat64()
		i := min(59, int(60*distuv.UnitNormal.CDF(x)))
		s.Bins[i/6]++
		s.Fine[i]++
		exp.AddAll([]float64{x})
	}
	return s
}

// BenchmarkDetector has a pane of 500 values of a quiet ratio, after 10,000 of them, and the binary form.
func BenchmarkDetector(b *testing.B) {
	for _, k := range Detectors {
		d, sums := k.New(Ratio), [8]float64{3, 5, 4, 7, 6, 2, 5, 4}
		for i := range 10_000 {
			d.Update(sums[i%8], 500)
		}
		b.Run(k.Name+"/update", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.Update(sums[i%8], 500)
			}
		})
		b.Run(k.Name+"/form", func(b *testing.B) {
			b.ReportAllocs()
			var form []byte
			for b.Loop() {
				form = d.AppendBinary(form[:0])
			}
			b.ReportMetric(float64(len(form)), "bytes")
		})
	}
}
