package eval

import (
	"math"
	"testing"
)

// TestCurves by hand: three scores, of which two are equal.
func TestCurves(t *testing.T) {
	spec := &Spec{Task: Binary, Threshold: math.NaN()}
	tally := NewTally(spec)
	if c := tally.Curves(); c != nil {
		t.Errorf("of nothing: %+v", c)
	}
	for _, r := range []struct {
		score float64
		truth int
	}{{0.9, 1}, {0.5, 1}, {0.5, 0}, {0.1, 0}} {
		tally.Add(&Prediction{Score: r.score, Class: -1, Value: math.NaN()}, &Label{Class: r.truth})
	}
	c := tally.Curves()
	wantPoints(t, "ROC", c.ROC, []Point{{0, 0}, {0, 0.5}, {0.5, 1}, {1, 1}})
	wantPoints(t, "PR", c.PR, []Point{{0.5, 1}, {1, 2. / 3}, {1, 0.5}})
	if len(c.Calibration) != 3 || c.Calibration[1] != (Reliability{2, 0.5, 0.5}) || c.Calibration[2] != (Reliability{1, 0.9, 1}) {
		t.Errorf("%+v", c.Calibration)
	}
}

func wantPoints(t *testing.T, name string, got, want []Point) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s %v, want %v", name, got, want)
	}
	for i := range got {
		if math.Abs(got[i].X-want[i].X) > 1e-12 || math.Abs(got[i].Y-want[i].Y) > 1e-12 {
			t.Errorf("%s %v, want %v", name, got, want)
		}
	}
}

// TestCurvesAreSmall: few points whatever the number of scores, and about the area that is given.
func TestCurvesAreSmall(t *testing.T) {
	seed := uint64(3)
	tally := NewTally(&Spec{Task: Binary, Threshold: math.NaN()})
	for range 20_000 {
		x := uniform(&seed)
		truth := 0
		if uniform(&seed) < x {
			truth = 1
		}
		tally.Add(&Prediction{Score: x, Class: -1}, &Label{Class: truth})
	}
	c := tally.Curves()
	if len(c.ROC) > curvePoints+3 || len(c.PR) > curvePoints+3 || len(c.Calibration) != 15 {
		t.Fatalf("%d and %d points, %d bins", len(c.ROC), len(c.PR), len(c.Calibration))
	}
	area := 0.0
	for i := 1; i < len(c.ROC); i++ {
		area += (c.ROC[i].X - c.ROC[i-1].X) * (c.ROC[i].Y + c.ROC[i-1].Y) / 2
	}
	for _, f := range tally.Figures(nil) {
		if f.Name == "roc_auc" && math.Abs(f.Value-area) > 0.01 {
			t.Errorf("the area below is %v, not %v", area, f.Value)
		}
	}
}
