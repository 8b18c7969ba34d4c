package monitor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// worse simulates a binary model whose error rate goes to and fro from minute to minute.
type worse struct {
	rng    *rand.Rand
	spread float64
}

// rate of errors in a minute: 0.2 in the mean.
func (w *worse) rate() float64 {
	return min(max(0.2+w.spread*w.rng.NormFloat64(), 0.01), 0.99)
}

// answer of a model with an error rate.
func (w *worse) answer(rate float64) (p eval.Prediction, l eval.Label) {
	l.Class = w.rng.IntN(2)
	p.Class, p.Score = l.Class, math.NaN()
	if w.rng.Float64() < rate {
		p.Class = 1 - l.Class
	}
	return p, l
}

const perMinute = 250

// reference is one of so many minutes.
func (w *worse) reference(t *testing.T, minutes int, spec *eval.Spec) *profile.Reference {
	t.Helper()
	b := profile.NewBuilder(event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x"}}})
	b.Calibrate([]int64{int64(time.Minute)})
	b.Measure(profile.Measured{Task: "binary", Positive: "yes", Spec: spec})
	for minute := range minutes {
		rate := w.rate()
		for i := range perMinute {
			at := event.Ancient + int64(minute)*int64(time.Minute) + int64(i)*int64(time.Minute)/perMinute
			p, l := w.answer(rate)
			b.Observe(&event.Event{Time: at, Features: []event.Value{{State: event.Valid, Number: 1}}})
			b.Label(b.Answer(nil, at, &p, true), at, &l)
		}
	}
	r, err := b.Build(profile.Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// performanceGroup has a model "m" that is judged by a reference.
func performanceGroup(r *profile.Reference, p Performance) *Group {
	g := &Group{Schema: event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x"}}}, Pane: int64(time.Minute), Windows: []Window{{"1m", int64(time.Minute)}}}
	g.Models = []*Model{NewModel(performanceConfig(r, p), &g.Schema)}
	return g
}

func performanceConfig(r *profile.Reference, p Performance) ModelConfig {
	p.Joined, p.Timeout, p.Score, p.Decision, p.Value = true, int64(time.Hour), -1, -1, -1
	p.Refer("", r, "binary")
	return ModelConfig{Name: "m", Features: []int{0}, Reference: r, Performance: &p}
}

var binarySpec = eval.Spec{Task: eval.Binary, Positive: "yes", Threshold: math.NaN(), Beta: 1}

// run makes windows of a minute with these error rates, and returns their results.
func (w *worse) run(g *Group, rates []float64) (out []*PerformanceResult) {
	labels := g.Labels()
	v := NewView(labels, 1)
	for minute, rate := range rates {
		start := event.Ancient + int64(minute)*int64(time.Minute)
		p := newPane(labels)
		s := p.at(p.version(0, "1"), labels.Models[0], 0)
		s.labelled = newLabelled(&labels.Models[0].config.Performance.Spec)
		for range perMinute {
			answer, label := w.answer(rate)
			s.events++
			s.labelled.matched++
			s.labelled.tally.Add(&answer, &label)
		}
		v.Deliver(0, []SealedPane{{Start: start, Content: p}})
	}
	v.Advance(window.EndOfTime, func(_ int64, rs []*Result) {
		for _, r := range rs {
			out = append(out, r.Performance)
		}
	})
	return out
}

// TestQuietPerformance: while nothing changes, no more windows are significant than the level says, though their error rates go to and
// fro; without knowing how much, far more would be. A model that errs 10 points more is found at once.
func TestQuietPerformance(t *testing.T) {
	const references, windows = 20, 50
	for _, c := range []struct {
		spread      float64
		minutes     int
		least, most float64 // share of significant windows at a level of 0.05
		found       float64 // share of the worse windows that are found, at least
	}{
		{0, 80, 0.025, 0.075, 0.75}, {0.03, 80, 0.025, 0.075, 0.35}, {0.03, 25, 0.025, 0.085, 0.35},
	} {
		w := &worse{rand.New(rand.NewPCG(uint64(c.minutes), 5)), c.spread}
		significant, found, looks := 0, 0, 0
		for range references {
			p := Performance{Spec: binarySpec, Verdict: PerformanceVerdict{DecideBy: "accuracy", Floor: 1e-6, MinSamples: 200}}
			g := performanceGroup(w.reference(t, c.minutes, &p.Spec), p)
			rates := make([]float64, windows)
			for i := range rates {
				rates[i] = w.rate()
			}
			for _, r := range w.run(g, rates) {
				looks++
				if r.PValue <= 0.05 {
					significant++
				}
			}
			for i := range rates {
				rates[i] += 0.1
			}
			for _, r := range w.run(g, rates[:5]) {
				if r.State == eval.Worse {
					found++
				}
			}
		}
		share := float64(significant) / float64(looks)
		t.Logf("spread %g, %d minutes: %.4f of %d windows are significant, %d of %d worse ones found", c.spread, c.minutes, share, looks, found, 5*references)
		if looks != references*windows || share < c.least || share > c.most {
			t.Errorf("spread %g, %d minutes: %g of %d windows are significant at level 0.05", c.spread, c.minutes, share, looks)
		}
		if float64(found) < 5*references*c.found {
			t.Errorf("spread %g, %d minutes: %d of %d windows found", c.spread, c.minutes, found, 5*references)
		}
	}
}

// TestPerformanceVerdict: what is in a result.
func TestPerformanceVerdict(t *testing.T) {
	w := &worse{rand.New(rand.NewPCG(3, 5)), 0}
	for _, c := range []struct {
		name    string
		minutes int
		verdict PerformanceVerdict
		rate    float64
		want    string
	}{
		{"as ever", 100, PerformanceVerdict{}, 0.2, "ok balanced_accuracy "},
		{"worse", 100, PerformanceVerdict{}, 0.4, "worse balanced_accuracy "},
		{"better", 100, PerformanceVerdict{}, 0.01, "ok balanced_accuracy "},
		{"of too few windows", 10, PerformanceVerdict{}, 0.4, "warning balanced_accuracy insufficient"},
		{"by another figure", 100, PerformanceVerdict{DecideBy: "f1"}, 0.4, "worse f1 "},
		{"below the floor", 100, PerformanceVerdict{Floor: 0.3}, 0.4, "warning balanced_accuracy "},
		{"far below the floor", 100, PerformanceVerdict{Floor: 0.5}, 0.4, "ok balanced_accuracy "},
		{"too few pairs", 100, PerformanceVerdict{MinSamples: perMinute + 1}, 0.4, " balanced_accuracy "},
		{"by what there is not", 100, PerformanceVerdict{DecideBy: "roc_auc"}, 0.4, "  "},
	} {
		p := Performance{Spec: binarySpec, Verdict: c.verdict}
		r := w.run(performanceGroup(w.reference(t, c.minutes, &p.Spec), p), []float64{c.rate})[0]
		if got := fmt.Sprint(r.State, " ", r.DecidedBy, " ", r.Calibration); got != c.want {
			t.Errorf("%s: %q, want %q: %+v", c.name, got, c.want, r)
		}
		text, _ := r.MarshalJSON()
		if r.State != "" != (strings.Contains(string(text), `"threshold":0.`) && strings.Contains(string(text), `"state":"`+r.State+`"`) &&
			strings.Contains(string(text), `"reference":{"true_negatives":`)) {
			t.Errorf("%s: %s", c.name, text)
		}
	}
}

// TestHeldPerformance: a state lasts for a window length at least.
func TestHeldPerformance(t *testing.T) {
	w := &worse{rand.New(rand.NewPCG(4, 5)), 0}
	p := Performance{Spec: binarySpec}
	g := performanceGroup(w.reference(t, 60, &p.Spec), p)
	g.Pane, g.Windows = int64(10*time.Second), []Window{{"1m", int64(time.Minute)}}
	v := NewView(g.Labels(), 1)
	for i := range 30 {
		rate := 0.2
		if i == 10 {
			rate = 1
		}
		pane := newPane(g.Labels())
		s := pane.at(pane.version(0, "1"), g.Labels().Models[0], 0)
		s.labelled = newLabelled(&g.Labels().Models[0].config.Performance.Spec)
		for range perMinute {
			answer, label := w.answer(rate)
			s.labelled.matched++
			s.labelled.tally.Add(&answer, &label)
		}
		v.Deliver(0, []SealedPane{{Start: event.Ancient + int64(i)*g.Pane, Content: pane}})
	}
	var states strings.Builder
	v.Advance(window.EndOfTime, func(_ int64, rs []*Result) {
		states.WriteString(rs[0].Performance.State[:1])
	})
	if got, want := states.String(), strings.Repeat("o", 10)+strings.Repeat("w", 7)+strings.Repeat("o", 13); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(v.holds) != 0 {
		t.Errorf("still held: %v", v.holds)
	}
}

// TestAnotherPerformanceReference: what waits for its label when a reference with another performance comes into force is matched, and
// judged by that; figures and versions with references of their own, too.
func TestAnotherPerformanceReference(t *testing.T) {
	w := &worse{rand.New(rand.NewPCG(6, 5)), 0}
	p := Performance{Spec: binarySpec, Verdict: PerformanceVerdict{MinSamples: 10}}
	good := w.reference(t, 30, &p.Spec)
	bad := (&worse{rand.New(rand.NewPCG(8, 5)), 0.2}).reference(t, 30, &p.Spec)
	schema := event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x"}, {Name: event.PredictionLabel, Type: event.Categorical}}, Answers: event.Answers{Truth: true}}
	model := func(r *profile.Reference, verdict PerformanceVerdict) *Model {
		p := p
		p.Verdict = verdict
		c := performanceConfig(r, p)
		c.Performance.Decision = 1
		return NewModel(c, &schema)
	}
	g := &Group{Schema: schema, Pane: int64(10 * time.Second), Lateness: int64(time.Second), Windows: []Window{{"1m", int64(time.Minute)}}}
	g.Models = []*Model{model(good, p.Verdict)}
	s, v := NewShard(g), NewView(g.Labels(), 1)
	apply := func(k event.Kind, second int, id string) {
		ev := &event.Event{Kind: k, Time: event.Ancient + int64(second)*int64(time.Second), ID: []byte(id), Features: make([]event.Value, 2)}
		ev.Features[1] = event.Value{State: event.Valid, Text: []byte("yes")}
		ev.Truth = event.Truth{HasText: true, Text: []byte("yes")}
		if len(id)%2 == 0 {
			ev.Truth.Text = []byte("no")
		}
		if outcome, reason := s.Apply(ev); outcome != OutcomeAccepted {
			t.Fatal(outcome, reason)
		}
	}
	for i := range 100 {
		apply(event.Prediction, i/10, strings.Repeat("x", i))
	}
	if pending := s.Labels()[0].Pending; pending != 99 { // one has no id
		t.Fatalf("%d pending", pending)
	}
	if same := g.Refer([]*Model{model(good, p.Verdict)}, s.Opened()); same != g {
		t.Error("the same reference makes another group")
	}
	next := g.Refer([]*Model{model(bad, p.Verdict)}, s.Opened())
	judged := next.Refer([]*Model{model(bad, PerformanceVerdict{DecideBy: "accuracy", MinSamples: 10})}, s.Opened())
	if next == g || judged == next {
		t.Fatal("another reference, or how it is judged, changes nothing")
	}
	s.Refer(judged)
	v.Refer(judged.Labels())
	for i := 1; i < 100; i++ {
		apply(event.Label, 20+i/10, strings.Repeat("x", i))
	}
	apply(event.Prediction, 200, "last")
	apply(event.Label, 200, "last label")
	if c := s.Labels()[0]; c.Matched != 99 {
		t.Errorf("%+v", c)
	}
	v.Deliver(0, s.TakeSealedLabels())
	var last *PerformanceResult
	v.Advance(event.Ancient+int64(time.Minute), func(_ int64, rs []*Result) { last = rs[0].Performance })
	want, _ := bad.Performance.Of(profile.Measured{Task: "binary", Positive: "yes", Spec: &p.Spec})
	if last == nil || last.Matched != 99 || fmt.Sprint(last.Reference) != fmt.Sprint(want) || last.DecidedBy != "accuracy" || last.State == "" {
		t.Errorf("%+v, want the reference %v", last, want)
	}
}

// TestVersionsOfPerformance: a version with a reference of its own is compared with that, and with nothing if that does not tell;
// estimates are by the calibrator of each.
func TestVersionsOfPerformance(t *testing.T) {
	one, other := &eval.Calibrator{Sigmoid: &[2]float64{1, 0}}, &eval.Calibrator{Sigmoid: &[2]float64{2, 0}}
	p := &Performance{Spec: binarySpec, References: map[string]*PerformanceReference{"": {Scores: one}, "2": {Scores: other}, "3": {}}}
	for version, want := range map[string]*eval.Calibrator{"1": one, "2": other, "3": nil, event.Other: one} {
		if got, ok := p.estimator(version); got != want || ok != (want != nil) {
			t.Errorf("version %s: %v %v", version, got, ok)
		}
	}
	p.Estimated = true
	if got, ok := p.estimator("2"); got != nil || !ok {
		t.Errorf("scores are probabilities, but not taken for them: %v", got)
	}
}
