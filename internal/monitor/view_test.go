package monitor

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/window"
)

const second = int64(time.Second)

// base is a time aligned to a week and an hour.
var base = window.Ceil(event.Ancient+1, 7*24*3600*second)

func testGroup(windows ...time.Duration) *Group {
	schema := event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x"}, {Name: "c", Type: event.Categorical}}, Segments: []string{"country"}}
	g := &Group{Schema: schema, Pane: 10 * second, Lateness: 30 * second, MaxFuture: 60 * second}
	for _, w := range windows {
		g.Windows = append(g.Windows, Window{Name: w.String(), Length: int64(w)})
	}
	g.Models = []*Model{NewModel(ModelConfig{
		Name: "m", Features: []int{0, 1}, Segmentations: []Segmentation{{Name: "country", Source: 0, Values: []string{"DE", "FR"}}},
		Changes: []ChangeConfig{{Figure: "requests_per_second", Detectors: usualDetectors}, {Figure: "mean", Feature: "x", Detectors: usualDetectors}},
	}, &schema)}
	return g
}

func prediction(t int64, version string, x float64, country string) *event.Event {
	ev := &event.Event{Time: t, Version: []byte(version), Features: []event.Value{{State: event.Valid, Number: x}, {State: event.Missing}}, Segments: [][]byte{nil}}
	if country != "" {
		ev.Segments[0] = []byte(country)
	}
	return ev
}

// counts is what a log gives by counting: events by window end, version, segment and length.
type counts map[string]uint64

func (c counts) add(end int64, version, segment string, length int64) {
	c[fmt.Sprintf("%d %s %s %d", (end-base)/second, version, segment, length/second)]++
}

// applyAll applies each lane's events and returns the final results.
func applyAll(g *Group, lanes [][]*event.Event, chunk int) (results []*Result, accepted [][]*event.Event) {
	v := NewView(g, len(lanes))
	v.Picture()
	shards, frontiers := make([]*Shard, len(lanes)), make([]int64, len(lanes))
	accepted = make([][]*event.Event, len(lanes))
	for i := range lanes {
		shards[i], frontiers[i] = NewShard(g), window.NoTime
	}
	emit := func(_ int64, rs []*Result) { results = append(results, rs...) }
	for at, left := 0, len(lanes); left > 0; at += chunk {
		for i, events := range lanes {
			if frontiers[i] == window.EndOfTime {
				continue
			}
			for _, ev := range events[min(at, len(events)):min(at+chunk, len(events))] {
				if o, _ := shards[i].Apply(ev); o == OutcomeAccepted {
					accepted[i] = append(accepted[i], ev)
				}
			}
			v.Deliver(i, shards[i].TakeSealed())
			frontiers[i] = shards[i].Frontier()
			if at+chunk >= len(events) {
				v.Deliver(i, shards[i].CopyOpen(window.EndOfTime))
				frontiers[i] = window.EndOfTime
				left--
			}
		}
		v.Advance(slices.Min(frontiers), emit)
	}
	return results, accepted
}

func drawLanes(t *rapid.T) [][]*event.Event {
	lanes := make([][]*event.Event, rapid.IntRange(1, 4).Draw(t, "lanes"))
	for i := range lanes {
		now := base + rapid.Int64Range(0, 300).Draw(t, "start")*second
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			now += rapid.SampledFrom([]int64{0, 1, 7, 40, 400, 9000, 200_000}).Draw(t, "gap") * second
			at := now - rapid.Int64Range(0, 90).Draw(t, "disorder")*second
			lanes[i] = append(lanes[i], prediction(at, rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version"),
				1, rapid.SampledFrom([]string{"", "DE", "FR", "XX"}).Draw(t, "country")))
		}
	}
	return lanes
}

