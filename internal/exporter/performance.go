package exporter

import (
	"slices"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

// labels are the series of a model's labels.
func (e *Exporter) labels(model string, m *monitor.ModelStatus) (out []sample) {
	c := m.Labels
	add := func(name string, value float64, labels ...string) {
		x := e.sample(name, value, append([]string{model}, labels...)...)
		x.tier = tierAccount
		out = append(out, x)
	}
	for _, o := range [...]struct {
		outcome string
		n       uint64
	}{
		{"matched", c.Matched}, {"unmatched", c.Unmatched}, {"duplicate", c.Duplicate}, {"conflict", c.Conflict},
		{"useless", c.Useless}, {"expired", c.Expired}, {"evicted", c.Evicted},
	} {
		add("labels_total", float64(o.n), o.outcome)
	}
	add("early_labels_total", float64(c.Early))
	add("pending_predictions", float64(c.Pending))
	add("waiting_labels", float64(c.Waiting))
	add("labelled_predictions_total", float64(c.Compared))
	switch m.Task {
	case eval.Binary, eval.Multiclass:
		add("mispredictions_total", float64(c.Mispredicted))
	case eval.Regression:
		add("absolute_error_total", c.AbsoluteError)
		add("squared_error_total", c.SquaredError)
	}
	return out
}

// performance appends what is known of the answers.
func (a *adder) performance(p *monitor.PerformanceResult) {
	if p.Labelled {
		complete := monitor.Figure(0)
		if p.Complete {
			complete = 1
		}
		a.add(tierQuality, "labelled_events", monitor.Figure(p.Matched))
		a.add(tierQuality, "expired_events", monitor.Figure(p.Expired))
		a.add(tierQuality, "labels_matched_ratio", p.MatchedRatio)
		a.add(tierQuality, "labels_window_end_timestamp_seconds", monitor.Figure(seconds(p.End.UnixNano())))
		a.add(tierQuality, "labels_window_complete", complete)
		for _, q := range p.Delay {
			a.add(tierDetail, "label_delay_seconds", q.Value, q.Q)
		}
	}
	a.figures(p.Figures)
	a.figures(p.Estimated)
}

// figures appends performance figures; those that say the most are the last to be dropped.
func (a *adder) figures(figures []eval.Figure) {
	main := eval.Main(figures)
	for i := range figures {
		f := &figures[i]
		d := eval.Describe(f.Name)
		if d == nil {
			continue
		}
		tier := tierDetail
		if slices.ContainsFunc(main, func(m eval.Figure) bool { return m.Name == f.Name && m.At == f.At }) {
			tier = tierQuality
		}
		labels := make([]string, len(d.Labels))
		if n := slices.Index(d.Labels, f.Label); n >= 0 {
			labels[n] = f.At
		}
		a.add(tier, f.Name, monitor.Figure(f.Value), labels...)
		if f.Label == "" {
			low, high := f.Interval()
			a.add(tierDetail, "performance_low", monitor.Figure(low), f.Name)
			a.add(tierDetail, "performance_high", monitor.Figure(high), f.Name)
		}
	}
}
