package pipeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/oracle"
)

// TestMisplaced: of many ids over a long time the sample finds all labels that are in another lane than their predictions, and
// none else, also where labels come long after.
func TestMisplaced(t *testing.T) {
	setup := oracle.Setup{
		Models: []oracle.Model{{Name: "m", Task: &oracle.Task{Kind: oracle.Regression, Timeout: time.Hour}}},
		Pane:   10 * time.Second, Lateness: 10 * time.Second, MaxFuture: time.Hour, Windows: []oracle.Span{{Name: "1m", Length: time.Minute}},
	}
	for _, shift := range []int{0, 1} {
		g := NewGroup(labelledGroup(t, setup), decode.Options{}, nil, 0, false)
		g.LabelsApart()
		g.Grow(2)
		var intakes [2][2]*Intake
		for i := range 2 {
			for _, k := range []event.Kind{event.Prediction, event.Label} {
				var err error
				if intakes[k][i], err = NewIntake([]*Lane{g.Lane(i)}, k, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		const n, behind = 100_000, 50_000 // half an hour
		for i := range n {
			at := noon.Add(time.Duration(i) * time.Hour / n)
			intakes[event.Prediction][i%2].Take([]Message{{Value: fmt.Appendf(nil, `{"id":"e%d","time":%d,"prediction":{"value":1}}`, i, at.UnixMilli())}}, 0)
			if l := i - behind; l >= 0 {
				intakes[event.Label][(l+shift)%2].Take([]Message{{Value: fmt.Appendf(nil, `{"type":"label","id":"e%d","time":%d,"label":1}`, l, at.UnixMilli())}}, 0)
			}
		}
		m := g.Misplaced()
		if m.Labels < 100 || shift == 0 && m.Elsewhere != 0 || shift == 1 && (m.Elsewhere != m.Labels || m.Partition == m.Prediction) {
			t.Errorf("labels shifted by %d lanes: %+v", shift, m)
		}
		for _, l := range g.lanes {
			if len(l.placing.ids[0]) > sampledIDs || len(l.placing.ids[1]) > sampledIDs {
				t.Errorf("%d and %d ids are kept", len(l.placing.ids[0]), len(l.placing.ids[1]))
			}
		}
	}
}
