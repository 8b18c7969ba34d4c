package pipeline

import (
	"testing"
	"time"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// points returns the number of points of all traffic, and the end of the last one in seconds after noon.
func (c *clockGroup) points() (n, last int) {
	track := c.Histories()[0].Find("m", "", "", "5m", false)
	if track == nil {
		return 0, 0
	}
	return track.Len(), int(track.Last().Sub(noon).Seconds())
}

// TestHistoryOfWhatIsPassed: of a backlog the slides are recorded whose points are kept by now, the older ones one a minute; once all was read each is,
// whether or not it was shown, and what holds less than it should says so.
func TestHistoryOfWhatIsPassed(t *testing.T) {
	c := newClockGroup(t, 2)
	c.now = noon.Add(6 * time.Hour)
	day := func(from, to int) (seconds []int) {
		for s := from; s <= to; s += 10 {
			seconds = append(seconds, s)
		}
		return seconds
	}
	c.take(0, false, day(0, 6*3600)...)
	c.take(1, false, day(0, 6*3600)...)
	c.Show(c.now)
	n, last := c.points()
	want := 0
	for end := 6*3600 - monitor.HistoryPoints*10; end <= 6*3600-30; end += 10 {
		if end >= 6*3600-600 || end%60 == 0 {
			want++
		}
	}
	if last != 6*3600-30 || n != want {
		t.Errorf("after the backlog %d points until %d s, want %d", n, last, want)
	}
	c.take(0, true)
	c.take(1, true)
	c.take(0, true, day(6*3600, 7*3600)...)
	c.take(1, true, day(6*3600, 7*3600)...)
	c.Show(c.now) // the clock stands still: what is beyond is not shown
	c.now = noon.Add(7 * time.Hour)
	c.Show(c.now)
	if n, last = c.points(); last != 7*3600-30 || n != want+360 {
		t.Errorf("caught up: %d points until %d s", n, last)
	}
	c.now = c.now.Add(5 * time.Minute) // lane 1 cannot be read
	c.take(0, false, 7*3600+300)
	c.Show(c.now)
	points := c.Histories()[0].Find("m", "", "", "5m", false).Points(monitor.Column{Figure: "requests_per_second"})
	if p := points[len(points)-1]; p.End != noon.Add(7*time.Hour+250*time.Second).UnixNano() || p.Complete {
		t.Errorf("with a lane that was passed by: %+v", p)
	}
	if p := points[len(points)-100]; !p.Complete {
		t.Errorf("before: %+v", p)
	}
}

// TestHistoryAfterRestart: it is filled again from the saved panes, while events are taken and windows shown.
func TestHistoryAfterRestart(t *testing.T) {
	m := plainGroup()
	m.Windows = append(m.Windows, monitor.Window{Name: "1h", Length: int64(time.Hour)})
	start := func() *clockGroup {
		c := &clockGroup{Group: NewGroup(m, decode.Options{}, nil, 0, true), t: t, now: noon.Add(3 * time.Hour)}
		c.Grow(1)
		c.Journal()
		in, err := NewIntake([]*Lane{c.Lane(0)}, event.Prediction, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.intakes = []*Intake{in}
		return c
	}
	c := start()
	c.Read(Part{Topic: "t", Intake: c.intakes[0]})
	c.intakes[0].Arrive(Arrival{})
	for s := 0; s <= 3*3600; s += 10 {
		c.take(0, true, s)
	}
	c.Show(c.now)
	before, last := c.points()
	saved := TakeCut([]*Group{c.Group}, nil, false, func() {}).encode()

	c = start()
	parts, err := c.Restore(saved[0].State, saved[0].Entries, func(string, string) {})
	if err != nil || c.intakes[0].Restore(parts[0]) != nil {
		t.Fatal(err)
	}
	c.take(0, true)
	c.Show(c.now)
	if n, _ := c.points(); n > 1 {
		t.Fatalf("%d points before it is filled", n)
	}
	done := make(chan struct{})
	go func() {
		c.Refill(func() bool { return false })
		close(done)
	}()
	for s := 3*3600 + 10; s <= 3*3600+300; s += 10 {
		c.now = noon.Add(time.Duration(s) * time.Second)
		c.take(0, true, s)
		c.Show(c.now)
	}
	<-done
	n, end := c.points()
	track := c.Histories()[0].Find("m", "", "", "5m", false)
	if end != last+300 || n < 30+100 || track.First().After(noon.Add(65*time.Minute)) {
		t.Errorf("%d points from %s until %d s; before the restart %d until %d s", n, track.First(), end, before, last)
	}
	points := track.Points(monitor.Column{Figure: "requests_per_second"})
	for i, p := range points {
		if float32(p.Value) != 0.1 || i > 0 && p.End <= points[i-1].End {
			t.Fatalf("point %d is %+v", i, p)
		}
	}
}
