package pipeline

import (
	"time"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// A model's reference may be learned from its first events. What it is made of, and from which pane on it is in force, is
// a function of the log: each lane samples its own events, the reference is built when all lanes have
// reached the end of learning, and no lane opens a pane for which it might be in force before. A lane that comes to one
// too early waits with the message. Only a lane that was read to its end and is silent is not waited for, or one that
// cannot be read.

// reach is how far a lane is.
type reach struct {
	reached, opened int64
	skip            bool // other lanes go on without knowing where it begins
	passed          bool // the end of learning does not wait for it
	first           []int64
	samples         []*profile.Sample
	events          []uint64
}

// Learned is a reference that was learned.
type Learned struct {
	Model string
	monitor.Learned
}

// Hold waits until the lane may take the message in at which Take stopped, or stop returns true. now is the time.
func (l *Lane) Hold(now func() time.Time, stop func() bool) {
	g := l.group
	g.mu.Lock()
	defer g.mu.Unlock()
	g.learn(now())
	for l.isHeld() && !stop() {
		g.merged.Wait()
	}
}

// Held reports whether the lane must wait with a message, as of what all lanes have taken in.
func (l *Lane) Held() bool {
	g := l.group
	g.mu.Lock()
	defer g.mu.Unlock()
	g.learn(time.Time{})
	return l.isHeld()
}

func (l *Lane) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shard.Held()
}

// Release lets the next message of each lane in, and makes the group's references of what there is if that takes it: where the input
// of a lane of one group waits for another group, they may wait for each other.
func (g *Group) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.released = true
	g.learn(time.Time{})
	g.released = false
}

// learns reports whether any reference is still to be learned.
func (g *Group) learns() bool {
	for _, m := range g.monitor.Models {
		if m.Learns() {
			return true
		}
	}
	return false
}

// learn makes the references whose time has come, and tells each lane how far it may go.
func (g *Group) learn(now time.Time) {
	if !g.learns() {
		return
	}
	lanes := g.reaches(now)
	for i, m := range g.monitor.Models {
		if m.Learns() && g.learnModel(i, lanes) {
			lanes = g.reaches(now)
		}
	}
	for i, l := range g.lanes {
		limit := g.limitOf(i, lanes)
		l.mu.Lock()
		l.shard.Limit(limit)
		l.mu.Unlock()
	}
	g.merged.Broadcast()
}

func (g *Group) reaches(now time.Time) []reach {
	out := make([]reach, len(g.lanes))
	for i, l := range g.lanes {
		l.mu.Lock()
		r := reach{reached: l.shard.Reached(), opened: l.shard.Opened()}
		r.skip = l.done || g.released
		r.passed = r.skip
		if !now.IsZero() && !l.shard.Held() {
			lost := g.final == nil && l.silent(now, g.began)
			r.skip = r.skip || l.idle(now) || lost
			r.passed = r.passed || l.quiet(now) || lost
		}
		for k := range g.monitor.Models {
			first, sample := l.shard.Learner(k)
			r.first, r.samples, r.events = append(r.first, first), append(r.samples, sample), append(r.events, 0)
			if sample != nil {
				r.events[k] = sample.Seen()
			}
		}
		l.mu.Unlock()
		out[i] = r
	}
	return out
}

// first returns the start of the first pane with an event of a model, window.EndOfTime if there is none.
func first(model int, lanes []reach) int64 {
	start := int64(window.EndOfTime)
	for i := range lanes {
		start = min(start, lanes[i].first[model])
	}
	return start
}

