package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func plainGroup() *monitor.Group {
	schema := event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x"}}}
	g := &monitor.Group{Schema: schema, Pane: int64(10 * time.Second), Lateness: int64(30 * time.Second), MaxFuture: int64(time.Minute),
		Windows: []monitor.Window{{Name: "5m", Length: int64(5 * time.Minute)}}}
	g.Models = []*monitor.Model{monitor.NewModel(monitor.ModelConfig{Name: "m", Features: []int{0}, Changes: []monitor.ChangeConfig{
		{Figure: "error_ratio", Detectors: []string{"adwin", "ddm"}}, {Figure: "mean", Feature: "x", Detectors: []string{"adwin", "page_hinkley"}},
	}}, &schema)}
	return g
}

// clockGroup is a group of some lanes with a clock that the test moves.
type clockGroup struct {
	*Group
	t       *testing.T
	intakes []*Intake
	now     time.Time
}

func newClockGroup(t *testing.T, lanes int) *clockGroup {
	c := &clockGroup{Group: NewGroup(plainGroup(), decode.Options{}, nil, 0, true), t: t, now: noon.Add(10 * time.Minute)}
	c.Grow(lanes)
	for i := range lanes {
		in, err := NewIntake([]*Lane{c.Lane(i)}, event.Prediction, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.intakes = append(c.intakes, in)
	}
	return c
}

// take takes events at the given seconds after noon into a lane.
func (c *clockGroup) take(lane int, caughtUp bool, seconds ...int) {
	c.t.Helper()
	var batch []Message
	for _, s := range seconds {
		batch = append(batch, Message{Value: fmt.Appendf(nil, `{"time":%q,"features":{"x":1}}`, noon.Add(time.Duration(s)*time.Second).Format(time.RFC3339))})
	}
	c.intakes[lane].Take(batch, 0)
	if err := c.Lane(lane).Deliver(Progress{Records: len(batch), CaughtUp: caughtUp, Now: c.now}); err != nil {
		c.t.Fatal(err)
	}
}

// shown returns the end of the window in seconds after noon, its events, and whether
// it is complete.
func (c *clockGroup) shown() string {
	results, _ := c.Show(c.now)
	if len(results) == 0 {
		return "nothing"
	}
	r := results[0]
	return fmt.Sprintf("%ds %d %v", int(r.End.Sub(noon).Seconds()), r.Events, r.Complete)
}

func (c *clockGroup) want(what, want string) {
	c.t.Helper()
	if got := c.shown(); got != want {
		c.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// TestShownFrontier follows the shown window through a day of two lanes.
func TestShownFrontier(t *testing.T) {
	c := newClockGroup(t, 2)
	c.want("before the first event", "nothing")
	c.take(0, false, 0, 5, 100)
	c.want("one lane has not begun", "nothing")
	c.take(1, false, 3, 300)
	c.want("both have: the slower one's watermark", "70s 3 false")
	c.take(0, true, 301)
	c.take(1, true)
	c.want("caught up", "270s 4 false")

	// Lane 0 goes on, lane 1 lags: it holds the others for two panes, no longer.
	c.take(0, false, 400)
	c.want("lane 1 holds", "350s 3 false")
	c.take(1, false, 390)
	c.want("lane 1 has come", "360s 3 true")

	// Lane 1 falls silent: after half a minute nobody waits for it.
	c.now = c.now.Add(40 * time.Second)
	c.take(1, true)
	c.take(0, false, 440)
	c.want("lane 1 is idle, its open pane is shown", "410s 4 true")

	// Events that come late for the window, not for their lane, are added to it.
	c.take(1, true, 391)
	c.want("lane 1 wakes up behind the others, and lags", "410s 5 false")

	// All are silent: time goes on as it elapses.
	c.now = c.now.Add(40 * time.Second)
	c.take(0, true)
	c.take(1, true)
	c.want("all idle", "410s 5 true")
	c.now = c.now.Add(25 * time.Second)
	c.take(0, true)
	c.take(1, true)
	c.want("25 seconds later", "430s 5 true")
	c.now = c.now.Add(10 * time.Minute)
	c.take(0, true)
	c.take(1, true)
	c.want("long after", "nothing")

	// It never goes back.
	c.take(0, false, 500)
	c.take(1, false, 500)
	c.want("events far behind what is shown", "nothing")
	c.take(0, false, 1200, 1300)
	c.take(1, false, 1200, 1300)
	c.want("and on", "1270s 2 true")
}

// TestUnreachableLaneIsNotIdle: a partition that cannot be fetched holds the others back
// for two panes, and then windows are not complete.
func TestUnreachableLaneIsNotIdle(t *testing.T) {
	c := newClockGroup(t, 2)
	c.take(0, true, 0, 100, 400)
	c.take(1, true, 0, 100, 400)
	c.want("caught up", "370s 2 true")
	c.now = c.now.Add(5 * time.Minute) // lane 1's last fetch is five minutes old
	c.take(0, false, 700)
	c.want("lane 1 is passed by", "650s 2 false")
}

// TestSequencerPutsGroupsInOrder checks the order of results over groups, and that an
// error of the writer comes back.
func TestSequencerPutsGroupsInOrder(t *testing.T) {
	var got []string
	fail := errors.New("full")
	s := NewSequencer(2, func(r *monitor.Result, _ []byte) error {
		if r.Model == "z" {
			return fail
		}
		got = append(got, fmt.Sprint(r.Model, r.End.Sub(noon).Minutes()))
		return nil
	})
	result := func(model string, minute int) *monitor.Result {
		return &monitor.Result{Model: model, End: noon.Add(time.Duration(minute) * time.Minute)}
	}
	at := func(minute int) int64 { return noon.Add(time.Duration(minute) * time.Minute).UnixNano() }
	s.add([]*monitor.Result{result("b", 1), result("b", 2), result("b", 3)})
	if err := s.advance(0, at(3), false, noon); err != nil || len(got) != 0 {
		t.Errorf("%v before the other group has begun: %v", err, got)
	}
	s.add([]*monitor.Result{result("a", 1), result("c", 2)})
	if err := s.advance(1, at(2), false, noon); err != nil || fmt.Sprint(got) != "[a1 b1 b2 c2]" {
		t.Errorf("%v %v", err, got)
	}
	s.add([]*monitor.Result{result("z", 3)})
	if err := s.advance(1, at(9), false, noon); !errors.Is(err, fail) {
		t.Errorf("error %v", err)
	}
}

// TestRowWithItsLabel makes two events of a row, in the order of label times.
func TestRowWithItsLabel(t *testing.T) {
	g := NewGroup(plainGroup(), decode.Options{Mapping: decode.Mapping{LabelTime: "label_time"}}, nil, 0, true)
	g.Grow(1)
	in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Take([]Message{
		{Value: []byte(`{"id":"1","time":"2026-11-22T12:00:00Z","label":"a","label_time":"2026-11-22T14:00:00Z"}`)},
		{Value: []byte(`{"id":"2","time":"2026-11-22T12:00:01Z","label":"a","label_time":"2026-11-22T13:00:00Z"}`)},
		{Value: []byte(`{"id":"3","time":"2026-11-22T12:00:02Z","label":"a","label_time":"never"}`)},
		{Value: []byte(`{"id":"4","time":"2026-11-22T12:00:03Z","label":null,"label_time":"2026-11-22T13:00:00Z"}`)},
	}, 4)
	if l := in.Ledger(); !l.Balanced() || l.Consumed != 5 || l.Accepted != 4 || l.Rejected[event.Time] != 1 {
		t.Errorf("before the end: %+v", l)
	}
	in.Finish()
	if l := in.Ledger(); !l.Balanced() || l.Consumed != 7 || l.Accepted != 6 || l.Late != 0 {
		t.Errorf("at the end: %+v", l)
	}
}

// TestSilentLaneEndsTheResults: panes do not pile up for ever behind a lane that is read
// to its end and has no events, or never had one; the gauges go on.
func TestSilentLaneEndsTheResults(t *testing.T) {
	t.Run("after one", func(t *testing.T) { silentLane(t, 0, 60) })
	t.Run("never one", func(t *testing.T) { silentLane(t) })
}

func silentLane(t *testing.T, seconds ...int) {
	results, gaveUp := 0, -1
	sink := NewSequencer(1, func(*monitor.Result, []byte) error { results++; return nil })
	g := NewGroup(plainGroup(), decode.Options{}, sink, 0, true)
	g.GaveUp = func(lane int) { gaveUp = lane }
	g.Grow(2)
	c := &clockGroup{Group: g, t: t, now: noon}
	for i := range 2 {
		in, err := NewIntake([]*Lane{g.Lane(i)}, event.Prediction, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.intakes = append(c.intakes, in)
	}
	c.take(1, true, seconds...)
	for s := 0; s < 10*(maxWaiting*mostPending+200); s += 10 {
		c.take(0, true, s)
	}
	if gaveUp >= 0 {
		t.Fatal("gave up a lane that was not silent for long")
	}
	c.now = c.now.Add(idleAfter + time.Second)
	c.take(1, true) // a fetch that finds nothing
	c.take(0, true, 10*(maxWaiting*mostPending+200))
	if gaveUp != 1 || results == 0 && len(seconds) > 0 || g.final != nil {
		t.Errorf("gave up lane %d after %d results", gaveUp, results)
	}
	if got, _ := g.Show(noon.Add(time.Hour)); len(got) == 0 {
		t.Error("nothing is shown any more")
	}
}

// TestSeveralGroupsInOneFile routes the messages of a file to the groups of their models.
func TestSeveralGroupsInOneFile(t *testing.T) {
	var lanes []*Lane
	for _, model := range []string{"a", "b"} {
		m := plainGroup()
		m.Schema.Models = []string{model, model + "2"}
		m.Models = append(m.Models, m.Models[0])
		g := NewGroup(m, decode.Options{}, nil, 0, true)
		g.Grow(1)
		lanes = append(lanes, g.Lane(0))
	}
	in, err := NewIntake(lanes, event.Prediction, nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Take([]Message{
		{Value: []byte(`{"time":"2026-11-22T12:00:00Z","model":"a"}`)}, {Value: []byte(`{"time":"2026-11-22T12:00:00Z","model":"b2"}`)},
		{Value: []byte(`{"time":"2026-11-22T12:00:00Z","model":"c"}`)}, {Value: []byte(`{"time":"2026-11-22T12:00:00Z"}`)}, {Value: []byte(`{`)},
	}, 5)
	l := in.Ledger()
	if l.Accepted != 2 || l.Rejected[event.Model] != 1 || l.Rejected[event.Envelope] != 1 || l.Rejected[event.Syntax] != 1 || !l.Balanced() {
		t.Errorf("%+v", l)
	}
	if a, b := lanes[0].shard.Models()[0].Accepted, lanes[1].shard.Models()[1].Accepted; a != 1 || b != 1 {
		t.Errorf("accepted %d and %d", a, b)
	}
}

// TestFutureWithoutRecordTime: an event whose record has no timestamp is measured against the largest that its
// lane has seen, also after a restart; one lane's wrong clock moves neither it nor what is shown.
func TestFutureWithoutRecordTime(t *testing.T) {
	for _, restart := range []bool{false, true} {
		c := newClockGroup(t, 2)
		message := func(at, recorded time.Time) Message {
			m := Message{Value: fmt.Appendf(nil, `{"time":%q,"features":{"x":1}}`, at.Format(time.RFC3339))}
			if !recorded.IsZero() {
				m.RecordTime = recorded.UnixNano()
			}
			return m
		}
		far := time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC)
		c.intakes[0].Arrive(Arrival{First: 0})
		c.intakes[0].Take([]Message{
			message(far, far.Add(-2*time.Minute)), // rejected: its record says nothing of the others
			message(noon, noon), message(noon.Add(time.Second), time.Time{}), message(noon, noon.Add(-time.Minute)),
		}, 4)
		if restart {
			c.Read(Part{Topic: "t", Index: 0, Intake: c.intakes[0]})
			saved := TakeCut([]*Group{c.Group}, nil, true, func() {}).encode()
			c = newClockGroup(t, 0)
			parts, err := c.Restore(saved[0].State, saved[0].Entries, func(string, string) {})
			if err != nil || len(parts) != 1 {
				t.Fatal(len(parts), err)
			}
			for i := range 2 {
				in, err := NewIntake([]*Lane{c.Lane(i)}, event.Prediction, nil)
				if err != nil {
					t.Fatal(err)
				}
				c.intakes = append(c.intakes, in)
			}
			if err := c.intakes[0].Restore(parts[0]); err != nil {
				t.Fatal(err)
			}
		}
		c.intakes[0].Take([]Message{message(far, time.Time{}), message(noon.Add(61*time.Second), time.Time{}), message(noon.Add(60*time.Second), time.Time{})}, 7)
		l := c.intakes[0].Ledger()
		if l.Rejected[event.Future] != 3 || l.Accepted != 4 || !l.Balanced() {
			t.Errorf("restart %v: %+v", restart, l)
		}
		if w := c.Lane(0).KindWatermark(event.Prediction); w != noon.Add(30*time.Second).UnixNano() {
			t.Errorf("restart %v: the watermark is %s", restart, time.Unix(0, w).UTC())
		}
	}
}

// TestLaneWithWrongClock: what is shown is never further ahead of the clock than events may be, and a lane that is
// does not make the others lag.
func TestLaneWithWrongClock(t *testing.T) {
	century := 100 * 365 * 24 * 3600
	c := newClockGroup(t, 3)
	c.now = noon.Add(130 * time.Second)
	for lane := range 3 {
		c.take(lane, true, -400, 0, 100, 130)
	}
	c.want("all lanes", "100s 3 true")
	c.take(2, true, century)
	c.want("lane 2 is ahead by a century", "100s 3 true")
	c.now = c.now.Add(10 * time.Second)
	c.take(0, true, 140)
	c.take(1, true, 140)
	c.want("the others go on", "110s 6 true")
	c.take(0, true, century)
	c.take(1, true, century)
	c.want("nobody is right", "200s 11 true")
	c.now = c.now.Add(10 * time.Minute)
	for lane := range 3 {
		c.take(lane, true)
	}
	if got, most := c.frontier, c.now.Add(time.Minute).UnixNano(); got > most {
		t.Errorf("the shown frontier is %s, the clock %s", time.Unix(0, got).UTC(), c.now)
	}
}

// TestManyPanesAheadOfTheClock: those of a lane whose clock is wrong do not pile up.
func TestManyPanesAheadOfTheClock(t *testing.T) {
	c := newClockGroup(t, 2)
	c.take(0, true, 0)
	for i := range 3 * c.limit() {
		c.take(1, true, 1_000_000+100*i)
	}
	if n := c.Group.shown.Pending(); n > c.limit()+2 {
		t.Errorf("%d panes wait, at most %d may", n, c.limit())
	}
}

// TestLabelsThatWait: labels of far-away times take so much memory and no more; those that are furthest away are
// rejected, in an order that the log alone decides, also after a restart.
func TestLabelsThatWait(t *testing.T) {
	ledger := func(restart int) (event.Ledger, int) {
		m := plainGroup()
		begin := func() (*Group, *Intake) {
			g := NewGroup(m, decode.Options{Mapping: decode.Mapping{LabelTime: "label_time"}}, nil, 0, true)
			g.Grow(1)
			in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
			if err != nil {
				t.Fatal(err)
			}
			g.Read(Part{Topic: "t", Intake: in})
			return g, in
		}
		g, in := begin()
		in.Arrive(Arrival{})
		id := strings.Repeat("x", 4000)
		most := 0
		for i := range 3 * WaitingLabelBytes / len(id) {
			if i == restart {
				saved := TakeCut([]*Group{g}, nil, true, func() {}).encode()
				again, err := ReadParts(saved[0].State)
				if err != nil {
					t.Fatal(err)
				}
				g, _ = begin()
				if _, err := g.Restore(saved[0].State, saved[0].Entries, nil); err != nil {
					t.Fatal(err)
				}
				if in, err = NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil); err != nil {
					t.Fatal(err)
				}
				if err := in.Restore(again[0]); err != nil {
					t.Fatal(err)
				}
			}
			years := 2100 + i*7%90
			if i%10 == 0 {
				years = 2026 // and so soon
			}
			in.Take([]Message{{Value: fmt.Appendf(nil, `{"id":"%s%d","time":%q,"label":"a","label_time":"%d-12-31T00:00:00Z"}`, id, i, noon.Format(time.RFC3339), years)}}, int64(i+1))
			most = max(most, in.labels.bytes)
		}
		waiting := len(in.labels.items)
		in.Finish()
		l := in.Ledger()
		if !l.Balanced() {
			t.Errorf("%+v", l)
		}
		if most > WaitingLabelBytes || most < WaitingLabelBytes*9/10 || waiting > 2*WaitingLabelBytes/len(id) {
			t.Errorf("%d bytes and %d labels wait", most, waiting)
		}
		if l.Rejected[event.Future] == 0 || l.Late > 0 {
			t.Errorf("%+v", l)
		}
		return l, waiting
	}
	want, waits := ledger(-1)
	for _, restart := range []int{100, 3 * WaitingLabelBytes / 4000 * 2 / 3} {
		if got, n := ledger(restart); got != want || n != waits {
			t.Errorf("with a restart after %d: %+v with %d that wait, want %+v with %d", restart, got, n, want, waits)
		}
	}
}