// TestFinalWindowsCountEachEventOnce compares every final window with plain counting.
func TestFinalWindowsCountEachEventOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := testGroup(10*time.Second, 5*time.Minute, time.Hour, 24*time.Hour)
		lanes := drawLanes(t)
		results, accepted := applyAll(g, lanes, rapid.IntRange(1, 50).Draw(t, "chunk"))
		want := counts{}
		last := int64(0)
		for _, events := range accepted {
			for _, ev := range events {
				last = max(last, window.Floor(ev.Time, g.Pane)+g.Pane)
			}
		}
		for _, events := range accepted {
			for _, ev := range events {
				country := "country=" + string(ev.Segments[0])
				if c := string(ev.Segments[0]); c != "DE" && c != "FR" {
					country = "country=" + event.Other
				}
				for _, w := range g.Windows {
					slide := window.Slide(w.Length, g.Pane)
					for end := window.Floor(ev.Time, slide) + slide; end <= min(window.Floor(ev.Time, slide)+w.Length, window.Ceil(last, slide)); end += slide {
						want.add(end, string(ev.Version), "", w.Length)
						want.add(end, string(ev.Version), country, w.Length)
					}
				}
			}
		}
		got := counts{}
		for _, r := range results {
			if !r.Complete != (r.Start.UnixNano() < firstPane(accepted, g.Pane)) {
				t.Fatalf("window %s..%s complete: %v", r.Start, r.End, r.Complete)
			}
			got[fmt.Sprintf("%d %s %s %d", (r.End.UnixNano()-base)/second, r.Version, r.Segment, r.Length/second)] = r.Events
		}
		if len(got) != len(results) {
			t.Fatalf("%d results for %d windows", len(results), len(got))
		}
		for k, n := range want {
			if got[k] != n {
				t.Fatalf("window %q has %d events, want %d", k, got[k], n)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d windows, want %d", len(got), len(want))
		}
		if !slices.IsSortedFunc(results, CompareResults) {
			t.Fatal("results are not in order")
		}
	})
}

func firstPane(accepted [][]*event.Event, pane int64) int64 {
	first := int64(window.EndOfTime)
	for _, events := range accepted {
		for _, ev := range events {
			first = min(first, window.Floor(ev.Time, pane))
		}
	}
	return first
}

// TestFinalBytesDoNotDependOnChunks reads the same lanes in different portions.
func TestFinalBytesDoNotDependOnChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := testGroup(10*time.Second, 5*time.Minute, time.Hour)
		lanes := drawLanes(t)
		for i := range lanes {
			for _, ev := range lanes[i] {
				ev.Features[0].Number = rapid.Float64Range(-1e6, 1e6).Draw(t, "x")
			}
		}
		a, _ := applyAll(g, lanes, 1)
		b, _ := applyAll(g, lanes, rapid.IntRange(2, 100).Draw(t, "chunk"))
		if len(a) != len(b) {
			t.Fatalf("%d and %d results", len(a), len(b))
		}
		for i := range a {
			if x, y := string(a[i].AppendJSON(nil)), string(b[i].AppendJSON(nil)); x != y {
				t.Fatalf("result %d:\n%s\n%s", i, x, y)
			}
		}
	})
}

// TestShownEqualsFinal checks that what is shown at a slide is the final window, if
// all panes came in time or not, and that lanes may be passed by.
func TestShownEqualsFinal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := testGroup(10*time.Second, 5*time.Minute, time.Hour)
		lanes := drawLanes(t)
		final, _ := applyAll(g, lanes, 10)
		want := map[string]uint64{}
		for _, r := range final {
			want[fmt.Sprint(r.End.UnixNano(), r.Version, r.Segment, r.Window)] = r.Events
		}
		v := NewView(g, len(lanes))
		shown := int64(window.NoTime)
		shards := make([]*Shard, len(lanes))
		for i := range lanes {
			shards[i] = NewShard(g)
		}
		// The lanes one after the other: the second is always passed by.
		for i, events := range lanes {
			for k, ev := range events {
				shards[i].Apply(ev)
				v.Deliver(i, shards[i].TakeSealed())
				if k%7 == 0 && shards[i].Frontier() != window.NoTime {
					shown = max(shown, shards[i].Frontier())
					v.Advance(shown, nil)
					v.Show(shown, nil)
				}
			}
		}
		if shown == window.NoTime {
			return
		}
		// Now all is known: the hour that ends at the next full minute after all.
		end := int64(0)
		for _, r := range final {
			end = max(end, r.End.UnixNano())
		}
		end = max(end, shown)
		v.Advance(end, nil)
		var open []SealedPane
		for _, s := range shards {
			open = append(open, s.CopyOpen(end)...)
		}
		for _, r := range v.Show(end, open) {
			k := fmt.Sprint(r.End.UnixNano(), r.Version, r.Segment, r.Window)
			if r.End.UnixNano()%window.Slide(r.Length, g.Pane) != 0 {
				continue
			}
			if n, ok := want[k]; ok && n != r.Events || !ok && end <= lastEnd(final, r.Window) {
				t.Fatalf("shown %s: %d events, final %d", k, r.Events, n)
			}
			delete(want, k)
		}
		for k, n := range want {
			if len(k) > 19 && k[:19] == fmt.Sprint(end) {
				t.Fatalf("%s with %d events is not shown", k, n)
			}
		}
	})
}

