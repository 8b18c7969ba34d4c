package oracle

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// generateCheap makes a log with windows that do not overlap much.
func generateCheap(seed uint64) (Setup, [][]Message) {
	setup, lanes := Generate(seeded(seed))
	setup.Pane = time.Minute
	setup.Windows = []Span{{"1m", time.Minute}, {"10m", 10 * time.Minute}}
	return setup, lanes
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// TestBrokenTexts checks that a broken message is rejected for its one reason,
// and another is not.
func TestBrokenTexts(t *testing.T) {
	for seed := range uint64(300) {
		g := newGenerator(seeded(seed))
		model := g.rng.IntN(len(g.models))
		for reason := event.Empty; reason < event.Reasons; reason++ {
			if reason == event.Future {
				continue
			}
			text := g.brokenText(model, g.now, reason)
			e, got := read(g.setup, []byte(text))
			if got == event.Accepted {
				got = newLane(g.setup).judgeTime(e.time, 0)
			}
			if got != reason {
				t.Fatalf("seed %d: %.300q is rejected as %q, want %q", seed, text, got, reason)
			}
		}
		at := g.eventTime()
		for _, text := range []string{g.prediction(model, at, "x"), g.label(model, at, "x")} {
			if e, reason := read(g.setup, []byte(text)); reason != event.Accepted || e.time != at || e.model != model {
				t.Fatalf("seed %d: %s is rejected as %q, at %d of model %d", seed, text, reason, e.time, e.model)
			}
			if bytes.ContainsAny([]byte(text), "\r\n") {
				t.Fatalf("seed %d: %q is more than a line", seed, text)
			}
		}
	}
}

func TestGenerateIsReproducible(t *testing.T) {
	setup, lanes := Generate(seeded(7))
	again, lanesAgain := Generate(seeded(7))
	if !reflect.DeepEqual(setup, again) || !reflect.DeepEqual(lanes, lanesAgain) {
		t.Error("the same seed gives another log")
	}
	_, other := Generate(seeded(8))
	if reflect.DeepEqual(lanes, other) {
		t.Error("another seed gives the same log")
	}
}

// TestLogsCoverEverything checks that a few random logs have what the core has to
// be tested with.
func TestLogsCoverEverything(t *testing.T) {
	seen := map[string]int{}
	note := func(what string, is bool) {
		if is {
			seen[what]++
		} else {
			seen[what] += 0
		}
	}
	for seed := range uint64(16) {
		setup, lanes := generateCheap(seed)
		out := Run(setup, lanes)
		for r := event.Empty; r < event.Reasons; r++ {
			note("rejected as "+r.String(), out.Ledger.Rejected[r] > 0)
		}
		note("late", out.Ledger.Late > 0)
		note("several lanes", len(lanes) > 1)
		note("one model", len(setup.Models) == 1)
		note("several models", len(setup.Models) > 1)
		note("nine versions in one lane", newVersionAfter(setup, lanes))
		for _, w := range out.Windows {
			note("complete", w.Complete)
			note("incomplete", !w.Complete)
			note("other version", w.Version == event.Other)
			note("no version", w.Version == "")
			note("other segment", w.Segment == "country="+event.Other)
			note("segment", w.Segment == "country=DE")
			note("errors only", w.Errors == w.Events)
			for _, f := range w.Features {
				note("missing", f.Missing > 0)
				note("invalid", f.Invalid > 0)
				note("out of range", f.OutOfRange > 0)
				note("unseen", f.Unseen > 0)
				note("no reference", f.Bins == nil)
				note("empty text", f.Categories[""] > 0)
				note("large PSI", f.Drift.PSI > 1)
				note("output", f.Name == event.PredictionScore)
				note("numeric value of an answer", f.Name == event.PredictionValue)
			}
		}
	}
	for what, n := range seen {
		if n == 0 {
			t.Errorf("no log has: %s", what)
		}
	}
}

// newVersionAfter reports whether in a lane a version was counted as another one,
// and later one was admitted nonetheless.
func newVersionAfter(setup Setup, lanes [][]Message) bool {
	for _, messages := range lanes {
		l, full := newLane(setup), false
		known := map[string]bool{}
		for _, m := range messages {
			n := len(l.accepted)
			if l.take(m); len(l.accepted) == n {
				continue
			}
			e := l.accepted[n]
			name := fmt.Sprint(e.model, e.version)
			full = full || e.version == event.Other
			if full && e.version != event.Other && !known[name] {
				return true
			}
			known[name] = true
		}
	}
	return false
}

// TestPartsAddUp checks each window of random logs: versions, segments and kinds
// of values are a partition of what they divide.
func TestPartsAddUp(t *testing.T) {
	for seed := range uint64(5) {
		setup, lanes := generateCheap(100 + seed)
		out := Run(setup, lanes)
		if consumed := len(slices.Concat(lanes...)); out.Ledger.Consumed != uint64(consumed) || !out.Ledger.Balanced() {
			t.Errorf("of %d messages the ledger says %+v", consumed, out.Ledger)
		}
		traffic, segments := map[string]uint64{}, map[string]uint64{}
		for _, w := range out.Windows {
			key := fmt.Sprint(w.Model, "/", w.Version, "/", w.Name, "/", w.End)
			if w.Segment == "" {
				traffic[key] = w.Events
			} else {
				segments[key] += w.Events
			}
			for _, f := range w.Features {
				checkParts(t, w, f)
			}
		}
		for key, n := range segments {
			i := slices.IndexFunc(setup.Models, func(m Model) bool { return len(m.Segments) > 0 && key[:len(m.Name)] == m.Name })
			if n != traffic[key]*uint64(len(setup.Models[i].Segments)) {
				t.Fatalf("%s: %d events in all segments, %d at all", key, n, traffic[key])
			}
		}
	}
}

func checkParts(t *testing.T, w Window, f Figures) {
	t.Helper()
	if f.Count+f.Missing+f.Invalid != w.Events-w.Errors {
		t.Fatalf("%s: %d + %d + %d values of %d answers", f.Name, f.Count, f.Missing, f.Invalid, w.Events-w.Errors)
	}
	for _, bins := range [][]uint64{f.Fine, f.Bins} {
		var n uint64
		for _, c := range bins {
			n += c
		}
		if bins != nil && n != f.Count {
			t.Fatalf("%s: %d values in bins of %d", f.Name, n, f.Count)
		}
	}
}

// TestLanesAreASet checks that the order of the lanes changes nothing, and that
// what is rejected or late leaves no trace.
func TestLanesAreASet(t *testing.T) {
	setup, lanes := generateCheap(1)
	if len(lanes) < 2 {
		t.Fatalf("%d lanes are too few; choose another seed", len(lanes))
	}
	want := Run(setup, lanes)
	slices.Reverse(lanes)
	same(t, want.Windows, Run(setup, lanes).Windows)
	for i, messages := range lanes {
		l := newLane(setup)
		lanes[i] = nil
		for _, m := range messages {
			before := l.ledger.Accepted
			if l.take(m); l.ledger.Accepted > before {
				lanes[i] = append(lanes[i], m)
			}
		}
	}
	same(t, want.Windows, Run(setup, lanes).Windows)
}

// same compares windows as they are printed, since NaN is not equal to itself.
func same(t *testing.T, want, got []Window) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d windows, want %d", len(got), len(want))
	}
	for i := range want {
		if a, b := fmt.Sprintf("%+v", want[i]), fmt.Sprintf("%+v", got[i]); a != b {
			t.Fatalf("window %d:\n%s\nwant\n%s", i, b, a)
		}
	}
}
