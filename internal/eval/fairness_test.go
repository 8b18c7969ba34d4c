package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// groupsOf counts answers by group, in order of their names.
func groupsOf(names []string, labels, predicted []int) (groups []Group) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		g := Group{Name: name}
		for i := range names {
			switch {
			case names[i] != name:
			case labels[i] == 1 && predicted[i] == 1:
				g.TP++
			case labels[i] == 1:
				g.FN++
			case predicted[i] == 1:
				g.FP++
			default:
				g.TN++
			}
		}
		groups = append(groups, g)
	}
	return groups
}

func disparityOf(list []Disparity, name, group string) *Disparity {
	i := slices.IndexFunc(list, func(d Disparity) bool { return d.Name == name && d.Group == group })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func TestFairnessReference(t *testing.T) {
	type figures map[string]*float64
	type expected struct {
		Groups     map[string]figures
		Privileged map[string]figures `json:"against_privileged"`
		DPD        *float64           `json:"demographic_parity_difference"`
		DPR        *float64           `json:"demographic_parity_ratio"`
		EOpD       *float64           `json:"equal_opportunity_difference"`
		EOpR       *float64           `json:"equal_opportunity_ratio"`
		FPRD       *float64           `json:"fpr_difference"`
		FPRR       *float64           `json:"fpr_ratio"`
		EOdD       *float64           `json:"equalized_odds_difference"`
		EOdR       *float64           `json:"equalized_odds_ratio"`
	}
	var file struct {
		Cases []struct {
			Name, Privileged string
			Group            []string
			Label, Predicted []int
			Expected         expected
		}
	}
	readReference(t, "fairness.json", &file)
	if len(file.Cases) != 6 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		list := Fairness(groupsOf(c.Group, c.Label, c.Predicted), c.Privileged)
		used := 0
		check := func(name, group string, want *float64) {
			t.Helper()
			got := disparityOf(list, name, group)
			if (got == nil) != (want == nil) {
				t.Errorf("%s: %s of %q is %v", c.Name, name, group, got)
			}
			if got == nil || want == nil {
				return
			}
			used++
			if math.Abs(got.Value-*want) > 1e-9*math.Abs(*want)+1e-12 || got.Low > *want+1e-12 || got.High < *want-1e-12 {
				t.Errorf("%s: %+v, want %g", c.Name, *got, *want)
			}
			if ratio := name == "disparate_impact" || name == "demographic_parity_ratio"; got.Adverse != (ratio && *want < 0.8) {
				t.Errorf("%s: %+v", c.Name, *got)
			}
		}
		for group, want := range c.Expected.Groups {
			for key, name := range map[string]string{"selection_rate": "selection_rate", "tpr": "true_positive_rate",
				"fnr": "false_negative_rate", "fpr": "false_positive_rate", "tnr": "true_negative_rate",
				"precision": "precision", "accuracy": "accuracy", "base_rate": "base_rate"} {
				if _, ok := want[key]; !ok {
					t.Fatalf("no %s in the file", key)
				}
				check("group_"+name, group, want[key])
			}
			if d := disparityOf(list, "group_accuracy", group); float64(d.Count) != *want["n"] {
				t.Errorf("%s: %+v, want %g answers", c.Name, d, *want["n"])
			}
		}
		e := c.Expected
		for name, want := range map[string]*float64{"demographic_parity_difference": e.DPD, "demographic_parity_ratio": e.DPR,
			"equal_opportunity_difference": e.EOpD, "equal_opportunity_ratio": e.EOpR, "predictive_equality_difference": e.FPRD,
			"predictive_equality_ratio": e.FPRR, "equalized_odds_difference": e.EOdD, "equalized_odds_ratio": e.EOdR} {
			check(name, "", want)
		}
		for group, want := range e.Privileged {
			for key, name := range map[string]string{"statistical_parity_difference": "statistical_parity_difference",
				"disparate_impact": "disparate_impact", "equal_opportunity_difference": "true_positive_rate_difference",
				"average_odds_difference": "average_odds_difference"} {
				check(name, group, want[key])
				if d := disparityOf(list, name, group); d != nil && d.Against != c.Privileged {
					t.Errorf("%s: %+v", c.Name, *d)
				}
			}
		}
		if used != len(list) {
			t.Errorf("%s: %d figures, of which %d were expected", c.Name, len(list), used)
		}
	}
}

func TestFairnessWithoutGroups(t *testing.T) {
	if list := Fairness([]Group{{Name: "A"}}, "A"); len(list) > 0 {
		t.Errorf("figures of nothing: %v", list)
	}
	with := Fairness([]Group{{Name: "A", TP: 3, TN: 4, FP: 1, FN: 1}, {Name: "B"}}, "B")
	for _, d := range with {
		if d.Group != "A" && (d.Value != 0 && strings.HasSuffix(d.Name, "difference") || d.Value != 1 && strings.HasSuffix(d.Name, "ratio") || d.Low != d.Value || d.High != d.Value) {
			t.Errorf("%+v", d)
		}
	}
}

