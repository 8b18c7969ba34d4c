package monitor

import (
	"slices"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/window"
)

// PerformanceResult is what is known of the answers of a series. Those with labels are in windows of label time, those that
// are estimated in windows of the predictions' own.
type PerformanceResult struct {
	// End of the window of label time; it is earlier than the result's while labels are waited for.
	End time.Time
	// Labelled: there are labels, or predictions that expired without; else only Estimated is meaningful.
	Labelled bool
	// Complete: the window begins after the first label.
	Complete bool
	// Matched predictions have a label; Early ones one that is before them. Duplicate and Conflict are more labels of the
	// same predictions, which said the same or not. Expired predictions had none in time.
	Matched, Early, Duplicate, Conflict, Expired uint64
	// MatchedRatio is the share of matched ones among matched and expired ones.
	MatchedRatio Figure
	// Delay of labels in seconds, 0 of early ones.
	Delay Quantiles
	// Figures of the matched ones, and Estimated ones of all answers, with and without labels.
	Figures, Estimated []eval.Figure
	// Confusion has the pairs of a multiclass task by [truth][answer], in the order of Classes; nil for other tasks.
	Confusion [][]uint64
	Classes   []string
	// Curves of the matched ones, and those of the reference, for pictures: results do not write them. Nil if there are none.
	Curves, ReferenceCurves *eval.Curves
	// Needs is the number of matched ones that a state takes; 0 if there is nothing to compare with.
	Needs uint64

	// Reference has the figures of the reference; none if there is none, and of segments, which it does not tell apart.
	Reference []eval.Figure
	// State is eval.OK, Warning or Worse by the figure DecidedBy, at the cut-off DecidedAt if it has one; empty if it is undefined.
	State                string
	DecidedBy, DecidedAt string
	// Threshold is the value from which on the state is worse, and PValue the probability of a change like this one while nothing
	// changes.
	Threshold, PValue Figure
	// Calibration says why the state may be wrong, as that of a feature.
	Calibration string
	// Worst is the segment with the worst deciding figure, and Fairness compares groups; of all traffic only, and nil if there is none.
	Worst    *WorstSegment
	Fairness *FairnessResult
}

// labelDelayQuantiles are those of the labels' delay.
var labelDelayQuantiles = named(0.5, 0.9, 0.99)

// assessLabels appends the results of the series in p, the content of window i over [start, end) of label time.
func (v *View) assessLabels(dst []*Result, i int, start, end int64, p *Pane, l look) []*Result {
	w := v.group.Windows[i]
	if l != shown {
		defer v.holds.expire(w.Length, end)
	}
	if p == nil {
		return dst
	}
	for k, m := range p.group.Models {
		for _, version := range v.shown(m, p.models[k]) {
			first := len(dst)
			for j, s := range version.series {
				if s == nil || s.labelled == nil || l == passing && j > 0 {
					continue
				}
				r := &Result{
					Model: m.Name, Version: version.name, Segment: m.segments[j], Window: w.Name, Length: w.Length,
					Start: time.Unix(0, start).UTC(), End: time.Unix(0, end).UTC(), Service: noService,
				}
				r.Performance = s.labelled.assess()
				r.Performance.Confusion, r.Performance.Classes = s.labelled.tally.Confusion(), m.config.Performance.Spec.Classes
				if v.pictures(l) {
					r.Performance.Curves = s.labelled.tally.Curves()
				}
				r.Performance.End, r.Performance.Complete = r.End, start >= max(v.first, v.from[i])
				r.Complete = r.Performance.Complete
				if j == 0 {
					v.compare(r, m, v.group.Models[k], w, end, l)
					if l != passing {
						r.Changes = v.changes.of(k, version.name, start, end)
					}
				}
				dst = append(dst, r)
			}
			if l != passing {
				v.group.Models[k].config.Performance.compareSegments(dst[first:], m, &version)
			}
		}
	}
	return dst
}

var noService = Service{RequestsPerSecond: Undefined, ErrorRatio: Undefined}

func (l *labelled) assess() *PerformanceResult {
	r := &PerformanceResult{
		Labelled: true, Matched: l.matched, Early: l.early, Duplicate: l.duplicate, Conflict: l.conflict, Expired: l.expired, MatchedRatio: Undefined,
		Threshold: Undefined, PValue: Undefined, Figures: l.tally.Figures(nil),
	}
	if n := l.matched + l.expired; n > 0 {
		r.MatchedRatio = Figure(float64(l.matched) / float64(n))
	}
	if l.delay.Count() > 0 {
		for _, q := range labelDelayQuantiles {
			r.Delay = append(r.Delay, Quantile{q.name, Figure(l.delay.Quantile(q.p))})
		}
	}
	return r
}

// WithPerformance puts what is known from labels into the results of the same series, window and end. Those of series without
// predictions are added. Both are ordered, and so is what is returned.
func WithPerformance(results, labels []*Result) []*Result {
	if len(labels) == 0 {
		return results
	}
	n := 0
	var added []*Result
	for _, l := range labels {
		for n < len(results) && CompareResults(results[n], l) < 0 {
			n++
		}
		if n == len(results) || CompareResults(results[n], l) != 0 {
			added = append(added, l)
			continue
		}
		r := results[n]
		if r.Performance != nil {
			l.Performance.Estimated = r.Performance.Estimated
		}
		r.Performance, r.Changes = l.Performance, append(r.Changes, l.Changes...)
	}
	results = append(results, added...)
	slices.SortStableFunc(results, CompareResults)
	return results
}

// Date gives what is shown of labels the times of the windows of the same lengths that are shown at the frontier.
func (v *View) Date(labels []*Result, frontier int64) []*Result {
	for _, r := range labels {
		r.Start = time.Unix(0, window.Ceil(frontier, window.Slide(r.Length, v.group.Pane))-r.Length).UTC()
		r.End = time.Unix(0, frontier).UTC()
	}
	return labels
}
