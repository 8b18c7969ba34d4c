package monitor

import (
	"slices"
	"time"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
)

// ChangeConfig is a figure of a model that sequential detectors watch.
type ChangeConfig struct {
	// Figure is one of ChangeFigures.
	Figure string
	// Feature is the feature whose figure it is; empty for figures of all requests.
	Feature string
	// Category is what positive_ratio counts; empty for the others.
	Category string
	// Detectors are names of drift.Detectors.
	Detectors []string
}

// PositiveRatio is the name of the figure that counts ChangeConfig's Category.
const PositiveRatio = "positive_ratio"

// MispredictionRatio is the name of the figure that counts wrong answers, of those that can be right or wrong by their
// labels.
const MispredictionRatio = "misprediction_ratio"

// requestsPerSecond is the name of the figure that a pane which is not whole does not have.
const requestsPerSecond = "requests_per_second"

// ChangeFigure is a figure that detectors can watch: a name, and what of a pane they take.
type ChangeFigure struct {
	Name string
	// Kind tells which detectors apply.
	Kind drift.Figure
	// OfFeature tells whether it is a figure of a feature; Numeric and Categorical, of which types.
	OfFeature, Numeric, Categorical bool
	// NeedsReference: without a reference there is none.
	NeedsReference bool
	// OfLabels: it is of panes of label time, which say how answers compare with their labels.
	OfLabels bool

	values func(s *series, w *watch, pane int64) (sum float64, n uint64)
}

// ChangeFigures has all of them, in the order of documentation.
var ChangeFigures = []ChangeFigure{
	{Name: "error_ratio", values: func(s *series, _ *watch, _ int64) (float64, uint64) {
		return float64(s.failed), s.events
	}},
	{Name: requestsPerSecond, Kind: drift.Real, values: func(s *series, _ *watch, pane int64) (float64, uint64) {
		return float64(s.events) / (float64(pane) / float64(time.Second)), 1
	}},
	{Name: PositiveRatio, values: positiveRatio},
	{Name: MispredictionRatio, OfLabels: true, values: mispredictionRatio},
	{Name: "missing_ratio", OfFeature: true, Numeric: true, Categorical: true, values: func(s *series, w *watch, _ int64) (float64, uint64) {
		count, missing, invalid := s.counts(w)
		return float64(missing), count + missing + invalid
	}},
	{Name: "invalid_ratio", OfFeature: true, Numeric: true, Categorical: true, values: func(s *series, w *watch, _ int64) (float64, uint64) {
		count, missing, invalid := s.counts(w)
		return float64(invalid), count + missing + invalid
	}},
	{Name: "out_of_range_ratio", OfFeature: true, Numeric: true, NeedsReference: true, values: outOfRangeRatio},
	{Name: "unseen_ratio", OfFeature: true, Categorical: true, NeedsReference: true, values: unseenRatio},
	{Name: "mean", Kind: drift.Real, OfFeature: true, Numeric: true, values: func(s *series, w *watch, _ int64) (float64, uint64) {
		n := s.features.Numeric(&s.features.Layout().Features[w.feature])
		return n.Moments.Mean * float64(n.Moments.Count), n.Moments.Count
	}},
}

// positiveRatio counts the answers that are the category.
func positiveRatio(s *series, w *watch, _ int64) (float64, uint64) {
	c := s.features.Categorical(&s.features.Layout().Features[w.feature])
	positive, ok := c.CountOf(w.Category)
	if !ok {
		return 0, 0
	}
	return float64(positive), c.Count
}

func mispredictionRatio(s *series, _ *watch, _ int64) (float64, uint64) {
	if s.labelled == nil {
		return 0, 0
	}
	wrong, compared := s.labelled.tally.Mispredicted()
	return float64(wrong), compared
}

func outOfRangeRatio(s *series, w *watch, _ int64) (float64, uint64) {
	n := s.features.Numeric(&s.features.Layout().Features[w.feature])
	if !n.Comparable() {
		return 0, 0
	}
	return float64(n.OutOfRange), n.Moments.Count
}

func unseenRatio(s *series, w *watch, _ int64) (float64, uint64) {
	c := s.features.Categorical(&s.features.Layout().Features[w.feature])
	if !c.Comparable() {
		return 0, 0
	}
	return float64(c.Unseen), c.Count
}

// counts returns how many values of the watched feature are valid, missing and invalid.
func (s *series) counts(w *watch) (count, missing, invalid uint64) {
	spec := &s.features.Layout().Features[w.feature]
	if n := s.features.Numeric(spec); n != nil {
		return n.Moments.Count, n.Missing, n.Invalid
	}
	c := s.features.Categorical(spec)
	return c.Count, c.Missing, c.Invalid
}

// watch is a ChangeConfig of a model, resolved. It never changes.
type watch struct {
	ChangeConfig
	figure  *ChangeFigure
	feature int // index in the layouts; -1 if it needs none
	kinds   []drift.DetectorKind
}

