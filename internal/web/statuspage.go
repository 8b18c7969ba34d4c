package web

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// statusPage is what is known of the monitor itself.
type statusPage struct {
	Snapshot   *monitor.Snapshot
	Partitions []partitionRow
	Rejected   []reasonRow
	Memory     []tile
	Series     []tile
	State      []tile
	Config     []tile
	ConfigText string
	History    []tile
}

type partitionRow struct {
	*monitor.PartitionStatus
	Lag, Watermark, Behind string
	Stamp                  int64
	RejectedTotal, Skipped uint64
}

// reasonRow is why messages were rejected.
type reasonRow struct {
	Reason string
	Count  uint64
}

func (h *handler) statusPage(v *view) (title, key string, f func() any) {
	return "Status", "all", func() any {
		p := &statusPage{Snapshot: v.Snapshot, ConfigText: report.VisibleLines(v.ConfigText)}
		for i := range v.Partitions {
			x := partitionRow{PartitionStatus: &v.Partitions[i], Lag: "not known yet", Watermark: "none yet"}
			for _, n := range x.Rejected {
				x.RejectedTotal += n
			}
			for _, s := range x.PartitionStatus.Skipped {
				x.Skipped += s.Batches
			}
			if x.PartitionStatus.Lag >= 0 {
				x.Lag = report.Count(x.PartitionStatus.Lag)
			}
			if w := x.PartitionStatus.Watermark; w != 0 {
				x.Watermark, x.Stamp, x.Behind = time.Unix(0, w).UTC().Format("2006-01-02 15:04:05"), w, duration(v.now.Sub(time.Unix(0, w)))
			}
			p.Partitions = append(p.Partitions, x)
		}
		for r, n := range v.Ledger.Rejected {
			if n > 0 {
				p.Rejected = append(p.Rejected, reasonRow{event.Reason(r).String(), n})
			}
		}
		p.budgets(v)
		return p
	}
}

func (p *statusPage) budgets(v *view) {
	m := v.Memory
	if m.Budget > 0 {
		p.Memory = []tile{{"in use", bytesText(m.InUse)}, {"budget", bytesText(m.Budget)}, {"limit", bytesText(m.Limit)}}
		if m.Paused > 0 {
			p.Memory = append(p.Memory, tile{"reading paused", duration(m.Paused)})
		}
	}
	if s := v.Series; s != nil {
		p.Series = []tile{{"exported", report.Count(s.Series)}, {"budget", report.Count(s.Limit)}, {"dropped", report.Count(s.Dropped)}}
	}
	if s := v.State; s != nil {
		last := "not yet"
		if !s.LastSave.IsZero() {
			last = duration(v.now.Sub(s.LastSave)) + " ago"
		}
		p.State = []tile{{"last save", last}, {"every", duration(s.Interval)}, {"took", s.Took.Round(time.Millisecond).String()}, {"size", bytesText(int64(s.Bytes))}, {"saves", report.Count(s.Saves)}, {"failed", report.Count(s.Failures)}}
		for _, reason := range slices.Sorted(maps.Keys(s.Resets)) {
			if n := s.Resets[reason]; n > 0 {
				p.State = append(p.State, tile{"begun anew: " + reason, report.Count(n)})
			}
		}
	}
	if c := v.Config; c != nil {
		p.Config = []tile{{"loaded", c.Loaded.UTC().Format("2006-01-02 15:04:05")}}
	}
	points := 0
	for _, t := range v.History.Tracks() {
		points += t.Len()
	}
	p.History = []tile{{"series and windows", report.Count(len(v.History.Tracks()))}, {"points", report.Count(points)}, {"without room", report.Count(v.History.Left())}}
}

// bytesText writes a size.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
}
