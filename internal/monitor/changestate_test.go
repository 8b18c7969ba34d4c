package monitor

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

var update = flag.Bool("update", false, "write the golden files that are missing")

// TestRestoredDetectorsGoOn: views that are stored and read again at any time, between panes or in gaps, find the same changes.
func TestRestoredDetectorsGoOn(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		configs := []ChangeConfig{{Figure: "error_ratio", Detectors: allDetectors()}, {Figure: "mean", Feature: "x", Detectors: usualDetectors}}
		g := changesGroup(configs, time.Minute, 5*time.Minute)
		plain, stored := NewView(g, 1), NewView(g, 1)
		at := base
		for range rapid.IntRange(1, 3).Draw(t, "regimes") {
			ratio := rapid.SampledFrom([]float64{0.01, 0.1, 0.5}).Draw(t, "ratio")
			for i := range rapid.IntRange(0, 60).Draw(t, "panes") {
				at += rapid.SampledFrom([]int64{10, 10, 10, 10, 10, 10, 50, 90_000}).Draw(t, "gap") * second
				noise := rapid.IntRange(0, 4).Draw(t, "noise")
				m := made{version: []string{"1", "1", "1", "2"}[i%4], events: 1000, failed: uint64(1000*ratio) + uint64(noise), mean: ratio + float64(noise)/100}
				if rapid.IntRange(0, 9).Draw(t, "restore") == 0 {
					again, err := g.ReadView(stored.Freeze().AppendBinary(nil), 1, nil, noLoss(t))
					if err != nil {
						t.Fatal(err)
					}
					stored = again
				}
				for _, v := range []*View{plain, stored} {
					v.Deliver(0, []SealedPane{{Start: at, Content: makePane(g, m)}})
					v.Advance(at+10*second, nil)
				}
				for _, version := range []string{"1", "2"} {
					a := plain.changes.of(0, version, at-50*second, at+10*second)
					if b := stored.changes.of(0, version, at-50*second, at+10*second); fmt.Sprint(a) != fmt.Sprint(b) {
						t.Fatalf("%+v\nrestored\n%+v", a, b)
					}
					for _, c := range a {
						for _, d := range c.Detectors {
							if d.State == StateChange {
								found++
							}
						}
					}
				}
				if !bytes.Equal(plain.changes.appendBinary(nil), stored.changes.appendBinary(nil)) {
					t.Fatal("the forms differ")
				}
			}
		}
	})
	if found == 0 {
		t.Error("no change was found at all")
	}
}

// TestDetectorsOfAnotherConfig are kept by name; what is new, or has another reference, begins anew.
func TestDetectorsOfAnotherConfig(t *testing.T) {
	group := func(scale float64, configs ...ChangeConfig) *Group {
		g := storedGroup(scale)
		g.Models[0].watches = newWatches(configs, g.Schema.Features, false)
		return g
	}
	errorRatio := ChangeConfig{Figure: "error_ratio", Detectors: allDetectors()}
	mean := ChangeConfig{Figure: "mean", Feature: "x", Detectors: usualDetectors}
	range1 := ChangeConfig{Figure: "out_of_range_ratio", Feature: "x", Detectors: []string{"adwin"}}
	old := group(1, errorRatio, mean, range1)
	c := newChanges(old)
	for i := range int64(200) {
		p := newPane(old)
		s := p.at(p.version(0, "1"), old.Models[0], 0)
		s.events, s.failed = 1000, uint64(i/100*500)
		x := s.features.Numeric(&s.features.Layout().Features[0])
		x.Moments = sketch.Moments{Count: 1000, Mean: float64(i % 7)}
		c.pass(base+i*10*second, p, true)
	}
	b := c.appendBinary(nil)
	read := func(g *Group) *changes {
		c := newChanges(g)
		if err := c.read(b); err != nil {
			t.Fatal(err)
		}
		return c
	}
	same := read(group(1, errorRatio, mean, range1))
	if !bytes.Equal(same.appendBinary(nil), b) {
		t.Error("read and written again, it is another")
	}
	few := errorRatio
	few.Detectors = []string{"page_hinkley", "ddm"}
	got := read(group(2, range1, few, ChangeConfig{Figure: "unseen_ratio", Feature: "c", Detectors: usualDetectors})).of(0, "1", 0, base)
	if len(got) != 1 || got[0].Figure != "error_ratio" || len(got[0].Detectors) != 2 || got[0].Detectors[0].Found == 0 {
		t.Errorf("%+v", got)
	}
	if got := read(group(2)).models[0].streams; len(got) != 0 {
		t.Errorf("a model that is not watched has %v", got)
	}
	for n := range b {
		if err := newChanges(old).read(b[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are read", n, len(b))
		}
	}
	if err := newChanges(old).read(append(bytes.Clone(b), 0)); err == nil {
		t.Error("a byte more is read")
	}
}

// TestDetectorsOfOtherOptionsBeginAnew, and only they; the time of their last change stays.
func TestDetectorsOfOtherOptionsBeginAnew(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: usualDetectors}}, time.Minute)
	c := newChanges(g)
	s := newStreams(g.Models[0])
	s[0].detectors[0].Detector = drift.NewADWIN(drift.ADWINOptions{Delta: 0.5})
	s[0].detectors[0].found, s[0].detectors[0].since = base, base-second
	c.models[0].versions.live = []liveVersion{{"1", base}}
	c.models[0].streams["1"] = s
	for i := range int64(50) {
		s[0].take(base+i*10*second, g.Pane, 5, 100)
	}
	again := newChanges(g)
	if err := again.read(c.appendBinary(nil)); err != nil {
		t.Fatal(err)
	}
	got := again.models[0].streams["1"][0].detectors
	fresh := drift.Detectors[0].New(drift.Ratio)
	if !bytes.Equal(got[0].AppendBinary(nil), fresh.AppendBinary(nil)) || got[0].found != base {
		t.Error("it did not begin anew, or has forgotten its change")
	}
	if !bytes.Equal(got[1].AppendBinary(nil), s[0].detectors[1].AppendBinary(nil)) {
		t.Error("another one began anew, too")
	}
}

