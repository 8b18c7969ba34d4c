package monitor

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/window"
)

// shelf stores a view as a file would: its binary form, and its entries as they come.
type shelf struct {
	group   *Group
	entries []storedEntry
}

// frozenView is a view at a moment, and what its bytes were then.
type frozenView struct {
	view *FrozenView
	was  []byte
}

type storedEntry struct {
	length, start int64
	content       []byte
}

// restore stores the view, forgets what no window needs, and reads it again.
func (s *shelf) restore(t *rapid.T, v *View, lanes int) *View {
	for _, e := range v.TakeEntries() {
		s.entries = append(s.entries, storedEntry{e.Length, e.Start, e.Content.AppendBinary(nil)})
	}
	s.entries = slices.DeleteFunc(s.entries, func(e storedEntry) bool { return e.start < v.Horizon(e.length) })
	slices.SortStableFunc(s.entries, func(a, b storedEntry) int { return cmp.Compare(a.start, b.start) })
	var entries []Entry
	for _, e := range s.entries {
		p, err := s.group.ReadPane(e.content, noLoss(t))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, Entry{e.length, e.start, p})
	}
	stored := v.Freeze().AppendBinary(nil)
	again, err := s.group.ReadView(stored, lanes, entries, noLoss(t))
	if err != nil {
		t.Fatal(err)
	}
	again.Journal()
	return again
}

// render is what results say, in bytes.
func render(results []*Result) string {
	var b []byte
	for _, r := range results {
		b = append(r.AppendJSON(b), '\n')
	}
	return string(b)
}

// TestRestoredViewsGoOn: views that are stored and read again at any time give the same
// final results, and show the same, as views that never were, to the byte.
func TestRestoredViewsGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := storedGroup(1)
		g.Windows = []Window{{"10s", 10 * second}, {"1m", 60 * second}, {"5m", 300 * second}, {"1h", 3600 * second}, {"10h", 36000 * second}}
		g.Models[0].Verdicts.Statistics = []string{"psi"} // the others take long, and go the same way
		n := rapid.IntRange(1, 3).Draw(t, "lanes")
		shards, frontiers := make([]*Shard, n), make([]int64, n)
		for i := range shards {
			shards[i], frontiers[i] = NewShard(g), window.NoTime
		}
		plain, restored := newPair(g, n), newPair(g, n)
		now, shown := base, int64(window.NoTime)
		var frozen []frozenView
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			lane := rapid.IntRange(0, n-1).Draw(t, "lane")
			now += rapid.SampledFrom([]int64{0, 1, 7, 40, 400, 4000, 50_000}).Draw(t, "gap") * second
			shards[lane].Apply(drawEvent(t, now))
			sealed := shards[lane].TakeSealed()
			frontiers[lane] = shards[lane].Frontier()
			// What is shown may pass lanes by.
			shown = max(shown, frontiers[rapid.IntRange(0, n-1).Draw(t, "shown")])
			if rapid.Bool().Draw(t, "freeze") {
				for _, v := range []*View{plain.final, plain.shown} {
					f := v.Freeze()
					frozen = append(frozen, frozenView{f, f.AppendBinary(nil)})
				}
			}
			if rapid.Bool().Draw(t, "restore") {
				restored.restore(t)
			}
			a, b := plain.step(lane, sealed, slices.Min(frontiers), shown), restored.step(lane, sealed, slices.Min(frontiers), shown)
			if a != b {
				t.Fatalf("%s\nrestored\n%s", a, b)
			}
		}
		for _, f := range frozen {
			if !bytes.Equal(f.view.AppendBinary(nil), f.was) {
				t.Fatal("a frozen view changed")
			}
		}
	})
}

// pair is a view of final results and one that shows.
type pair struct {
	final, shown           *View
	finalShelf, shownShelf *shelf
	lanes                  int
}

func newPair(g *Group, lanes int) *pair {
	p := &pair{NewView(g, lanes), NewView(g, lanes), &shelf{group: g}, &shelf{group: g}, lanes}
	p.final.Journal()
	p.shown.Journal()
	return p
}

func (p *pair) restore(t *rapid.T) {
	p.final = p.finalShelf.restore(t, p.final, p.lanes)
	p.shown = p.shownShelf.restore(t, p.shown, p.lanes)
}

func (p *pair) step(lane int, sealed []SealedPane, frontier, shown int64) string {
	p.final.Deliver(lane, sealed)
	p.shown.Deliver(lane, sealed)
	out := ""
	p.final.Advance(frontier, func(_ int64, results []*Result) { out += render(results) })
	p.shown.Advance(shown, nil)
	if shown != window.NoTime {
		out += "shown\n" + render(p.shown.Show(shown, nil))
	}
	return out
}

func FuzzReadView(f *testing.F) {
	g := storedGroup(1)
	g.Windows = append(g.Windows, Window{"1h", int64(time.Hour)})
	v, s := NewView(g, 2), NewShard(g)
	f.Add(v.Freeze().AppendBinary(nil))
	for i := range 30 {
		s.Apply(prediction(base+int64(i)*9*second, "1", float64(i), "DE"))
		v.Deliver(i%2, s.TakeSealed())
	}
	v.Advance(base+100*second, nil)
	f.Add(v.Freeze().AppendBinary(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := g.ReadView(data, 2, nil, func(string, string) {})
		if err != nil {
			return
		}
		if _, err := g.ReadView(v.Freeze().AppendBinary(nil), 2, nil, noLoss(t)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRevisedPaneIsSavedOnce: what is added to a pane later is one entry a tier, in whatever order the windows are.
func TestRevisedPaneIsSavedOnce(t *testing.T) {
	g := &Group{Pane: 10 * second, Windows: []Window{{Name: "1m", Length: 60 * second}, {Name: "1h", Length: 3600 * second}, {Name: "2m", Length: 120 * second}}}
	v := NewView(g, 2)
	v.Journal()
	v.Deliver(0, []SealedPane{{Start: base, Content: newPane(g)}})
	v.Advance(base+600*second, nil)
	v.TakeEntries()
	v.Deliver(1, []SealedPane{{Start: base + 20*second, Content: newPane(g)}})
	saved := map[int64]int{}
	for _, e := range v.TakeEntries() {
		saved[e.Length]++
	}
	if saved[10*second] != 1 || saved[60*second] != 1 || len(saved) != 2 {
		t.Errorf("entries by tier: %v", saved)
	}
}
