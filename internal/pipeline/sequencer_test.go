package pipeline

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// outcome returns a result of some size whose window ends so many minutes after noon.
func outcome(model string, minute int) *monitor.Result {
	return &monitor.Result{Model: model, Segment: strings.Repeat("x", 10_000), End: noon.Add(time.Duration(minute) * time.Minute)}
}

func minutes(n int) int64 { return noon.Add(time.Duration(n) * time.Minute).UnixNano() }

// TestQuietGroupIsPassedBy: what waits for a group that stands still is bounded; when it goes on, it takes part again,
// and the results stay in one order, also over a restart.
func TestQuietGroupIsPassedBy(t *testing.T) {
	var got []*monitor.Result
	var passed []int
	live := func() *Sequencer {
		s := NewSequencer(2, func(r *monitor.Result, line []byte) error {
			if line != nil && !strings.Contains(string(line), r.End.Format("15:04:05")) {
				t.Errorf("%s has the line %.200s", r.End, line)
			}
			got = append(got, r)
			return nil
		})
		s.KeepLines(func(group int) { passed = append(passed, group) })
		return s
	}
	s := live()
	step := func(group int, model string, minute int, still bool, now time.Time) {
		t.Helper()
		s.add([]*monitor.Result{outcome(model, minute)})
		if err := s.advance(group, minutes(minute), still, now); err != nil {
			t.Fatal(err)
		}
		if s.bytes > MaxWaiting+100_000 {
			t.Fatalf("%d bytes wait", s.bytes)
		}
	}
	if err := s.advance(1, minutes(-1), true, noon); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; len(passed) == 0 && n < 10_000; n++ {
		step(0, "a", n, false, noon)
	}
	if len(passed) != 1 || passed[0] != 1 || len(got) == 0 {
		t.Fatalf("passed %v, %d results", passed, len(got))
	}
	s.keep()
	restored := live()
	if err := restored.RestoreResults(s.cut().appendBinary(nil), false, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	s = restored
	if err := s.advance(0, minutes(n-1), false, noon); err != nil { // both go on from where they were
		t.Fatal(err)
	}
	step(1, "b", 5, false, noon)     // it wakes up behind the others
	step(1, "b", n+100, false, noon) // and comes along
	step(0, "a", n+100, false, noon)
	for _, r := range got {
		if r.Model == "b" && r.End.UnixNano() != minutes(n+100) {
			t.Errorf("a result of %s", r.End)
		}
	}
	if last := got[len(got)-1]; last.Model != "b" || !slices.IsSortedFunc(got, monitor.CompareResults) {
		t.Errorf("the last of %d results is %s of %s, or they are out of order", len(got), last.Model, last.End)
	}
	if s.bytes != 0 || len(s.waiting) != 0 {
		t.Errorf("%d bytes in %d results wait", s.bytes, len(s.waiting))
	}
}

// TestAnewResultsAreHandedOn: after damage a group begins anew, and what it makes a second time goes to a new file.
func TestAnewResultsAreHandedOn(t *testing.T) {
	emitted := 0
	s := NewSequencer(1, func(*monitor.Result, []byte) error { emitted++; return nil })
	s.add([]*monitor.Result{outcome("a", 5)})
	if err := s.advance(0, minutes(5), false, noon); err != nil {
		t.Fatal(err)
	}
	for anew, want := range map[bool]int{true: 1, false: 0} {
		emitted = 0
		again := NewSequencer(1, s.emit)
		if err := again.RestoreResults(s.cut().appendBinary(nil), anew, func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
		again.add([]*monitor.Result{outcome("a", 1)})
		if err := again.advance(0, minutes(1), false, noon); err != nil || emitted != want {
			t.Errorf("anew %v: %d results, want %d: %v", anew, emitted, want, err)
		}
	}
}

// TestWaitingResultsAreRenderedOnce: a cut, which holds everybody up, renders nothing.
func TestWaitingResultsAreRenderedOnce(t *testing.T) {
	s := NewSequencer(2, func(*monitor.Result, []byte) error { return nil })
	s.KeepLines(nil)
	s.add([]*monitor.Result{outcome("a", 1)})
	if err := s.advance(0, minutes(1), false, noon); err != nil {
		t.Fatal(err)
	}
	first, second := s.cut(), s.cut()
	if a, b := first.waiting[0].line, second.waiting[0].line; len(a) == 0 || &a[0] != &b[0] {
		t.Error("a result that waits is rendered for each save")
	}
}

// TestFastGroupWaits: a group that is ahead of one that is being read stops reading until that one comes along.
func TestFastGroupWaits(t *testing.T) {
	s := NewSequencer(2, func(*monitor.Result, []byte) error { return nil })
	s.KeepLines(nil)
	g := NewGroup(plainGroup(), decode.Options{}, s, 0, false)
	g.Grow(1)
	for n := range MaxWaiting/10_000 + 1 {
		s.add([]*monitor.Result{outcome("a", n)})
		if err := s.advance(0, minutes(n), false, noon); err != nil {
			t.Fatal(err)
		}
	}
	waited := make(chan struct{})
	go func() {
		g.Lane(0).Wait(func() bool { return false })
		close(waited)
	}()
	select {
	case <-waited:
		t.Fatal("it goes on")
	case <-time.After(50 * time.Millisecond):
	}
	if err := s.advance(1, minutes(1<<20), false, noon); err != nil {
		t.Fatal(err)
	}
	<-waited
}

// TestEmptyTopicHoldsNobody: a group that has never had an event does not hold the others' results for ever.
func TestEmptyTopicHoldsNobody(t *testing.T) {
	results := 0
	sink := NewSequencer(2, func(*monitor.Result, []byte) error { results++; return nil })
	sink.KeepLines(func(int) {})
	var lanes []*Lane
	for slot := range 2 {
		m := plainGroup()
		m.Windows[0].Length = int64(time.Minute)
		g := NewGroup(m, decode.Options{}, sink, slot, false)
		g.Grow(1)
		lanes = append(lanes, g.Lane(0))
	}
	in, err := NewIntake(lanes[:1], event.Prediction, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	deliver := func(now time.Time) {
		in.Take(flow("m", 10_000*n, 10_000*(n+1)), 0)
		n++
		for i, l := range lanes {
			if err := l.Deliver(Progress{Records: 1 - i, CaughtUp: true, Now: now}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n < 100 && sink.bytes <= MaxWaiting {
		deliver(noon)
	}
	if results != 0 {
		t.Errorf("%d results before the empty topic was silent for long", results)
	}
	deliver(noon.Add(idleAfter))
	if results == 0 || sink.bytes > 2*MaxWaiting {
		t.Errorf("%d results, %d bytes wait", results, sink.bytes)
	}
}
