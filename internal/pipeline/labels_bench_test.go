package pipeline

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

const (
	labelDelay   = time.Minute
	labelTimeout = 3 * time.Minute
)

// labelledCase is a task of the benchmarks: what its predictions say beside what all do, and its labels.
type labelledCase struct {
	name      string
	spec      eval.Spec
	estimated bool
	segmented bool
	answer    func(r *rand.Rand) string
	label     func(r *rand.Rand) string
}

func labelledCases() []labelledCase {
	binary := eval.Spec{Task: eval.Binary, Positive: "fraud", Threshold: 0.5}
	class := func(r *rand.Rand) string { return fmt.Sprintf("%q", []string{"fraud", "legit"}[r.IntN(2)]) }
	nothing := func(*rand.Rand) string { return "" }
	classes := []string{"a", "b", "c", "d", "e"}
	return []labelledCase{
		{name: "binary", spec: binary, answer: nothing, label: class},
		{
			name: "regression", spec: eval.Spec{Task: eval.Regression}, label: func(r *rand.Rand) string { return fmt.Sprintf("%.2f", 100*r.Float64()) },
			answer: func(r *rand.Rand) string { return fmt.Sprintf(`,"value":%.2f`, 100*r.Float64()) },
		},
		{
			name: "multiclass", spec: eval.Spec{Task: eval.Multiclass, Classes: classes, K: []int{3}}, label: func(r *rand.Rand) string { return fmt.Sprintf("%q", classes[r.IntN(5)]) },
			answer: func(r *rand.Rand) string {
				return fmt.Sprintf(`,"scores":{"a":%.3f,"b":%.3f,"c":%.3f,"d":%.3f,"e":%.3f}`, r.Float64(), r.Float64(), r.Float64(), r.Float64(), r.Float64())
			},
		},
		{
			name: "ranking", spec: eval.Spec{Task: eval.Ranking, K: []int{1, 5, 10}}, label: func(r *rand.Rand) string {
				return fmt.Sprintf(`{"items":["item-%d","item-%d"]}`, r.IntN(500), 500+r.IntN(500))
			},
			answer: func(r *rand.Rand) string {
				s := `,"items":[`
				for i := range 10 {
					s += fmt.Sprintf(`"item-%d",`, 100*i+r.IntN(100))
				}
				return s[:len(s)-1] + "]"
			},
		},
		{name: "estimate", spec: binary, estimated: true, answer: nothing, label: class},
		{name: "segments", spec: binary, segmented: true, answer: nothing, label: class},
	}
}

// labelledRun feeds a lane with predictions and, a minute later, their labels.
type labelledRun struct {
	lane                *Lane
	predictions, labels *Intake
	batch, truths       []Message
	at                  time.Time
	step                time.Duration
	n                   int
	stamp               []byte
}

const idDigits = 12

