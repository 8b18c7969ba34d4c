package monitor

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

var usualDetectors = []string{"adwin", "page_hinkley"}

func allDetectors() (names []string) {
	for _, k := range drift.Detectors {
		names = append(names, k.Name)
	}
	return names
}

// allChanges are all figures of storedGroup's first model, with all detectors that apply.
func allChanges() (out []ChangeConfig) {
	for _, f := range ChangeFigures {
		c := ChangeConfig{Figure: f.Name, Detectors: usualDetectors}
		if f.Kind == drift.Ratio {
			c.Detectors = allDetectors()
		}
		switch {
		case f.Name == "positive_ratio": // needs an output
			continue
		case f.Numeric:
			c.Feature = "x"
		case f.Categorical:
			c.Feature = "c"
		}
		out = append(out, c)
	}
	return out
}

// changesGroup is a group of one model with two features, and no reference, that is watched.
func changesGroup(configs []ChangeConfig, windows ...time.Duration) *Group {
	g := testGroup(windows...)
	g.Models = []*Model{NewModel(ModelConfig{Name: "m", Features: []int{0, 1}, Changes: configs}, &g.Schema)}
	return g
}

// made is what a pane has of one version.
type made struct {
	version          string
	events, failed   uint64
	missing, invalid uint64 // of x; the others are values with this mean
	mean             float64
}

// makePane makes a sealed pane, without an event.
func makePane(g *Group, versions ...made) *Pane {
	p := newPane(g)
	for _, c := range versions {
		s := p.at(p.version(0, c.version), g.Models[0], 0)
		s.events, s.failed = c.events, c.failed
		x := s.features.Numeric(&s.features.Layout().Features[0])
		x.Missing, x.Invalid = c.missing, c.invalid
		if n := c.events - c.failed - c.missing - c.invalid; n > 0 {
			x.Moments = sketch.Moments{Count: n, Mean: c.mean, Min: c.mean, Max: c.mean}
		}
	}
	return p
}

// TestChangesAreFoundAndDated doubles the ratio of errors at a known pane: each detector finds it, and says since when.
func TestChangesAreFoundAndDated(t *testing.T) {
	const at, panes, n = 1000, 1400, 500
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: allDetectors()}}, time.Minute, time.Hour)
	v := NewView(g, 1)
	src := rand.NewPCG(1, 5)
	// Panes until it is found, and how far the estimate of its begin may be off.
	bounds := map[string]struct{ delay, off int64 }{
		"adwin": {15, 2}, "page_hinkley": {15, 2}, "ddm": {60, 30}, "hddm_a": {100, 15}, "hddm_w": {250, 150},
	}
	first := map[string]DetectorResult{}
	for i := range int64(panes) {
		p := 0.02
		if i >= at {
			p *= 2
		}
		failed := uint64(distuv.Binomial{N: n, P: p, Src: src}.Rand())
		v.Deliver(0, []SealedPane{{Start: base + i*10*second, Content: makePane(g, made{version: "1", events: n, failed: failed})}})
		v.Advance(base+(i+1)*10*second, func(end int64, results []*Result) {
			for _, r := range results {
				for _, d := range r.Changes[0].Detectors {
					if i < at && d.Found != 0 {
						t.Fatalf("pane %d: %+v", i, d)
					}
					if held := d.Found > r.Start.UnixNano(); held != (d.State == StateChange) {
						t.Fatalf("%s at pane %d: %+v", r.Window, i, d)
					}
					if _, ok := first[d.Detector]; !ok && d.Found != 0 {
						first[d.Detector] = d
					}
				}
			}
		})
	}
	for name, b := range bounds {
		d, ok := first[name]
		if !ok {
			t.Errorf("%s does not find it", name)
			continue
		}
		delay, off := (d.Found-base)/(10*second)-at, (d.Since-base)/(10*second)-at
		t.Logf("%s finds it after %d panes, and has it begin %d panes from where it did", name, delay, off)
		if delay > b.delay || max(off, -off) > b.off {
			t.Errorf("%s finds it after %d panes, and has it begin %d panes from where it did; want %+v", name, delay, off, b)
		}
	}
}

