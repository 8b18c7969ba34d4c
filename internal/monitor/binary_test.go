package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
)

// storedGroup is a group of two models with a reference for one of them; scale makes
// other references.
func storedGroup(scale float64) *Group {
	schema := event.Schema{
		Models:   []string{"a", "b"},
		Features: []event.Feature{{Name: "x"}, {Name: "c", Type: event.Categorical}},
		Segments: []string{"country"},
	}
	builder := profile.NewBuilder(schema)
	for i := range 100 {
		builder.Observe(&event.Event{
			Features: []event.Value{{State: event.Valid, Number: scale * float64(i)}, {State: event.Valid, Text: fmt.Appendf(nil, "%g-%d", scale, i%7)}},
			Segments: [][]byte{nil},
		})
	}
	reference, err := builder.Build(profile.Provenance{})
	if err != nil {
		panic(err)
	}
	g := &Group{Schema: schema, Pane: 10 * second, Lateness: 30 * second, MaxFuture: 60 * second, Deduplicate: 60 * second, MaxIDs: 1000}
	g.Windows = []Window{{Name: "1m", Length: 60 * second}}
	segments := []Segmentation{{Name: "country", Source: 0, Values: []string{"DE", "FR"}}}
	g.Models = []*Model{
		NewModel(ModelConfig{
			Name: "a", Features: []int{0, 1}, Segmentations: segments, Reference: reference, Changes: allChanges(),
			KPIs: figures(schema, "total: sum(features.x) where !failed", "new: count(where features.c == \"new\") / count()"),
		}, &g.Schema),
		NewModel(ModelConfig{Name: "b", Features: []int{1}}, &g.Schema),
	}
	return g
}

func drawEvent(t *rapid.T, now int64) *event.Event {
	value := func(text bool) event.Value {
		v := event.Value{State: rapid.SampledFrom([]event.State{event.Valid, event.Valid, event.Valid, event.Missing, event.Invalid}).Draw(t, "state")}
		if v.State == event.Valid && text {
			v.Text = []byte(rapid.SampledFrom([]string{"1-0", "1-1", "new", "", "other"}).Draw(t, "text"))
		} else if v.State == event.Valid {
			v.Number = rapid.Float64Range(-50, 200).Draw(t, "number")
		}
		return v
	}
	ev := &event.Event{
		Time: now - rapid.Int64Range(0, 60).Draw(t, "disorder")*second, Model: rapid.IntRange(0, 1).Draw(t, "model"),
		ID: []byte(rapid.StringMatching(`[ab]?`).Draw(t, "id")), Version: fmt.Append(nil, rapid.IntRange(0, 10).Draw(t, "version")),
		Failed: rapid.IntRange(0, 9).Draw(t, "failed") == 0, Features: []event.Value{value(false), value(true)}, Segments: [][]byte{nil},
		HasLatency: true, Latency: rapid.Float64Range(0, 10).Draw(t, "latency"),
	}
	if c := rapid.SampledFrom([]string{"", "DE", "XX"}).Draw(t, "country"); c != "" {
		ev.Segments[0] = []byte(c)
	}
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
		ev.Kind = event.Label
	}
	return ev
}

func noLoss(t fataler) func(string, string) {
	return func(model, feature string) { t.Fatalf("%s of %s was lost", feature, model) }
}

type fataler interface{ Fatalf(string, ...any) }

