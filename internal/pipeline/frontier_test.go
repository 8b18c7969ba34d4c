package pipeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// TestShownLabelsWaitForPredictions: while old predictions are read whose labels were read long ago, panes of labels are shown when they are
// sealed, and not taken for late afterwards.
func TestShownLabelsWaitForPredictions(t *testing.T) {
	g := &monitor.Group{
		Pane: int64(10 * time.Second), Lateness: int64(30 * time.Second), MaxFuture: int64(time.Minute), Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}},
		Schema: event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: event.PredictionValue}}, Answers: event.Answers{Truth: true}},
	}
	g.Models = []*monitor.Model{monitor.NewModel(monitor.ModelConfig{Name: "m", Features: []int{0}, Performance: &monitor.Performance{
		Spec: eval.Spec{Task: eval.Regression}, Joined: true, Timeout: int64(time.Hour), Score: -1, Decision: -1,
	}}, &g.Schema)}
	group := NewGroup(g, decode.Options{}, nil, 0, true)
	group.Grow(1)
	group.LabelsApart()
	lane := group.Lane(0)
	predictions, labels := newIntake(t, lane, event.Prediction), newIntake(t, lane, event.Label)
	begin, now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	at := func(i int) string { return begin.Add(time.Duration(i) * time.Second).Format(time.RFC3339) }
	for i := range 3600 {
		labels.Take([]Message{{Value: fmt.Appendf(nil, `{"id":"%d","time":%q,"label":%d}`, i, at(i+60), i)}}, 0)
	}
	if err := lane.DeliverLabels(Progress{Records: 3600, CaughtUp: true, Now: now}); err != nil {
		t.Fatal(err)
	}
	for i := range 3600 {
		predictions.Take([]Message{{Value: fmt.Appendf(nil, `{"id":"%d","time":%q,"prediction":{"value":%d}}`, i, at(i), i)}}, 0)
		if i%100 != 99 {
			continue
		}
		now = now.Add(time.Second)
		if err := lane.Deliver(Progress{Records: 100, CaughtUp: i == 3599, Now: now.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		if err := lane.DeliverLabels(Progress{CaughtUp: true, Now: now.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		group.Show(now.Add(time.Minute))
		if sealed := lane.shard.LabelFrontier(); group.labelFrontier > sealed {
			t.Fatalf("after %d predictions labels are shown up to %s, and sealed up to %s", i+1, time.Unix(0, group.labelFrontier), time.Unix(0, sealed))
		}
	}
	results, _ := group.Show(now.Add(time.Minute))
	for _, r := range results {
		if p := r.Performance; p == nil || p.Matched == 0 {
			t.Errorf("%s to %s: %+v", r.Window, r.End, p)
		}
	}
}

func newIntake(t *testing.T, l *Lane, k event.Kind) *Intake {
	t.Helper()
	in, err := NewIntake([]*Lane{l}, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return in
}