// learnModel puts the reference of a model in force if all lanes have reached the end of learning, and one at least
// has; it returns whether it did.
func (g *Group) learnModel(model int, lanes []reach) bool {
	m := g.monitor.Models[model]
	start := first(model, lanes)
	if start == window.EndOfTime {
		return false
	}
	until, some := start+m.LearnsFor(), false
	l := monitor.Learned{First: start, Until: until, Since: g.monitor.InForce(start, m.LearnsFor())}
	for i := range lanes {
		if lanes[i].reached >= until {
			some = true
		} else if !lanes[i].passed {
			return false
		}
		l.Since = max(l.Since, lanes[i].opened)
	}
	if !some {
		return false
	}
	var samples []*profile.Sample
	for i := range lanes {
		samples = append(samples, lanes[i].samples[model])
	}
	var err error
	if l.Reference, l.Data, err = g.monitor.Learn(model, samples, start); err != nil {
		panic(err) // the rows were written here, or checked when they were read
	}
	g.succeed(g.monitor.WithLearned(m.Name, l))
	if g.Learned != nil {
		g.Learned(Learned{m.Name, *g.monitor.Models[model].Learned()})
	}
	return true
}

// Refer puts the references and verdicts of models with the same names and features in force, for panes that no lane
// has opened. It returns whether anything changed.
func (g *Group) Refer(models []*monitor.Model) (changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	since := int64(window.NoTime)
	for _, l := range g.lanes {
		l.mu.Lock()
		defer l.mu.Unlock()
		since = max(since, l.shard.Opened())
	}
	next := g.monitor.Refer(models, since)
	if next == g.monitor {
		return false
	}
	g.put(next)
	return true
}

// succeed puts the references of another group in force.
func (g *Group) succeed(next *monitor.Group) {
	for _, l := range g.lanes {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	g.put(next)
}

// put is succeed with the lanes locked.
func (g *Group) put(next *monitor.Group) {
	g.monitor = next
	for _, l := range g.lanes {
		l.shard.Refer(next)
	}
	for i, v := range g.views() {
		switch {
		case v == nil:
		case i < 2:
			v.Refer(next)
		default:
			v.Refer(next.Labels())
		}
	}
}

// limitOf returns the start of the first pane that lane number i may not open: for which a reference may be in force that
// is not there yet. The first event of a model is no earlier than what each of the others has reached.
func (g *Group) limitOf(i int, lanes []reach) int64 {
	limit := int64(window.EndOfTime)
	for k, m := range g.monitor.Models {
		if !m.Learns() {
			continue
		}
		start := first(k, lanes)
		for j := range lanes {
			if j != i && !lanes[j].skip {
				start = min(start, lanes[j].reached)
			}
		}
		switch start {
		case window.NoTime:
			return window.NoTime
		case window.EndOfTime:
		default:
			limit = min(limit, g.monitor.InForce(window.Floor(start, g.monitor.Pane), m.LearnsFor()))
		}
	}
	return limit
}

// References returns what was learned so far.
func (g *Group) References() []Learned {
	g.mu.Lock()
	defer g.mu.Unlock()
	return references(g.monitor)
}

func references(g *monitor.Group) (out []Learned) {
	for _, m := range g.Models {
		if l := m.Learned(); l != nil {
			out = append(out, Learned{m.Name, *l})
		}
	}
	return out
}

// learning fills in how far the references are.
func (g *Group) learning(models []monitor.ModelStatus, now time.Time) {
	var lanes []reach
	if g.learns() {
		lanes = g.reaches(now)
	}
	for i, m := range g.monitor.Models {
		models[i].References = m.References
		switch l := m.Learned(); {
		case l != nil:
			models[i].Learning = &monitor.LearningStatus{Done: true, Until: l.Until, Since: l.Since}
		case m.Learns():
			models[i].Learning = g.learningModel(i, lanes)
		}
	}
}

func (g *Group) learningModel(model int, lanes []reach) *monitor.LearningStatus {
	s := &monitor.LearningStatus{}
	if start := first(model, lanes); start != window.EndOfTime {
		length := g.monitor.Models[model].LearnsFor()
		s.Until, s.Since = start+length, g.monitor.InForce(start, length)
	}
	for i := range lanes {
		s.Events += lanes[i].events[model]
	}
	return s
}