// TestRestoredShardGoesOn: a shard that is stored and read again at any time does what one
// does that never was, to the byte.
func TestRestoredShardGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := storedGroup(1)
		plain, restored := NewShard(g), NewShard(g)
		restored.Journal()
		var ids [2][]SeenIDs
		var frozen []frozenShard
		now := base
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += rapid.SampledFrom([]int64{0, 1, 7, 40, 4000}).Draw(t, "gap") * second
			ev := drawEvent(t, now)
			if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
				stored := restored.AppendBinary(nil)
				for k := range ids {
					fresh, horizon := restored.TakeIDs(event.Kind(k), false)
					ids[k] = slices.DeleteFunc(append(ids[k], fresh...), func(ids SeenIDs) bool { return ids.Start < horizon })
				}
				var err error
				if restored, err = g.ReadShard(stored, noLoss(t)); err != nil {
					t.Fatal(err)
				}
				restored.Journal()
				for k := range ids {
					for _, bucket := range ids[k] {
						restored.RememberIDs(event.Kind(k), bucket)
					}
				}
				if again := restored.AppendBinary(nil); !bytes.Equal(again, stored) {
					t.Fatalf("stored %x\nagain  %x", stored, again)
				}
			}
			if rapid.IntRange(0, 19).Draw(t, "lost offsets") == 0 {
				plain.Gap()
				restored.Gap()
			}
			if rapid.IntRange(0, 3).Draw(t, "freeze") == 0 {
				f := restored.Freeze()
				frozen = append(frozen, frozenShard{f, f.AppendBinary(nil)})
			}
			a, why := plain.Apply(ev)
			if b, because := restored.Apply(ev); a != b || why != because {
				t.Fatalf("%v %v, restored %v %v", a, why, b, because)
			}
			comparePanes(t, g, plain.TakeSealed(), restored.TakeSealed())
		}
		comparePanes(t, g, plain.CopyOpen(1<<62), restored.CopyOpen(1<<62))
		for _, f := range frozen {
			if now := f.shard.AppendBinary(nil); !bytes.Equal(now, f.was) {
				t.Fatalf("a frozen shard was\n%x\nand is\n%x", f.was, now)
			}
		}
		for _, s := range []*Shard{plain, restored} {
			s.models[0].Folded, s.models[0].KPIs = [Folds]uint64{}, nil // of the process, and not saved
		}
		if a, b := fmt.Sprint(plain.Models()), fmt.Sprint(restored.Models()); a != b {
			t.Fatalf("%s, restored %s", a, b)
		}
	})
}

// frozenShard is one at a moment, and what its bytes were then.
type frozenShard struct {
	shard *Shard
	was   []byte
}

// comparePanes compares panes by their bytes, and reads each again.
func comparePanes(t *rapid.T, g *Group, want, got []SealedPane) {
	if len(want) != len(got) {
		t.Fatalf("%d panes, restored %d", len(want), len(got))
	}
	for i, p := range want {
		a, b := p.Content.AppendBinary(nil), got[i].Content.AppendBinary(nil)
		if p.Start != got[i].Start || !bytes.Equal(a, b) {
			t.Fatalf("pane %d at %d and %d:\n%x\n%x", i, p.Start, got[i].Start, a, b)
		}
		again, err := g.ReadPane(a, noLoss(t))
		if err != nil {
			t.Fatal(err)
		}
		if b := again.AppendBinary(nil); !bytes.Equal(a, b) {
			t.Fatalf("written %x\nread    %x", a, b)
		}
	}
}

// busyShard has 5,000 events in one pane and some in the next.
func busyShard(g *Group) *Shard {
	s, r := NewShard(g), rand.New(rand.NewPCG(1, 2))
	for i := range 5100 {
		at := base + int64(i)*2*second/1000
		ev := prediction(at, "1", 100*r.Float64(), []string{"", "DE"}[i%2])
		ev.Features[1] = event.Value{State: event.Valid, Text: fmt.Appendf(nil, "%g-%d", 1.0, i%9)}
		ev.ID, ev.HasLatency, ev.Latency = fmt.Append(nil, i), true, r.Float64()
		s.Apply(ev)
	}
	return s
}

