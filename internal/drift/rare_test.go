package drift

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestRareMissing: a reference with few missing values. A feature has a p-value all the same, noise is no drift, and
// many missing values are.
func TestRareMissing(t *testing.T) {
	ref := Sample{Bins: []uint64{5000, 5000, 5000, 5000}, Absent: 60}
	moved := Sample{Bins: []uint64{10, 100, 290, 600}, Absent: 3}
	if p := Assess(ref, moved, Options{}).PValue(); !(p < 1e-9) {
		t.Errorf("p-value %v of a feature that has moved", p)
	}
	still := Sample{Bins: []uint64{250, 250, 250, 250}, Absent: 3}
	if p := Assess(ref, still, Options{}).PValue(); !(p > 0.5) {
		t.Errorf("p-value %v of a feature that has not moved", p)
	}
	lost := still
	lost.Absent = 100
	a := Assess(ref, lost, Options{})
	if _, state := a.Judge(nil, 1e-6); state != Drift || !(a.PValue() < 1e-9) {
		t.Errorf("100 missing values: %s, p-value %v", state, a.PValue())
	}
	// At 50 values a window, 2.5 of them missing, an effect of the floor is noise.
	rng := rand.New(rand.NewPCG(5, 1))
	ref = Sample{Bins: []uint64{11875, 11875, 11875, 11875}, Absent: 2500}
	const windows = 4000
	hits, drifts := 0, 0
	for range windows {
		c := multinomial(rng, 50, []float64{0.95 / 4, 0.95 / 4, 0.95 / 4, 0.95 / 4, 0.05})
		a := Assess(ref, Sample{Bins: c[:4], Absent: c[4]}, Options{DecideBy: Missing})
		if a.PValue() <= 0.01 {
			hits++
		}
		if _, state := a.Judge(nil, 0.01); state != OK {
			drifts++
		}
	}
	if most := int(0.01*windows + 4*math.Sqrt(0.01*windows)); hits > most || drifts > most {
		t.Errorf("%d windows of %d are significant, %d have drifted or nearly so", hits, windows, drifts)
	}
}
