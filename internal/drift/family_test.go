package drift

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestGoldenBenjaminiHochberg(t *testing.T) {
	cases := readGolden[struct {
		Cases []struct {
			Name        string
			P, Adjusted []number
		} `json:"benjamini_hochberg"`
	}](t, "significance.json").Cases
	if len(cases) == 0 {
		t.Fatal("no case")
	}
	for _, c := range cases {
		var p []float64
		for _, x := range c.P {
			p = append(p, float64(x))
		}
		for i, q := range BenjaminiHochberg(p) {
			checkValue(t, c.Name, q, c.Adjusted[i])
		}
	}
}

func pvalues(t *rapid.T) []float64 {
	p := rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64Range(0, 0.01), rapid.Just(0.005), rapid.Just(math.NaN()))
	return rapid.SliceOfN(p, 0, 30).Draw(t, "p")
}

// holm decides by the closed test of which Holm's procedure is the shortcut: a hypothesis is rejected iff
// each set of hypotheses that holds it has a p-value of at most alpha over its size. Of the sets of a size
// the one with the largest others counts.
func holm(p []float64, i int, alpha float64) bool {
	var others []float64
	for j, x := range p {
		if j != i && !math.IsNaN(x) {
			others = append(others, x)
		}
	}
	slices.Sort(others)
	for size := 0; size <= len(others); size++ {
		least := p[i]
		if size > 0 {
			least = min(least, others[len(others)-size])
		}
		if least > alpha/float64(size+1) {
			return false
		}
	}
	return true
}

func TestHolmIsTheClosedTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pvalues(t)
		levels := Holm(p, 0.05)
		for i := range p {
			if math.IsNaN(p[i]) {
				continue
			}
			if got, want := p[i] <= levels[i], holm(p, i, 0.05); got != want {
				t.Fatalf("%v of %v: rejected %v, want %v (level %v)", p[i], p, got, want, levels[i])
			}
		}
	})
}

func TestFamilyOfNone(t *testing.T) {
	if l := Holm([]float64{math.NaN()}, 0.05); l[0] != 0.05 {
		t.Errorf("the level of an undefined test is %v", l)
	}
	if q := BenjaminiHochberg([]float64{math.NaN(), 0.5}); !math.IsNaN(q[0]) || q[1] != 0.5 {
		t.Errorf("%v", q)
	}
}
