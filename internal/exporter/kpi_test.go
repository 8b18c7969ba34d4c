package exporter

import (
	"testing"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/monitor"
)

// business gives the first result and model business figures, and compares groups.
func business(s *monitor.Snapshot) *monitor.Snapshot {
	r := s.Results[0]
	r.KPIs = []kpi.Figure{{Name: "revenue", Value: 1234.5}, {Name: "blocked_share", Value: 0.125}}
	groups := []eval.Group{{Name: "F", TP: 10, FP: 5, FN: 10, TN: 75}, {Name: "M", TP: 20, FP: 5, FN: 5, TN: 70}}
	r.Performance.Fairness = &monitor.FairnessResult{Segment: "gender", Privileged: "M", Groups: groups, Figures: eval.Fairness(groups, "M")}
	s.Models[0].KPIs = []monitor.KPIStatus{{Name: "revenue", Undefined: 3, Failed: 1}, {Name: "blocked_share"}}
	return s
}

// TestFairnessSeriesAreDistinct: a figure over all groups, of one, and of one against another have labels of their own.
func TestFairnessSeriesAreDistinct(t *testing.T) {
	s := picture()
	want := len(s.Results[0].Performance.Fairness.Figures)
	found, adverse := 0, map[string]float64{}
	for _, f := range gather(t, exporterOf(s, 0)) {
		for _, m := range f.Metric {
			labels := map[string]string{}
			for _, l := range m.Label {
				labels[l.GetName()] = l.GetValue()
			}
			switch f.GetName() {
			case "streammon_fairness":
				found++
			case "streammon_fairness_adverse_impact":
				adverse[labels["figure"]+" "+labels["group"]+" "+labels["against"]] = m.GetGauge().GetValue()
			}
		}
	}
	if found != want {
		t.Errorf("%d figures, want %d", found, want)
	}
	// F is selected in 15 of 100 cases, M in 25.
	if len(adverse) != 2 || adverse["disparate_impact F M"] != 1 || adverse["demographic_parity_ratio  "] != 1 {
		t.Errorf("adverse impact %v", adverse)
	}
}
