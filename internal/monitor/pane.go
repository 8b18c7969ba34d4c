package monitor

import (
	"cmp"
	"slices"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
)

func compareText(a, b string) int { return cmp.Compare(a, b) }

// Pane is the content of a pane or a window: all series of a group.
type Pane struct {
	group *Group
	// gap reports that messages of this time may have been lost before they were read. It comes from
	// states of the first format only, which had no Losses.
	gap    bool
	models [][]version // by model; versions in the order they came
	last   int         // the version of the previous event
}

type version struct {
	name   string
	series []*series // by the model's segments; nil if without events
}

// series is what is known of one model, version and segment.
type series struct {
	// frozen: a snapshot holds it, so that it is copied before it changes.
	frozen         bool
	events, failed uint64
	latency        sketch.ExpHistogram // of seconds
	features       profile.Set
	estimate       *eval.Estimate // of the answers without their labels; nil: there is none
	labelled       *labelled      // nil but in panes of label time
	kpis           *kpi.Tally     // nil: the model has none
}

func newPane(g *Group) *Pane { return &Pane{group: g, models: make([][]version, len(g.Models))} }

func newSeries(l *profile.Layout) *series {
	return &series{latency: sketch.NewExpHistogram(0), features: profile.NewSet(l)}
}

// observe folds one accepted prediction, and what it adds to business figures, into its series, and returns how many of its
// segments are not listed.
func (p *Pane) observe(ev *event.Event, name string, answer *eval.Prediction, kpis []kpi.Result, w *profile.Workspace) (unlisted uint64) {
	m := p.group.Models[ev.Model]
	v := p.version(ev.Model, name)
	p.at(v, m, 0).observe(ev, answer, kpis, w)
	for i := range m.Segmentations {
		series, other := m.segment(i, ev)
		if other {
			unlisted++
		}
		p.at(v, m, series).observe(ev, answer, kpis, w)
	}
	return unlisted
}

func (p *Pane) version(model int, name string) *version {
	versions := p.models[model]
	if p.last < len(versions) && versions[p.last].name == name {
		return &versions[p.last]
	}
	for i := range versions {
		if versions[i].name == name {
			p.last = i
			return &versions[i]
		}
	}
	p.last = len(versions)
	n := len(p.group.Models[model].segments)
	p.models[model] = append(versions, version{name: name, series: make([]*series, n)})
	return &p.models[model][p.last]
}

func (p *Pane) at(v *version, m *Model, i int) *series {
	switch s := v.series[i]; {
	case s == nil:
		v.series[i] = newSeries(m.layout(v.name, i))
		v.series[i].estimate, v.series[i].kpis = m.newEstimate(v.name), m.newKPIs()
	case s.frozen:
		v.series[i] = s.clone()
	}
	return v.series[i]
}

func (s *series) clone() *series {
	c := &series{events: s.events, failed: s.failed, latency: s.latency.Clone(), features: s.features.Clone()}
	if s.estimate != nil {
		c.estimate = s.estimate.Clone()
	}
	if s.labelled != nil {
		c.labelled = s.labelled.clone()
	}
	if s.kpis != nil {
		c.kpis = s.kpis.Clone()
	}
	return c
}

// freeze returns a copy of the pane that never changes. It shares the series until the
// pane changes them.
func (p *Pane) freeze() *Pane {
	c := &Pane{group: p.group, gap: p.gap, models: make([][]version, len(p.models))}
	for i, versions := range p.models {
		c.models[i] = slices.Clone(versions)
		for k := range c.models[i] {
			v := &c.models[i][k]
			v.series = slices.Clone(v.series)
			for _, s := range v.series {
				if s != nil {
					s.frozen = true
				}
			}
		}
	}
	return c
}

func (s *series) observe(ev *event.Event, answer *eval.Prediction, kpis []kpi.Result, w *profile.Workspace) {
	s.events++
	if s.kpis != nil {
		s.kpis.Add(kpis)
	}
	if ev.HasLatency {
		s.latency.Add(ev.Latency)
	}
	if ev.Failed {
		s.failed++
		return
	}
	s.features.Observe(ev.Features, w)
	if s.estimate != nil {
		s.estimate.Add(answer)
	}
}

// seal folds all columns.
func (p *Pane) seal(w *profile.Workspace) {
	for i, versions := range p.models {
		for k := range versions {
			v := &versions[k]
			for j, s := range v.series {
				if s != nil {
					p.at(v, p.group.Models[i], j).features.Seal(w)
				}
			}
		}
	}
}

// add merges s, which is sealed and stays unchanged, into series i of a version of the pane. One that is not there
// yet has the references of s.
func (p *Pane) add(v *version, i int, s *series, m merger) {
	d := v.series[i]
	switch {
	case d == nil:
		d = newSeries(s.features.Layout())
	case d.frozen:
		d = d.clone()
	}
	v.series[i] = d
	m.mergeSeries(d, s)
}

// merger merges the panes of a group with one goroutine's scratch memory.
type merger struct{ work *profile.Workspace }

// Merge adds the sealed pane src to dst, which becomes one of the newer group of the two.
func (m merger) Merge(dst, src *Pane) {
	dst.adopt(src.group, m)
	dst.gap = dst.gap || src.gap
	for i, versions := range src.models {
		to, from := dst.group.Models[i], src.group.Models[i]
		same := to == from || slices.Equal(to.segments, from.segments)
		for _, v := range versions {
			d := dst.version(i, v.name)
			for k, s := range v.series {
				if s == nil {
					continue
				}
				if !same {
					k = to.place(from, k)
				}
				dst.add(d, k, s, m)
			}
		}
	}
}

func (m merger) mergeSeries(dst, src *series) {
	dst.addService(src)
	dst.features.Merge(&src.features, m.work)
}

// mix is mergeSeries of a series whose reference may be another, and not an older or newer one.
func (m merger) mix(dst, src *series) {
	dst.addService(src)
	dst.features.Mix(&src.features, m.work)
}

func (s *series) addService(o *series) {
	s.events += o.events
	s.failed += o.failed
	if err := s.latency.Merge(&o.latency); err != nil {
		panic(err) // both are distances from 0
	}
	// Of two kinds of estimate the first stays.
	s.estimate = together(s.estimate, o.estimate, (*eval.Estimate).Clone, (*eval.Estimate).Merge)
	s.labelled = together(s.labelled, o.labelled, (*labelled).clone, (*labelled).merge)
	s.kpis = together(s.kpis, o.kpis, (*kpi.Tally).Clone, (*kpi.Tally).Merge)
}

// together adds b to a, where there is one, and returns it; a copy of b where there is not.
func together[T any](a, b *T, clone func(*T) *T, add func(a, b *T)) *T {
	switch {
	case b == nil:
		return a
	case a == nil:
		return clone(b)
	}
	add(a, b)
	return a
}

// Clone returns an independent copy, which may be sealed on its own.
func (m merger) Clone(p *Pane) *Pane {
	c := newPane(p.group)
	c.gap = p.gap
	for i, versions := range p.models {
		c.models[i] = slices.Clone(versions)
		for k := range c.models[i] {
			v := &c.models[i][k]
			v.series = slices.Clone(v.series)
			for j, s := range v.series {
				if s != nil {
					v.series[j] = s.clone()
				}
			}
		}
	}
	return c
}
