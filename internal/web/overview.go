package web

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/chart"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/report"
)

// overviewPage is the first page.
type overviewPage struct {
	Findings []finding
	// More is how many findings are left out, for the models to tell.
	More   int
	Models []modelCard
	Behind bool   // not all messages that were there are read
	Stage  string // what is waited for while there are no events
}

// mostFindings is how many the first page has, and mostOfModel how many of one model.
const (
	mostFindings = 20
	mostOfModel  = 10
)

// windowAge is how old the end of the newest window is at most while all goes on.
const windowAge = time.Minute

// modelCard is a model on the first page.
type modelCard struct {
	Name, Href      string
	Stale           string
	Last            string // when the last event was, in words
	Learning        string
	Version, Window string
	Versions        int
	Result          *monitor.Result // of all traffic of the version with the most events, in the shortest window
	Layers          []layerCell
	Spark           template.HTML
	Lag             string
	Behind          string // how far before now the newest window ends, if that is far
}

// layerCell is the state of a layer in words.
type layerCell struct{ Layer, State, Text, Href string }

func (v *view) learning(m *monitor.ModelStatus) string {
	l := m.Learning
	switch {
	case l == nil || l.Done:
		return ""
	case l.Until == 0:
		return "The reference will be learned from the first events."
	}
	return fmt.Sprintf("The reference is being learned until %s, from %s events so far.", clockOf(l.Until, v.now), report.Count(l.Events))
}

func (h *handler) overview(v *view) (title, key string, f func() any) {
	return "Overview", "all", func() any {
		p := &overviewPage{}
		all, of := v.findings(), map[string]int{}
		for _, x := range all {
			if of[x.Model]++; len(p.Findings) == mostFindings || of[x.Model] > mostOfModel {
				p.More++
				continue
			}
			p.Findings = append(p.Findings, x)
		}
		for i := range v.Models {
			p.Models = append(p.Models, v.card(&v.Models[i], all))
		}
		p.Behind = v.NotReady != ""
		if v.Ledger.Consumed == 0 {
			p.Stage = "Waiting for the first message."
			if v.NotReady != "" {
				p.Stage = "Waiting for the first message: " + v.NotReady + "."
			}
		}
		return p
	}
}

func (v *view) card(m *monitor.ModelStatus, all []finding) modelCard {
	c := modelCard{Name: m.Model, Href: link("/model", "name", m.Model), Learning: v.learning(m)}
	if m.LastEvent != 0 {
		c.Last = duration(v.now.Sub(time.Unix(0, m.LastEvent))) + " ago"
	}
	if d := v.stale(m); d > 0 {
		c.Stale = duration(d)
	}
	one := &view{v.Snapshot, v.now, map[string][]string{"name": {m.Model}}}
	s, ok := one.selectionOf()
	if !ok {
		return c
	}
	c.Version, c.Window, c.Versions = s.Version, s.Window, len(s.Versions)
	c.Result = v.result(&s)
	c.Layers = v.layers(&s, c.Result, all)
	track := v.History.Find(s.Model, s.Version, "", s.Window, false)
	c.Spark = chart.Spark("requests a second of "+report.Visible(m.Model)+" over the time that is kept", series(track, monitor.Column{Figure: "requests_per_second"}, 1), math.NaN())
	c.Lag = v.lag(m)
	if c.Result != nil {
		if d := v.now.Sub(c.Result.End); d > windowAge {
			c.Behind = duration(d)
		}
	}
	return c
}

// lag says how many messages of a model's topics are not read yet.
func (v *view) lag(m *monitor.ModelStatus) string {
	var sum int64
	known := false
	for i := range v.Partitions {
		if p := &v.Partitions[i]; slices.Contains(m.Topics, p.Topic) && p.Lag >= 0 {
			sum, known = sum+p.Lag, true
		}
	}
	switch {
	case !known:
		return ""
	case sum == 0:
		return "all messages read"
	}
	return report.Count(sum) + " messages behind"
}

