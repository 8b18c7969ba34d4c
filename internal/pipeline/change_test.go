package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/monitor"
)

// TestAnotherLateness: what a lane has sealed stays so when more lateness is allowed, and panes that are closed by
// less are not lost.
func TestAnotherLateness(t *testing.T) {
	group := func(lateness time.Duration) *monitor.Group {
		m := lossGroup()
		m.Lateness = int64(lateness)
		return m
	}
	for _, c := range []struct {
		name          string
		before, after time.Duration
	}{{"more", 0, time.Minute}, {"less", time.Minute, 0}} {
		t.Run(c.name, func(t *testing.T) {
			run := func(after time.Duration) *kept {
				k := &kept{t: t}
				k.start(group(c.before), 2, true)
				k.take(0, flow("m", 0, 300), 0, false)
				k.take(1, flow("m", 0, 200), 0, false)
				k.save()
				k.start(group(after), 2, true)
				late := flow("m", 300, 301)
				if c.before == 0 {
					late = []Message{at("m", 285), at("m", 275), at("m", 265)} // their panes are sealed
				}
				k.take(0, slices.Concat(late, flow("m", 301, 800)), 0, false)
				k.take(1, flow("m", 200, 800), 0, false)
				for lane := range 2 {
					k.take(lane, nil, 0, true)
				}
				return k
			}
			want, got := run(c.before), run(c.after)
			if n := got.trusted(want.results); n < 60 || len(got.results) != len(want.results) {
				t.Errorf("%d of %d windows are complete, want %d", n, len(got.results), len(want.results))
			}
			if a, b := want.intakes[0].Ledger(), got.intakes[0].Ledger(); a != b {
				t.Errorf("ledger %+v, want %+v", b, a)
			}
		})
	}
}
