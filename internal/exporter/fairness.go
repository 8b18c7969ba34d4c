package exporter

import (
	"github.com/streammon/streammon/internal/monitor"
)

var groupLabels = []string{"model", "version", "segment", "window", "by", "figure", "group", "against"}

// fairnessMetrics are those of groups.
var fairnessMetrics = []metric{
	{name: "fairness", help: "Figure of fairness of the window's labelled predictions between the groups of a segmentation, or of one of them: a rate or ratio, or a difference of rates.", labels: groupLabels},
	{name: "fairness_low", help: "Lower end of the confidence interval of 95 % of a figure of fairness.", labels: groupLabels},
	{name: "fairness_high", help: "Upper end of the confidence interval of 95 % of a figure of fairness.", labels: groupLabels},
	{name: "fairness_adverse_impact", help: "1 if the ratio of selection rates is below four fifths, else 0.", labels: groupLabels},
}

// fairness appends how the groups of a result differ.
func (a *adder) fairness(r *monitor.Result) {
	if r.Performance == nil || r.Performance.Fairness == nil {
		return
	}
	f := r.Performance.Fairness
	for i := range f.Figures {
		d := &f.Figures[i]
		add := func(name string, x float64) {
			a.add(tierDetail, name, monitor.Figure(x), label(f.Segment), d.Name, label(d.Group), label(d.Against))
		}
		add("fairness", d.Value)
		add("fairness_low", d.Low)
		add("fairness_high", d.High)
		if d.FourFifths() {
			adverse := 0.
			if d.Adverse {
				adverse = 1
			}
			add("fairness_adverse_impact", adverse)
		}
	}
}
