package monitor

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/eval"
)

// labelledGroup is a group of one binary model whose labels come, and which is watched.
func labelledGroup(joined bool, windows ...time.Duration) *Group {
	g := testGroup(windows...)
	g.Models = []*Model{NewModel(ModelConfig{
		Name: "m", Features: []int{0}, Changes: []ChangeConfig{{Figure: "error_ratio", Detectors: usualDetectors}, {Figure: MispredictionRatio, Detectors: allDetectors()}},
		Performance: &Performance{
			Spec: eval.Spec{Task: eval.Binary, Positive: "yes", Threshold: math.NaN()}, Joined: joined, Timeout: 3600 * second, Score: -1, Decision: -1, Value: -1,
		},
	}, &g.Schema)}
	return g
}

// labelPane makes a sealed pane of labels: n answers that can be compared, of which some are wrong, and one that cannot.
func labelPane(g *Group, n, wrong int) *Pane {
	p := newPane(g)
	s := p.at(p.version(0, "1"), g.Models[0], 0)
	s.labelled = newLabelled(&g.Models[0].config.Performance.Spec)
	for i := range n {
		answer := eval.Prediction{Score: math.NaN(), Class: 0}
		if i < wrong {
			answer.Class = 1
		}
		s.events++
		s.labelled.matched++
		s.labelled.tally.Add(&answer, &eval.Label{})
	}
	s.labelled.tally.Add(&eval.Prediction{Score: math.NaN(), Class: -1}, &eval.Label{})
	s.labelled.expired++
	return p
}

// TestMispredictionRatio doubles the share of wrong answers: the view of labels finds it, also where it was stored and read again
// in between, and puts it into the results beside what the predictions' view has found.
func TestMispredictionRatio(t *testing.T) {
	const at, panes, n = 200, 260, 500
	g := labelledGroup(true, 5*time.Minute)
	own := g.Labels()
	v := NewView(own, 1)
	found := map[string]int{}
	var last []*Result
	for i := range panes {
		wrong := n/20 + i%5
		if i >= at {
			wrong += n / 20
		}
		if i == 100 || i == at+1 {
			read, err := own.ReadView(v.Freeze().AppendBinary(nil), 1, nil, noLoss(t))
			if err != nil {
				t.Fatal(err)
			}
			v = read
		}
		start := base + int64(i)*10*second
		v.Deliver(0, []SealedPane{{Start: start, Content: labelPane(own, n, wrong)}})
		v.Advance(start+10*second, func(_ int64, results []*Result) { last = results })
		for _, c := range last[0].Changes {
			for _, d := range c.Detectors {
				if _, ok := found[d.Detector]; !ok && d.Found > 0 {
					found[d.Detector] = i - at
				}
			}
		}
	}
	for _, name := range usualDetectors {
		if delay, ok := found[name]; !ok || delay < 0 || delay > 15 {
			t.Errorf("%s: %d panes, %v", name, delay, ok)
		}
	}
	of := func(r *Result) (figures []string) {
		for _, c := range r.Changes {
			figures = append(figures, fmt.Sprint(c.Figure, len(c.Detectors)))
		}
		return figures
	}
	plain := *last[0]
	plain.Performance, plain.Changes = nil, []ChangeResult{{Figure: "error_ratio", Detectors: DetectorResults{{Detector: "adwin", State: StateOK}}}}
	merged := WithPerformance([]*Result{&plain}, last)
	if len(merged) != 1 || fmt.Sprint(of(merged[0])) != "[error_ratio1 misprediction_ratio5]" {
		t.Errorf("%d results with %v", len(merged), of(merged[0]))
	}
	var line struct {
		Changes []struct{ Figure string }
	}
	if err := json.Unmarshal(merged[0].AppendJSON(nil), &line); err != nil || len(line.Changes) != 2 || line.Changes[1].Figure != MispredictionRatio {
		t.Errorf("%+v, %v", line, err)
	}
}

// TestMispredictionsNeedLabels: the figure is of panes of labels only, and of answers that can be right or wrong.
func TestMispredictionsNeedLabels(t *testing.T) {
	g := labelledGroup(true, time.Minute)
	m := g.Models[0]
	if len(m.watches) != 1 || m.watches[0].Figure != "error_ratio" || len(m.labels.watches) != 1 {
		t.Fatalf("%+v and of labels %+v", m.watches, m.labels.watches)
	}
	w := &m.labels.watches[0]
	s := labelPane(g.Labels(), 7, 3).models[0][0].series[0]
	if wrong, compared := w.figure.values(s, w, g.Pane); wrong != 3 || compared != 7 {
		t.Errorf("%g wrong of %d", wrong, compared)
	}
	if _, compared := w.figure.values(&series{}, w, g.Pane); compared != 0 {
		t.Errorf("%d of a pane without labels", compared)
	}
	if m = labelledGroup(false, time.Minute).Models[0]; len(m.labels.watches) != 0 {
		t.Errorf("without labels %+v", m.labels.watches)
	}
	g = labelledGroup(true, time.Minute)
	one := g.Succeed(base, func(*ModelConfig) {}).Models[0]
	if len(one.labels.watches) != 1 || one.labels.watches[0].Figure != MispredictionRatio {
		t.Errorf("with another reference %+v", one.labels.watches)
	}
	usual, most := g.Memory(1, 1, false)
	g.Models[0].labels.watches = nil
	if u, n := g.Memory(1, 1, false); u >= usual || n >= most {
		t.Error("the detectors are in no budget")
	}
}