// TestChangesBetweenGaps: where every second pane has no request, and a week none at all, times are those of events.
func TestChangesBetweenGaps(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: allDetectors()}}, time.Minute)
	v := NewView(g, 1)
	at := base
	pass := func(panes int, failed uint64) {
		for i := range panes {
			v.Deliver(0, []SealedPane{{Start: at, Content: makePane(g, made{version: "1", events: 1000, failed: failed + uint64(i%3)})}})
			at += 20 * second
			v.Advance(at, nil)
		}
	}
	pass(200, 20)
	at += 7 * 24 * 3600 * second
	pass(200, 20)
	changed := at
	pass(100, 200)
	for _, d := range v.changes.of(0, "1", base, at)[0].Detectors { // ADWIN tells a change again when it drops more of what was before
		off, delay := (d.Since-changed)/(10*second), (d.Found-changed)/(10*second)
		if d.Found == 0 || delay > 80 || off < -4 || off > 4 {
			t.Errorf("%s: found after %d panes, since %d", d.Detector, delay, off)
		}
	}
}

// TestQuietStream: nothing changes, and the usual detectors say nothing for two days of event time.
func TestQuietStream(t *testing.T) {
	const panes = 20_000
	configs := []ChangeConfig{
		{Figure: "error_ratio", Detectors: usualDetectors}, {Figure: "requests_per_second", Detectors: usualDetectors},
		{Figure: "missing_ratio", Feature: "x", Detectors: usualDetectors}, {Figure: "mean", Feature: "x", Detectors: usualDetectors},
	}
	g := changesGroup(configs, time.Minute)
	v := NewView(g, 1)
	rng := rand.New(rand.NewPCG(2, 6))
	draw := func(n uint64, p float64) uint64 { return uint64(distuv.Binomial{N: float64(n), P: p, Src: rng}.Rand()) }
	for i := range int64(panes) {
		m := made{version: "1", events: uint64(distuv.Poisson{Lambda: 200, Src: rng}.Rand())}
		m.failed = draw(m.events, 0.02)
		m.missing = draw(m.events-m.failed, 0.05)
		m.mean = 0.3 + 0.2*rng.NormFloat64()/math.Sqrt(float64(m.events-m.failed-m.missing))
		v.Deliver(0, []SealedPane{{Start: base + i*10*second, Content: makePane(g, m)}})
		v.Advance(base+(i+1)*10*second, nil)
	}
	got := v.changes.of(0, "1", base, base+panes*10*second)
	if len(got) != len(configs) {
		t.Errorf("%d figures", len(got))
	}
	for _, c := range got {
		for _, d := range c.Detectors {
			if d.Found != 0 {
				t.Errorf("%s finds a change of %s at pane %d", d.Detector, c.Figure, (d.Found-base)/(10*second))
			}
		}
	}
}

// TestLatePanesAreNotTakenTwice: a pane that comes when the view has passed it changes windows, but no detector.
func TestLatePanesAreNotTakenTwice(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: allDetectors()}}, time.Minute)
	v := NewView(g, 2)
	for i := range int64(50) {
		v.Deliver(0, []SealedPane{{Start: base + i*10*second, Content: makePane(g, made{version: "1", events: 10, failed: 1})}})
	}
	v.Advance(base+400*second, nil)
	before := v.changes.appendBinary(nil)
	for i := range int64(30) {
		v.Deliver(1, []SealedPane{{Start: base + (10+i)*10*second, Content: makePane(g, made{version: "1", events: 10, failed: 9})}})
	}
	if events := v.Show(base+400*second, nil)[0].Events; events != 120 {
		t.Fatalf("the window shows %d events", events)
	}
	if !bytes.Equal(before, v.changes.appendBinary(nil)) {
		t.Error("the detectors have taken panes that were passed")
	}
}

