package pipeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
)

// TestLabelsAreNotBlamed: where the predictions of another partition are behind, results wait for these, and do not go on without
// labels that were all read and are silent; where labels are behind and silent, results go on without, also after a restart, until
// labels are as far.
func TestLabelsAreNotBlamed(t *testing.T) {
	setup := oracle.Setup{
		Models: []oracle.Model{{Name: "m", Task: &oracle.Task{Kind: oracle.Regression, Timeout: time.Hour}}},
		Pane:   10 * time.Second, Lateness: 20 * time.Second, MaxFuture: time.Hour, Windows: []oracle.Span{{Name: "1m", Length: time.Minute}},
	}
	const far = time.Hour
	for _, c := range []struct {
		slow, labels time.Duration // how far the predictions of lane 1 and the labels of lane 0 are
		without      bool
	}{{time.Minute, far, false}, {far, time.Minute, true}} {
		without, figures := false, 0
		start := func() *Group {
			g := NewGroup(labelledGroup(t, setup), decode.Options{}, NewSequencer(1, func(r *monitor.Result, _ []byte) error {
				if r.Performance != nil {
					figures++
				}
				return nil
			}), 0, true)
			g.GaveUp = func(int) { t.Error("there are no more results") }
			g.WithoutLabels = func(int) { without = true }
			g.paneSize = pendingBytes // so that few panes may wait
			g.LabelsApart()
			g.Journal()
			return g
		}
		g := start()
		g.Grow(2)
		now := noon
		feed := func(lane int, k event.Kind, to time.Duration) {
			in, err := NewIntake([]*Lane{g.Lane(lane)}, k, nil)
			if err != nil {
				t.Fatal(err)
			}
			text := `{"id":"e%d","time":%d,"prediction":{"value":1}}`
			deliver := g.Lane(lane).Deliver
			if k == event.Label {
				text, deliver = `{"type":"label","id":"e%d","time":%d,"label":1}`, g.Lane(lane).DeliverLabels
			}
			for i := range 361 {
				in.Take([]Message{{Value: fmt.Appendf(nil, text, i, noon.Add(time.Duration(i)*to/360).Unix())}}, 0)
			}
			if err := deliver(Progress{Records: 1, CaughtUp: k == event.Label, Now: now}); err != nil {
				t.Fatal(err)
			}
		}
		feed(0, event.Label, c.labels)
		feed(1, event.Label, far)
		now = now.Add(idleAfter + time.Second)
		for i := range 2 { // nothing new
			if err := g.Lane(i).DeliverLabels(Progress{CaughtUp: true, Now: now}); err != nil {
				t.Fatal(err)
			}
		}
		feed(1, event.Prediction, c.slow)
		feed(0, event.Prediction, far)
		if without != c.without {
			t.Errorf("predictions of the other lane are at %s, labels at %s: results go on without labels: %v", c.slow, c.labels, without)
		}
		snapshots := TakeCut([]*Group{g}, nil, false, func() {}).encode()
		final := g.final.Next()
		g = start()
		if _, err := g.Restore(snapshots[0].State, snapshots[0].Entries, func(model, feature string) { t.Fatalf("lost %s of %s", feature, model) }); err != nil {
			t.Fatal(err)
		}
		figures, now = 0, now.Add(time.Second)
		for i := range 2 {
			if err := g.Lane(i).Deliver(Progress{CaughtUp: true, Now: now}); err != nil {
				t.Fatal(err)
			}
		}
		if g.final.Next() < final || g.without != c.without || figures > 0 {
			t.Errorf("after a restart results are final to %d, before it to %d; without labels: %v; %d with figures of labels", g.final.Next(), final, g.without, figures)
		}
		for i := range 10 { // all of both, and then some more, as they come
			for _, k := range []event.Kind{event.Prediction, event.Label} {
				for lane := range 2 {
					feed(lane, k, far+time.Duration(i)*10*time.Second)
				}
			}
		}
		if g.without {
			t.Error("labels are as far as results, and not taken")
		}
	}
}
