package pipeline

import (
	"testing"
	"time"

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

// TestHistoryOfWhatIsPassed: of a backlog the slides are recorded whose points are kept by now; once all was read each is,
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
	if want := monitor.HistoryPoints - 2; last != 6*3600-30 || n != want {
		t.Errorf("after the backlog %d points until %d s, want %d", n, last, want)
	}
	c.take(0, true)
	c.take(1, true)
	c.take(0, true, day(6*3600, 7*3600)...)
	c.take(1, true, day(6*3600, 7*3600)...)
	c.Show(c.now) // the clock stands still: what is beyond is not shown
	c.now = noon.Add(7 * time.Hour)
	c.Show(c.now)
	if n, last = c.points(); last != 7*3600-30 || n < monitor.HistoryPoints {
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