// TestIntervals has published values: Newcombe 1998 for shares (81 of 263) and for differences (method 10), and the ratio of heart attacks without and
// with aspirin (Agresti, "An introduction to categorical data analysis").
func TestIntervals(t *testing.T) {
	z := normalCritical(0.025)
	minus := func(a, b portion) span { return a.wilson(z).minus(b.wilson(z)) }
	for name, c := range map[string]struct {
		got       span
		low, high float64
		digits    float64
	}{
		"wilson":             {portion{81, 263}.wilson(z), 0.2553, 0.3662, 1e-4},
		"wilson of none":     {portion{0, 20}.wilson(z), 0, 0.1611, 1e-4},
		"wilson of 1 in 29":  {portion{1, 29}.wilson(z), 0.0061, 0.1718, 1e-4},
		"newcombe":           {minus(portion{56, 70}, portion{48, 80}), 0.0524, 0.3339, 1e-4},
		"newcombe of few":    {minus(portion{9, 10}, portion{3, 10}), 0.1705, 0.8090, 1e-4},
		"newcombe of none":   {minus(portion{0, 10}, portion{0, 20}), -0.1611, 0.2775, 1e-4},
		"newcombe of all":    {minus(portion{10, 10}, portion{0, 20}), 0.6791, 1, 1e-4},
		"katz":               {portion{189, 11034}.over(portion{104, 11037}, z), 1.433, 2.306, 1e-3},
		"sum of differences": {minus(portion{56, 70}, portion{48, 80}).plus(span{0, 0, 0}), 0.0524, 0.3339, 1e-4},
	} {
		if math.Abs(c.got.low-c.low) > c.digits || math.Abs(c.got.high-c.high) > c.digits {
			t.Errorf("%s: %+v, want %g to %g", name, c.got, c.low, c.high)
		}
	}
	if got := (portion{0, 10}).over(portion{5, 10}, z); got.value != 0 || got.low != 0 || got.high < 0.2 || got.high > 2 {
		t.Errorf("ratio of none: %+v", got)
	}
	if got := (portion{3, 3}).over(portion{3, 3}, z); got.value != 1 || got.low > 0.9 || got.high < 1.1 {
		t.Errorf("ratio of all: %+v", got)
	}
}

// TestFairnessCoverage draws groups with known rates: 95 % of the intervals hold what they are of, and more than that where there are more
// than two groups, as their true rates are the same or not.
func TestFairnessCoverage(t *testing.T) {
	const runs = 2000
	for name, c := range map[string]struct {
		rates []float64
		sizes []int
		most  float64 // share of intervals that may hold the value
	}{
		"two groups":                {[]float64{0.3, 0.5}, []int{60, 90}, 0.965},
		"two small groups":          {[]float64{0.1, 0.3}, []int{25, 30}, 0.985},
		"four groups, all the same": {[]float64{0.3, 0.3, 0.3, 0.3}, []int{60, 60, 60, 60}, 1},
		"four groups":               {[]float64{0.2, 0.3, 0.3, 0.4}, []int{50, 80, 60, 60}, 1},
	} {
		least, most := slices.Min(c.rates), slices.Max(c.rates)
		r := rand.New(rand.NewPCG(1, 2))
		held := map[string]int{}
		truth := map[string]float64{"demographic_parity_difference": most - least, "demographic_parity_ratio": least / most,
			"disparate_impact": c.rates[0] / c.rates[1], "statistical_parity_difference": c.rates[0] - c.rates[1]}
		for range runs {
			groups := make([]Group, len(c.rates))
			for i := range groups {
				groups[i].Name = string(rune('a' + i))
				for range c.sizes[i] {
					if r.Float64() < c.rates[i] {
						groups[i].FP++
					} else {
						groups[i].TN++
					}
				}
			}
			list := Fairness(groups, "b")
			for name, want := range truth {
				group := ""
				if !strings.HasPrefix(name, "demographic") {
					group = "a"
				}
				if d := disparityOf(list, name, group); d == nil || d.Low <= want && want <= d.High {
					held[name]++
				}
			}
		}
		for figure := range truth {
			share, most := float64(held[figure])/runs, c.most
			if !strings.HasPrefix(figure, "demographic") {
				most = min(most, 0.985) // it is of one pair
			}
			if t.Logf("%s: %s %.4f", name, figure, share); share < 0.938 || share > most {
				t.Errorf("%s: %.3f of the intervals of %s hold its value", name, share, figure)
			}
		}
	}
}

// TestWilsonEnclosesTheShare: also where all or none are successes, whatever is rounded.
func TestWilsonEnclosesTheShare(t *testing.T) {
	z := normalCritical(0.025)
	for n := uint64(1); n < 200; n++ {
		for x := uint64(0); x <= n; x++ {
			if s := (portion{x, n}).wilson(z); !(s.low <= s.value && s.value <= s.high) {
				t.Fatalf("%d of %d: %v", x, n, s)
			}
		}
	}
}
