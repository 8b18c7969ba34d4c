package monitor

import (
	"fmt"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// learnMargin is how much later than it must a learned reference comes into force, so that lanes need not wait for
// one another as long as they are no further apart.
const learnMargin = int64(time.Minute)

// Learning is what a model's reference is learned from: the events of its first Length of event time.
type Learning struct {
	Length int64 // 0: it is not learned
	Topic  string
}

// Learned says when a reference was learned.
type Learned struct {
	// First is the start of the first pane with an event of the model. Events before Until are what the reference is
	// of; it is in force for panes that start at or after Since.
	First, Until, Since int64
	Reference           *profile.Reference
	Data                []byte // its file
}

// Learns reports whether the model has no reference yet, because it is being learned.
func (m *Model) Learns() bool { return m.config.Learn.Length > 0 && m.config.Reference == nil }

// Learned returns what was learned, and when; nil if nothing was.
func (m *Model) Learned() *Learned { return m.config.Learned }

// LearnsFor returns of how much event time the model's reference is learned, 0 if it is not.
func (m *Model) LearnsFor() int64 { return m.config.Learn.Length }

// Columns returns what a sample of the model's events has.
func (m *Model) Columns() *profile.Columns { return m.columns }

func newColumns(c ModelConfig, schema *event.Schema) *profile.Columns {
	out := &profile.Columns{Features: c.Features, Schema: event.Schema{Models: []string{c.Name}}}
	for _, i := range c.Features {
		out.Schema.Features = append(out.Schema.Features, schema.Features[i])
	}
	for _, s := range c.Segmentations {
		out.Segments = append(out.Segments, s.Source)
		out.Schema.Segments = append(out.Schema.Segments, s.Name)
	}
	return out
}

// InForce returns the start of the first pane for which the reference of a model may be in force that is learned from
// first on: when the watermark of a lane passes the end of learning, it has opened no such pane yet.
func (g *Group) InForce(first, length int64) int64 {
	return window.Ceil(first+length+g.Lateness+learnMargin, g.Pane)
}

// Learn builds the reference of a model from the samples of all lanes, calibrated for the windows, and returns its file,
// too. It is read from it, so that it makes no difference when it is.
func (g *Group) Learn(model int, samples []*profile.Sample, first int64) (r *profile.Reference, data []byte, err error) {
	m := g.Models[model]
	length := m.config.Learn.Length
	var lengths []int64
	for _, w := range g.Windows {
		lengths = append(lengths, w.Length)
	}
	r, err = m.columns.BuildFromSamples(samples, first+length, lengths, profile.Provenance{
		Inputs: []string{fmt.Sprintf("the first %s of topic %s", time.Duration(length), m.config.Learn.Topic)},
	})
	if err == nil {
		data, err = r.Encode()
	}
	if err == nil {
		r, err = profile.Decode(data)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("learn the reference of %q: %w", m.Name, err)
	}
	return r, data, nil
}

// WithLearned returns the group with a learned reference in force. Segmentations without values have those that the
// reference knows.
func (g *Group) WithLearned(model string, l Learned) *Group {
	l.Since = max(l.Since, g.since)
	return g.Succeed(l.Since, func(c *ModelConfig) {
		if c.Name == model {
			c.learned(l)
		}
	})
}

func (c *ModelConfig) learned(l Learned) {
	c.Reference, c.Learned = l.Reference, &l
	segments := make([]Segmentation, len(c.Segmentations))
	for i, s := range c.Segmentations {
		if len(s.Values) == 0 {
			s.Values = l.Reference.SegmentValues(s.Name)
		}
		segments[i] = s
	}
	c.Segmentations = segments
}

// learner gathers in one lane what the reference of a model is learned from.
type learner struct {
	length int64
	first  int64 // start of the first pane with an event of the model; window.EndOfTime before
	sample *profile.Sample
}

// Learn makes the shard, which is that of a lane, gather what references are learned from. All its events wait until Limit
// says how far it may go.
func (s *Shard) Learn(lane int) {
	s.learners, s.limit = make([]*learner, len(s.group.Models)), window.EndOfTime
	for i, m := range s.group.Models {
		if m.Learns() {
			s.limit = window.NoTime
			s.learners[i] = &learner{m.LearnsFor(), window.EndOfTime, profile.NewSample(m.columns, lane)}
		}
	}
}

// learn takes an accepted prediction in.
func (s *Shard) learn(ev *event.Event) {
	l := s.learners[ev.Model]
	if l == nil || ev.Failed {
		return
	}
	if start := window.Floor(ev.Time, s.group.Pane); start < l.first {
		l.first = start
		s.limit = min(s.limit, s.group.InForce(start, l.length))
	}
	if ev.Time < l.first+l.length {
		l.sample.Observe(ev)
	}
}

// Holds reports whether an event must wait, because it is not known yet which reference is in force for its pane. It will be
// accepted, so that what it closes is sealed now: other lanes may wait for that.
func (s *Shard) Holds(ev *event.Event) bool {
	if ev.Kind == event.Label {
		return s.LabelsHeld()
	}
	if ev.Time < s.limit || s.judge(ev, &s.watermarks[ev.Kind]) != event.Accepted ||
		s.recent[ev.Kind].has(s.group.Models[ev.Model].hash, ev.ID, ev.Time) {
		return false
	}
	s.held, s.sure = true, ev.Time-s.group.Lateness
	if r := s.Reached(); r >= s.open.FirstEnd() {
		s.seal(r)
	}
	s.sealLabels()
	return true
}

// Held reports whether an event waits.
func (s *Shard) Held() bool { return s.held }

// Limit makes events of panes from limit on wait.
func (s *Shard) Limit(limit int64) {
	for _, l := range s.learners {
		if l != nil && l.first != window.EndOfTime {
			limit = min(limit, s.group.InForce(l.first, l.length))
		}
	}
	if s.limit = limit; s.sure+s.group.Lateness < limit {
		s.held = false
	}
}

// Reached returns the time before which no prediction will be accepted any more: the watermark, or what it is with
// the event that waits, or has waited. It is window.NoTime before the first.
func (s *Shard) Reached() int64 { return max(s.Watermark(event.Prediction), s.sure) }

// Opened returns the end of the newest pane that the lane may have opened, or window.NoTime.
func (s *Shard) Opened() int64 {
	largest := s.watermarks[event.Prediction].Largest()
	if largest == window.NoTime {
		return largest
	}
	return window.Floor(largest, s.group.Pane) + s.group.Pane
}

// Learner returns what was gathered for the reference of a model: the start of the first pane with its events,
// window.EndOfTime if there is none, and a sample of them; nil if it is not learned.
func (s *Shard) Learner(model int) (first int64, sample *profile.Sample) {
	if s.learners == nil || s.learners[model] == nil {
		return window.EndOfTime, nil
	}
	return s.learners[model].first, s.learners[model].sample
}

// RestoreLearner makes the lane have gathered what it had when it was saved, but for the rows of the sample.
func (s *Shard) RestoreLearner(model int, first int64, seen, limit uint64) {
	l := s.learners[model]
	l.first = first
	l.sample.Restore(seen, limit)
	s.Limit(s.limit)
}

// Refer puts the references of a group in force that succeeds the shard's.
func (s *Shard) Refer(g *Group) {
	s.group = g
	if s.labels != nil {
		s.labels.group = g.Labels()
	}
	for i, m := range g.Models {
		s.models[i].References = m.References
		if s.learners != nil && !m.Learns() {
			s.learners[i] = nil
		}
	}
}

// Refer puts the references of a group in force that succeeds the view's.
func (v *View) Refer(g *Group) { v.group, v.watched = g, v.watched || g.watched() }

// watched reports whether something is judged.
func (g *Group) watched() bool {
	return slices.ContainsFunc(g.Models, func(m *Model) bool { return len(m.References) > 0 || m.config.Performance.judged() })
}