// layers returns the states of all four layers of a model; r is its main result, which may be nil.
func (v *view) layers(s *selection, r *monitor.Result, all []finding) (out []layerCell) {
	for _, name := range layers {
		cell := layerCell{Layer: name, Href: s.TabLink(name)}
		found := 0
		for _, f := range all {
			if f.Model == s.Model && (f.Layer == name || name == layerDrift && f.Layer == layerData && ranks[f.State] != ranks[monitor.StateChange]) {
				if found++; ranks[f.State] > ranks[cell.State] {
					cell.State = f.State
				}
			}
		}
		if cell.State == "" && r != nil {
			cell.State = quiet(r, name)
		}
		cell.Text = v.layerText(name, r, found)
		out = append(out, cell)
	}
	return out
}

// quiet is the state of a layer in which nothing was found: ok if something judges it.
func quiet(r *monitor.Result, layer string) string {
	switch layer {
	case layerPerformance:
		if r.Performance != nil && r.Performance.State != "" {
			return r.Performance.State
		}
	case layerDrift, layerData:
		if r.Judged > 0 {
			return monitor.StateOK
		}
	}
	for _, c := range r.Changes {
		if layerOfFigure(c.Figure) == layer {
			return monitor.StateOK
		}
	}
	return ""
}

func (v *view) layerText(layer string, r *monitor.Result, found int) string {
	if r == nil {
		return "no events in any window"
	}
	switch layer {
	case layerService:
		return serviceText(r)
	case layerData:
		return dataText(r)
	case layerDrift:
		return driftText(r, found)
	}
	return answersText(r)
}

func serviceText(r *monitor.Result) string {
	var parts []string
	if x := r.Service.RequestsPerSecond; !x.IsZero() {
		parts = append(parts, number(x)+" requests/s")
	}
	if x := r.Service.ErrorRatio; !x.IsZero() {
		parts = append(parts, percent(x)+" errors")
	}
	for _, q := range r.Service.Latency {
		if q.Q == "0.95" {
			parts = append(parts, "p95 "+latency(q.Value))
		}
	}
	return strings.Join(parts, ", ")
}

// latency writes seconds.
func latency(seconds monitor.Figure) string {
	if seconds.IsZero() {
		return "–"
	}
	if seconds < 1 {
		return number(1000*float64(seconds)) + " ms"
	}
	return number(seconds) + " s"
}

func dataText(r *monitor.Result) string {
	worst, share := "", 0.0
	for i := range r.Features {
		f := &r.Features[i]
		if n := f.Count + f.Missing + f.Invalid; n > 0 && float64(f.Missing+f.Invalid)/float64(n) > share {
			worst, share = f.Name, float64(f.Missing+f.Invalid)/float64(n)
		}
	}
	switch {
	case len(r.Features) == 0:
		return "no features"
	case worst == "":
		return "nothing missing or invalid"
	}
	return "at most " + percent(share) + " missing or invalid (" + report.Visible(worst) + ")"
}

func driftText(r *monitor.Result, found int) string {
	switch {
	case len(r.Features) == 0:
		return "no features"
	case r.Judged == 0 && found == 0:
		return need(&r.Features[0])
	}
	return fmt.Sprintf("%d of %d features drifted", r.Drifted, r.Judged)
}

// need says why a feature has no state.
func need(f *monitor.FeatureResult) string {
	switch {
	case f.State != "":
		return ""
	case f.Needs == 0:
		return "no reference to compare with"
	case f.Count+f.Missing+f.Invalid < f.Needs:
		return fmt.Sprintf("needs %s events, has %s", report.Count(f.Needs), report.Count(f.Count+f.Missing+f.Invalid))
	case f.Count < f.Needs:
		return fmt.Sprintf("needs %s values, has %s", report.Count(f.Needs), report.Count(f.Count))
	}
	return "not comparable with the reference"
}

func answersText(r *monitor.Result) string {
	p := r.Performance
	switch {
	case p == nil:
		return "no labels, and nothing is estimated"
	case !p.Labelled:
		return "no labels yet" + mainFigure(p, ", estimated ")
	case p.State == "" && p.Needs > 0 && p.Matched < p.Needs:
		return fmt.Sprintf("needs %s labels, has %s", report.Count(p.Needs), report.Count(p.Matched))
	case p.State == "":
		return "no reference to compare with" + mainFigure(p, "; ")
	}
	return report.PerformanceText(p)
}
