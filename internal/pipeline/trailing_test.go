package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
	"github.com/streammon/streammon/internal/profile"
)

// TestTrailingCrashes: whenever a program that compares windows with the past is killed, and whichever save it goes on from, its
// results are those of one that never was, to the byte.
func TestTrailingCrashes(t *testing.T) {
	g := &monitor.Group{
		Pane: int64(10 * time.Second), Lateness: int64(20 * time.Second), MaxFuture: int64(24 * time.Hour),
		Windows: []monitor.Window{{Name: "1h", Length: int64(time.Hour)}, {Name: "5m", Length: int64(5 * time.Minute)}},
		Schema:  event.Schema{Models: []string{"a"}, Segments: []string{"s"}, Features: []event.Feature{{Name: "x"}, {Name: "c", Type: event.Categorical}}},
	}
	b := profile.NewBuilder(g.Schema)
	for i := range 1000 {
		b.Observe(&event.Event{Features: []event.Value{{State: event.Valid, Number: float64(i % 50)}, {State: event.Valid, Text: fmt.Append(nil, "c", i%3)}}, Segments: [][]byte{[]byte("1")}})
	}
	r, err := b.Build(profile.Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	g.Models = []*monitor.Model{monitor.NewModel(monitor.ModelConfig{
		Name: "a", Features: []int{0, 1}, Segmentations: []monitor.Segmentation{{Name: "s", Values: []string{"1"}}}, Reference: r,
		Verdicts: monitor.Verdicts{DecideBy: "psi", MinSamples: 2, Statistics: []string{"psi", "wasserstein"}, Trailing: int64(2 * time.Hour)},
	}, &g.Schema)}
	var lanes [][]oracle.Message
	for lane := range 2 {
		var messages []oracle.Message
		for i := range 100 {
			at := noon.Add(time.Duration(3*i+i%5*lane) * time.Minute)
			messages = append(messages, oracle.Message{RecordTime: at.UnixNano(), Value: fmt.Appendf(nil,
				`{"time":%d,"model":"a","version":"%d","segments":{"s":"%d"},"features":{"x":%d,"c":"c%d"}}`, at.Unix(), i/40, i%2, i*i%(40+i/2), i%(3+i/90))})
		}
		lanes = append(lanes, messages)
	}
	crashes := 0
	var want []string
	rapid.Check(t, func(t *rapid.T) {
		m := newMember(t, g, lanes)
		if want == nil {
			plain := newMember(t, g, lanes)
			for at := 0; !plain.finished(); at++ {
				plain.read(t, at%len(lanes), 5)
			}
			want = plain.json()
		}
		if n := strings.Count(strings.Join(want, ""), `"drift":`); n < 100 {
			t.Fatalf("%d comparisons", n)
		}
		for slices.Contains(m.done, false) {
			m.step(t, 30, &crashes)
		}
		compareJSON(t, 0, m.json(), want)
	})
	if crashes < 50 {
		t.Errorf("%d crashes", crashes)
	}
}