func newLabelledRun(t testing.TB, c labelledCase, step time.Duration, task bool) *labelledRun {
	t.Helper()
	g := benchmarkGroup(t, c.segmented)
	m := g.monitor
	feature := func(name string, k event.Type) int {
		m.Schema.Features = append(m.Schema.Features, event.Feature{Name: name, Type: k})
		return len(m.Schema.Features) - 1
	}
	config := monitor.ConfigOf(m.Models[0])
	if task {
		m.Schema.Answers.Truth = true
		p := &monitor.Performance{Spec: c.spec, Joined: true, Timeout: int64(labelTimeout), MaxPending: 1_000_000, Score: -1, Decision: -1, Value: -1, Estimated: c.estimated}
		switch c.spec.Task {
		case eval.Binary:
			p.Score, p.Decision = feature(event.PredictionScore, event.Numeric), feature(event.PredictionLabel, event.Categorical)
		case eval.Multiclass:
			p.Spec.Threshold = math.NaN()
			m.Schema.Answers.Probabilities = true
		case eval.Regression:
			p.Value = feature(event.PredictionValue, event.Numeric)
		case eval.Ranking:
			m.Schema.Answers.Items = true
		}
		config.Performance = p
	}
	m.Models[0] = monitor.NewModel(config, &m.Schema)
	g = NewGroup(m, decode.Options{}, nil, 0, true)
	g.Grow(1)
	g.LabelsApart()
	run := &labelledRun{lane: g.Lane(0), step: step, at: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	for kind, in := range map[event.Kind]**Intake{event.Prediction: &run.predictions, event.Label: &run.labels} {
		var err error
		if *in, err = NewIntake([]*Lane{run.lane}, kind, nil); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(1, 7))
	for range 2000 {
		v := bytes.Replace(benchmarkEvent(r), []byte(`"label":"fraud"`), []byte(`"label":"fraud"`+c.answer(r)), 1)
		start, end := bytes.Index(v, []byte(`"id":"`))+len(`"id":"`), bytes.Index(v, []byte(`","time":`))
		run.batch = append(run.batch, Message{Value: slices.Delete(v, start, end-idDigits)})
		run.truths = append(run.truths, Message{Value: fmt.Appendf(nil, `{"type":"label","id":"%0*d","time":%q,"model":"fraud","label":%s}`, idDigits, 0, timeTemplate, c.label(r))})
	}
	return run
}

// stamped gives n messages their times and ids, which are numbers from first on.
func (s *labelledRun) stamped(of []Message, n, first int, at time.Time) []Message {
	i := first / n * n % (len(of) - n + 1)
	out := of[i : i+n]
	for k := range out {
		v := out[k].Value
		end := bytes.Index(v, []byte(`","time":"`))
		digits := v[end-idDigits : end]
		for id, d := first+k, idDigits-1; d >= 0; id, d = id/10, d-1 {
			digits[d] = '0' + byte(id%10)
		}
		s.stamp = at.AppendFormat(s.stamp[:0], "2006-01-02T15:04:05.000Z")
		copy(v[end+len(`","time":"`):], s.stamp)
		at = at.Add(s.step)
	}
	return out
}

// predict takes n predictions.
func (s *labelledRun) predict(n int) {
	s.predictions.Take(s.stamped(s.batch, n, s.n, s.at), 0)
	s.n += n
	s.at = s.at.Add(time.Duration(n) * s.step)
	s.lane.shard.TakeSealed()
}

// label takes the labels of n predictions whose time has come.
func (s *labelledRun) label(n int) {
	if first := s.n - n - int(labelDelay/s.step); first >= 0 {
		s.labels.Take(s.stamped(s.truths, n, first, s.at.Add(-time.Duration(n)*s.step)), 0)
		s.lane.shard.TakeSealedLabels()
	}
}

func (s *labelledRun) check(t testing.TB) {
	t.Helper()
	for _, in := range []*Intake{s.predictions, s.labels} {
		if l := in.Ledger(); l.Accepted != l.Consumed {
			t.Fatalf("%+v", l)
		}
	}
}

// cpu returns the nanoseconds that the process has worked: other processes do not change them much.
func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkLabels decodes and folds predictions of 1,000 a second, and their labels from an intake of their own, which come a minute
// later. In turns with it the same predictions are taken by a group without the task and without labels: "without" is what one of these
// costs, "predictions" what one of the task does alone, "with-labels" what it does with its label, "share" the throughput that is
// left, with the labels' work and without.
func BenchmarkLabels(b *testing.B) {
	for _, c := range labelledCases() {
		b.Run(c.name, func(b *testing.B) {
			with, without := newLabelledRun(b, c, time.Millisecond, true), newLabelledRun(b, c, time.Millisecond, false)
			for with.n < int((labelTimeout+time.Minute)/with.step) { // until predictions expire as fast as they come
				with.predict(batch)
				with.label(batch)
			}
			without.predict(batch)
			b.ReportAllocs()
			var base, predictions, labels int64
			worked := cpu()
			since := func(sum *int64) {
				now := cpu()
				*sum += now - worked
				worked = now
			}
			for b.Loop() {
				b.StopTimer()
				worked = cpu()
				without.predict(batch)
				since(&base)
				b.StartTimer()
				with.predict(batch)
				since(&predictions)
				with.label(batch)
				since(&labels)
			}
			report := func(sum int64, unit string) { b.ReportMetric(float64(sum)/float64(b.N*batch), unit) }
			report(base, "without-ns/event")
			report(predictions, "predictions-ns/event")
			report(predictions+labels, "with-labels-ns/event")
			b.ReportMetric(float64(base)/float64(predictions), "predictions-share")
			b.ReportMetric(float64(base)/float64(predictions+labels), "with-labels-share")
			with.check(b)
			if l := with.lane.shard.Labels()[0]; l.Matched == 0 || l.Unmatched > 0 {
				b.Fatalf("%+v", l)
			}
		})
	}
}

// TestNoAllocationOfLabels: predictions and labels, their pairing and what it counts allocate by the pane, and not by the event. So
// panes of ten times as many events allocate little more. A ranking's label is sorted, with one allocation.
func TestNoAllocationOfLabels(t *testing.T) {
	const pane = 10 * time.Second
	for _, c := range labelledCases() {
		most := 0.1
		if c.spec.Task == eval.Ranking {
			most++
		}
		perPane := func(events int) float64 {
			s := newLabelledRun(t, c, pane/time.Duration(events), true)
			fill := func() {
				s.predict(events)
				s.label(events)
			}
			for range 12 { // until labels are paired
				fill()
			}
			n := testing.AllocsPerRun(5, fill)
			s.check(t)
			if l := s.lane.shard.Labels()[0]; l.Matched == 0 || l.Unmatched > 0 {
				t.Fatalf("%+v", l)
			}
			return n
		}
		few, many := perPane(100), perPane(1000)
		t.Logf("%s: %v in a pane of 100, %v in a pane of 1,000", c.name, few, many)
		if each := (many - few) / 900; each > most {
			t.Errorf("%s: %.3f allocations an event", c.name, each)
		}
	}
}
