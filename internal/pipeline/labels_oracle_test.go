package pipeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
)

// TestLabelOracle compares the performance figures and the accounts of labels of random logs with the naive batch program, for
// lanes that mix predictions and labels and for such that have them apart.
func TestLabelOracle(t *testing.T) {
	logs := 80
	if testing.Short() || raceEnabled {
		logs = 12
	}
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprintf("shard-%d", shard), func(t *testing.T) {
			t.Parallel()
			for seed := shard; seed < logs; seed += shards {
				compareLabels(t, seed)
			}
		})
	}
}

func compareLabels(t *testing.T, seed int) {
	setup, lanes := labelledLog(seed)
	want := oracle.Join(setup, lanes)
	results, counts := runLabelled(t, setup, lanes, seed)
	compareAccounts(t, setup, counts, want)
	last := int64(0)
	var labelled []*monitor.Result
	for _, r := range results {
		if r.Performance != nil && r.Performance.Labelled {
			labelled = append(labelled, r)
		}
		last = max(last, r.End.UnixNano())
	}
	windows := want.Windows(last)
	if len(labelled) != len(windows) {
		t.Fatalf("log %d: %d windows with labels, want %d", seed, len(labelled), len(windows))
	}
	for i, r := range labelled {
		c := comparison{}
		k := slices.IndexFunc(setup.Models, func(m oracle.Model) bool { return m.Name == windows[i].Model })
		c.performance(r, &windows[i], setup.Models[k].Task.Kind)
		if len(c.wrong) > 0 {
			t.Fatalf("log %d, window %d to %s of %q %q %q:\n%s", seed, i, r.End, r.Model, r.Version, r.Segment, c.wrong)
		}
	}
}

// labelledLog is a random log of models with tasks, and its setup.
func labelledLog(seed int) (oracle.Setup, [][]oracle.Message) {
	setup, lanes := oracle.GenerateLabelled(rand.New(rand.NewPCG(uint64(seed), 23)))
	span := func(d time.Duration) oracle.Span { return oracle.Span{Name: d.String(), Length: d} }
	setup.Pane, setup.Windows = time.Minute, []oracle.Span{span(10 * time.Hour), span(24 * time.Hour)}
	if seed%8 == 0 {
		setup.Pane, setup.Windows = 10*time.Second, []oracle.Span{span(time.Duration(1+seed%10) * time.Minute)}
	}
	return setup, lanes
}

// compareAccounts compares the accounts of labels with the naive ones.
func compareAccounts(t fataler, setup oracle.Setup, counts []monitor.LabelStatus, want *oracle.Joined) {
	for i := range setup.Models {
		w, got := want.Models[i], counts[i]
		if setup.Models[i].Task == nil {
			continue
		}
		expected := monitor.LabelStatus{
			Matched: w.Matched, Early: w.Early, Unmatched: w.Unmatched, Duplicate: w.Duplicate, Conflict: w.Conflict, Useless: w.Unreadable, Expired: w.Expired,
			Pending: w.Pending, Waiting: w.Waiting, Compared: got.Compared, Mispredicted: got.Mispredicted, AbsoluteError: got.AbsoluteError, SquaredError: got.SquaredError,
		}
		if got != expected {
			t.Fatal(fmt.Sprintf("model %s has\n%+v, want\n%+v", setup.Models[i].Name, got, expected))
		}
	}
}

// accounts returns the accounts of the labels of all lanes, by model.
func (g *Group) accounts() (counts []monitor.LabelStatus) {
	for i, l := range g.lanes {
		l.mu.Lock()
		for k, c := range l.shard.Labels() {
			if i == 0 {
				counts = append(counts, monitor.LabelStatus{})
			}
			if c != nil {
				counts[k].Add(c)
			}
		}
		l.mu.Unlock()
	}
	return counts
}

// runLabelled takes the lanes in, apart for odd seeds, and returns the results and the accounts of labels.
func runLabelled(t *testing.T, setup oracle.Setup, lanes [][]oracle.Message, seed int) (results []*monitor.Result, counts []monitor.LabelStatus) {
	t.Helper()
	sink := NewSequencer(1, func(r *monitor.Result, _ []byte) error { results = append(results, r); return nil })
	g := NewGroup(labelledGroup(t, setup), decode.Options{}, sink, 0, false)
	g.Grow(len(lanes))
	var streams []*labelStream
	if seed%2 == 1 {
		predictions, labels := oracle.Split(setup, lanes)
		for i := range lanes {
			g.Lane(i).LabelsApart()
			streams = append(streams, newLabelStream(t, g.Lane(i), event.Prediction, predictions[i]), newLabelStream(t, g.Lane(i), event.Label, labels[i]))
		}
	} else {
		for i := range lanes {
			streams = append(streams, newLabelStream(t, g.Lane(i), event.Prediction, lanes[i]))
		}
	}
	rng := rand.New(rand.NewPCG(uint64(seed), 29))
	for len(streams) > 0 {
		i := rng.IntN(len(streams))
		if streams[i].step(t, 1+rng.IntN(60)) {
			streams = slices.Delete(streams, i, i+1)
		}
	}
	return results, g.accounts()
}

