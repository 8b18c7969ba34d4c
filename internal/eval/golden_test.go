package eval

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// golden reads a file of testdata.
func golden(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// nearly reports whether two numbers are the same to a relative tolerance, or an absolute 1e-12.
func nearly(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= max(tolerance*math.Abs(want), 1e-12)
}

// named returns the figure with a name and the value of its label.
func named(figures []Figure, name, at string) (Figure, bool) {
	for _, f := range figures {
		if f.Name == name && f.At == at {
			return f, true
		}
	}
	return Figure{}, false
}

// exact checks that a figure is what is wanted to a relative 1e-9 and that its bounds are the value; nil: that there is none.
func exact(t *testing.T, figures []Figure, name, at string, want *float64) {
	t.Helper()
	f, ok := named(figures, name, at)
	switch {
	case want == nil && ok:
		t.Errorf("%s %s is %v, want none", name, at, f.Value)
	case want == nil:
	case !ok:
		t.Errorf("%s %s is missing, want %v", name, at, *want)
	case !nearly(f.Value, *want, 1e-9) || f.Low != f.Value || f.High != f.Value:
		t.Errorf("%s %s is %v in [%v, %v], want %v", name, at, f.Value, f.Low, f.High, *want)
	}
}

type averaged map[string]map[string]*float64

func (a averaged) check(t *testing.T, figures []Figure) {
	t.Helper()
	for _, average := range []string{"macro", "micro", "weighted"} {
		for _, name := range []string{"precision", "recall", "f1"} {
			exact(t, figures, name, average, a[average][name])
		}
	}
}

type binaryGolden struct {
	Name      string
	Score     []float64
	Predicted []int
	Label     []int
	Expected  struct {
		N         uint64
		Confusion map[string]uint64
		Figures   map[string]*float64
		Averaged  map[string]json.RawMessage
	}
}

// UnmarshalJSON takes the single numbers apart from the rest.
func (g *binaryGolden) UnmarshalJSON(b []byte) error {
	var plain struct {
		Name      string
		Score     []float64
		Predicted []int
		Label     []int
		Expected  map[string]json.RawMessage
	}
	if err := json.Unmarshal(b, &plain); err != nil {
		return err
	}
	g.Name, g.Score, g.Predicted, g.Label = plain.Name, plain.Score, plain.Predicted, plain.Label
	g.Expected.Figures = map[string]*float64{}
	for name, raw := range plain.Expected {
		var err error
		switch name {
		case "confusion":
			err = json.Unmarshal(raw, &g.Expected.Confusion)
		case "averaged":
			err = json.Unmarshal(raw, &g.Expected.Averaged)
		default:
			var v *float64
			err = json.Unmarshal(raw, &v)
			g.Expected.Figures[name] = v
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type multiclassGolden struct {
	Name          string
	Classes       []string
	Probabilities [][]float64
	Predicted     []int
	Label         []int
	Expected      struct {
		N             uint64
		Confusion     [][]uint64          `json:"confusion_rows_true_columns_predicted"`
		Accuracy, MCC *float64            //
		Balanced      *float64            `json:"balanced_accuracy"`
		Kappa         *float64            `json:"cohen_kappa"`
		LogLoss       *float64            `json:"log_loss"`
		Brier         *float64            `json:"brier_sum_over_classes"`
		Top2          *float64            `json:"top2_accuracy"`
		Averaged      averagedRaw         `json:"averaged"`
		AUC           map[string]*float64 `json:"roc_auc_one_vs_rest"`
		MacroAUC      *float64            `json:"roc_auc_ovr_macro"`
		AP            map[string]*float64 `json:"average_precision_one_vs_rest"`
		ECE           *float64            `json:"ece_equal_width_15_top_label"`
	}
}

// averagedRaw has averages, and figures per class, which are of another form.
type averagedRaw map[string]json.RawMessage

func (a averagedRaw) averaged(t *testing.T) averaged {
	t.Helper()
	r := averaged{}
	for _, average := range []string{"macro", "micro", "weighted"} {
		r[average] = map[string]*float64{}
		var m map[string]*float64
		if err := json.Unmarshal(a[average], &m); err != nil {
			t.Fatal(err)
		}
		r[average] = m
	}
	return r
}

// perClass returns what is known of each class.
func (a averagedRaw) perClass(t *testing.T) (m map[string]map[string]*float64) {
	t.Helper()
	if err := json.Unmarshal(a["per_class"], &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func classificationGolden(t *testing.T) (g struct {
	Binary     []binaryGolden
	Multiclass []multiclassGolden
}) {
	golden(t, "classification.json", &g)
	if len(g.Binary) != 11 || len(g.Multiclass) != 2 {
		t.Fatalf("%d and %d cases", len(g.Binary), len(g.Multiclass))
	}
	return g
}

func (g *binaryGolden) tally(s *Spec) *Tally {
	t := NewTally(s)
	for i, score := range g.Score {
		t.Add(&Prediction{Score: score, Class: g.Predicted[i]}, &Label{Class: g.Label[i]})
	}
	return t
}

// TestBinaryGolden compares with scikit-learn.
func TestBinaryGolden(t *testing.T) {
	names := map[string]string{
		"accuracy": "accuracy", "precision": "precision", "recall": "recall", "specificity": "specificity", "f1": "f1",
		"balanced_accuracy": "balanced_accuracy", "mcc": "mcc", "cohen_kappa": "cohen_kappa", "log_loss": "log_loss",
		"brier": "brier_score", "roc_auc": "roc_auc", "average_precision": "pr_auc", "prevalence": "positive_ratio",
		"predicted_positive_ratio": "predicted_positive_ratio", "ece_equal_width_15": "calibration_error",
	}
	// What is 1 less another, and the largest gaps, are no figures; the calibration error with equal mass is compared below.
	others := map[string]bool{"n": true, "npv": true, "fpr": true, "fnr": true, "mce_equal_width_15": true, "mce_equal_mass_15": true, "ece_equal_mass_15": true}
	for _, g := range classificationGolden(t).Binary {
		t.Run(g.Name, func(t *testing.T) {
			s := &Spec{Task: Binary, Threshold: math.NaN()}
			tally := g.tally(s)
			figures := tally.Figures(nil)
			compared := 0
			for name, want := range g.Expected.Figures {
				if ours := names[name]; ours != "" {
					exact(t, figures, ours, "", want)
					compared++
				} else if !others[name] {
					t.Errorf("%s is not compared", name)
				}
			}
			if compared != len(names) {
				t.Errorf("%d values compared, want %d", compared, len(names))
			}
			e := g.Expected
			of := tally.part.(only[binaryPairs, *binaryPairs]).of
			if got, want := of.decided, (table{{e.Confusion["tn"], e.Confusion["fp"]}, {e.Confusion["fn"], e.Confusion["tp"]}}); got != want {
				t.Errorf("confusion %v, want %v", got, want)
			}
			for name, cell := range map[string]string{"true_positives": "tp", "false_positives": "fp", "false_negatives": "fn", "true_negatives": "tn"} {
				if f := figureOf(tally.Figures(nil), name, ""); f != nil && f.Value != float64(e.Confusion[cell]) || f == nil && of.decided.total() > 0 {
					t.Errorf("%s is %v, want %d", name, f, e.Confusion[cell])
				}
			}
			if got, compared := tally.Mispredicted(); got != e.Confusion["fp"]+e.Confusion["fn"] || compared != of.decided.total() {
				t.Errorf("%d mispredicted of %d, want %v", got, compared, of.decided)
			}
			if tally.Count() != uint64(len(g.Score)) {
				t.Errorf("count %d", tally.Count())
			}
			averagesOfTwo(t, of, averagedRaw(e.Averaged))
			if distinct(g.Score) >= len(g.Score)/3 {
				massSoftly(t, figures, e.Figures["ece_equal_mass_15"])
			}
		})
	}
}

// averagesOfTwo compares the averages over both classes, which are no figures of Binary but of the same confusion.
func averagesOfTwo(t *testing.T, of *binaryPairs, want averagedRaw) {
	t.Helper()
	if want == nil {
		return
	}
	c := of.decided.confusion()
	want.averaged(t).check(t, c.averages(c.margins(), 2, nil))
}

func distinct(xs []float64) int {
	seen := map[float64]bool{}
	for _, x := range xs {
		seen[x] = true
	}
	return len(seen)
}

// massSoftly compares the calibration error with equal mass with a soft reference: there equal scores are parted by their
// order, which is why cases with many of them are left out, and groups have equal sizes.
func massSoftly(t *testing.T, figures []Figure, want *float64) {
	t.Helper()
	f, ok := named(figures, "calibration_error_equal_mass", "")
	if ok != (want != nil) {
		t.Errorf("calibration error with equal mass: defined %v", ok)
	} else if ok && math.Abs(f.Value-*want) > 0.02 {
		t.Errorf("calibration error with equal mass is %v, want about %v", f.Value, *want)
	}
}

// TestThresholdGolden has the decisions of scikit-learn's cases made by the threshold.
func TestThresholdGolden(t *testing.T) {
	for _, g := range classificationGolden(t).Binary[:2] {
		s := &Spec{Task: Binary, Threshold: map[string]float64{"balanced": 0.5, "imbalanced_fraud": 0.2}[g.Name]}
		want := g.tally(&Spec{Task: Binary, Threshold: math.NaN()}).Figures(nil)
		own := g.tally(s).Figures(nil)
		for i := range g.Predicted {
			g.Predicted[i] = -1
		}
		byScore := g.tally(s).Figures(nil)
		if len(byScore) != len(want) {
			t.Errorf("%s: %d figures by the threshold, want %d", g.Name, len(byScore), len(want))
		}
		for _, f := range want {
			exact(t, byScore, f.Name, f.At, &f.Value)
			exact(t, own, f.Name, f.At, &f.Value)
		}
		for _, name := range []string{"accuracy", "f1", "mcc", "predicted_positive_ratio"} {
			f, _ := named(want, name, "")
			exact(t, own, name, "threshold", &f.Value)
		}
	}
}

// TestMulticlassGolden compares with scikit-learn.
func TestMulticlassGolden(t *testing.T) {
	for _, g := range classificationGolden(t).Multiclass {
		t.Run(g.Name, func(t *testing.T) {
			e := &g.Expected
			tally := NewTally(&Spec{Task: Multiclass, Classes: g.Classes, K: []int{1, 2}})
			for i, p := range g.Probabilities {
				class := g.Predicted[i]
				if i%2 == 0 {
					class = -1 // the most probable one is the same
				}
				tally.Add(&Prediction{Class: class, Probabilities: append(p[:len(p):len(p)], 0)}, &Label{Class: g.Label[i]})
			}
			figures := tally.Figures(nil)
			exact(t, figures, "accuracy", "", e.Accuracy)
			exact(t, figures, "balanced_accuracy", "", e.Balanced)
			exact(t, figures, "mcc", "", e.MCC)
			exact(t, figures, "cohen_kappa", "", e.Kappa)
			exact(t, figures, "log_loss", "", e.LogLoss)
			exact(t, figures, "brier_score", "", e.Brier)
			exact(t, figures, "topk_accuracy", "1", e.Accuracy)
			exact(t, figures, "topk_accuracy", "2", e.Top2)
			exact(t, figures, "roc_auc", "", e.MacroAUC)
			exact(t, figures, "calibration_error", "", e.ECE)
			e.Averaged.averaged(t).check(t, figures)
			of := tally.part.(only[multiclassPairs, *multiclassPairs]).of
			g.checkClasses(t, of)
			wrong, compared := tally.Mispredicted()
			if n := uint64(len(g.Label)); tally.Count() != n || wrong != n-hits(of) || compared != n {
				t.Errorf("count %d, mispredicted %d of %d", tally.Count(), wrong, compared)
			}
		})
	}
}

func hits(of *multiclassPairs) uint64 {
	return confusion{of.spec.classes(), of.cells}.margins().hits
}

// checkClasses compares what is known of each class, which are no figures.
func (g *multiclassGolden) checkClasses(t *testing.T, of *multiclassPairs) {
	t.Helper()
	k := of.spec.classes()
	m := confusion{k, of.cells}.margins()
	for i, row := range g.Expected.Confusion {
		for j, want := range row {
			if got := of.cells[i*k+j]; got != want {
				t.Errorf("confusion %d, %d is %d, want %d", i, j, got, want)
			}
		}
	}
	for i, name := range []string{"0", "1", "2", "3"}[:len(g.Classes)] {
		c := of.scores[i].curve(1)
		exact(t, put(nil, c.area()), "roc_auc", "", g.Expected.AUC[name])
		if want := g.Expected.AP[name]; want != nil {
			exact(t, put(nil, c.precision()), "pr_auc", "", want)
		}
		for _, q := range measures {
			want := g.Expected.Averaged.perClass(t)[name][q.name]
			got := q.of(float64(of.cells[i*k+i]), float64(m.truths[i]), float64(m.answers[i]))
			if want == nil && got != 0 || want != nil && !nearly(got, *want, 1e-9) {
				t.Errorf("%s of class %s is %v, want %v", q.name, name, got, want)
			}
		}
	}
}
