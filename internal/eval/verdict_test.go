package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCompare(t *testing.T) {
	nan := math.NaN()
	base := Criterion{Better: Higher, Level: 0.01, Floor: 0.02}
	with := func(change func(*Criterion)) Criterion {
		c := base
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		now, nowErr, ref, refErr float64
		criterion                Criterion
		state                    string
		threshold, pvalue        float64
	}{
		"the same":                   {0.9, 0.003, 0.9, 0.004, base, OK, 0.88, 0.5},
		"better":                     {0.95, 0.003, 0.9, 0.004, base, OK, 0.88, 1},
		"worse":                      {0.88, 0.003, 0.9, 0.004, base, Worse, 0.88, normalTail(4)},
		"half as much":               {0.885, 0.003, 0.9, 0.004, base, Warning, 0.88, normalTail(3)},
		"trivial":                    {0.895, 0.0003, 0.9, 0.0004, base, OK, 0.88, normalTail(10)},
		"chance":                     {0.8, 0.03, 0.9, 0.04, base, OK, 0.9 - 0.05*2.3263478740408408, normalTail(2)},
		"lower is better":            {12, 0.3, 10, 0.4, with(func(c *Criterion) { c.Better, c.Relative, c.Floor = Lower, true, 0.1 }), Worse, 11.163173937020421, normalTail(4)},
		"relative":                   {12, 0.3, 10, 0.4, with(func(c *Criterion) { c.Better, c.Relative, c.Floor = Lower, true, 0.3 }), Warning, 13, normalTail(4)},
		"relative to a negative one": {-12, 0.3, -10, 0.4, with(func(c *Criterion) { c.Relative, c.Floor = true, 0.1 }), Worse, -11.163173937020421, normalTail(4)},
		"varies between windows":     {0.8, 0.003, 0.9, 0.004, with(func(c *Criterion) { c.Between = 0.05*0.05 - 0.005*0.005 }), OK, 0.9 - 0.05*2.3263478740408408, normalTail(2)},
		"without a direction":        {0.8, 0.003, 0.9, 0.004, with(func(c *Criterion) { c.Better = Neither }), "", nan, nan},
		"unknown error":              {0.8, nan, 0.9, 0.004, base, "", nan, nan},
		"reference's error unknown":  {0.8, 0.004, 0.9, nan, base, "", nan, nan},
		"few":                        {0.8, 0.003, 0.9, 0.004, with(func(c *Criterion) { c.Samples, c.MinSamples = 99, 100 }), "", nan, nan},
		"enough":                     {0.8, 0.003, 0.9, 0.004, with(func(c *Criterion) { c.Samples, c.MinSamples = 100, 100 }), Worse, 0.88, 0},
		"both are exact":             {0.87, 0, 0.9, 0, base, Worse, 0.88, 0},
		"both are exact and equal":   {0.9, 0, 0.9, 0, base, OK, 0.88, 1},
		"none of a small sample":     {0, 0, 0.05, 0.01, with(func(c *Criterion) { c.Samples, c.ReferenceSamples = 50, 475 }), OK, 0.05 - 2.3263478740408408*math.Hypot(0.01, 0.01*math.Sqrt(9.5)), normalTail(0.05 / math.Hypot(0.01, 0.01*math.Sqrt(9.5)))},
	} {
		v := Compare(exactly("x", c.now, c.nowErr), exactly("x", c.ref, c.refErr), c.criterion)
		same := func(a, b float64) bool { return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9 }
		if v.State != c.state || !same(v.Threshold, c.threshold) || !same(v.PValue, c.pvalue) || !same(v.Delta, c.now-c.ref) {
			t.Errorf("%s: %+v, want %q, threshold %g, p %g", name, v, c.state, c.threshold, c.pvalue)
		}
	}
}