// labelStream is what is still to be read of a lane.
type labelStream struct {
	lane   *Lane
	kind   event.Kind
	intake *Intake
	rest   []oracle.Message
}

func newLabelStream(t *testing.T, l *Lane, k event.Kind, messages []oracle.Message) *labelStream {
	t.Helper()
	in, err := NewIntake([]*Lane{l}, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &labelStream{l, k, in, messages}
}

func (s *labelStream) step(t *testing.T, n int) (done bool) {
	n = min(n, len(s.rest))
	var batch []Message
	for _, m := range s.rest[:n] {
		batch = append(batch, Message{m.Value, m.RecordTime})
	}
	s.intake.Take(batch, 0)
	s.rest = s.rest[n:]
	deliver := s.lane.Deliver
	if s.kind == event.Label {
		deliver = s.lane.DeliverLabels
	}
	if err := deliver(Progress{Records: n, Done: len(s.rest) == 0}); err != nil {
		t.Fatal(err)
	}
	return len(s.rest) == 0
}

// labelledGroup is oracleGroup with the tasks.
func labelledGroup(t *testing.T, setup oracle.Setup) *monitor.Group {
	t.Helper()
	g := oracleGroup(t, setup)
	index := func(name string) int {
		return slices.IndexFunc(g.Schema.Features, func(f event.Feature) bool { return f.Name == name })
	}
	output := func(name string, k event.Type) int {
		if i := index(name); i >= 0 {
			return i
		}
		g.Schema.Features = append(g.Schema.Features, event.Feature{Name: name, Type: k})
		return len(g.Schema.Features) - 1
	}
	g.Schema.Answers = event.Answers{Interval: true, Probabilities: true, Items: true, Truth: true}
	score, decision, value := output(event.PredictionScore, event.Numeric), output(event.PredictionLabel, event.Categorical), output(event.PredictionValue, event.Numeric)
	for i, m := range setup.Models {
		c := monitor.ConfigOf(g.Models[i])
		if task := m.Task; task != nil {
			c.Performance = &monitor.Performance{
				Joined: true, Timeout: int64(task.Timeout), Score: score, Decision: decision, Value: value,
				Spec: eval.Spec{Task: eval.Binary + eval.Task(task.Kind), Positive: task.Positive, Classes: task.Classes, K: task.K, Threshold: math.NaN()},
			}
		}
		g.Models[i] = monitor.NewModel(c, &g.Schema)
	}
	return g
}

// performance compares the counts exactly, figures to 1e-9, and those from sketches within their bounds.
func (c *comparison) performance(got *monitor.Result, want *oracle.Performance, kind oracle.Kind) {
	c.check(got.Model == want.Model && got.Version == want.Version && got.Segment == want.Segment && got.Window == want.Name,
		"series %q %q %q %s, want %q %q %q %s", got.Model, got.Version, got.Segment, got.Window, want.Model, want.Version, want.Segment, want.Name)
	c.check(got.Start.UnixNano() == want.Start && got.End.UnixNano() == want.End, "%s..%s, want %d..%d", got.Start, got.End, want.Start, want.End)
	p := got.Performance
	c.count("matched", p.Matched, want.Matched)
	c.count("early", p.Early, want.Early)
	c.count("duplicate", p.Duplicate, want.Duplicate)
	c.count("conflict", p.Conflict, want.Conflict)
	c.count("expired", p.Expired, want.Expired)
	figures := map[string]eval.Figure{}
	for _, f := range p.Figures {
		switch f.Label {
		case "":
			figures[f.Name] = f
		case "k":
			figures[f.Name+"@"+f.At] = f
		}
	}
	for name, w := range want.Figures {
		f, ok := figures[name]
		if !ok {
			c.check(false, "no %s, want %g; there are %v", name, w, p.Figures)
			continue
		}
		slack := 1e-9 * max(math.Abs(w), 1)
		c.check(f.Low-slack <= w && w <= f.High+slack, "%s is %.17g in [%g, %g], want %.17g", name, f.Value, f.Low, f.High, w)
	}
	for name := range figures {
		if slices.Contains(oracleFigures[kind], name) {
			_, ok := want.Figures[name]
			c.check(ok, "%s is %g and should not be defined", name, figures[name].Value)
		}
	}
	for _, q := range p.Delay {
		at, _ := strconv.ParseFloat(q.Q, 64)
		var delays []float64
		for _, d := range want.Delays {
			delays = append(delays, max(d.Seconds(), 0))
		}
		exact := oracle.Quantile(delays, at)
		c.check(math.Abs(float64(q.Value)-exact) <= 0.011*exact+1e-12, "delay %s is %g, want %g", q.Q, float64(q.Value), exact)
	}
	c.check((len(p.Delay) == 0) == (len(want.Delays) == 0), "%d quantiles of %d delays", len(p.Delay), len(want.Delays))
}

// oracleFigures are those that the oracle knows.
var oracleFigures = map[oracle.Kind][]string{
	oracle.Binary:     strings.Fields("accuracy precision recall f1 roc_auc log_loss brier_score"),
	oracle.Multiclass: strings.Fields("accuracy log_loss"),
	oracle.Regression: strings.Fields("mae rmse r2"),
}