// TestGoldenChanges compares the form with the one that was written when its version was made.
func TestGoldenChanges(t *testing.T) {
	g := storedGroup(1)
	g.Models[0].watches = newWatches(allChanges(), g.Schema.Features, false)
	shard, v := NewShard(g), NewView(g, 1)
	state := uint32(1)
	for i := range 2000 {
		state = state*1664525 + 1013904223
		ev := &event.Event{
			Time: base + int64(i)*second, Version: []byte{'1' + byte(state>>28&1)}, Failed: state>>16%10 < uint32(1+i/1000*5),
			Features: []event.Value{{State: event.Valid, Number: float64(state >> 16 % 120)}, {State: event.Valid, Text: fmt.Append(nil, "1-", state>>20%9)}}, Segments: [][]byte{nil},
		}
		shard.Apply(ev)
		v.Deliver(0, shard.TakeSealed())
		v.Advance(shard.Frontier(), nil)
	}
	got := v.changes.appendBinary(nil)
	path := filepath.Join("testdata", fmt.Sprintf("changes-%d.golden", changesVersion))
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && *update {
		want, err = got, os.WriteFile(path, got, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the form is not the golden one")
	}
	again := newChanges(g)
	if err := again.read(want); err != nil || !bytes.Equal(again.appendBinary(nil), want) {
		t.Errorf("read and written again, it is another: %v", err)
	}
}

// TestOldViewsAreRead: version 2 has all but the detectors, which begin anew.
func TestOldViewsAreRead(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: usualDetectors}}, time.Minute)
	v := NewView(g, 1)
	v.Deliver(0, []SealedPane{{Start: base, Content: makePane(g, made{version: "1", events: 10, failed: 1})}})
	v.Advance(base+10*second, nil)
	f := v.Freeze()
	b := f.AppendBinary(nil)
	b[0] = 2
	again, err := g.ReadView(b[:len(b)-4-len(f.changes)], 1, nil, noLoss(t))
	if err != nil || again.next != v.next || again.first != v.first {
		t.Fatal(err)
	}
	if got := again.changes.of(0, "1", base, base+10*second); got != nil {
		t.Errorf("%+v", got)
	}
}

// FuzzReadChanges: what is read has one form, and can go on.
func FuzzReadChanges(f *testing.F) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: allDetectors()}, {Figure: "mean", Feature: "x", Detectors: usualDetectors}}, time.Minute)
	c := newChanges(g)
	f.Add(c.appendBinary(nil))
	for i := range int64(80) {
		c.pass(base+i*10*second, makePane(g, made{version: []string{"1", "2"}[i%2], events: 1000, failed: uint64(10 + i%3 + i/40*300), mean: float64(i % 5)}), true)
	}
	f.Add(c.appendBinary(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, again := newChanges(g), newChanges(g)
		if err := c.read(data); err != nil {
			return
		}
		b := c.appendBinary(nil)
		if err := again.read(b); err != nil || !bytes.Equal(again.appendBinary(nil), b) {
			t.Fatalf("%x is read as another: %v", b, err)
		}
		for i := range int64(20) {
			c.pass(base+i*10*second, makePane(g, made{version: "1", events: 10, failed: uint64(i % 9), mean: 1}), true)
		}
		if n := len(c.models[0].streams); n > MaxLiveVersions {
			t.Fatalf("%d versions", n)
		}
		c.of(0, "1", base, base+second)
	})
}
