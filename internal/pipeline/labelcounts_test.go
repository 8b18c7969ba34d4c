package pipeline

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// TestLabelAccountsOverRestarts: what is exported begins at 0 with the process, but for what waits; the totals go on.
func TestLabelAccountsOverRestarts(t *testing.T) {
	start := func(s *encodedSnapshot) (*Group, Part) {
		m := plainGroup()
		m.Schema = event.Schema{Features: []event.Feature{{Name: event.PredictionScore, Type: event.Numeric}}, Models: []string{"m"}, Answers: event.Answers{Truth: true}}
		m.Models = []*monitor.Model{monitor.NewModel(monitor.ModelConfig{Name: "m", Features: []int{0}, Performance: &monitor.Performance{
			Spec: eval.Spec{Task: eval.Binary, Positive: "1", Threshold: 0.5}, Joined: true, Timeout: int64(time.Hour), MaxPending: 4096, Decision: -1, Value: -1,
		}}, &m.Schema)}
		g := NewGroup(m, decode.Options{}, nil, 0, true)
		g.Journal()
		var states []PartState
		if s != nil {
			var err error
			if states, err = g.Restore(s.State, s.Entries, func(model, feature string) { t.Fatalf("lost %s of %s", feature, model) }); err != nil {
				t.Fatal(err)
			}
		}
		g.Grow(1)
		p := Part{Topic: "p"}
		var err error
		if p.Intake, err = NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil); err != nil {
			t.Fatal(err)
		}
		for _, state := range states {
			if err := p.Intake.Restore(state); err != nil {
				t.Fatal(err)
			}
		}
		if s == nil {
			p.Intake.Arrive(Arrival{})
		}
		g.Read(p)
		return g, p
	}
	at := noon
	n := 0
	feed := func(g *Group, p Part, count int) {
		var batch []Message
		for range count {
			at, n = at.Add(50*time.Millisecond), n+1
			batch = append(batch, Message{Value: fmt.Appendf(nil, `{"id":"%d","time":%q,"prediction":{"score":0.%d}}`, n, at.Format(time.RFC3339Nano), n%10)})
			if n%4 == 0 {
				batch = append(batch, Message{Value: fmt.Appendf(nil, `{"type":"label","id":"%d","time":%q,"label":"1"}`, n, at.Format(time.RFC3339Nano))})
			}
		}
		p.Intake.Take(batch, int64(3*n))
		if err := g.Lane(0).Deliver(Progress{Records: len(batch), CaughtUp: true, Now: at}); err != nil {
			t.Fatal(err)
		}
	}
	g, p := start(nil)
	feed(g, p, 30000)
	_, models := g.Show(at)
	before := *models[0].Labels
	if before.Matched == 0 || before.Evicted == 0 || before.Mispredicted == 0 || before.Pending == 0 || before != g.Labels()[0].LabelStatus {
		t.Fatalf("%+v, totals %+v", before, g.Labels())
	}
	snapshots := TakeCut([]*Group{g}, nil, false, func() {}).encode()

	g, p = start(&snapshots[0])
	_, models = g.Show(at)
	if got, want := *models[0].Labels, (monitor.LabelStatus{Pending: before.Pending, Waiting: before.Waiting}); got != want {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
	if got := g.Labels()[0].LabelStatus; got != before {
		t.Errorf("the totals are %+v, before the restart %+v", got, before)
	}
	feed(g, p, 8000)
	_, models = g.Show(at)
	since, total := *models[0].Labels, g.Labels()[0].LabelStatus
	if since.Matched == 0 || since.Matched+before.Matched != total.Matched || since.Evicted == 0 || since.Evicted+before.Evicted != total.Evicted ||
		since.Mispredicted+before.Mispredicted != total.Mispredicted || since.Compared+before.Compared != total.Compared {
		t.Errorf("%+v since the restart and %+v before it, but %+v in all", since, before, total)
	}
	if math.IsNaN(total.AbsoluteError) || total.Evicted > 38000 {
		t.Errorf("%+v", total)
	}
}
