package exporter

import (
	"math"
	"strings"
	"testing"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

// judged has answers that are worse than the reference's.
func judged(r *monitor.Result) *monitor.Result {
	r.Performance = &monitor.PerformanceResult{
		MatchedRatio: monitor.Undefined, State: eval.Worse, DecidedBy: "roc_auc", Threshold: 0.875, PValue: 0.001,
	}
	return r
}

// TestUndefinedVerdict: without a state there is none, and no threshold that is not a number.
func TestUndefinedVerdict(t *testing.T) {
	s := picture()
	for _, p := range []*monitor.PerformanceResult{nil, {MatchedRatio: monitor.Undefined}, {MatchedRatio: monitor.Undefined, DecidedBy: "roc_auc", Threshold: monitor.Figure(math.NaN())}} {
		s.Results[0].Performance = p
		if got := text(t, exporterOf(s, 0)); strings.Contains(got, "streammon_performance_state") || strings.Contains(got, "streammon_performance_threshold") {
			t.Errorf("%+v has a verdict", p)
		}
	}
}
