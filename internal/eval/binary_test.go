package eval

import (
	"math"
	"slices"
	"testing"
)

func names(figures []Figure) (names []string) {
	for _, f := range figures {
		if f.Label != "" {
			names = append(names, f.Name+"{"+f.Label+"="+f.At+"}")
		} else {
			names = append(names, f.Name)
		}
	}
	return names
}

var decisionNames = []string{"true_negatives", "false_positives", "false_negatives", "true_positives", "accuracy", "balanced_accuracy", "mcc", "cohen_kappa", "precision", "recall", "specificity", "f1", "predicted_positive_ratio"}

var scoreNames = []string{"positive_ratio", "roc_auc", "pr_auc", "gain{top=0.01}", "lift{top=0.01}", "gain{top=0.05}", "lift{top=0.05}", "gain{top=0.1}", "lift{top=0.1}",
	"log_loss", "brier_score", "brier_reliability", "brier_resolution", "calibration_error", "calibration_error_equal_mass"}

// TestBinaryNames has which figures there are with and without decisions, threshold and scores.
func TestBinaryNames(t *testing.T) {
	add := func(s *Spec, class int, score float64) []string {
		rows := []row{{Prediction{Score: score, Class: class}, Label{Class: 1}}, {Prediction{Score: score / 2, Class: class}, Label{}},
			{Prediction{Score: score / 4, Class: min(class, 0)}, Label{}}}
		return names(tallyOf(s, rows).Figures(nil))
	}
	none, half := &Spec{Task: Binary, Threshold: math.NaN()}, &Spec{Task: Binary, Threshold: 0.4}
	threshold := make([]string, len(decisionNames))
	for i, n := range decisionNames {
		threshold[i] = n + "{decision=threshold}"
	}
	for i, c := range []struct{ got, want []string }{
		{add(none, 1, 0.8), slices.Concat(decisionNames, scoreNames)},
		{add(none, -1, 0.8), scoreNames},
		{add(none, 1, math.NaN()), slices.Concat(decisionNames, scoreNames[:1])},
		{add(half, 1, 0.8), slices.Concat(decisionNames, threshold, scoreNames)},
		{add(half, -1, 0.8), slices.Concat(decisionNames, scoreNames)},
		{add(none, -1, 8), scoreNames[:9]}, // no probabilities
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%d: %v, want %v", i, c.got, c.want)
		}
	}
	if got := NewTally(half).Figures(nil); len(got) > 0 {
		t.Errorf("figures of nothing: %v", got)
	}
}

// TestOwnDecisionOrThreshold mixes pairs with and without a decision.
func TestOwnDecisionOrThreshold(t *testing.T) {
	s := &Spec{Task: Binary, Threshold: 0.5}
	tally := tallyOf(s, []row{
		{Prediction{Score: 0.9, Class: 0}, Label{Class: 1}},              // wrong, by the threshold right
		{Prediction{Score: 0.5, Class: -1}, Label{Class: 1}},             // right: it reaches the threshold
		{Prediction{Score: 0.4999, Class: -1}, Label{Class: 1}},          // wrong
		{Prediction{Score: math.NaN(), Class: 1}, Label{Class: 1}},       // right, no score
		{Prediction{Score: math.NaN(), Class: -1}, Label{Class: 1}},      // nothing
		{Prediction{Score: math.Inf(1), Class: 7}, Label{Class: 0}},      // wrong by the threshold
		{Prediction{Score: math.Copysign(0, -1), Class: 0}, Label{}},     // right
		{Prediction{Score: 0, Class: 0}, Label{}},                        // right, and the same score
		{Prediction{Score: 1.5, Class: 1}, Label{Class: 1}},              // right, no probability
		{Prediction{Score: -math.MaxFloat64, Class: 0}, Label{Class: 0}}, // right, no probability
	})
	figures := tally.Figures(nil)
	want := func(name, at string, value float64) {
		t.Helper()
		exact(t, figures, name, at, &value)
	}
	want("accuracy", "", 6./9)
	want("accuracy", "threshold", 6./8)
	want("positive_ratio", "", 6./10)
	want("brier_score", "", (0.01+0.25+0.5001*0.5001)/5)
	want("roc_auc", "", 1)
	if wrong, compared := tally.Mispredicted(); tally.Count() != 10 || wrong != 3 || compared != 9 {
		t.Errorf("count %d, mispredicted %d of %d", tally.Count(), wrong, compared)
	}
	if got, ok := tally.Answers(); !ok || got != [2][2]uint64{{3, 1}, {2, 3}} {
		t.Errorf("answers %v, %v", got, ok)
	}
	if _, ok := NewTally(multiclassSpec()).Answers(); ok {
		t.Error("answers of another task")
	}
	of := tally.part.(only[binaryPairs, *binaryPairs]).of
	if of.unscored != 3 || of.improper != 2 || len(of.scores.values) != 6 {
		t.Errorf("%d without a score, %d no probabilities, scores %v", of.unscored, of.improper, of.scores.values)
	}
}

