package pipeline

import (
	"slices"
	"time"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/window"
)

// idleAfter is how long a lane that was read to its end must be silent, and how
// fresh its last successful fetch must be, before the others stop waiting for it.
const idleAfter = 30 * time.Second

// lagSlides is for how many panes the shown windows wait for a lane that lags
// behind the others.
const lagSlides = 2

// idleClock moves the frontier on while all lanes are idle.
type idleClock struct {
	since time.Time
	from  int64
}

// advanceShown moves the shown frontier: the smallest watermark of the lanes that
// are not idle. It never goes back.
func (g *Group) advanceShown(now time.Time) {
	target := g.target(now)
	if target == window.NoTime {
		return
	}
	g.frontier = max(g.frontier, window.Floor(target, g.monitor.Pane))
	for _, r := range []*monitor.Recorder{g.recorder, g.labelRecorder} {
		if r != nil {
			r.Expect(now.UnixNano(), g.caughtUp, g.held && r == g.recorder, g.monitor.Slides())
		}
	}
	g.shown.Advance(g.frontier, nil)
	if g.shownLabels != nil {
		g.advanceLabels(now)
	}
}

// advanceLabels moves the frontier up to which panes of labels are shown: the smallest of the lanes whose labels are not idle, or
// that of the predictions where all are. It never goes back. Labels that wait for their predictions are not idle: panes that come
// after their time cost much.
func (g *Group) advanceLabels(now time.Time) {
	target := g.frontier
	for _, l := range g.lanes {
		if l.labelsWait() || !l.labelsIdle(now) {
			target = min(target, l.truth.frontier)
		}
	}
	if target != window.NoTime {
		g.labelFrontier = max(g.labelFrontier, window.Floor(target, g.monitor.Pane))
		g.shownLabels.Advance(g.labelFrontier, nil)
	}
}

func (g *Group) target(now time.Time) int64 {
	slowest, fastest, all := int64(window.EndOfTime), int64(window.NoTime), true
	latest := g.latest(now) // what is beyond must not move what is shown of the others, nor make them lag
	g.noteCaughtUp()
	g.held = false
	if g.began.IsZero() {
		g.began = now
	}
	for _, l := range g.lanes {
		if l.watermark <= latest {
			fastest = max(fastest, l.watermark)
		}
		if l.idle(now) {
			continue
		}
		all = false
		if l.silent(now, g.began) && !g.caughtUp { // nobody knows when it comes back
			g.held = true
			continue
		}
		slowest = min(slowest, l.watermark)
	}
	if all {
		return g.idle.target(now, max(fastest, g.frontier))
	}
	g.idle = idleClock{}
	if slowest == window.EndOfTime {
		return g.frontier // there is no lane to go by
	}
	slowest = min(slowest, latest)
	if hold := fastest - lagSlides*g.monitor.Pane; g.caughtUp && fastest != window.NoTime && slowest < hold {
		g.held = true
		return hold
	}
	return slowest
}

// labelsWait reports whether labels of the lane would be sealed if the predictions had come as far.
func (l *Lane) labelsWait() bool {
	w := l.truth.watermark
	return w != window.NoTime && l.truth.frontier < window.Floor(w, l.group.monitor.Pane)
}

// labelsIdle reports whether what is shown need not wait for labels of the lane. Where they come with the predictions, they are idle if
// these are, or have gone on without any.
func (l *Lane) labelsIdle(now time.Time) bool {
	t := l.labels()
	return t.idle(now) || t.silent(now, l.group.began) ||
		!l.apart && (l.truth.watermark == window.NoTime || l.truth.watermark+l.group.monitor.Lateness+int64(idleAfter) < l.watermark)
}

// idle reports whether what is shown need not wait for the lane: one that has had nothing since the process began is
// idle at once.
func (s *stream) idle(now time.Time) bool {
	return s.done || s.quiet(now) || s.lastRecord.IsZero() && s.fresh(now)
}

// quiet reports whether the lane was read to its end, and was silent, for long.
func (s *stream) quiet(now time.Time) bool {
	last := s.lastRecord
	if last.IsZero() {
		last = s.firstFetch
	}
	return !s.done && s.fresh(now) && now.Sub(last) >= idleAfter
}

// fresh reports whether the lane was read to its end a moment ago.
func (s *stream) fresh(now time.Time) bool { return s.caughtUp && now.Sub(s.lastFetch) <= idleAfter }

// silent reports whether the lane could not be read for so long that the others do not wait for it.
func (s *stream) silent(now, began time.Time) bool {
	last := s.lastFetch
	if last.IsZero() {
		last = began
	}
	return !last.IsZero() && now.Sub(last) > idleAfter
}

// target returns from plus the time since all lanes became idle.
func (c *idleClock) target(now time.Time, from int64) int64 {
	if from == window.NoTime {
		return from
	}
	if c.since.IsZero() {
		c.since, c.from = now, from
	}
	return c.from + int64(now.Sub(c.since))
}

// latest is the end of what may be shown: an event further ahead of the clock has a wrong one of its own.
func (g *Group) latest(now time.Time) int64 { return now.UnixNano() + g.monitor.MaxFuture }

// believed leaves out the panes that could only be shown once the clock is there, where too many wait already.
func (g *Group) believed(sealed []monitor.SealedPane, now time.Time) []monitor.SealedPane {
	if g.shown.Pending() <= g.limit() {
		return sealed
	}
	latest := g.latest(now)
	return slices.DeleteFunc(slices.Clone(sealed), func(p monitor.SealedPane) bool { return p.Start >= latest })
}

// Show returns the results of all windows as they are to be shown at the given
// wall-clock time, and the accounts of the models since the process began.
func (g *Group) Show(now time.Time) ([]*monitor.Result, []monitor.ModelStatus) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.learn(now)
	g.advanceShown(now)
	var models []monitor.ModelStatus
	var open, labels []monitor.SealedPane
	for _, l := range g.lanes {
		l.mu.Lock()
		if g.frontier != window.NoTime {
			open = append(open, l.shard.CopyOpen(g.frontier)...)
		}
		if g.shownLabels != nil && g.labelFrontier != window.NoTime && l.labels().idle(now) {
			labels = append(labels, l.shard.PreviewLabels(g.labelFrontier)...)
		}
		models = addModels(models, l.models())
		l.mu.Unlock()
	}
	if len(g.lanes) == 0 {
		models = addModels(models, monitor.NewShard(g.monitor).Models())
	}
	g.learning(models, now)
	if g.frontier == window.NoTime {
		return nil, models
	}
	results := g.shown.Show(g.frontier, open)
	if g.shownLabels != nil && g.labelFrontier != window.NoTime {
		results = monitor.WithPerformance(results, g.shown.Date(g.shownLabels.Show(g.labelFrontier, labels), g.frontier))
	}
	if g.held {
		for _, r := range results {
			r.Complete = false
		}
	}
	return results, models
}
