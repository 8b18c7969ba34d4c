package monitor

import (
	"math"
	"testing"

	"github.com/streammon/streammon/internal/eval"
)

// Sums of errors stay finite, whatever the numbers: one that is not could not be read from the state.
func TestErrorSumsStayFinite(t *testing.T) {
	spec := &eval.Spec{Task: eval.Regression}
	sum := LabelStatus{}
	for _, pair := range [][2]float64{{3, 1}, {math.NaN(), 1}, {math.MaxFloat64, -math.MaxFloat64}, {1e300, 0}, {math.MaxFloat64, 0}, {math.MaxFloat64, 0}} {
		c := LabelStatus{}
		c.add(spec, &eval.Prediction{Value: pair[0]}, &eval.Label{Value: pair[1]})
		sum.add(spec, &eval.Prediction{Value: pair[0]}, &eval.Label{Value: pair[1]})
		other := sum
		other.Add(&c)
		for _, x := range []float64{sum.AbsoluteError, sum.SquaredError, other.AbsoluteError, other.SquaredError} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Fatalf("after %v: %+v", pair, other)
			}
		}
		if pair[0] == 3 && (sum.Compared != 1 || sum.AbsoluteError != 2 || sum.SquaredError != 4) {
			t.Errorf("%+v", sum)
		}
	}
	if sum.Compared != 4 {
		t.Errorf("%d pairs were compared, want 4", sum.Compared)
	}
}
