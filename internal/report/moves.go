package report

import (
	"cmp"
	"strings"

	"github.com/streammon/streammon/internal/monitor"
)

// Place is where a feature moved, or may have: the result and what it says of the feature.
type Place struct {
	*monitor.Result
	*monitor.FeatureResult
}

func (p Place) moved() bool { return rank[p.State] >= rank[monitor.StateWarning] }

// better reports whether a place says more of a move than another: a worse state, all traffic, a shorter window, more events.
func (p Place) better(o Place) bool {
	segments := func(p Place) int { return min(len(p.Segment), 1) }
	return cmp.Or(cmp.Compare(rank[p.State], rank[o.State]), cmp.Compare(segments(o), segments(p)),
		cmp.Compare(o.Length, p.Length), cmp.Compare(p.Events, o.Events)) > 0
}

// Segments returns in which of the segments a feature has moved, in the place's version and window, and of how many there is a state.
func (p Place) Segments(results []*monitor.Result) (in []Place, judged int) {
	for _, r := range results {
		if r.Model != p.Model || r.Version != p.Version || r.Window != p.Window || r.Segment == "" {
			continue
		}
		for i := range r.Features {
			if o := (Place{r, &r.Features[i]}); o.Name == p.Name && o.State != "" {
				judged++
				if o.moved() {
					in = append(in, o)
				}
			}
		}
	}
	return in, judged
}

// Move is a feature that has moved in some version, segment or window: the place that says the most, and all of them.
type Move struct {
	Place
	All []Place
}

// Moves returns the features of a model's results that have moved, in the order of the results.
func Moves(results []*monitor.Result) (out []Move) {
	at := map[string]int{}
	for _, r := range results {
		for i := range r.Features {
			p := Place{r, &r.Features[i]}
			if !p.moved() {
				continue
			}
			j, ok := at[p.Name]
			if !ok {
				j, at[p.Name] = len(out), len(out)
				out = append(out, Move{Place: p})
			} else if p.better(out[j].Place) {
				out[j].Place = p
			}
			out[j].All = append(out[j].All, p)
		}
	}
	return out
}

// MissingStatistic is that of missing values.
const MissingStatistic = "missing_psi"

// Deciding returns the statistic that decides, or that of missing values if that is further beyond its threshold, or of a feature that is in warning
// or held nearer to it; of a feature that has not moved the first that may. It returns nil if there is none.
func Deciding(f *monitor.FeatureResult, may func(*monitor.Drift) bool) (by *monitor.Drift) {
	for i := range f.Drift {
		if d := &f.Drift[i]; f.Moved != nil && d.Statistic == f.Moved.Statistic || f.Moved == nil && by == nil && may(d) {
			by = d
		}
	}
	least := 1.
	if f.State == monitor.StateWarning || f.State == monitor.StateDrift {
		least = 0
	}
	for i := range f.Drift {
		if d := &f.Drift[i]; d.Statistic == MissingStatistic && Over(d) > max(least, Over(by)) {
			by = d
		}
	}
	return by
}

// Over is the value in units of its threshold; 0 if it is not known.
func Over(d *monitor.Drift) float64 {
	if d == nil || d.Value.IsZero() || d.Threshold.IsZero() || d.Threshold <= 0 {
		return 0
	}
	return float64(d.Value / d.Threshold)
}

// Newest returns the detector that found the newest change that is in force; nil if there is none.
func Newest(all monitor.DetectorResults) (by *monitor.DetectorResult) {
	for i := range all {
		if d := &all[i]; d.State == monitor.StateChange && (by == nil || d.Found > by.Found) {
			by = d
		}
	}
	return by
}

// ChangeName names the figure that detectors watch.
func ChangeName(c *monitor.ChangeResult) string {
	name := strings.ReplaceAll(c.Figure, "_", " ")
	if c.Feature != "" {
		name += " of " + Visible(c.Feature)
	}
	return name
}