func lastEnd(results []*Result, name string) (end int64) {
	for _, r := range results {
		if r.Window == name {
			end = max(end, r.End.UnixNano())
		}
	}
	return end
}

// TestVersions checks that a lane tells eight versions apart, a window shows four,
// and no event is lost in between.
func TestVersions(t *testing.T) {
	g := testGroup(time.Minute)
	var events []*event.Event
	for i := range 12 {
		for range i + 1 {
			events = append(events, prediction(base+int64(i)*second, fmt.Sprint("v", i+1), 1, "DE"))
		}
	}
	results, _ := applyAll(g, [][]*event.Event{events}, 1000)
	var shown []string
	total := uint64(0)
	last := results[len(results)-1].End
	for _, r := range results {
		if r.Segment == "" && r.End.Equal(last) {
			shown = append(shown, r.Version)
			total += r.Events
		}
	}
	if want := []string{event.Other, "v5", "v6", "v7", "v8"}; !slices.Equal(shown, want) {
		t.Errorf("shown %v, want %v", shown, want)
	}
	if total != 78 {
		t.Errorf("%d events in all versions, want 78", total)
	}
}

// TestFolded counts what has no place of its own by reason, of accepted predictions only.
func TestFolded(t *testing.T) {
	s := NewShard(testGroup(time.Minute))
	apply := func(t int64, version, country string) {
		ev := prediction(t, version, 1, country)
		ev.Unlisted = 2
		s.Apply(ev)
	}
	for i := range 3 * MaxLiveVersions {
		apply(base, fmt.Sprint(i), []string{"DE", "", "US", "IT"}[i%4])
	}
	apply(base-3600*second, "late", "US")
	const n = 3 * MaxLiveVersions
	if got, want := s.Models()[0].Folded, [Folds]uint64{VersionLimit: n - MaxLiveVersions, SegmentUnlisted: n / 2, FeatureUnlisted: 2 * n}; got != want {
		t.Errorf("%v were folded, want %v", got, want)
	}
}

func TestSilentVersionGivesItsPlaceAway(t *testing.T) {
	var v versions
	for i := range MaxLiveVersions {
		v.admit([]byte(fmt.Sprint(i)), int64(i), int64(i), 100)
	}
	if got := v.admit([]byte("new"), 50, 50, 100); got != event.Other {
		t.Errorf("a ninth version is counted as %q", got)
	}
	if got := v.admit([]byte("new"), 101, 101, 100); got != "new" {
		t.Errorf("after the silence of two versions the new one is counted as %q", got)
	}
	if got := v.admit([]byte("0"), 102, 102, 100); got != "0" {
		t.Errorf("there is a second place, but %q", got)
	}
	if got := v.admit([]byte("1"), 103, 103, 100); got != event.Other && got != "1" {
		t.Errorf("version 1 is counted as %q", got)
	}
}

