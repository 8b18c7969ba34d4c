package pipeline

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
)

// The benchmarks' event has 767 bytes, with 20 numeric and 5 categorical features.
const (
	eventBytes   = 767
	numbers      = 20
	categories   = 5
	timeTemplate = "2026-11-22T10:00:00.123Z"
)

func benchmarkEvent(r *rand.Rand) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `,"time":%q,"model":"fraud","version":"7","segments":{"country":"DE"},"features":{`, timeTemplate)
	for k := range numbers {
		fmt.Fprintf(&b, `"numeric_%02d":%.3f,`, k, 1000*r.Float64())
	}
	for k := range categories {
		fmt.Fprintf(&b, `"category_%d":"value-%02d",`, k, r.IntN(20))
	}
	b.Truncate(b.Len() - 1)
	fmt.Fprintf(&b, `},"prediction":{"score":%.3f,"label":"fraud"},"latency_ms":12.1,"status":200}`, r.Float64())
	const start = `{"type":"prediction","id":""`
	return fmt.Appendf(nil, `{"type":"prediction","id":"%0*d"%s`, eventBytes-len(start)-b.Len(), r.IntN(100), b.Bytes())
}

// source makes batches of events whose time goes on by a step.
type source struct {
	batch []Message
	at    time.Time
	step  time.Duration
	stamp []byte
}

func newSource(step time.Duration) *source {
	s := &source{step: step, at: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	r := rand.New(rand.NewPCG(1, 7))
	for range 5000 {
		s.batch = append(s.batch, Message{Value: benchmarkEvent(r)})
	}
	return s
}

// next stamps and returns n events.
func (s *source) next(n int) []Message {
	if n > len(s.batch) {
		panic("too many")
	}
	i := int(s.at.UnixNano()/int64(s.step)) * n % (len(s.batch) - n + 1)
	out := s.batch[i : i+n]
	for k := range out {
		v := out[k].Value
		at := bytes.Index(v[:80], []byte(`"time":"`)) + len(`"time":"`)
		s.stamp = s.at.AppendFormat(s.stamp[:0], "2006-01-02T15:04:05.000Z")
		copy(v[at:], s.stamp)
		s.at = s.at.Add(s.step)
	}
	return out
}

func benchmarkSchema() event.Schema {
	s := event.Schema{Models: []string{"fraud"}, Segments: []string{"country"}}
	for k := range numbers {
		s.Features = append(s.Features, event.Feature{Name: fmt.Sprintf("numeric_%02d", k)})
	}
	for k := range categories {
		s.Features = append(s.Features, event.Feature{Name: fmt.Sprintf("category_%d", k), Type: event.Categorical})
	}
	return s
}

// benchmarkReference is of 5,000 events.
func benchmarkReference(b testing.TB, s event.Schema) *profile.Reference {
	builder := profile.NewBuilder(s)
	d, err := decode.New(decode.Options{Schema: s})
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 7))
	var ev event.Event
	for range 5000 {
		if why := d.Decode(benchmarkEvent(r), &ev); why != event.Accepted {
			b.Fatal(d.LastError())
		}
		builder.Observe(&ev)
	}
	reference, err := builder.Build(profile.Provenance{})
	if err != nil {
		b.Fatal(err)
	}
	return reference
}

func benchmarkGroup(b testing.TB, segmented bool) *Group {
	s := benchmarkSchema()
	r := benchmarkReference(b, s)
	g := &monitor.Group{
		Schema: s, Pane: int64(10 * time.Second), Lateness: int64(30 * time.Second), MaxFuture: int64(time.Minute),
		Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}, {Name: "1h", Length: int64(time.Hour)}},
	}
	c := monitor.ModelConfig{Name: "fraud", Reference: r}
	for i := range s.Features {
		c.Features = append(c.Features, i)
	}
	if segmented {
		c.Segmentations = []monitor.Segmentation{{Name: "country", Values: []string{"DE", "FR"}}}
	}
	g.Models = []*monitor.Model{monitor.NewModel(c, &g.Schema)}
	out := NewGroup(g, decode.Options{}, nil, 0, true)
	out.Grow(1)
	return out
}

