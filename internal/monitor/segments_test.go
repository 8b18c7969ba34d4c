package monitor

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/window"
)

// answered is a prediction and its label.
type answered struct {
	at                  int64 // of the label
	version, country    string
	positive, predicted bool
}

// fairGroup measures a binary task whose groups are the countries.
func fairGroup(v PerformanceVerdict) *Group {
	schema := event.Schema{
		Models: []string{"m"}, Features: []event.Feature{{Name: event.PredictionLabel, Type: event.Categorical}}, Segments: []string{"country"},
		Answers: event.Answers{Truth: true},
	}
	g := &Group{Schema: schema, Pane: 10 * second, Lateness: 30 * second, Windows: []Window{{Name: "1m", Length: 60 * second}, {Name: "1h", Length: 3600 * second}}}
	g.Models = []*Model{NewModel(ModelConfig{
		Name: "m", Features: []int{0}, Segmentations: []Segmentation{{Name: "country", Source: 0, Values: []string{"DE", "FR", "IT"}}},
		Performance: &Performance{
			Spec: eval.Spec{Task: eval.Binary, Positive: "yes", Threshold: math.NaN()}, Joined: true, Timeout: int64(time.Hour), Score: -1, Decision: 0, Value: -1,
			Verdict: v, Fairness: Fairness{Segment: "country", Privileged: "DE"},
		},
	}, &g.Schema)}
	return g
}

// labelResults returns the final results of label time of predictions with their labels, in order of time.
func labelResults(g *Group, all []answered) (results []*Result) {
	text := map[bool]string{true: "yes", false: "no"}
	s := NewShard(g)
	for i, a := range all {
		p := prediction(a.at-second, a.version, 0, a.country)
		p.ID, p.Features = fmt.Append(nil, i), []event.Value{{State: event.Valid, Text: []byte(text[a.predicted])}}
		s.Apply(p)
		l := &event.Event{Kind: event.Label, Time: a.at, ID: p.ID, Truth: event.Truth{HasText: true, Text: []byte(text[a.positive])}}
		s.Apply(l)
	}
	s.EndOf(event.Prediction)
	s.EndOf(event.Label)
	v := NewView(g.Labels(), 1)
	v.Deliver(0, s.TakeSealedLabels())
	v.Advance(window.EndOfTime, func(_ int64, rs []*Result) { results = append(results, rs...) })
	return results
}

// table counts by [truth][answer].
type table [2][2]float64

func (t *table) ratio(above, below func(truth, answer int) bool) float64 {
	x, n := 0., 0.
	for i := range t {
		for j, k := range t[i] {
			if below(i, j) {
				n += k
				if above(i, j) {
					x += k
				}
			}
		}
	}
	return x / n
}

// TestFairnessOfWindows compares the groups' counts and figures, and the worst segment, with plain counting.
func TestFairnessOfWindows(t *testing.T) {
	all := func(int, int) bool { return true }
	selected := func(_, answer int) bool { return answer == 1 }
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.Uint64Range(1, 6).Draw(t, "min_samples")
		g := fairGroup(PerformanceVerdict{DecideBy: "accuracy", MinSamples: least})
		var log []answered
		now := base
		for range rapid.IntRange(0, 80).Draw(t, "events") {
			now += rapid.SampledFrom([]int64{0, 1, 9, 60}).Draw(t, "gap") * second
			log = append(log, answered{
				now, rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version"), rapid.SampledFrom([]string{"", "DE", "FR", "IT", "XX"}).Draw(t, "country"),
				rapid.Bool().Draw(t, "positive"), rapid.Bool().Draw(t, "predicted"),
			})
		}
		results := labelResults(g, log)
		if len(log) > 0 && len(results) == 0 {
			t.Fatal("no results")
		}
		for _, r := range results {
			p := r.Performance
			if r.Segment != "" {
				if p.Worst != nil || p.Fairness != nil {
					t.Fatalf("segment %s compares segments", r.Segment)
				}
				continue
			}
			groups := map[string]*table{}
			for _, a := range log {
				if a.version != r.Version || a.at < r.Start.UnixNano() || a.at >= r.End.UnixNano() || !strings.Contains("DE FR IT", a.country) || a.country == "" {
					continue
				}
				if groups[a.country] == nil {
					groups[a.country] = &table{}
				}
				index := map[bool]int{true: 1}
				groups[a.country][index[a.positive]][index[a.predicted]]++
			}
			compareWorst(t, p.Worst, groups, float64(least))
			if (p.Fairness != nil) != (len(groups) > 1) {
				t.Fatalf("%d groups, fairness %v", len(groups), p.Fairness)
			}
			if p.Fairness == nil {
				continue
			}
			low, high := 1., 0.
			for _, got := range p.Fairness.Groups {
				n := groups[got.Name]
				if n == nil || *n != (table{{float64(got.TN), float64(got.FP)}, {float64(got.FN), float64(got.TP)}}) {
					t.Fatalf("group %+v, want %v", got, n)
				}
				rate := n.ratio(selected, all)
				low, high = min(low, rate), max(high, rate)
				checkFigure(t, p.Fairness, "group_selection_rate", got.Name, rate)
				checkFigure(t, p.Fairness, "group_true_positive_rate", got.Name, n.ratio(selected, func(truth, _ int) bool { return truth == 1 }))
				checkFigure(t, p.Fairness, "group_accuracy", got.Name, n.ratio(func(truth, answer int) bool { return truth == answer }, all))
				if of := groups["DE"]; of != nil && got.Name != "DE" {
					checkFigure(t, p.Fairness, "disparate_impact", got.Name, rate/of.ratio(selected, all))
				}
			}
			checkFigure(t, p.Fairness, "demographic_parity_difference", "", high-low)
			checkFigure(t, p.Fairness, "demographic_parity_ratio", "", low/high)
		}
	})
}

