package eval

import (
	"math"
	"testing"
)

// spread runs a simulation many times and holds the mean of each figure's standard error to how far the figure varies.
type spread struct {
	n                     map[[2]string]float64
	sum, squares, stderrs map[[2]string]float64
}

func newSpread() *spread {
	return &spread{map[[2]string]float64{}, map[[2]string]float64{}, map[[2]string]float64{}, map[[2]string]float64{}}
}

func (s *spread) add(figures []Figure) {
	for _, f := range figures {
		k := [2]string{f.Name, f.At}
		s.n[k]++
		s.sum[k] += f.Value
		s.squares[k] += f.Value * f.Value
		s.stderrs[k] += f.StdErr
	}
}

// deviation returns how far a figure varies.
func (s *spread) deviation(k [2]string) float64 {
	mean := s.sum[k] / s.n[k]
	return math.Sqrt(s.squares[k]/s.n[k] - mean*mean)
}

// check wants standard errors between low and high times the deviation, and returns how many figures have one.
func (s *spread) check(t *testing.T, low, high float64) (known int) {
	t.Helper()
	for k, n := range s.n {
		stderr := s.stderrs[k] / n
		if math.IsNaN(stderr) {
			continue
		}
		known++
		if ratio := stderr / s.deviation(k); !(low < ratio && ratio < high) {
			t.Errorf("%v has the standard error %v, and varies by %v", k, stderr, s.deviation(k))
		}
	}
	return known
}

// TestStandardErrorsOfBinary draws 1,500 samples of 400 pairs: the deviation is known to 2 %.
func TestStandardErrorsOfBinary(t *testing.T) {
	s := &Spec{Task: Binary, Threshold: 0.45, Beta: 2, Cost: &[2][2]float64{{0, 1}, {5, -1}}}
	seed, of := uint64(21), newSpread()
	for range 1500 {
		tally := NewTally(s)
		for range 400 {
			p := uniform(&seed)
			l := Label{}
			if uniform(&seed) < 0.1+0.7*p {
				l.Class = 1
			}
			tally.Add(&Prediction{Score: p, Class: int(p + 0.5)}, &l)
		}
		of.add(tally.Figures(nil))
	}
	// 11 at the decision and at the threshold, prevalence, AUC, log loss, Brier
	if n := of.check(t, 0.92, 1.08); n != 2*11+4 {
		t.Errorf("%d figures have a standard error", n)
	}
}

// TestStandardErrorsOfMulticlass does not know how the areas of classes depend on each other: theirs is too large.
func TestStandardErrorsOfMulticlass(t *testing.T) {
	s := multiclassSpec()
	seed, of, rough := uint64(22), newSpread(), newSpread()
	for range 1200 {
		tally := NewTally(s)
		for range 300 {
			tally.Add(drawMulticlass(&seed))
		}
		for _, f := range tally.Figures(nil) {
			if f.Name == "roc_auc" {
				rough.add([]Figure{f})
			} else {
				of.add([]Figure{f})
			}
		}
	}
	if n := of.check(t, 0.9, 1.1); n != 4+9+2+2 {
		t.Errorf("%d figures have a standard error", n)
	}
	if n := rough.check(t, 1, 1.8); n != 1 {
		t.Errorf("%d areas", n)
	}
}

// drawMulticlass returns a pair of which the truth is drawn from the probabilities.
func drawMulticlass(seed *uint64) (*Prediction, *Label) {
	p := shares(4, seed)
	p[0] += 0.3
	for i := range p {
		p[i] /= 1.3
	}
	l, u := Label{}, uniform(seed)
	for u >= p[l.Class] && l.Class < 3 {
		u -= p[l.Class]
		l.Class++
	}
	return &Prediction{Score: math.NaN(), Class: -1, Probabilities: p}, &l
}

// TestStandardErrorsOfEstimates draws labels of the same predictions by their probabilities: figures with labels vary about the estimates by
// their standard errors.
func TestStandardErrorsOfEstimates(t *testing.T) {
	s := &Spec{Task: Binary, Threshold: 0.4}
	seed := uint64(23)
	predictions := make([]*Prediction, 500)
	estimate := NewEstimate(s, nil)
	for i := range predictions {
		predictions[i] = &Prediction{Score: uniform(&seed) * uniform(&seed), Class: -1}
		estimate.Add(predictions[i])
	}
	of := newSpread()
	for range 2000 {
		tally := NewTally(s)
		for _, p := range predictions {
			l := Label{}
			if uniform(&seed) < p.Score {
				l.Class = 1
			}
			tally.Add(p, &l)
		}
		of.add(tally.Figures(nil))
	}
	checkEstimates(t, estimate.Figures(nil), of, map[string]string{"estimated_accuracy": "", "estimated_precision": "", "estimated_recall": "",
		"estimated_specificity": "", "estimated_f1": "", "estimated_roc_auc": ""})
}

func TestStandardErrorsOfMulticlassEstimates(t *testing.T) {
	s := multiclassSpec()
	seed := uint64(24)
	estimate, of := NewEstimate(s, nil), newSpread()
	rows := make([]*Prediction, 500)
	for i := range rows {
		rows[i], _ = drawMulticlass(&seed)
		estimate.Add(rows[i])
	}
	for range 1000 {
		tally := NewTally(s)
		for _, p := range rows {
			l, u := Label{}, uniform(&seed)
			for u >= p.Probabilities[l.Class] && l.Class < 3 {
				u -= p.Probabilities[l.Class]
				l.Class++
			}
			tally.Add(p, &l)
		}
		of.add(tally.Figures(nil))
	}
	checkEstimates(t, estimate.Figures(nil), of, map[string]string{"estimated_accuracy": "", "estimated_precision": "macro", "estimated_recall": "macro",
		"estimated_f1": "macro", "estimated_roc_auc": ""})
}

// checkEstimates compares with the mean of figures with labels and how far they vary.
func checkEstimates(t *testing.T, estimates []Figure, of *spread, want map[string]string) {
	t.Helper()
	if len(estimates) != len(want) {
		t.Errorf("%v", names(estimates))
	}
	for _, f := range estimates {
		k := [2]string{f.Name[len("estimated_"):], want[f.Name]}
		mean, deviation := of.sum[k]/of.n[k], of.deviation(k)
		if f.At != k[1] || math.Abs(mean-f.Value) > 0.15*deviation {
			t.Errorf("%s %s is %v, with labels %v on average, which varies by %v", f.Name, f.At, f.Value, mean, deviation)
		}
		ratio := f.StdErr / deviation
		if high := map[bool]float64{true: 1.9, false: 1.08}[f.Name == "estimated_roc_auc" && len(estimates) == 5]; !math.IsNaN(ratio) && !(0.93 < ratio && ratio < high) {
			t.Errorf("%s has the standard error %v, with labels it varies by %v", f.Name, f.StdErr, deviation)
		}
	}
}