func TestLateFutureAncientAndDuplicate(t *testing.T) {
	g := testGroup(time.Minute)
	g.Deduplicate, g.MaxIDs = 600*second, 1000
	s := NewShard(g)
	apply := func(at int64, id string, record int64) string {
		ev := prediction(at, "1", 1, "")
		ev.ID, ev.RecordTime = []byte(id), record
		o, r := s.Apply(ev)
		return [...]string{"accepted", "rejected", "late", "duplicate"}[o] + cmp.Or(r.String(), "")
	}
	for i, c := range []struct {
		at     int64
		id     string
		record int64
		want   string
	}{
		{base, "a", 0, "accepted"},
		{base + 5*second, "a", 0, "duplicate"},
		{base + 9*second, "b", base, "accepted"},
		{base + 61*second, "c", base, "rejectedfuture"},
		{base + 60*second, "c", base, "accepted"}, // now the watermark is base+30
		{base + 29*second, "d", 0, "late"},
		{base + 30*second, "e", 0, "accepted"},
		{base + 31*second, "k", math.MaxInt64, "accepted"},
		{event.Ancient - 1, "f", 0, "rejectedancient"},
		{event.Beyond, "h", 0, "rejectedfuture"},
		{math.MaxInt64, "i", math.MaxInt64, "rejectedfuture"},
		{base + 500000*second, "g", 0, "accepted"},
		{base + 499000*second, "g", 0, "late"},
	} {
		if got := apply(c.at, c.id, c.record); got != c.want {
			t.Errorf("%d: %s, want %s", i, got, c.want)
		}
	}
}

// TestRepeats compares with a list of what was accepted: an id is a repeat within the
// span of event time, for its own model, whichever way the buckets lie.
func TestRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const span = 100
		type accepted struct {
			model int
			id    byte
			at    int64
		}
		r, seen := newRecent(span, 100), []accepted{}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			e := accepted{rapid.IntRange(0, 1).Draw(t, "model"), rapid.ByteRange('a', 'c').Draw(t, "id"), rapid.Int64Range(-300, 600).Draw(t, "at")}
			want := slices.ContainsFunc(seen, func(o accepted) bool {
				return o.model == e.model && o.id == e.id && max(o.at-e.at, e.at-o.at) <= span
			})
			if got, _ := r.repeated(uint64(e.model), []byte{e.id}, e.at); got != want {
				t.Fatalf("%+v: repeated %v, want %v; accepted %v", e, got, want, seen)
			}
			if !want {
				seen = append(seen, e)
			}
		}
	})
}

// TestForgottenIDs: the newest ids of a bucket are remembered whatever comes, old ones are forgotten
// and counted, and a restore from what was taken at any times remembers and forgets the same.
func TestForgottenIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const span, kept = 1000, 50
		plain, restored := newRecent(span, kept), newRecent(span, kept)
		restored.journal = true
		var saved []SeenIDs
		var order []uint64
		for range rapid.IntRange(1, 400).Draw(t, "events") {
			id := rapid.Uint64Range(0, 300).Draw(t, "id")
			text := fmt.Appendf(nil, "%d", id)
			newest := slices.Contains(order[max(0, len(order)-kept):], id)
			a, _ := plain.repeated(7, text, int64(id))
			b, _ := restored.repeated(7, text, int64(id))
			if a != b || newest && !a {
				t.Fatalf("id %d is repeated %v, restored %v; among the newest %v", id, a, b, newest)
			}
			if !a {
				order = append(order, id)
			}
			switch rapid.IntRange(0, 30).Draw(t, "do") {
			case 0:
				saved = append(saved, restored.take(false)...)
			case 1:
				saved = restored.take(true) // for a store that has lost what it had
			case 2:
				saved = append(saved, restored.take(false)...)
				restored = newRecent(span, kept)
				restored.journal = true
				for _, ids := range saved {
					restored.restore(ids, true)
				}
			}
		}
		b := plain.buckets[0]
		if n := len(b.young.ids) + len(b.old.ids); n > 2*kept || plain.forgotten+uint64(n) != uint64(len(order)) {
			t.Fatalf("%d are remembered and %d forgotten of %d", n, plain.forgotten, len(order))
		}
	})
}

// TestPaneBeforeTheFirstShown: a lane begins long before what is shown already, when the
// windows have moved on without any pane.
func TestPaneBeforeTheFirstShown(t *testing.T) {
	g := testGroup(time.Hour)
	v := NewView(g, 2)
	now := base + 9000*second
	v.Advance(now, nil)
	v.Show(now, nil)
	s := NewShard(g)
	s.Apply(prediction(base, "1", 1, ""))
	s.Apply(prediction(base+40*second, "1", 1, ""))
	v.Deliver(1, s.TakeSealed())
	v.Advance(now, nil)
	if got := v.Show(now, nil); len(got) != 0 {
		t.Errorf("the hour to %s shows %d events of two hours before", got[0].End, got[0].Events)
	}
}