// checkFigure compares a figure; it is to be absent if want is not finite.
func checkFigure(t *rapid.T, r *FairnessResult, name, group string, want float64) {
	for _, d := range r.Figures {
		if d.Name == name && d.Group == group {
			if math.Abs(d.Value-want) > 1e-12 || d.Low > d.Value || d.High < d.Value {
				t.Fatalf("%s of %q is %g in [%g, %g], want %g", name, group, d.Value, d.Low, d.High, want)
			}
			if d.FourFifths() && d.Adverse != (want < 0.8) {
				t.Fatalf("%s of %q is %g: adverse %v", name, group, d.Value, d.Adverse)
			}
			return
		}
	}
	if !math.IsNaN(want) && !math.IsInf(want, 0) {
		t.Fatalf("no %s of %q, want %g", name, group, want)
	}
}

func compareWorst(t *rapid.T, got *WorstSegment, groups map[string]*table, least float64) {
	name, worst, matched := "", 2., 0.
	for _, country := range []string{"DE", "FR", "IT"} {
		n := groups[country]
		if n == nil {
			continue
		}
		sum := n[0][0] + n[0][1] + n[1][0] + n[1][1]
		if accuracy := (n[0][0] + n[1][1]) / sum; sum >= least && accuracy < worst {
			name, worst, matched = country, accuracy, sum
		}
	}
	switch {
	case (got != nil) != (name != ""):
		t.Fatalf("worst is %+v, want %q", got, name)
	case got != nil && *got != WorstSegment{"country=" + name, "accuracy", "", worst, uint64(matched)}:
		t.Fatalf("worst is %+v, want %q with %g of %g", got, name, worst, matched)
	}
}

// TestWorstIsTheLargestLoss: of figures of which less is better, and none of those that nobody can compare.
func TestWorstIsTheLargestLoss(t *testing.T) {
	segment := func(name string, value float64) *Result {
		return &Result{Segment: name, Performance: &PerformanceResult{Matched: 10, Figures: []eval.Figure{{Name: "mape", Value: value}, {Name: "odd", Value: value}}}}
	}
	p := &Performance{Spec: eval.Spec{Task: eval.Regression}, Verdict: PerformanceVerdict{DecideBy: "mape"}}
	all := segment("", 0.2)
	results := []*Result{all, segment("c=a", 0.1), segment("c=b", 0.3), segment("c=c", 0.3), segment("c="+event.Other, 0.9)}
	p.compareSegments(results, &Model{}, &version{})
	if w := all.Performance.Worst; w == nil || w.Segment != "c=b" || w.Value != 0.3 {
		t.Errorf("worst is %+v", w)
	}
	p.Verdict.DecideBy = "odd"
	p.compareSegments(results, &Model{}, &version{})
	if w := all.Performance.Worst; w != nil {
		t.Errorf("worst is %+v", w)
	}
}

// TestSegmentsJSON pins the form of both members.
func TestSegmentsJSON(t *testing.T) {
	groups := []eval.Group{{Name: "F", TP: 1, FP: 2, FN: 3, TN: 4}, {Name: "M<", TP: 5, FP: 6, FN: 7, TN: 8}}
	p := &PerformanceResult{
		MatchedRatio: Undefined, Worst: &WorstSegment{"country=DE", "ndcg", "10", 0.25, 300},
		Fairness: &FairnessResult{"gender", "M<", groups, []eval.Disparity{
			{Name: "demographic_parity_ratio", Value: 0.5, Low: 0.25, High: 1, Count: 10, Adverse: true},
			{Name: "statistical_parity_difference", Group: "F", Against: "M<", Value: -0.25, Low: -0.5, High: 0, Count: 10},
		}},
	}
	const want = `{"worst_segment":{"segment":"country=DE","figure":"ndcg","at":"10","value":0.25,"matched":300},` +
		`"fairness":{"segment":"gender","privileged":"M\u003c","groups":{"F":{"true_positive":1,"false_positive":2,"false_negative":3,"true_negative":4},` +
		`"M\u003c":{"true_positive":5,"false_positive":6,"false_negative":7,"true_negative":8}},` +
		`"figures":[{"figure":"demographic_parity_ratio","value":0.5,"low":0.25,"high":1,"count":10,"adverse":true},` +
		`{"figure":"statistical_parity_difference","group":"F","against":"M\u003c","value":-0.25,"low":-0.5,"high":0,"count":10}]}}`
	got, err := json.Marshal(p)
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}