const batch = 500

// perEvent reports what a benchmark of batches cost an event.
func perEvent(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/event")
	b.SetBytes(batch * eventBytes)
}

func BenchmarkDecode(b *testing.B) {
	d, err := decode.New(decode.Options{Schema: benchmarkSchema()})
	if err != nil {
		b.Fatal(err)
	}
	s := newSource(time.Millisecond)
	var ev event.Event
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range s.next(batch) {
			if d.Decode(m.Value, &ev) != event.Accepted {
				b.Fatal(d.LastError())
			}
		}
	}
	perEvent(b)
}

// BenchmarkObserve decodes and folds events into panes, which it seals and delivers, at
// rates of events a second of event time.
func BenchmarkObserve(b *testing.B) {
	for _, c := range []struct {
		name      string
		step      time.Duration
		segmented bool
	}{
		{"1000-a-second", time.Millisecond, false}, {"100-a-second", 10 * time.Millisecond, false}, {"segments/1000-a-second", time.Millisecond, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := benchmarkGroup(b, c.segmented)
			in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
			if err != nil {
				b.Fatal(err)
			}
			s := newSource(c.step)
			b.ReportAllocs()
			for b.Loop() {
				in.Take(s.next(batch), 0)
				g.Lane(0).shard.TakeSealed()
			}
			perEvent(b)
			if l := in.Ledger(); l.Accepted != l.Consumed {
				b.Fatalf("%+v", l)
			}
		})
	}
}

// BenchmarkSlide delivers a sealed pane of 1,000 events and makes the results of both
// windows, whose blocks are full: what a pane costs beyond its events.
func BenchmarkSlide(b *testing.B) {
	const panes, events = 365, 1000
	g := benchmarkGroup(b, false)
	in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
	if err != nil {
		b.Fatal(err)
	}
	s := newSource(10 * time.Millisecond)
	slide := func() {
		if err := g.Lane(0).Deliver(Progress{Records: events, CaughtUp: true, Now: s.at}); err != nil {
			b.Fatal(err)
		}
		if results, _ := g.Show(s.at); len(results) != 2 && s.at.Minute() > 2 {
			b.Fatalf("%d results", len(results))
		}
	}
	for range panes {
		in.Take(s.next(events), 0)
		slide()
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		in.Take(s.next(events), 0)
		b.StartTimer()
		slide()
	}
}

// BenchmarkPaneMemory reports what a sealed pane of 1,000 events keeps, a feature.
func BenchmarkPaneMemory(b *testing.B) {
	const panes = 200
	g := benchmarkGroup(b, false)
	in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
	if err != nil {
		b.Fatal(err)
	}
	s := newSource(10 * time.Millisecond)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		in.Take(s.next(4000), 0) // fills the workspaces
		g.Lane(0).shard.TakeSealed()
		before := heap()
		for range panes {
			in.Take(s.next(1000), 0)
		}
		after := heap()
		b.ReportMetric(float64(after-before)/panes/(numbers+categories), "bytes/feature-pane")
		runtime.KeepAlive(g.Lane(0).shard.TakeSealed())
	}
}

// TestNoAllocationWithinAPane holds the hot path to its promise: in an open pane, once
// its columns are there, an event is decoded and folded without an allocation.
func TestNoAllocationWithinAPane(t *testing.T) {
	for _, segmented := range []bool{false, true} {
		g := benchmarkGroup(t, segmented)
		in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := newSource(time.Microsecond)
		in.Take(s.next(5000), 0) // more than two columns
		if n := testing.AllocsPerRun(100, func() { in.Take(s.next(batch), 0) }); n > 0 {
			t.Errorf("%v allocations in %d events; segments: %v", n, batch, segmented)
		}
	}
}