// TestShownChangesAreTheFinalOnes at every pane, if none comes late.
func TestShownChangesAreTheFinalOnes(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: allDetectors()}}, time.Minute)
	final, shown := NewView(g, 1), NewView(g, 1)
	rng, results := rand.New(rand.NewPCG(3, 3)), 0
	for i := range int64(300) {
		failed := uint64(rng.IntN(20)) + uint64(i/150*100)
		pane := SealedPane{Start: base + i*10*second, Content: makePane(g, made{version: "1", events: 1000, failed: failed})}
		final.Deliver(0, []SealedPane{pane})
		shown.Deliver(0, []SealedPane{pane})
		end := base + (i+1)*10*second
		shown.Advance(end, nil)
		show := shown.Show(end, nil)
		final.Advance(end, func(_ int64, rs []*Result) {
			results++
			if a, b := appendChanges(nil, rs[0].Changes), appendChanges(nil, show[0].Changes); !bytes.Equal(a, b) {
				t.Fatalf("pane %d: final %s, shown %s", i, a, b)
			}
		})
	}
	if d := final.changes.of(0, "1", 0, base+4000*second)[0].Detectors; results != 300 || slices.ContainsFunc(d, func(d DetectorResult) bool { return d.Found == 0 }) {
		t.Errorf("%d results, at the end %+v", results, d)
	}
}

// TestFigureValues has all that a pane can say, counted by hand.
func TestFigureValues(t *testing.T) {
	g := storedGroup(1) // its reference has x from 0 to 99, and categories 1-0 to 1-6
	g.Schema.Features = append(g.Schema.Features, event.Feature{Name: event.PredictionLabel, Type: event.Categorical})
	configs := append(allChanges(), ChangeConfig{Figure: "missing_ratio", Feature: "c"}, ChangeConfig{Figure: "positive_ratio", Category: "yes"})
	reference := g.Models[0].common.full.Features
	m := NewModel(ModelConfig{Name: "a", Features: []int{0, 1, 2}, Changes: configs}, &g.Schema)
	for i := range reference {
		m.common.full.Features[i].Reference = reference[i].Reference
	}
	g.Models = []*Model{m}
	shard := NewShard(g)
	value := func(text string) event.Value {
		if text == "" {
			return event.Value{}
		}
		return event.Value{State: event.Valid, Text: []byte(text)}
	}
	for _, e := range []struct {
		failed bool
		x      event.Value
		c, y   string
	}{
		{x: event.Value{State: event.Valid, Number: 1}, c: "1-0", y: "yes"},
		{x: event.Value{State: event.Valid, Number: 200}, c: "new", y: "no"},
		{x: event.Value{State: event.Invalid}, c: "", y: "yes"},
		{x: event.Value{}, c: "1-6", y: ""},
		{failed: true},
	} {
		shard.Apply(&event.Event{Time: base, Version: []byte("1"), Failed: e.failed, Features: []event.Value{e.x, value(e.c), value(e.y)}, Segments: [][]byte{nil}})
	}
	shard.Apply(&event.Event{Time: base + 100*second, Features: make([]event.Value, 3), Segments: [][]byte{nil}})
	s := shard.TakeSealed()[0].Content.models[0][0].series[0]
	got := map[string]string{}
	for i := range m.watches {
		w := &m.watches[i]
		sum, n := w.figure.values(s, w, g.Pane)
		got[strings.TrimSpace(w.Figure+" "+w.Feature)] = fmt.Sprint(sum, " of ", n)
	}
	want := map[string]string{
		"error_ratio": "1 of 5", "requests_per_second": "0.5 of 1", "missing_ratio x": "1 of 4", "invalid_ratio x": "1 of 4", "missing_ratio c": "1 of 4",
		"out_of_range_ratio x": "1 of 2", "unseen_ratio c": "1 of 3", "mean x": "201 of 2", "positive_ratio": "2 of 3",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\nwant\n%v", got, want)
	}
}