// TestThresholdIsTheBorder: a little worse than the threshold is Worse, a little better is not, and the state never improves as the figure
// gets worse.
func TestThresholdIsTheBorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := func(name string) float64 { return rapid.Float64Range(1e-3, 1).Draw(t, name) }
		now, ref := exactly("x", 0, number("error")), exactly("x", number("reference"), number("reference error"))
		c := Criterion{Better: Direction(rapid.IntRange(int(Higher), int(Lower)).Draw(t, "better")), Level: number("level") / 2,
			Floor: number("floor"), Relative: rapid.Bool().Draw(t, "relative"), Between: number("between")}
		worse := 1.0
		if c.Better == Higher {
			worse = -1
		}
		threshold := Compare(ref, ref, c).Threshold
		state := func(value float64) string {
			now.Value = value
			v := Compare(now, ref, c)
			if got := Compare(now, ref, c).Threshold; v.Threshold != got {
				t.Fatalf("threshold %g, then %g", v.Threshold, got)
			}
			threshold = v.Threshold
			return v.State
		}
		state(0)
		if s := state(threshold + worse*1e-9); s != Worse {
			t.Fatalf("beyond the threshold it is %q", s)
		}
		if s := state(threshold - worse*1e-9); s == Worse {
			t.Fatalf("short of the threshold it is %q", s)
		}
		order, last := []string{OK, Warning, Worse}, 0
		for step := range 60 {
			i := slices.Index(order, state(ref.Value+worse*float64(step)*0.1))
			if i < last {
				t.Fatalf("step %d is %q after %q", step, order[i], order[last])
			}
			last = i
		}
	})
}

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Catalogue {
		if seen[m.Name] || m.Better == Neither || m.Floor <= 0 || MeasureOf(m.Name).Name != m.Name {
			t.Errorf("%+v", m)
		}
		seen[m.Name] = true
	}
	if MeasureOf("items_shown") != nil {
		t.Error("items_shown is compared")
	}
	regression, ranking := regressionTest, rankingTest
	figures := slices.Concat(regression.of(regressionPairs(9)...).figures(&regression.spec, nil),
		ranking.of(manyItems(9)...).figures(&ranking.spec, nil),
		[]Figure{exactly("accuracy", 1, 0), exactly("balanced_accuracy", 1, 0)})
	for _, c := range []struct {
		task     Task
		name, at string
	}{{Regression, "mae", ""}, {Ranking, "ndcg", "10"}, {Binary, "balanced_accuracy", ""}, {Multiclass, "accuracy", ""}} {
		s := Spec{Task: c.task, K: []int{1, 3, 10}}
		f := s.Deciding(figures)
		if f == nil || f.Name != c.name || f.At != c.at || !seen[f.Name] {
			t.Errorf("task %d is decided by %+v", c.task, f)
		}
		if f := s.Deciding(nil); f != nil {
			t.Errorf("task %d is decided by %+v without figures", c.task, f)
		}
	}
	s := Spec{Task: Binary}
	if f := s.Deciding(append(figures, exactly("roc_auc", 1, 0))); f.Name != "roc_auc" {
		t.Errorf("with scores %+v decides", f)
	}
	for _, f := range figures { // those with an error and a better side can be compared
		if MeasureOf(f.Name) == nil && !math.IsNaN(f.StdErr) && f.Name != "mean_error" {
			t.Errorf("%s is not in the catalogue", f.Name)
		}
	}
}

// process draws a figure of n pairs from a model that is worse by some amount, in units of its own.
type process struct {
	name   string
	better Direction
	draw   func(r *rand.Rand, n int, worse float64) Figure
	worse  float64 // an amount that is found in some windows
}

var processes = []process{
	{"accuracy", Higher, func(r *rand.Rand, n int, worse float64) Figure {
		return drawShare(r, n, 0.93-worse)
	}, 0.05},
	{"a small share", Higher, func(r *rand.Rand, n int, worse float64) Figure {
		return drawShare(r, n, 0.03-worse)
	}, 0},
	{"roc_auc", Higher, areaOf, 0.35},
	{"mae", Lower, func(r *rand.Rand, n int, worse float64) Figure {
		part := newRegression(nil)
		for range n {
			part.add(&Prediction{Value: (1 + worse) * r.ExpFloat64() * (1 - 2*float64(r.IntN(2)))}, &Label{})
		}
		return *figureOf(part.figures(&Spec{}, nil), "mae", "")
	}, 0.25},
	{"ndcg", Higher, func(r *rand.Rand, n int, worse float64) Figure {
		s := Spec{K: []int{5}}
		part := newRanking(&s)
		var p Prediction
		l := Label{Items: []uint64{0, 1, 2}}
		for range n {
			p.Items = p.Items[:0]
			for rank := range uint64(5) {
				item := 10 + rank
				if r.Float64() < 0.4-worse && rank < 3 {
					item = rank
				}
				p.Items = append(p.Items, item)
			}
			part.add(&p, &l)
		}
		return *figureOf(part.figures(&s, nil), "ndcg", "5")
	}, 0.08},
}

// drawShare returns the share of n trials that succeed.
func drawShare(r *rand.Rand, n int, p float64) Figure {
	hits := 0.0
	for range n {
		if r.Float64() < p {
			hits++
		}
	}
	share := hits / float64(n)
	return exactly("share", share, math.Sqrt(share*(1-share)/float64(n)))
}

