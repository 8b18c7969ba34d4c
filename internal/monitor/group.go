package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Limits of the versions of a model.
const (
	// MaxLiveVersions is how many versions of a model a lane tells apart.
	MaxLiveVersions = 8
	// MaxShownVersions is how many versions of a model a window shows.
	MaxShownVersions = 4
)

// Group is a set of models that share topics, and what all lanes of it have in
// common. It never changes: other references make another group, which succeeds it. Times and
// lengths are in nanoseconds.
type Group struct {
	Models  []*Model
	Schema  event.Schema
	Windows []Window
	// Pane is the length of the base pane, a divisor of a minute.
	Pane     int64
	Lateness int64
	// MaxFuture is how far an event may be ahead of its record's timestamp.
	MaxFuture int64
	// MaxJump is how far an event without such a timestamp may be ahead of its
	// lane; 0 is any distance.
	MaxJump int64
	// Deduplicate is how long in event time a repeated id is found; 0 is never.
	Deduplicate int64
	// MaxIDs is how many ids a lane remembers for certain, of a kind of events and a bucket of event time as long as
	// Deduplicate: the newest. It remembers twice as many at most; 0 means 1.
	MaxIDs int

	// order counts the groups that this one succeeds. Its references are in force for panes that start at or
	// after since; those before are of the group before.
	order  int
	since  int64
	before *Group
	labels *Group // see Labels
	// onLabels: it is the Labels of another.
	onLabels bool
}

// Window is one of a group's window lengths.
type Window struct {
	Name   string
	Length int64
}

// Longest returns the length of the longest window.
func (g *Group) Longest() int64 {
	var l int64
	for _, w := range g.Windows {
		l = max(l, w.Length)
	}
	return l
}

// Segmentation cuts a model's events by one field.
type Segmentation struct {
	Name string
	// Source is the index in event.Event.Segments.
	Source int
	// Values have a series of their own; the rest is event.Other.
	Values []string
}

// Verdicts is how drift of a model is judged.
type Verdicts struct {
	Statistics []string
	MinSamples uint64
	// Features has the feature's own settings, by name.
	Features map[string]FeatureVerdict
	DecideBy string
	// FalseAlarms are those of the model that are accepted while nothing changes; without any each look
	// has the level drift.DefaultAlpha.
	FalseAlarms drift.FalseAlarms
	// Against is the version whose windows the others' are compared with, in the bins of the reference; empty: they are
	// compared with the reference.
	Against string
	// Trailing is how long before a window the hours begin that it is compared with, all versions of the model together, in
	// the bins of the reference: whole hours, at least the longest window; 0: it is not. Against is empty then.
	Trailing int64
}

// FeatureVerdict overrides how one feature is judged and shown; zero values override nothing.
type FeatureVerdict struct {
	DecideBy string
	Floor    float64
	// Importance weighs the feature against the others; 0 is 1.
	Importance float64
	// Show says which of its categories results name; empty is ShowKnown.
	Show string
}

func (v *Verdicts) options(feature string, l look) drift.Options {
	f := v.Features[feature]
	by := v.DecideBy
	if f.DecideBy != "" {
		by = f.DecideBy
	}
	o := drift.Options{Statistics: v.Statistics, DecideBy: by, MinSamples: v.MinSamples, Floor: f.Floor}
	if l == passing {
		o.Statistics = []string{""} // none but the deciding one
	}
	return o
}

// ModelConfig is what a Model is made from.
type ModelConfig struct {
	Name string
	// Features are the indices in the schema, in the order of results.
	Features      []int
	Segmentations []Segmentation
	// Reference for all versions without one of their own; nil if there is none.
	Reference *profile.Reference
	// Versions are the references of single versions.
	Versions map[string]*profile.Reference
	Verdicts Verdicts
	// Changes are the figures that detectors watch.
	Changes []ChangeConfig
	// Learn says how Reference is learned; it is nil until it is, and then Learned says when.
	Learn   Learning
	Learned *Learned
	// Performance says how answers are compared with their labels; nil: they are not.
	Performance *Performance
	// KPIs are the business figures of the model's predictions, which the schema has all fields of; nil: there are none.
	KPIs *kpi.Set
}

// Model is one model of a group.
type Model struct {
	Name          string
	Verdicts      Verdicts
	Segmentations []Segmentation
	References    []ReferenceStatus

	watches  []watch
	config   ModelConfig
	before   *Model   // as it was in the group before; nil if there is none
	hash     uint64   // of the name
	segments []string // of a series: [0] is "", then each segmentation's values and Other
	from     []int64  // of a series: when the group began that has it; NoTime is always
	lookup   []map[string]int
	offsets  []int            // of a segmentation's first series
	columns  *profile.Columns // nil if nothing is learned
	common   layouts
	versions map[string]layouts
	labels   *Model // as it is in Group.Labels; nil there
}

