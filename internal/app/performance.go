package app

import (
	"fmt"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

var tasks = map[string]eval.Task{"binary": eval.Binary, "multiclass": eval.Multiclass, "regression": eval.Regression, "ranking": eval.Ranking}

// performance says how a model's answers are compared with labels; nil if it is not known what is right. Labels come if the config says
// so, or whoever reads has others.
func (g *modelGroup) performance(m *config.Model, mc *monitor.ModelConfig) *monitor.Performance {
	if !m.Measured() {
		return nil
	}
	c := &m.Performance
	p := &monitor.Performance{
		Spec: eval.Spec{
			Task: tasks[m.Task], Positive: m.Positive, Classes: c.Classes, Threshold: math.NaN(), Beta: c.Beta, K: c.TopK, Levels: c.Levels, Catalog: c.Catalog,
		},
		Joined: g.labelled || m.Labelled(), Timeout: int64(m.Labels.Timeout), MaxPending: m.Labels.MaxPending,
		Score: g.output(event.PredictionScore), Decision: g.output(event.PredictionLabel), Value: g.output(event.PredictionValue),
	}
	if c.Threshold != nil {
		p.Spec.Threshold = *c.Threshold
	}
	if c.Cost != nil {
		p.Spec.Cost = &[2][2]float64{{c.Cost.TrueNegative, c.Cost.FalsePositive}, {c.Cost.FalseNegative, c.Cost.TruePositive}}
	}
	p.Estimated = c.Calibrated && (m.Task == "binary" || m.Task == "multiclass")
	v := c.Verdict
	p.Verdict = monitor.PerformanceVerdict{DecideBy: v.DecideBy, Floor: v.Floor, MinSamples: uint64(v.MinSamples)}
	p.Refer("", mc.Reference, m.Task)
	for version, r := range mc.Versions {
		p.Refer(version, r, m.Task)
	}
	p.Fairness = monitor.Fairness(c.Fairness)
	return p
}

// performanceWarning says why a reference does not tell how good answers are, though it was built with labels; empty if it does.
func performanceWarning(m *config.Model, p *monitor.Performance, version string) string {
	r := p.References[version]
	if r == nil || r.Performance == nil || len(r.Figures) > 0 {
		return ""
	}
	of := "the reference"
	if version != "" {
		of = fmt.Sprintf("the reference of version %q", version)
	}
	return fmt.Sprintf("model %q: the performance of %s is of another task, positive class, threshold, classes, top_k or levels: there will be no verdict (build it again)", m.Name, of)
}

// output returns the index of a prediction output in the schema, -1 if it is not there.
func (g *modelGroup) output(name string) int {
	return slices.IndexFunc(g.monitor.Schema.Features, func(f event.Feature) bool { return f.Name == name })
}