// areaOf returns the area under the ROC curve of normal scores, a third of them positive, with the standard error of DeLong
// et al. 1988.
func areaOf(r *rand.Rand, n int, worse float64) Figure {
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = r.NormFloat64()
		if i < n/3 {
			scores[i] += 1.2 - worse
		}
	}
	positive, negative := scores[:n/3], scores[n/3:]
	slices.Sort(positive)
	slices.Sort(negative)
	above := func(of, among []float64) []float64 { // share of among that each is above
		shares := make([]float64, len(of))
		for i, x := range of {
			k, _ := slices.BinarySearch(among, x)
			shares[i] = float64(k) / float64(len(among))
		}
		return shares
	}
	a, b := above(positive, negative), above(negative, positive)
	va, vb := deviation(a), deviation(b)
	return exactly("roc_auc", mean(a), math.Sqrt(va*va/float64(len(a))+vb*vb/float64(len(b))))
}

// found returns the share of runs in which a window of n pairs, worse by some amount than its reference, is found to be so, without
// a floor.
func (x *process) found(runs, n, reference int, worse float64) portion {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	c := Criterion{Better: x.better, Level: 0.01, Samples: uint64(n), ReferenceSamples: uint64(reference)}
	s := portion{n: uint64(runs)}
	for range runs {
		if Compare(x.draw(r, n, worse), x.draw(r, reference, 0), c).State == Worse {
			s.x++
		}
	}
	return s
}

// TestFalseAlarmsOfPerformance: at a level of 1 % no more than 1.5 % of windows that are no worse alarm, as the
// upper bound of 95 % of what the simulation tells.
func TestFalseAlarmsOfPerformance(t *testing.T) {
	for _, x := range processes {
		for _, n := range []int{60, 300} {
			alarms := x.found(1500, n, 500, 0)
			t.Logf("%s, %d pairs: %.4f", x.name, n, alarms.value())
			if high := alarms.wilson(normalCritical(0.05)).high; high > 0.015 {
				t.Errorf("%s, %d pairs: %.4f of quiet windows alarm, at most %.4f", x.name, n, alarms.value(), high)
			}
		}
	}
}

// TestPowerOfPerformance: a change is found as often as follows from its size and the standard errors: with probability
// Φ((effect − z·deviation)/deviation), where the second deviation is that of the two samples as they are.
func TestPowerOfPerformance(t *testing.T) {
	const n, reference = 300, 500
	for _, x := range processes {
		if x.worse == 0 {
			continue // it is for false alarms
		}
		r := rand.New(rand.NewPCG(8, 8))
		var effects, assumed, actual []float64
		for range 400 {
			now, ref := x.draw(r, n, x.worse), x.draw(r, reference, 0)
			c := Criterion{Samples: n, ReferenceSamples: reference}
			effects = append(effects, math.Abs(now.Value-ref.Value))
			assumed = append(assumed, math.Sqrt(c.variance(now.StdErr, ref.StdErr)))
			actual = append(actual, math.Hypot(now.StdErr, ref.StdErr))
		}
		want := 1 - normalTail((mean(effects)-normalCritical(0.01)*mean(assumed))/mean(actual))
		got := x.found(1000, n, reference, x.worse).value()
		t.Logf("%s: found %.3f, by the formula %.3f", x.name, got, want)
		if math.Abs(got-want) > 0.05 || want < 0.3 || want > 0.97 {
			t.Errorf("%s: found in %.3f of windows, by the formula %.3f", x.name, got, want)
		}
	}
}

// TestCompareWithAnEstimate: where how figures vary between windows is known from few of them, the test is Student's; as far as sampling errors
// prevail it is the normal one.
func TestCompareWithAnEstimate(t *testing.T) {
	for _, c := range []struct {
		stderr, degrees, want float64 // the critical value in standard deviations
	}{
		{0, 19, 2.5395}, {0, 0, 2.3263}, {0, 1e6, 2.3263}, {1, 19, 2.3764}, {30, 19, 2.3263},
	} {
		now, reference := Figure{Value: -1, StdErr: c.stderr}, Figure{StdErr: 0}
		deviation := math.Sqrt(1 + c.stderr*c.stderr)
		v := Compare(now, reference, Criterion{Better: Higher, Level: 0.01, Between: 1, Degrees: c.degrees})
		if got := -v.Threshold / deviation; math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%+v: critical %g", c, got)
		}
		now.Value = v.Threshold
		if at := Compare(now, reference, Criterion{Better: Higher, Level: 0.01, Between: 1, Degrees: c.degrees}); math.Abs(at.PValue-0.01) > 1e-9 {
			t.Errorf("%+v: p-value %g at the threshold", c, at.PValue)
		}
	}
}
