package eval

import (
	"math"
	"testing"
)

// benchAdd adds pairs of which the scores are all different, or of few values; pairs are made before, so that the rest is the cost.
func benchAdd(b *testing.B, s *Spec, few bool) {
	rows := rowsOf(s, 1<<13, 7)
	for i := range rows {
		r := &rows[i]
		if !defined(r.p.Score) {
			r.p.Score = 0.5
		}
		if few {
			r.p.Score = math.Round(r.p.Score*500) / 500
		}
	}
	t := tallyOf(s, rows)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		r := &rows[i&(1<<13-1)]
		t.Add(&r.p, &r.l)
	}
}

func BenchmarkTallyAddBinary(b *testing.B)          { benchAdd(b, binarySpec(), false) }
func BenchmarkTallyAddBinaryFewScores(b *testing.B) { benchAdd(b, binarySpec(), true) }
func BenchmarkTallyAddMulticlass(b *testing.B)      { benchAdd(b, multiclassSpec(), false) }
func BenchmarkEstimateAddBinary(b *testing.B)       { benchEstimate(b, binarySpec(), binaryCalibrator()) }
func BenchmarkEstimateAddMulticlass(b *testing.B)   { benchEstimate(b, multiclassSpec(), nil) }

func benchEstimate(b *testing.B, s *Spec, c *Calibrator) {
	rows := rowsOf(s, 1<<13, 7)
	e := estimateOf(s, c, rows)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		e.Add(&rows[i&(1<<13-1)].p)
	}
}

// BenchmarkTallyPane is a pane's life: 1,000 pairs from nothing, with different scores.
func BenchmarkTallyPane(b *testing.B) {
	rows := rowsOf(binarySpec(), 1000, 7)
	s := binarySpec()
	b.ReportAllocs()
	for b.Loop() {
		tallyOf(s, rows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/pair")
}

func BenchmarkTallyMerge(b *testing.B) {
	s := binarySpec()
	exact, binned := tallyOf(s, rowsOf(s, 900, 7)), tallyOf(s, rowsOf(s, 9000, 7))
	b.Run("exact", func(b *testing.B) {
		t := tallyOf(s, rowsOf(s, 900, 7))
		for b.Loop() {
			t.Merge(exact)
		}
	})
	b.Run("binned", func(b *testing.B) {
		t := binned.Clone()
		for b.Loop() {
			t.Merge(binned)
		}
	})
}

func BenchmarkTallyFigures(b *testing.B) {
	s := binarySpec()
	t := tallyOf(s, rowsOf(s, 9000, 7))
	var figures []Figure
	b.ReportAllocs()
	for b.Loop() {
		figures = t.Figures(figures[:0])
	}
}

// TestTallyAddsWithoutAllocating checks the steady state.
func TestTallyAddsWithoutAllocating(t *testing.T) {
	for _, s := range []*Spec{binarySpec(), multiclassSpec()} {
		rows := rowsOf(s, 4000, 9)
		tally, estimate := tallyOf(s, rows), estimateOf(s, nil, rows)
		encoded, p, l := []byte(nil), Prediction{}, Label{}
		if n := testing.AllocsPerRun(10, func() {
			for i := range rows[:200] {
				encoded = s.AppendPrediction(encoded[:0], &rows[i].p)
				s.ReadPrediction(encoded, &p)
				encoded = s.AppendLabel(encoded[:0], &rows[i].l)
				s.ReadLabel(encoded, &l)
				tally.Add(&p, &l)
				estimate.Add(&p)
			}
		}); n > 0 {
			t.Errorf("task %d: %v allocations", s.Task, n)
		}
	}
}
