package pipeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// TestLabelsApart: where labels have a topic of their own each topic gives events of its own kind only. Otherwise it would depend on how the two
// topics interleave which labels are late, and which is the first of a prediction.
func TestLabelsApart(t *testing.T) {
	messages := func(value string, from, step int) (batch []Message) {
		for i := range 600 {
			at := noon.Add(time.Duration(from+step*i) * time.Second)
			batch = append(batch, Message{Value: fmt.Appendf(nil, value, i, at.Format(time.RFC3339), at.Add(90*time.Second).Format(time.RFC3339))})
		}
		return batch
	}
	type outcome struct {
		Ledger, Labels event.Ledger
		Status         monitor.LabelStatus
	}
	run := func(order ...event.Kind) outcome {
		m := plainGroup()
		m.Schema = event.Schema{Features: []event.Feature{{Name: event.PredictionScore, Type: event.Numeric}}, Models: []string{"m"}, Answers: event.Answers{Truth: true}}
		m.Models = []*monitor.Model{monitor.NewModel(monitor.ModelConfig{Name: "m", Features: []int{0}, Performance: &monitor.Performance{
			Spec: eval.Spec{Task: eval.Binary, Positive: "1", Threshold: 0.5}, Joined: true, Timeout: int64(time.Hour), Decision: -1, Value: -1,
		}}, &m.Schema)}
		g := NewGroup(m, decode.Options{Mapping: decode.Mapping{LabelTime: "label_time"}}, nil, 0, true)
		g.LabelsApart()
		g.Grow(1)
		var intakes [2]*Intake
		for k := range intakes {
			var err error
			if intakes[k], err = NewIntake([]*Lane{g.Lane(0)}, event.Kind(k), nil); err != nil {
				t.Fatal(err)
			}
			intakes[k].Arrive(Arrival{})
			intakes[k].Rejected = func(_ int, message []byte, reason event.Reason, detail error) {
				if reason != event.Envelope || detail == nil {
					t.Errorf("%s is rejected as %v: %v", message, reason, detail)
				}
			}
		}
		for _, k := range order {
			if k == event.Prediction {
				// Rows with a label, and labels.
				intakes[k].Take(messages(`{"id":"%d","time":%q,"prediction":{"score":0.7},"label":"1","label_time":%q}`, 0, 1), 600)
				intakes[k].Take(messages(`{"type":"label","id":"%d","time":%q,"label":"1","x":%q}`, 600, 1), 1200)
			} else {
				intakes[k].Take(messages(`{"id":"%d","time":%q,"label":"0","x":%q}`, 30, 1), 600)
				intakes[k].Take(messages(`{"type":"prediction","id":"%d","time":%q,"prediction":{"score":0.2},"x":%q}`, 600, 1), 1200)
			}
			intakes[k].Finish()
		}
		for k := range intakes {
			progress := Progress{Records: 1200, Done: true}
			deliver := g.Lane(0).Deliver
			if event.Kind(k) == event.Label {
				deliver = g.Lane(0).DeliverLabels
			}
			if err := deliver(progress); err != nil {
				t.Fatal(err)
			}
		}
		return outcome{intakes[0].Ledger(), intakes[1].Ledger(), g.Labels()[0].LabelStatus}
	}
	got := run(event.Prediction, event.Label)
	if diff := cmp.Diff(got, run(event.Label, event.Prediction)); diff != "" {
		t.Errorf("with the labels first it is different:\n%s", diff)
	}
	for _, l := range []event.Ledger{got.Ledger, got.Labels} {
		if !l.Balanced() || l.Consumed != 1200 || l.Accepted != 600 || l.Rejected[event.Envelope] != 600 {
			t.Errorf("%+v", l)
		}
	}
	if s := got.Status; s.Matched != 600 || s.Mispredicted != 600 || s.Conflict > 0 {
		t.Errorf("%+v", s)
	}
}
