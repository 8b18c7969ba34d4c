package exporter

import "github.com/streammon/streammon/internal/monitor"

// kpiMetrics are those of business figures.
var kpiMetrics = []metric{
	{name: "kpi", help: "Business figure of the window's predictions, in the unit of its expression.", labels: []string{"model", "version", "segment", "window", "kpi"}},
	{name: "kpi_failures_total", help: "Predictions that a business figure left out, because they lack a value (undefined) or its expression failed (failed).", kind: counter, labels: []string{"model", "kpi", "reason"}},
}

// kpis appends the business figures of a result.
func (a *adder) kpis(r *monitor.Result) {
	for _, f := range r.KPIs {
		a.add(tierQuality, "kpi", monitor.Figure(f.Value), label(f.Name))
	}
}

// kpiFailures returns what the business figures of a model left out.
func (e *Exporter) kpiFailures(m *monitor.ModelStatus) (out []sample) {
	for _, k := range m.KPIs {
		for _, x := range []sample{
			e.sample("kpi_failures_total", float64(k.Undefined), label(m.Model), label(k.Name), "undefined"),
			e.sample("kpi_failures_total", float64(k.Failed), label(m.Model), label(k.Name), "failed"),
		} {
			x.tier = tierAccount
			out = append(out, x)
		}
	}
	return out
}
