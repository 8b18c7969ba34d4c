package monitor

import (
	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/window"
)

// family is what is judged together: all features of all segments of a version in a window.
type family []member

// member is a feature of a result.
type member struct {
	result     *Result
	feature    int
	assessment *drift.Assessment
}

// level returns the level of significance of each look at a model's windows of one length.
func (v *View) level(m *Model, w Window) float64 {
	f := m.Verdicts.FalseAlarms
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
		if f.State != "" {
			m.result.Judged++
		}
		if f.State == StateDrift {
			m.result.Drifted++
		}
	}
}