// newWatches resolves what is to be watched of a model's features, or of panes of its labels; what does not exist is left out.
func newWatches(configs []ChangeConfig, features []event.Feature, ofLabels bool) (out []watch) {
	for _, c := range configs {
		i := slices.IndexFunc(ChangeFigures, func(f ChangeFigure) bool { return f.Name == c.Figure })
		if i < 0 || ChangeFigures[i].OfLabels != ofLabels {
			continue
		}
		w := watch{ChangeConfig: c, figure: &ChangeFigures[i]}
		name := c.Feature
		if c.Figure == PositiveRatio {
			name = event.PredictionLabel
		}
		w.feature = slices.IndexFunc(features, func(f event.Feature) bool { return f.Name == name })
		if !w.applies(features) {
			continue
		}
		for _, name := range c.Detectors {
			if k, ok := drift.LookupDetector(name); ok && (k.Real || w.figure.Kind == drift.Ratio) {
				w.kinds = append(w.kinds, k)
			}
		}
		out = append(out, w)
	}
	return out
}

// applies reports whether the model has what the figure is of.
func (w *watch) applies(features []event.Feature) bool {
	switch {
	case w.figure.Name == PositiveRatio:
		return w.feature >= 0 && features[w.feature].Type == event.Categorical
	case !w.figure.OfFeature:
		return true
	case w.feature < 0:
		return false
	case features[w.feature].Type == event.Numeric:
		return w.figure.Numeric
	default:
		return w.figure.Categorical
	}
}

// changes are the sequential detectors of a view: one set for each live version of a model, over all its
// traffic. They take each pane once, when the view moves past it; what comes later of a pane that was passed, they
// never see. A pane without values costs nothing: it is skipped when the next one comes.
type changes struct {
	group  *Group
	models []modelChanges // by model
}

type modelChanges struct {
	versions versions // those that are told apart, as a lane does
	streams  map[string][]stream
}

// stream is what the detectors of a watch make of one version's panes.
type stream struct {
	next      int64 // the start of the pane that follows the newest one with values; window.NoTime before the first
	detectors []watching
}

// watching is a detector, and the last change that it found.
type watching struct {
	drift.Detector
	found int64 // the end of the pane that told it; 0 is none yet
	since int64 // the start of the pane in which it is estimated to have begun
}

func newChanges(g *Group) *changes {
	c := &changes{group: g, models: make([]modelChanges, len(g.Models))}
	for i := range c.models {
		c.models[i].streams = map[string][]stream{}
	}
	return c
}

func newStreams(m *Model) []stream {
	out := make([]stream, len(m.watches))
	for i := range out {
		w := &m.watches[i]
		out[i].next = noPane
		for _, k := range w.kinds {
			out[i].detectors = append(out[i].detectors, watching{Detector: k.New(w.figure.Kind)})
		}
	}
	return out
}

// pass gives the detectors a sealed pane, which may be nil; panes come in order. Of a pane that is not whole the
// number of requests says nothing.
func (c *changes) pass(start int64, p *Pane, whole bool) {
	if p == nil {
		return
	}
	for i, m := range c.group.Models {
		if len(m.watches) == 0 {
			continue
		}
		for k := range p.models[i] {
			if v := &p.models[i][k]; v.series[0] != nil {
				c.models[i].pass(start, c.group, m, v, whole && !p.gap)
			}
		}
	}
}

func (c *modelChanges) pass(start int64, g *Group, m *Model, v *version, whole bool) {
	if c.versions.admit([]byte(v.name), start, start, g.Longest()) == event.Other {
		return // it is no stream of its own
	}
	streams, ok := c.streams[v.name]
	if !ok {
		streams = newStreams(m)
		c.streams[v.name] = streams
		c.forget()
	}
	for i := range streams {
		w := &m.watches[i]
		if !whole && w.figure.Name == requestsPerSecond {
			continue
		}
		if sum, n := w.figure.values(v.series[0], w, g.Pane); n > 0 {
			streams[i].take(start, g.Pane, sum, n)
		}
	}
}

// forget leaves those versions that are live.
func (c *modelChanges) forget() {
	for name := range c.streams {
		if !slices.ContainsFunc(c.versions.live, func(v liveVersion) bool { return v.name == name }) {
			delete(c.streams, name)
		}
	}
}

// take gives the detectors the sum of n values of a pane, and notes what they find.
func (s *stream) take(start, pane int64, sum float64, n uint64) {
	empty := uint64(0)
	if s.next != noPane {
		if start < s.next {
			return
		}
		empty = uint64((start - s.next) / pane)
	}
	s.next = start + pane
	for i := range s.detectors {
		d := &s.detectors[i]
		d.Skip(empty)
		d.Update(sum, n)
		if state := d.State(); state.Level == drift.Change {
			d.found, d.since = s.next, start-int64(state.Began)*pane
		}
	}
}

// of returns what the detectors of a version say of a window: nothing of figures that it never had.
func (c *changes) of(model int, version string, start, end int64) (out []ChangeResult) {
	streams := c.models[model].streams[version]
	for i := range streams {
		s, w := &streams[i], &c.group.Models[model].watches[i]
		if s.next == noPane {
			continue
		}
		r := ChangeResult{Figure: w.Figure, Feature: w.Feature}
		for k := range s.detectors {
			d := &s.detectors[k]
			r.Detectors = append(r.Detectors, DetectorResult{Detector: w.kinds[k].Name, State: d.state(start, end), Found: d.found, Since: d.since})
		}
		out = append(out, r)
	}
	return out
}

// state is the worst of what a detector found within a window and what it says now.
func (d *watching) state(start, end int64) string {
	switch {
	case d.found > start && d.found <= end:
		return StateChange
	case d.Detector.State().Level == drift.Warning:
		return StateWarning
	}
	return StateOK
}
