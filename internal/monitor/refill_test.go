package monitor

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/window"
)

// reread stores a view as a file would, and returns what a restart reads.
func reread(t fataler, g *Group, v *View) (*View, []Entry) {
	var entries []Entry
	for _, e := range v.TakeEntries() {
		p, err := g.ReadPane(e.Content.AppendBinary(nil), noLoss(t))
		if err != nil {
			t.Fatalf("%v", err)
		}
		if e.Start >= v.Horizon(e.Length) {
			entries = append(entries, Entry{e.Length, e.Start, p})
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Start, b.Start) })
	again, err := g.ReadView(v.Freeze().AppendBinary(nil), 1, entries, noLoss(t))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return again, entries
}

func never() bool { return false }

// TestRefilledPointsAreThoseThatWere compares what saved panes tell with what was recorded: counts are the same, floats to rounding, and
// of the panes of the window's own slide none is missing that is there.
func TestRefilledPointsAreThoseThatWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := testGroup(10*time.Second, 5*time.Minute, time.Hour, 10*time.Hour)
		s, v, r := NewShard(g), NewView(g, 1), NewRecorder(false)
		v.Journal()
		v.Record(r)
		r.Expect(0, true, false, g.Slides())
		now := base + rapid.Int64Range(0, 5000).Draw(t, "start")*second
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += rapid.SampledFrom([]int64{0, 1, 7, 40, 400, 4000, 20_000}).Draw(t, "gap") * second
			s.Apply(prediction(now, rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version"), rapid.Float64Range(-1e6, 1e6).Draw(t, "x"), rapid.SampledFrom([]string{"", "DE"}).Draw(t, "country")))
			v.Deliver(0, s.TakeSealed())
			v.Advance(s.Frontier(), nil)
		}
		kept := v.Freeze().kept
		again, entries := reread(t, g, v)
		refilled := again.NewRefill(entries).Run(never)
		for k, want := range r.tracks {
			reach := kept[want.Slide]
			if reach > v.first {
				reach += want.Length
			}
			compareRefilled(t, &want.Track, refilled.History().Find(k.model, k.version, k.segment, want.Window, false), max(reach, want.Last().UnixNano()-100*want.Slide))
		}
	})
}

func compareRefilled(t *rapid.T, want, got *Track, reach int64) {
	column := Column{"x", "mean", ""}
	points := got.Points(column)
	at := 0
	for i, w := range want.Points(column) {
		for at < len(points) && points[at].End < w.End {
			t.Fatalf("a point of %s at %d that was not", want.Window, points[at].End)
		}
		if at == len(points) || points[at].End != w.End {
			if w.End > reach {
				t.Fatalf("point %d of %s at %d is missing, panes reach back to %d", i, want.Window, w.End, reach)
			}
			continue
		}
		p := points[at]
		at++
		if p.Events != w.Events || p.Complete != w.Complete || math.Abs(float64(p.Value-w.Value)) > 1e-6*math.Max(1e6, math.Abs(float64(w.Value))) {
			t.Fatalf("a point of %s is %+v, was %+v", want.Window, p, w)
		}
	}
	if at < len(points) {
		t.Fatalf("%d points more than there were", len(points)-at)
	}
}

// TestRefillReaches: after a restart short windows have points as far as the panes of longer ones reach, and new ones go on behind them.
func TestRefillReaches(t *testing.T) {
	g := testGroup(5*time.Minute, time.Hour, 24*time.Hour)
	s, v := NewShard(g), NewView(g, 1)
	v.Journal()
	const hours = 60
	for at := int64(0); at <= hours*3600; at += 5 {
		s.Apply(prediction(base+at*second, "1", 1, "DE"))
		if at%3600 == 0 {
			v.Deliver(0, s.TakeSealed())
			v.Advance(s.Frontier(), nil)
		}
	}
	again, entries := reread(t, g, v)
	r := NewRecorder(false)
	again.Record(r)
	r.Expect(0, true, false, g.Slides())
	for at := int64(hours*3600 + 5); at <= hours*3600+1200; at += 5 {
		s.Apply(prediction(base+at*second, "1", 1, "DE"))
	}
	again.Deliver(0, s.TakeSealed())
	again.Advance(s.Frontier(), nil)
	live := r.History().Find("m", "1", "", "5m0s", false).Len()
	r.Precede(again.NewRefill(entries).Run(never))
	for _, c := range []struct {
		window string
		least  time.Duration
	}{{"5m0s", time.Hour}, {"1h0m0s", 24 * time.Hour}, {"24h0m0s", 11 * time.Hour}} {
		for _, segment := range []string{"", "country=DE"} {
			track := r.History().Find("m", "1", segment, c.window, false)
			points := track.Points(Column{"", "requests_per_second", ""})
			end := time.Unix(0, s.Frontier()).UTC()
			slide := time.Duration(track.Slide)
			if reach := end.Sub(track.First()); reach < c.least || end.Sub(track.Last()) >= slide || len(points) > trackRows {
				t.Errorf("%s of %q: %d points over %s, want %s, the last at %s", c.window, segment, len(points), reach, c.least, track.Last())
			}
			for i, p := range points {
				if p.Value != points[0].Value || !p.Complete || i > 0 && p.End <= points[i-1].End {
					t.Fatalf("%s: point %d is %+v after %+v", c.window, i, p, points[max(i-1, 0)])
				}
			}
		}
	}
	if n := r.History().Find("m", "1", "", "5m0s", false).Len(); live < 100 || n < live+60 {
		t.Errorf("%d points live, %d with those before", live, n)
	}
	if r := again.NewRefill(entries).Run(func() bool { return true }); len(r.tracks) != 0 {
		t.Error("it goes on though it is stopped")
	}
	empty := NewView(g, 1)
	if r := empty.NewRefill(nil).Run(never); len(r.tracks) != 0 || empty.next != window.NoTime {
		t.Error("nothing gives something")
	}
}