// TestRequestsOfPartialPanes: of a pane that overlaps a hole, or that a state calls a gap, the number of requests is not taken.
func TestRequestsOfPartialPanes(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "requests_per_second", Detectors: usualDetectors}, {Figure: "error_ratio", Detectors: usualDetectors}}, time.Minute)
	v, losses := NewView(g, 1), &Losses{}
	losses.Add(0, []Hole{{From: base, To: base + 30*second}})
	v.Heed(losses, NewSince(g))
	for i := range int64(3) {
		v.Deliver(0, []SealedPane{{Start: base + i*10*second, Content: makePane(g, made{version: "1", events: 10, failed: 1})}})
	}
	v.Advance(base+30*second, nil)
	if got := v.changes.of(0, "1", base, base+30*second); len(got) != 1 || got[0].Figure != "error_ratio" {
		t.Errorf("%+v", got)
	}
}

// TestVersionsOfDetectors: detectors are bounded, as the live versions of a lane are, and a new version comes in when an old one is silent.
func TestVersionsOfDetectors(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: usualDetectors}}, time.Minute)
	v := NewView(g, 1)
	var all []made
	for i := range 12 {
		all = append(all, made{version: fmt.Sprint(i), events: 10})
	}
	all = append(all, made{version: event.Other, events: 10})
	pass := func(at int64, versions ...made) {
		v.Deliver(0, []SealedPane{{Start: at, Content: makePane(g, versions...)}})
		v.Advance(at+10*second, nil)
	}
	pass(base, all...)
	if n := len(v.changes.models[0].streams); n != MaxLiveVersions || v.changes.of(0, event.Other, 0, base) != nil || v.changes.of(0, "8", 0, base) != nil || v.changes.of(0, "7", 0, base) == nil {
		t.Errorf("%d versions have detectors", n)
	}
	pass(base+90*second, all[7], all[11])
	if n := len(v.changes.models[0].streams); n != 2 || v.changes.of(0, "11", 0, base) == nil || v.changes.of(0, "7", 0, base) == nil {
		t.Errorf("%d versions have detectors after the silence of seven", n)
	}
}

// TestPanesTakeNoMemory: once its detectors are there, a pane takes none, and an event never does.
func TestPanesTakeNoMemory(t *testing.T) {
	g := changesGroup([]ChangeConfig{{Figure: "error_ratio", Detectors: allDetectors()}, {Figure: "mean", Feature: "x", Detectors: usualDetectors}}, time.Minute)
	c, p, at := newChanges(g), makePane(g, made{version: "1", events: 1000, failed: 20, mean: 1}), base
	pass := func() {
		c.pass(at, p, true)
		at += g.Pane
	}
	for range 5000 { // ADWIN's buckets grow with the logarithm
		pass()
	}
	if n := testing.AllocsPerRun(1000, pass); n > 0 {
		t.Errorf("%g allocations a pane", n)
	}
}

// BenchmarkChanges is what a sealed pane costs: one version, four figures, with the usual detectors and with all.
func BenchmarkChanges(b *testing.B) {
	for name, detectors := range map[string][]string{"usual": usualDetectors, "all": allDetectors()} {
		b.Run(name, func(b *testing.B) {
			var configs []ChangeConfig
			for _, f := range []string{"error_ratio", "missing_ratio", "invalid_ratio", "requests_per_second"} {
				c := ChangeConfig{Figure: f, Detectors: detectors}
				if strings.HasSuffix(f, "id_ratio") || strings.HasPrefix(f, "missing") {
					c.Feature = "x"
				}
				configs = append(configs, c)
			}
			g := changesGroup(configs, time.Minute)
			c := newChanges(g)
			p := makePane(g, made{version: "1", events: 1000, failed: 20, missing: 10})
			b.ReportAllocs()
			at := base
			for b.Loop() {
				c.pass(at, p, true)
				at += g.Pane
			}
		})
	}
}
