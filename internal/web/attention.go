package web

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// finding is something that needs attention, in one sentence: Subject links to where it shows, and Rest goes on.
type finding struct {
	State string // as word knows it
	// Layer that it is of: one of layers, or empty for the monitor itself.
	Layer, Model, Subject, Href, Rest string

	rank int
}

// ranks of states: what is first on a page.
var ranks = map[string]int{monitor.StateDrift: 4, eval.Worse: 4, "failing": 5, monitor.StateChange: 2, monitor.StateWarning: 1}

// findings returns what needs attention of all models, the worst first.
func (v *view) findings() []finding {
	out := v.ofMonitor()
	for i := range v.Models {
		out = append(out, v.ofModel(&v.Models[i])...)
	}
	return ranked(out)
}

// ranked sorts findings, the worst first.
func ranked(all []finding) []finding {
	slices.SortStableFunc(all, func(a, b finding) int {
		return cmp.Compare(b.rank+10*ranks[b.State], a.rank+10*ranks[a.State])
	})
	return all
}

// ofMonitor is what is wrong with the monitor, or with its getting at messages.
func (v *view) ofMonitor() (out []finding) {
	add := func(subject, rest string) {
		out = append(out, finding{State: "failing", Subject: subject, Href: "/status", Rest: rest})
	}
	if v.State != nil && v.State.Error != "" && !strings.Contains(v.NotReady, v.State.Error) {
		add("The state is not saved", ": "+v.State.Error)
	}
	if v.Final != nil && v.Final.Error != "" && !strings.Contains(v.NotReady, v.Final.Error) {
		add("Results are not written", ": "+v.Final.Error)
	}
	if v.Config != nil && v.Config.Error != "" {
		add("The config was not reloaded", ", the one before stays in force: "+v.Config.Error)
	}
	var gap, lost, skipped uint64
	for i := range v.Partitions {
		p := &v.Partitions[i]
		gap, lost = gap+p.Gap, lost+p.LostLetters
		for _, s := range p.Skipped {
			skipped += s.Batches
		}
	}
	if gap > 0 || skipped > 0 {
		add("Messages were lost before they were read", fmt.Sprintf(": %s to retention, %s batches that cannot be read; windows that hold them are not complete", report.Count(gap), report.Count(skipped)))
	}
	if lost > 0 {
		add("Dead letters were dropped", fmt.Sprintf(": %s could not be written", report.Count(lost)))
	}
	return out
}

// staleAfter is how long a model may have no events before its page says so.
const staleAfter = 2 * time.Minute

// stale returns how long a model has had no events; 0 if that is not long.
func (v *view) stale(m *monitor.ModelStatus) time.Duration {
	if m.LastEvent == 0 {
		return 0
	}
	if d := v.now.Sub(time.Unix(0, m.LastEvent)); d > staleAfter {
		return d
	}
	return 0
}

func (v *view) ofModel(m *monitor.ModelStatus) (out []finding) {
	if d := v.stale(m); d > 0 {
		out = append(out, finding{State: "failing", Layer: layerService, Model: m.Model, Subject: report.Visible(m.Model), Href: link("/model", "name", m.Model),
			Rest: fmt.Sprintf(" has had no events since %s (%s)", clockOf(m.LastEvent, v.now), duration(d))})
	}
	var results []*monitor.Result // of all traffic
	for _, r := range v.Results {
		if r.Model == m.Model && r.Segment == "" {
			results = append(results, r)
		}
	}
	out = append(out, v.answers(results)...)
	out = append(out, v.moved(m.Model)...)
	return append(out, v.changed(results)...)
}

// answers returns a sentence if the answers of some version are worse.
func (v *view) answers(results []*monitor.Result) (out []finding) {
	best := map[string]*monitor.Result{}
	var versions []string
	var main *monitor.Result
	for _, r := range results {
		if p := r.Performance; p == nil || ranks[p.State] == 0 {
			continue
		}
		addNew(&versions, r.Version)
		b := best[r.Version]
		if b == nil || cmp.Or(cmp.Compare(ranks[r.Performance.State], ranks[b.Performance.State]), cmp.Compare(b.Length, r.Length)) > 0 {
			best[r.Version] = r
		}
	}
	var also []string
	for _, version := range versions { // the one with the most labels speaks for all
		if r := best[version]; main == nil || r.Performance.Matched > main.Performance.Matched {
			main = r
		}
	}
	for _, version := range versions {
		if r := best[version]; r != main {
			also = append(also, versionName(version)+" ("+number(figureOf(r.Performance.Figures, r.Performance.DecidedBy, r.Performance.DecidedAt))+")")
		}
	}
	if r := main; r != nil {
		p := r.Performance
		s := selection{Model: r.Model, Version: r.Version, Window: r.Window}
		text := " are " + map[bool]string{true: "worse", false: "perhaps worse (warning)"}[p.State == eval.Worse]
		if since := v.worseSince(r); since > 0 {
			text += " since " + clockOf(since, v.now)
		}
		text += ": " + report.PerformanceText(p)
		if p.Worst != nil {
			text += ", worst in " + segmentName(p.Worst.Segment) + " (" + number(p.Worst.Value) + ")"
		}
		out = append(out, finding{
			State: p.State, Layer: layerPerformance, Model: r.Model, Subject: "Answers of " + report.Visible(r.Model) + " " + versionName(r.Version), Href: s.TabLink("performance"),
			Rest: text + " (window " + r.Window + alsoVersions(also) + ")", rank: 9,
		})
	}
	return out
}