// layouts of a version: of all its traffic, and of a segment.
type layouts struct{ full, compact *profile.Layout }

// Find returns the index of the model of this name, -1 if there is none.
func (g *Group) Find(model string) int {
	return slices.IndexFunc(g.Models, func(m *Model) bool { return m.Name == model })
}

// Slides returns by how much the windows slide, and the tier that comparisons with the past are made of, each once.
func (g *Group) Slides() (slides []int64) {
	for _, w := range g.Windows {
		slides = append(slides, window.Slide(w.Length, g.Pane))
	}
	if g.trailing() > 0 {
		slides = append(slides, trailTier)
	}
	slices.Sort(slides)
	return slices.Compact(slides)
}

// NewModel returns a model of a group with the given schema.
func NewModel(c ModelConfig, schema *event.Schema) *Model {
	m := newModel(c, schema)
	m.watches = newWatches(c.Changes, m.features(schema), false)
	labels := ModelConfig{Name: c.Name, Verdicts: Verdicts{FalseAlarms: c.Verdicts.FalseAlarms}}
	if c.Performance.joined() {
		labels.Performance, labels.Segmentations = c.Performance, c.Segmentations
	}
	m.labels = newModel(labels, schema)
	if c.Performance.joined() {
		m.labels.watches = newWatches(c.Changes, nil, true)
	}
	return m
}

func newModel(c ModelConfig, schema *event.Schema) *Model {
	if c.Performance != nil {
		c.Performance.prepare()
	}
	m := &Model{Name: c.Name, config: c, hash: sketch.HashText([]byte(c.Name)), Verdicts: c.Verdicts, Segmentations: c.Segmentations, segments: []string{""}, versions: map[string]layouts{}}
	for _, s := range c.Segmentations {
		m.offsets = append(m.offsets, len(m.segments))
		lookup := map[string]int{}
		for _, v := range s.Values {
			if _, ok := lookup[v]; ok || v == event.Other {
				continue
			}
			lookup[v] = len(m.segments)
			m.segments = append(m.segments, s.Name+"="+v)
		}
		m.lookup = append(m.lookup, lookup)
		lookup[event.Other] = len(m.segments)
		m.segments = append(m.segments, s.Name+"="+event.Other)
	}
	m.from = slices.Repeat([]int64{window.NoTime}, len(m.segments))
	if c.Learn.Length > 0 {
		m.columns = newColumns(c, schema)
	}
	m.common = newLayouts(c, schema, c.Reference)
	if c.Reference != nil {
		m.References = append(m.References, ReferenceStatus{Fingerprint: c.Reference.Fingerprint})
	}
	for v, r := range c.Versions {
		m.versions[v] = newLayouts(c, schema, r)
		m.References = append(m.References, ReferenceStatus{Version: v, Fingerprint: r.Fingerprint})
	}
	slices.SortFunc(m.References, func(a, b ReferenceStatus) int { return compareText(a.Version, b.Version) })
	return m
}

// features returns the model's, in the order of results.
func (m *Model) features(schema *event.Schema) []event.Feature {
	features := make([]event.Feature, 0, len(m.config.Features))
	for _, i := range m.config.Features {
		features = append(features, schema.Features[i])
	}
	return features
}

func newLayouts(c ModelConfig, schema *event.Schema, r *profile.Reference) layouts {
	specs := func() []profile.FeatureSpec {
		out := make([]profile.FeatureSpec, 0, len(c.Features))
		for _, i := range c.Features {
			s := profile.FeatureSpec{Feature: schema.Features[i], Source: i}
			if r != nil {
				s.Reference = r.Find(s.Name)
			}
			out = append(out, s)
		}
		return out
	}
	l := layouts{profile.NewLayout(specs(), true), profile.NewLayout(specs(), false)}
	if r != nil {
		l.full.Fingerprint, l.compact.Fingerprint = r.Fingerprint, r.Fingerprint
	}
	return l
}

// layout of a series of the model.
func (m *Model) layout(version string, series int) *profile.Layout {
	l, ok := m.versions[version]
	if !ok {
		l = m.common
	}
	if series == 0 {
		return l.full
	}
	return l.compact
}

// segment returns the series of segmentation i that the event belongs to, and whether it is
// there because its value is not listed.
func (m *Model) segment(i int, ev *event.Event) (series int, unlisted bool) {
	v := ev.Segments[m.Segmentations[i].Source]
	if v != nil {
		if series, ok := m.lookup[i][string(v)]; ok {
			return series, false
		}
	}
	return m.lookup[i][event.Other], v != nil
}

// ConfigOf returns what the model was made from.
func ConfigOf(m *Model) ModelConfig { return m.config }
