package pipeline

import "github.com/streammon/streammon/internal/monitor"

// refill is what is to be put before a recorder's points.
type refill struct {
	recorder *monitor.Recorder
	from     *monitor.Refill
}

// record makes the shown views tell of their windows as they pass.
func (g *Group) record() {
	g.shown.Record(g.recorder)
	if g.shownLabels != nil {
		g.shownLabels.Record(g.labelRecorder)
	}
}

// Histories returns what Show has returned, and what it has passed by, at the slides of the windows: of predictions, and of labels.
func (g *Group) Histories() []*monitor.History {
	g.mu.Lock()
	defer g.mu.Unlock()
	histories := []*monitor.History{g.recorder.History()}
	if g.labelRecorder != nil {
		histories = append(histories, g.labelRecorder.History())
	}
	return histories
}

// recordOn goes on recording after a restart; read are the entries of each view, none if it begins anew.
func (g *Group) recordOn(read [len(viewKinds)][]monitor.Entry) {
	if g.shown == nil {
		return
	}
	g.record()
	for i, v := range g.views() {
		switch {
		case read[i] == nil:
		case v == g.shown:
			g.refills = append(g.refills, refill{g.recorder, v.NewRefill(read[i])})
		case v == g.shownLabels:
			g.refills = append(g.refills, refill{g.labelRecorder, v.NewRefill(read[i])})
		}
	}
}

// Refill fills the history again, after Restore, as far as the saved panes reach, unless it is stopped. It takes a while, and the
// group may be used meanwhile.
func (g *Group) Refill(stop func() bool) {
	g.mu.Lock()
	refills := g.refills
	g.refills, g.refilling = nil, len(refills) > 0
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.refilling = false
	}()
	for _, f := range refills {
		past := f.from.Run(stop)
		if stop() {
			return
		}
		g.mu.Lock()
		f.recorder.Precede(past)
		g.mu.Unlock()
	}
}

// recordAfter goes on with the history of a group that records no more, unless that is still being filled.
func (g *Group) recordAfter(from *Group) {
	if g.shown == nil || len(from.refills) > 0 || from.refilling {
		return
	}
	g.recorder, g.refills = from.recorder, nil
	if g.labelRecorder != nil && from.labelRecorder != nil {
		g.labelRecorder = from.labelRecorder
	}
	g.record()
}
