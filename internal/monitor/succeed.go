package monitor

import (
	"reflect"
	"slices"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// Succeed returns the group with what change makes of its models, whose names and features stay: in force for
// panes that start at or after since. No lane may have opened such a pane yet.
func (g *Group) Succeed(since int64, change func(*ModelConfig)) *Group {
	next := *g
	next.order, next.since, next.before = g.order+1, since, g
	next.Models = slices.Clone(g.Models)
	for i, m := range g.Models {
		c := m.config
		change(&c)
		next.Models[i] = m.succeed(c, &g.Schema, next.order, since)
	}
	next.labels = nil
	if g.labels != nil {
		next.labels = next.labelled()
		next.labels.before = g.labels
	}
	return &next
}

// Refer returns the group with the references and verdicts of models with the same names and features, as
// Succeed does; what was learned remains. It is g itself if nothing changes. It changes which older groups are kept, so
// that nobody may use any meanwhile.
func (g *Group) Refer(models []*Model, since int64) *Group {
	changed := false
	next := g.Succeed(max(since, g.since), func(c *ModelConfig) {
		for _, m := range models {
			if m.Name == c.Name {
				changed = c.refer(g.Models[g.Find(c.Name)].References, m) || changed
			}
		}
	})
	if !changed {
		return g
	}
	next.forget()
	return next
}

// refer takes over the references and verdicts of m, those of performance among them (what is measured takes a restart), and returns whether they differ.
func (c *ModelConfig) refer(had []ReferenceStatus, m *Model) bool {
	verdicts, segments, performance := c.Verdicts, c.Segmentations, c.Performance.verdict()
	c.Verdicts, c.Versions, c.Performance = m.config.Verdicts, m.config.Versions, c.Performance.judgedAs(m.config.Performance)
	references := m.References
	if c.Learn.Length == 0 {
		c.Reference, c.Segmentations = m.config.Reference, m.config.Segmentations
	} else if c.Learned != nil {
		references = append([]ReferenceStatus{{Fingerprint: c.Reference.Fingerprint}}, references...)
	}
	return !slices.Equal(had, references) || performance != c.Performance.verdict() || !reflect.DeepEqual(verdicts, c.Verdicts) || !reflect.DeepEqual(segments, c.Segmentations)
}

// keptGroups is how many groups before the one in force are kept, for lanes that are far behind.
const keptGroups = 8

// forget drops the oldest of the groups before.
func (g *Group) forget() {
	for range keptGroups {
		if g = g.before; g == nil {
			return
		}
	}
	g.before = nil
	for _, m := range g.Models {
		m.before, m.labels.before = nil, nil
	}
	if g.labels != nil {
		g.labels.before = nil
	}
}

// succeed makes the model of another config. What has the same reference keeps its layouts, so that its panes
// remain comparable, and a segment that means the same is as old as it was.
func (m *Model) succeed(c ModelConfig, schema *event.Schema, order int, since int64) *Model {
	next := NewModel(c, schema)
	next.follow(m, since)
	next.labels.follow(m.labels, since)
	next.common.keep(m.common, order)
	for v, l := range next.versions {
		l.keep(m.of(v), order)
		next.versions[v] = l
	}
	return next
}

// follow makes the model the one after m: a segment that means the same is as old as it was.
func (next *Model) follow(m *Model, since int64) {
	next.before = m
	for i, segment := range next.segments {
		if k := slices.Index(m.segments, segment); k < 0 || i > 0 && m.segmentKey(segment) != next.segmentKey(segment) {
			next.from[i] = since
		} else {
			next.from[i] = m.from[k]
		}
	}
}

// keep makes l what it was, if the reference is the same.
func (l *layouts) keep(was layouts, order int) {
	if l.full.Fingerprint == was.full.Fingerprint {
		*l = was
		return
	}
	l.full.Order, l.compact.Order = order, order
}

// of returns the layouts of a version.
func (m *Model) of(version string) layouts {
	if l, ok := m.versions[version]; ok {
		return l
	}
	return m.common
}

// At returns the group that is in force for a pane.
func (g *Group) At(start int64) *Group {
	for g.before != nil && start < g.since {
		g = g.before
	}
	return g
}

// hasFrom returns from when on what is in force just before a time has a segment of a model.
func (g *Group) hasFrom(model int, segment string, before int64) int64 {
	if g.before == nil {
		return window.NoTime
	}
	m := g.At(before - 1).Models[model]
	if i := slices.Index(m.segments, segment); i >= 0 {
		return m.from[i]
	}
	return window.NoTime
}

// older returns the layouts that a series of the model had, the newest first.
func (m *Model) older(version string, series int) (older []*profile.Layout) {
	segment := m.segments[series]
	for m = m.before; m != nil; m = m.before {
		if i := slices.Index(m.segments, segment); i >= 0 {
			older = append(older, m.layout(version, i))
		}
	}
	return older
}

// adopt makes the pane, which is nobody else's, one of a newer group: the series of a segment whose value has
// none there belong to Other.
func (p *Pane) adopt(g *Group, m merger) {
	if g.order <= p.group.order {
		return
	}
	for i, versions := range p.models {
		was, now := p.group.Models[i], g.Models[i]
		if slices.Equal(was.segments, now.segments) {
			continue
		}
		for k := range versions {
			had := versions[k].series
			versions[k].series = make([]*series, len(now.segments))
			for j, s := range had {
				if s != nil {
					p.add(&versions[k], now.place(was, j), s, m)
				}
			}
		}
	}
	p.group = g
}

// place returns the series of the model for series i of the same model in another group.
func (m *Model) place(of *Model, i int) int {
	if k := slices.Index(m.segments, of.segments[i]); k >= 0 {
		return k
	}
	last := 0
	for k, first := range of.offsets {
		if first <= i {
			last = k
		}
	}
	return m.lookup[last][event.Other]
}
