package monitor

import (
	"maps"
	"slices"
	"time"

	"github.com/streammon/streammon/internal/window"
)

// trailTier is the length of the panes that are kept for comparisons with the past.
const trailTier = int64(time.Hour)

// trail keeps the past of a view that windows are compared with, by the hour: so its memory does not depend on how short the
// windows are. Its panes are those of the tier, of which saves know.
type trail struct {
	length int64 // what is older than this is in no comparison
	from   int64 // what came before was not kept; NoTime is none
	panes  map[int64]*Pane
	pasts  map[[2]int64]*past // by window, and how long ago
}

// past is what one window length is compared with: all that the hours hold in which the window of that time lies. It is
// made anew when the hours change.
type past struct {
	from, to int64
	content  *Pane
	series   map[[2]int]*series // all versions as one, by model and segment of the content's group
}

// trailing returns for how long the group's past is kept, 0 if nothing is compared with it.
func (g *Group) trailing() (length int64) {
	for _, m := range g.Models {
		length = max(length, m.Verdicts.Trailing)
	}
	if length > 0 {
		length += g.Longest() + 2*trailTier
	}
	return length
}

// Kept returns how much event time the windows, and what they are compared with, need.
func (g *Group) Kept() int64 { return max(g.Longest(), g.trailing()) }

// newTrail returns that of a view of the group, nil if it needs none.
func newTrail(g *Group) *trail {
	if g.trailing() == 0 {
		return nil
	}
	return &trail{length: g.trailing(), from: window.NoTime, panes: map[int64]*Pane{}, pasts: map[[2]int64]*past{}}
}

// push adds the pane of an hour, which may be nil, and forgets the oldest.
func (t *trail) push(start int64, c *Pane) {
	for s := range t.panes {
		if s < start-t.length {
			delete(t.panes, s)
		}
	}
	if c != nil {
		t.panes[start] = c
	}
}

// all calls f with the panes that are there, in order.
func (t *trail) all(f func(start int64, c *Pane)) {
	for _, start := range slices.Sorted(maps.Keys(t.panes)) {
		f(start, t.panes[start])
	}
}

// revise adds c to the pane of the hour that starts at start.
func (t *trail) revise(start int64, c *Pane, m merger) {
	var sum window.Accumulator[Pane]
	sum.Add(t.panes[start], m)
	sum.Add(c, m)
	t.panes[start] = sum.Content()
	clear(t.pasts)
}

// past returns the content that window i over [start, end) is compared with, so long ago; nil if some of it is not known.
func (v *View) past(i int, start, end, ago int64) *past {
	t := v.trail
	from, to := window.Floor(start-ago, trailTier), window.Ceil(end-ago, trailTier)
	if from < max(v.first, t.from) || v.losses.Overlap(from, to) {
		return nil
	}
	key := [2]int64{int64(i), ago}
	if p := t.pasts[key]; p != nil && p.from == from && p.to == to {
		return p
	}
	var sum window.Accumulator[Pane]
	for at := from; at < to; at += trailTier {
		sum.Add(t.panes[at], v.merger)
	}
	t.pasts[key] = &past{from, to, sum.Content(), map[[2]int]*series{}}
	return t.pasts[key]
}

// of returns all versions of a model as one in a segment, nil if there is nothing.
func (p *past) of(v *View, model int, segment string) *series {
	if p == nil || p.content == nil {
		return nil
	}
	m := p.content.group.Models[model]
	j := slices.Index(m.segments, segment)
	if j < 0 {
		return nil
	}
	key := [2]int{model, j}
	s, ok := p.series[key]
	if !ok {
		s = v.sum(m, j, p.content.models[model])
		p.series[key] = s
	}
	return s
}
