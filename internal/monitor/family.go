package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// family is what is judged together: all features of all segments of a version in a window.
type family []member

// member is a feature of a result.
type member struct {
	result     *Result
	feature    int // its index, as model is that of its model
	assessment *drift.Assessment
	model      int
	spec       *profile.FeatureSpec
	then       drift.Sample // what it is compared with
}

// level returns the level of significance of each look at a model's windows of one length.
func (v *View) level(verdicts *Verdicts, w Window) float64 {
	f := verdicts.FalseAlarms
	if f.Count <= 0 || f.Per <= 0 {
		return drift.DefaultAlpha
	}
	return f.Level(w.Length, window.Slide(w.Length, v.group.Pane), len(v.group.Windows))
}

// judge fills in the statistics and states of all members.
func (all family) judge(level float64) {
	pvalues := make([]float64, len(all))
	for i, m := range all {
		pvalues[i] = m.assessment.PValue()
	}
	levels, qvalues := drift.Holm(pvalues, level), drift.BenjaminiHochberg(pvalues)
	var outcomes []drift.Outcome
	for i, m := range all {
		f := &m.result.Features[m.feature]
		outcomes, f.State = m.assessment.Judge(outcomes[:0], levels[i])
		f.QValue = Figure(qvalues[i])
		f.Drift = make(Drifts, 0, len(outcomes))
		for _, d := range outcomes {
			if value := Figure(d.Value); !value.IsZero() {
				f.Drift = append(f.Drift, Drift{d.Statistic, value, Figure(d.Threshold), Figure(d.PValue)})
			}
		}
	}
}

// hold makes the states of all members those that are held, and remembers the looks that later ones know of, at
// window i that ends at end.
func (v *View) hold(all family, i int, end int64, l look) {
	for _, m := range all {
		r, f := m.result, &m.result.Features[m.feature]
		k := holdKey{r.Length, r.Model, r.Version, r.Segment, f.Name}
		now := f.State
		f.State = v.holds[k].state(now, end, r.Length)
		if l != shown && v.holds.note(k, now, end) {
			v.holds.begin(k, v.began(i, end, m))
		}
		if f.State == StateWarning || f.State == StateDrift {
			f.Since = v.holds[k].since
		}
		if f.State != "" {
			r.Judged++
		}
		if f.State == StateDrift {
			r.Drifted++
		}
	}
}

// began estimates since when a member has moved: when a slide of window i began, or NoTime.
func (v *View) began(i int, end int64, m member) int64 {
	var starts []int64
	var panes [][]uint64
	v.windows[i].Panes(end, func(start int64, p *Pane) {
		if p == nil {
			return
		}
		j := slices.Index(p.group.Models[m.model].segments, m.result.Segment)
		for _, version := range p.models[m.model] {
			if j < 0 || version.name != m.result.Version || version.series[j] == nil {
				continue
			}
			set := &version.series[j].features
			if spec := &set.Layout().Features[m.feature]; spec.Reference == m.spec.Reference {
				starts, panes = append(starts, start), append(panes, presentAndAbsent(currentSample(spec, set)))
			}
		}
	})
	if at := drift.Began(presentAndAbsent(m.then), panes); at >= 0 {
		return starts[at]
	}
	return window.NoTime
}

// presentAndAbsent returns the counts of the bins, and of missing and invalid values.
func presentAndAbsent(s drift.Sample) []uint64 { return append(slices.Clip(s.Bins), s.Absent) }
