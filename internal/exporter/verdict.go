package exporter

import (
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

var worseValues = map[string]monitor.Figure{eval.OK: 0, eval.Warning: 1, eval.Worse: 2}

// verdict adds whether the answers are worse than those of the reference.
func (a *adder) verdict(p *monitor.PerformanceResult) {
	if p == nil {
		return
	}
	if state, ok := worseValues[p.State]; ok {
		a.add(tierWindow, "performance_state", state)
	}
	if p.DecidedBy != "" {
		a.add(tierQuality, "performance_threshold", p.Threshold, p.DecidedBy)
	}
}
