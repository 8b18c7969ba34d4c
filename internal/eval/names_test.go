package eval

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// everyFigure returns the figures of all tasks, from Specs that have everything and from those that have nothing.
func everyFigure() (out []Figure) {
	plain := Spec{Task: Binary, Threshold: math.NaN()}
	for _, s := range []*Spec{binarySpec(), &plain, multiclassSpec(), {Task: Multiclass, Classes: []string{"cat", "dog"}, Threshold: math.NaN()}} {
		rows := rowsOf(s, 500, 1)
		out = append(out, tallyOf(s, rows).Figures(nil)...)
		out = append(out, estimateOf(s, nil, rows).Figures(nil)...)
	}
	regressions := Spec{Task: Regression, Levels: []float64{0.1, 0.9}}
	rankings := Spec{Task: Ranking, K: []int{1, 5}, Catalog: 4000}
	for _, some := range []struct {
		spec  *Spec
		pairs []pair
	}{{&regressions, regressionPairs(50)}, {&regressions, positivePairs(50)}, {&rankings, manyItems(50)}, {&Spec{Task: Ranking, K: []int{3}}, manyItems(50)}} {
		tally := NewTally(some.spec)
		for i := range some.pairs {
			tally.Add(&some.pairs[i].p, &some.pairs[i].l)
		}
		out = append(out, tally.Figures(nil)...)
	}
	return out
}

// positivePairs are of numbers above 0, which have logarithms.
func positivePairs(n int) []pair {
	pairs := make([]pair, n)
	for i := range pairs {
		pairs[i] = pair{Prediction{Value: float64(i + 2), Lower: 1, Upper: 9}, Label{Value: float64(i + 1)}}
	}
	return pairs
}

// All figures that there are have a description, with their label, and nothing else has one.
func TestFiguresAreDescribed(t *testing.T) {
	met := map[string]map[string]bool{}
	for _, f := range everyFigure() {
		if met[f.Name] == nil {
			met[f.Name] = map[string]bool{}
		}
		met[f.Name][f.Label] = true
		d := Describe(f.Name)
		if d == nil {
			t.Fatalf("%s has no description", f.Name)
		}
		if f.Label != "" && !slices.Contains(d.Labels, f.Label) || (f.Label == "") != (f.At == "") {
			t.Errorf("%s{%s=%q}: the description has the labels %v", f.Name, f.Label, f.At, d.Labels)
		}
	}
	names := map[string]bool{}
	for _, d := range Figures {
		if names[d.Name] || len(d.Help) < 20 || !strings.HasSuffix(d.Help, ".") || !slices.IsSorted(d.Labels) {
			t.Errorf("%+v", d)
		}
		names[d.Name] = true
		if met[d.Name] == nil {
			t.Errorf("there is no figure %s", d.Name)
		}
		for _, l := range d.Labels {
			if !met[d.Name][l] {
				t.Errorf("no figure %s has the label %s", d.Name, l)
			}
		}
	}
	for _, m := range Catalogue {
		if !names[m.Name] {
			t.Errorf("the measure %s is of no figure", m.Name)
		}
	}
}

func TestMainFigures(t *testing.T) {
	for _, c := range []struct {
		spec *Spec
		want string
	}{{binarySpec(), "accuracy f1 roc_auc"}, {multiclassSpec(), "accuracy f1=macro roc_auc"}} {
		if got := mainOf(tallyOf(c.spec, rowsOf(c.spec, 500, 1)).Figures(nil)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	s := &Spec{Task: Ranking, K: []int{1, 5, 10}}
	tally := NewTally(s)
	for _, p := range manyItems(10) {
		tally.Add(&p.p, &p.l)
	}
	figures := tally.Figures(nil)
	if got, want := mainOf(figures), "ndcg=10 mean_reciprocal_rank=10"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func mainOf(figures []Figure) string {
	var out []string
	for _, f := range Main(figures) {
		if f.At != "" {
			f.Name += "=" + f.At
		}
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}