// figureOf returns the figure of a name and cut-off without a label of a decision or an average, NaN if there is none.
func figureOf(figures []eval.Figure, name, at string) float64 {
	for _, f := range figures {
		if f.Name == name && f.At == at {
			return f.Value
		}
	}
	return math.NaN()
}

// worseSince returns when the answers became worse: by the detectors of wrong answers, else the first slide of the state that is
// there now; 0 if that is not known.
func (v *view) worseSince(r *monitor.Result) int64 {
	for _, c := range r.Changes {
		if layerOfFigure(c.Figure) == layerPerformance {
			if d := report.Newest(c.Detectors); d != nil && d.Since > 0 {
				return d.Since
			}
		}
	}
	points := v.History.Find(r.Model, r.Version, "", r.Window, true).Points(monitor.Column{Figure: "state"})
	since := int64(0)
	for _, p := range slices.Backward(points) {
		if p.Value.IsZero() || p.Value < 1 {
			return since
		}
		since = p.End
	}
	return since
}

// changed returns a sentence for each figure that detectors say has changed.
func (v *view) changed(results []*monitor.Result) (out []finding) {
	type key struct{ figure, feature string }
	versions := map[key][]string{}
	results = slices.Clone(results)
	slices.SortStableFunc(results, func(a, b *monitor.Result) int {
		return cmp.Or(cmp.Compare(a.Length, b.Length), cmp.Compare(b.Events, a.Events))
	})
	for _, r := range results {
		for _, c := range r.Changes {
			if report.Newest(c.Detectors) != nil {
				k := key{c.Figure, c.Feature}
				of := versions[k]
				addNew(&of, versionName(r.Version))
				versions[k] = of
			}
		}
	}
	for _, r := range results {
		for _, c := range r.Changes {
			d := report.Newest(c.Detectors)
			k := key{c.Figure, c.Feature}
			if d == nil || versions[k] == nil {
				continue
			}
			began, also := cmp.Or(d.Since, d.Found), versions[k][1:]
			delete(versions, k)
			s := selection{Model: r.Model, Version: r.Version, Window: r.Window}
			f := finding{State: monitor.StateChange, Layer: layerOfFigure(c.Figure), Model: r.Model, Href: s.TabLink(layerOfFigure(c.Figure))}
			f.Subject = report.ChangeName(&c)
			if c.Feature != "" {
				f.Href = s.FeatureLink(c.Feature)
			}
			f.Rest = fmt.Sprintf(" of %s %s changed at %s", report.Visible(r.Model), versionName(r.Version), clockOf(began, v.now))
			if before, now, ok := v.beforeAndNow(r, &c, began); ok {
				f.Rest += ": " + before + " → " + now
			}
			f.Rest += fmt.Sprintf(" (%s, found at %s%s)", detectorName(d.Detector), clockOf(d.Found, v.now), alsoVersions(also))
			out = append(out, f)
		}
	}
	return out
}

// detectorName writes a detector as people do.
func detectorName(s string) string {
	switch s {
	case "page_hinkley":
		return "Page-Hinkley"
	}
	return strings.ToUpper(strings.ReplaceAll(s, "_", "-"))
}

// beforeAndNow returns what a figure was in the last window before a change, and is now, if both are known.
func (v *view) beforeAndNow(r *monitor.Result, c *monitor.ChangeResult, since int64) (before, now string, ok bool) {
	write := func(x monitor.Figure) string {
		if strings.HasSuffix(c.Figure, "_ratio") {
			return percent(x)
		}
		return number(x)
	}
	points := v.History.Find(r.Model, r.Version, "", r.Window, layerOfFigure(c.Figure) == layerPerformance).Points(monitor.Column{Feature: c.Feature, Figure: c.Figure})
	if len(points) == 0 || points[len(points)-1].Value.IsZero() {
		return "", "", false
	}
	for _, p := range slices.Backward(points) {
		if p.End <= since && !p.Value.IsZero() {
			return write(p.Value), write(points[len(points)-1].Value), true
		}
	}
	return "", "", false
}

// Layers of what is monitored.
const (
	layerService     = "service"
	layerData        = "data"
	layerDrift       = "drift"
	layerPerformance = "performance"
)

var layers = []string{layerService, layerData, layerDrift, layerPerformance}

// layerOfFigure returns the layer of a figure that detectors watch.
func layerOfFigure(figure string) string {
	switch figure {
	case "error_ratio":
		return layerService
	case "missing_ratio", "invalid_ratio", "out_of_range_ratio", "unseen_ratio":
		return layerData
	case monitor.MispredictionRatio:
		return layerPerformance
	}
	return layerDrift
}
