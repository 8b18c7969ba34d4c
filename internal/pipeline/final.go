package pipeline

import (
	"slices"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/window"
)

// LabelsApart says that the labels of all lanes are a topic of its own; it comes before the first message.
func (g *Group) LabelsApart() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.apart = true
	for _, l := range g.lanes {
		l.labelsApart()
	}
}

// LabelPartitions says that the topic of the labels has so many partitions: lanes beyond have no labels.
func (g *Group) LabelPartitions(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.labelLanes = max(g.labelLanes, n)
}

// LabelsApart is the same for a single lane.
func (l *Lane) LabelsApart() {
	l.group.mu.Lock()
	defer l.group.mu.Unlock()
	l.labelsApart()
}

func (l *Lane) labelsApart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apart = true
	l.shard.LabelsApart()
}

// HoldLabels waits until the lane may take the label in at which Take stopped, or stop returns true.
func (l *Lane) HoldLabels(stop func() bool) {
	g := l.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for l.labelsHeld() && !stop() {
		g.merged.Wait()
	}
}

func (l *Lane) labelsHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shard.LabelsHeld()
}

// labels returns the stream of the lane's labels: that of the predictions where they come with these.
func (l *Lane) labels() *stream {
	if !l.apart {
		return &l.stream
	}
	return &l.truth
}

// finalTo returns up to where the lane is final, and whether its labels hold it there.
func (l *Lane) finalTo() (frontier int64, byLabels bool) {
	g := l.group
	if g.finalLabels != nil && !g.without && l.truth.frontier < l.frontier && !l.labelless() {
		// Labels that are there wait for the predictions of their lane.
		return l.truth.frontier, l.frontier == window.EndOfTime || l.truth.watermark < window.Floor(l.frontier-g.monitor.Lateness, g.monitor.Pane)
	}
	return l.frontier, false
}

// labelless reports whether the topic of the labels has no partition for the lane.
func (l *Lane) labelless() bool {
	return l.apart && l.group.labelLanes >= 0 && l.index >= l.group.labelLanes
}

// finalize makes a pane final, and returns whether there may be more.
func (g *Group) finalize(now time.Time) (more bool, err error) {
	if g.final == nil {
		return false, nil
	}
	frontier, slowest, byLabels := int64(window.EndOfTime), g.lanes[0], false
	for i, l := range g.lanes {
		if f, b := l.finalTo(); i == 0 || f < frontier {
			frontier, slowest, byLabels = f, l, b
		}
	}
	holds := &slowest.stream
	if byLabels {
		holds = slowest.labels()
	}
	still := holds.quiet(now) || !holds.done && holds.silent(now, g.began)
	if g.GaveUp != nil && g.final.Pending() > maxWaiting*g.limit() {
		switch {
		case byLabels && (still || holds.caughtUp || !slowest.apart): // they may be there, and late
			g.without = true
			g.WithoutLabels(slowest.index)
			return true, nil
		case byLabels || !still:
			return g.advance(frontier, still, now)
		}
		g.final, g.finalLabels = nil, nil
		g.merged.Broadcast()
		g.GaveUp(slowest.index)
		return false, g.sink.advance(g.slot, window.EndOfTime, false, now)
	}
	return g.advance(frontier, still, now)
}

// advance makes final what can be up to a frontier.
func (g *Group) advance(frontier int64, still bool, now time.Time) (more bool, err error) {
	g.keepUp()
	through, more := g.step(frontier)
	g.merged.Broadcast()
	return more, g.sink.advance(g.slot, through, still, now)
}

// step makes the windows final that end next, at the frontier at the latest, and returns up to where all are, and whether there may be more.
func (g *Group) step(frontier int64) (through int64, more bool) {
	if frontier == window.NoTime {
		return frontier, false
	}
	if g.finalLabels == nil {
		through = frontier
		if more = g.final.Step(frontier, func(end int64, results []*monitor.Result) { g.sink.add(results) }); more {
			through = g.final.Next()
		}
		return through, more
	}
	views := [...]*monitor.View{g.final, g.finalLabels}
	last := max(g.final.Last(), g.finalLabels.Last())
	switch {
	case frontier == window.EndOfTime: // windows of both end with what comes last, whichever stream that is in
		for _, v := range views {
			v.EndWith(last)
		}
	case !slices.ContainsFunc(g.lanes, func(l *Lane) bool { return l.frontier != window.EndOfTime }):
		// Labels alone go on. Those that are in no window must not make more windows than if they had come before the predictions.
		frontier = min(frontier, last)
	}
	if through = frontier; frontier != window.EndOfTime {
		through = min(frontier, g.final.Work(frontier)+g.monitor.Pane, g.finalLabels.Work(frontier)+g.monitor.Pane)
	}
	for i, v := range views { // both to one time, so that no save comes in between
		for v.Step(through, func(_ int64, results []*monitor.Result) { g.ready[i] = append(g.ready[i], results...) }) {
		}
	}
	if g.without {
		g.ready[1] = nil
	}
	g.sink.add(monitor.WithPerformance(g.ready[0], g.ready[1]))
	g.ready[0], g.ready[1] = nil, nil
	return through, through < frontier
}

// keepUp ends that results go on without labels, once those are as far as the results, or as the predictions of their lane let them be.
func (g *Group) keepUp() {
	behind := func(l *Lane) bool {
		return l.truth.frontier < min(g.final.Next(), window.Floor(l.frontier-g.monitor.Lateness, g.monitor.Pane)) && !l.labelless()
	}
	if g.without && !slices.ContainsFunc(g.lanes, behind) {
		g.without = false
	}
}

// labelsBehind reports whether labels of the lane are being read, and lie so far behind another lane's predictions that these can wait: labels
// that wait for predictions themselves do not.
func (l *Lane) labelsBehind(o *Lane) bool {
	g, t := l.group, &l.truth
	if g.finalLabels == nil || g.without || !l.apart || l.labelless() || t.done || t.caughtUp || t.silent(o.lastFetch, g.began) {
		return false
	}
	return t.watermark == window.NoTime || t.watermark+g.monitor.Lateness < o.frontier
}

// LabelsHeld reports whether the next label must wait until the predictions have come as far.
func (l *Lane) LabelsHeld() bool {
	l.group.mu.Lock()
	defer l.group.mu.Unlock()
	return l.labelsHeld()
}

// Starves reports whether panes pile up because final results wait for labels of the lane.
func (l *Lane) Starves() bool {
	g := l.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.final == nil || g.final.Pending() <= g.limit() {
		return false
	}
	least := int64(window.EndOfTime)
	for _, o := range g.lanes {
		to, _ := o.finalTo()
		least = min(least, to)
	}
	to, _ := l.finalTo()
	return to == least && to < l.frontier
}

// EndLabels says that no labels of the lane come any more.
func (l *Lane) EndLabels() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shard.EndOf(event.Label)
}