// TestFullColumnsAreStored: columns are folded after the same number of values, whether
// they were stored in between or not.
func TestFullColumnsAreStored(t *testing.T) {
	g := storedGroup(1)
	s := busyShard(g)
	r, err := g.ReadShard(s.AppendBinary(nil), noLoss(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		ev := prediction(base+11*second, "1", float64(i%77), "")
		s.Apply(ev)
		r.Apply(ev)
	}
	a, b := s.CopyOpen(1<<62), r.CopyOpen(1<<62)
	for i := range a {
		if !bytes.Equal(a[i].Content.AppendBinary(nil), b[i].Content.AppendBinary(nil)) {
			t.Errorf("pane %d differs", i)
		}
	}
}

// TestChangedConfig reads panes into other groups: only what has another shape is lost.
func TestChangedConfig(t *testing.T) {
	old := storedGroup(1)
	stored := busyShard(old).AppendBinary(nil)
	events := func(g *Group, want string) {
		t.Helper()
		var lost []string
		s, err := g.ReadShard(stored, func(model, feature string) { lost = append(lost, model+"."+feature) })
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(lost)
		p := s.CopyOpen(1 << 62)[0].Content
		var got []string
		for i, m := range g.Models {
			for _, v := range p.models[i] {
				for k, series := range v.series {
					if series == nil {
						continue
					}
					f := ""
					for j := range series.features.Layout().Features {
						spec := &series.features.Layout().Features[j]
						if n := series.features.Numeric(spec); n != nil {
							f += fmt.Sprintf(" %s:%d/%d", spec.Name, n.Moments.Count, n.Bins.Total())
						} else if c := series.features.Categorical(spec); c != nil {
							sum := uint64(0)
							if spec.Reference != nil {
								for _, n := range c.AppendCounts(nil) {
									sum += n
								}
							}
							f += fmt.Sprintf(" %s:%d/%d", spec.Name, c.Count, sum)
						}
					}
					got = append(got, fmt.Sprintf("%s[%s] %d%s", m.Name, m.segments[k], series.events, f))
				}
			}
		}
		if all := strings.Join(append(got, slices.Compact(lost)...), "; "); all != want {
			t.Errorf("got  %s\nwant %s", all, want)
		}
	}
	events(old, "a[] 5000 x:5000/5000 c:5000/5000; a[country=DE] 2500 x:2500/2500 c:2500/2500; a[country=__other__] 2500 x:2500/2500 c:2500/2500")
	// Another reference: bins and counts of categories begin anew, the rest stays.
	events(storedGroup(2), "a[] 5000 x:5000/904 c:5000/0; a[country=DE] 2500 x:2500/452 c:2500/0; a[country=__other__] 2500 x:2500/452 c:2500/0; a.c; a.x")
	// Models in another order, a feature less, a new one, a segment less.
	g := storedGroup(1)
	g.Schema.Models = []string{"b", "a"}
	g.Schema.Features = append(g.Schema.Features, event.Feature{Name: "new"})
	g.Models = []*Model{g.Models[1], NewModel(ModelConfig{Name: "a", Features: []int{2, 1}, Segmentations: []Segmentation{{Name: "country", Source: 0, Values: []string{"FR"}}}}, &g.Schema)}
	events(g, "a[] 5000 new:0/0 c:5000/0; a[country=__other__] 2500 new:0/0 c:2500/0; a.c")
	// Panes of another length are of no use.
	g = storedGroup(1)
	g.Pane = 20 * second
	if _, err := g.ReadShard(stored, noLoss(t)); !errors.Is(err, ErrShape) {
		t.Errorf("panes of another length: %v", err)
	}
}

func FuzzReadShard(f *testing.F) {
	g := storedGroup(1)
	s := NewShard(g)
	for i := range 9 {
		ev := prediction(base+int64(i)*5*second, fmt.Sprint(i%3), float64(i), "DE")
		ev.ID = fmt.Append(nil, i)
		s.Apply(ev)
	}
	f.Add(s.AppendBinary(nil))
	f.Add(NewShard(g).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := g.ReadShard(data, func(string, string) {})
		if err != nil {
			return
		}
		stored := s.AppendBinary(nil)
		again, err := g.ReadShard(stored, noLoss(t))
		if err != nil || !bytes.Equal(again.AppendBinary(nil), stored) {
			t.Fatalf("%v: %x", err, stored)
		}
		s.Apply(prediction(base+3600*second, "1", 1, "DE"))
		s.TakeSealed()
	})
}

func BenchmarkStore(b *testing.B) {
	g := storedGroup(1)
	s := busyShard(g)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = s.AppendBinary(buffer[:0])
	}
	b.SetBytes(int64(len(buffer)))
}