// TestCostAndMeasure works them out by hand.
func TestCostAndMeasure(t *testing.T) {
	var rows []row
	put := func(n, class, truth int) {
		for range n {
			rows = append(rows, row{Prediction{Score: math.NaN(), Class: class}, Label{Class: truth}})
		}
	}
	put(50, 0, 0)
	put(10, 1, 0)
	put(4, 0, 1)
	put(16, 1, 1)
	s := binarySpec() // costs 0, 5, 100, -3; beta 2
	figures := tallyOf(s, rows).Figures(nil)
	cost, beta, f1 := (10*5.+4*100-16*3)/80, 5*16./(5*16+4*4+10), 32./46
	exact(t, figures, "cost", "", &cost)
	exact(t, figures, "fbeta", "", &beta)
	exact(t, figures, "f1", "", &f1)
	f, _ := named(figures, "cost", "")
	variance := (50*cost*cost + 10*(5-cost)*(5-cost) + 4*(100-cost)*(100-cost) + 16*(3+cost)*(3+cost)) / 80
	if want := math.Sqrt(variance / 80); !nearly(f.StdErr, want, 1e-9) {
		t.Errorf("standard error of the cost %v, want %v", f.StdErr, want)
	}
}

// TestBrierParts checks the decomposition with what is left within bins: it is nothing if all probabilities of a bin are the same.
func TestBrierParts(t *testing.T) {
	seed := uint64(8)
	s := &Spec{Task: Binary, Threshold: math.NaN()}
	var constant, spread []row
	for range 3000 {
		u, v := uniform(&seed), uniform(&seed)
		truth := 0
		if v < u {
			truth = 1
		}
		spread = append(spread, row{Prediction{Score: u, Class: -1}, Label{Class: truth}})
		constant = append(constant, row{Prediction{Score: (math.Floor(u*15) + 0.5) / 15, Class: -1}, Label{Class: truth}})
	}
	left := func(rows []row) float64 {
		figures := tallyOf(s, rows).Figures(nil)
		value := func(name string) float64 { f, _ := named(figures, name, ""); return f.Value }
		all := value("positive_ratio")
		return value("brier_score") - (value("brier_reliability") - value("brier_resolution") + all*(1-all))
	}
	if got := left(constant); math.Abs(got) > 1e-12 {
		t.Errorf("%v is left of equal probabilities", got)
	}
	if got := left(spread); math.Abs(got) > 0.005 || got == 0 {
		t.Errorf("%v is left of others", got)
	}
}

// TestLift is that of a model that is right about its surest tenth.
func TestLift(t *testing.T) {
	var rows []row
	for i := range 1000 {
		truth := 0
		if i >= 900 || i < 100 {
			truth = 1
		}
		rows = append(rows, row{Prediction{Score: float64(i) / 1000, Class: -1}, Label{Class: truth}})
	}
	figures := tallyOf(&Spec{Task: Binary, Threshold: math.NaN()}, rows).Figures(nil)
	gain, lift, few := 0.5, 5., 0.05
	exact(t, figures, "gain", "0.1", &gain)
	exact(t, figures, "lift", "0.1", &lift)
	exact(t, figures, "gain", "0.01", &few)
}

// TestManyScoresStayWithinBounds compares large samples of different kinds with their exact figures.
func TestManyScoresStayWithinBounds(t *testing.T) {
	for name, score := range map[string]func(u float64) float64{
		"even": func(u float64) float64 { return u },
		"rare": func(u float64) float64 { return math.Exp(-15 * u) },
		"sure": func(u float64) float64 { return 1 / (1 + math.Exp(-16*(u-0.5))) },
		"logs": func(u float64) float64 { return 12 * (u - 0.5) },
	} {
		seed := uint64(len(name))
		var pairs []scored
		var rows []row
		for range 4000 {
			u := uniform(&seed)
			x, truth := score(u), 0
			if uniform(&seed) < u*u {
				truth = 1
			}
			pairs = append(pairs, scored{x, truth})
			rows = append(rows, row{Prediction{Score: x, Class: -1}, Label{Class: truth}})
		}
		figures := tallyOf(&Spec{Task: Binary, Threshold: math.NaN()}, rows).Figures(nil)
		for _, c := range []struct {
			name, at string
			want     float64
		}{{"roc_auc", "", naiveArea(pairs)}, {"pr_auc", "", naivePrecision(pairs)}, {"gain", "0.05", naiveGain(pairs, 0.05)}} {
			f, _ := named(figures, c.name, c.at)
			off, width := 0.003, 0.02
			if name == "logs" { // the bins of what are no probabilities are wider
				off, width = 0.01, 0.06
			}
			if !(f.Low-1e-12 <= c.want && c.want <= f.High+1e-12) || math.Abs(f.Value-c.want) > off || f.High-f.Low > width {
				t.Errorf("%s: %s is %v in [%v, %v], want %v", name, c.name, f.Value, f.Low, f.High, c.want)
			}
		}
	}
}
