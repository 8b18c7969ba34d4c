package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// View merges the sealed panes of all lanes of a group, in order of the lanes,
// and slides the windows over them. It is owned by one goroutine.
//
// A view is used in one of two ways. Final results come from Advance alone, with
// a frontier that every lane has passed: they depend on the log only. A view that
// shows more than is final may pass lanes by (Deliver then revises the windows)
// and merge their open panes in (Show).
type View struct {
	group   *Group
	lanes   int
	merger  merger
	losses  *Losses
	counted *Since
	pending map[int64][]*Pane // by start; a slot a lane
	tiers   *window.Tiers[Pane]
	windows []*window.Sliding[Pane]
	trail   *trail // nil if nothing is compared with the past
	begin   int64  // what is older is not taken
	first   int64  // start of the first accepted pane
	next    int64  // start of the first pane that was not merged yet
	last    int64  // end of the last pane with content that was merged
	latest  int64  // the same, of those that wait
	ends    int64  // windows that are made after the end of all lanes are made up to here at least, or window.NoTime
	keep    int64  // how long after last something can be in a window or a tier

	from    []int64 // by window: what came before was not kept; NoTime is none
	journal bool
	entries []Entry
	pruneAt int
	kept    map[int64]int64 // by slide: the start of the first entry that was given to TakeEntries

	holds   holds
	watched bool // something is judged
	memo    *drift.Memo
	slid    map[int]slid // by window, for Show: those that ended with the last step
	changes *changes

	recorder *Recorder // nil: no history is kept
	pictured bool      // final results have what is for pictures
}

// slid is a window as it was at its end.
type slid struct {
	end     int64
	content *Pane
}

// NewView returns a view of so many lanes of a group.
func NewView(g *Group, lanes int) *View {
	m := merger{profile.NewWorkspace()}
	v := &View{
		group: g, lanes: lanes, merger: m, losses: &Losses{}, counted: NewSince(g), pending: map[int64][]*Pane{}, tiers: window.NewTiers[Pane](g.Pane, m),
		memo: drift.NewMemo(), begin: window.NoTime, first: window.NoTime, next: window.NoTime, last: window.NoTime, latest: window.NoTime, ends: window.NoTime, kept: map[int64]int64{}, holds: holds{}, slid: map[int]slid{}, changes: newChanges(g),
		watched: g.watched(),
	}
	lengths := window.TierLengths(g.Pane)
	for _, w := range g.Windows {
		v.windows = append(v.windows, window.NewSliding[Pane](w.Length, window.Slide(w.Length, g.Pane), m))
		v.from = append(v.from, window.NoTime)
		v.keep = max(v.keep, w.Length)
	}
	v.trail = newTrail(g)
	v.keep = max(v.keep, g.trailing())
	v.keep += 2 * lengths[len(lengths)-1]
	return v
}

// Grow makes room for more lanes; they come after those that are there.
func (v *View) Grow(lanes int) {
	v.lanes = max(v.lanes, lanes)
	for start, p := range v.pending {
		v.pending[start] = append(p, make([]*Pane, v.lanes-len(p))...)
	}
}

// Heed makes windows not complete that overlap a hole of the losses, or begin before a series does; the view only looks
// at both.
func (v *View) Heed(l *Losses, s *Since) { v.losses, v.counted = l, s }

// Begin makes an empty view begin at a time that is beyond all frontiers, or window.NoTime: lanes go on from there.
func (v *View) Begin(at int64) {
	v.first, v.begin = at, at
	for _, slide := range v.group.Slides() {
		if at != window.NoTime {
			v.kept[slide] = window.Floor(at, slide)
		}
	}
}

// Oldest returns the time before which no window begins any more, or window.NoTime.
func (v *View) Oldest() int64 {
	if v.next == window.NoTime {
		return window.NoTime
	}
	return v.next - v.group.Kept()
}

// Pending returns the number of panes that wait to be merged.
func (v *View) Pending() int { return len(v.pending) }

// Deliver takes the sealed panes of a lane. Those of a time that was merged
// already are added to the windows that hold it.
func (v *View) Deliver(lane int, panes []SealedPane) {
	for _, p := range panes {
		if p.Start < v.begin {
			continue
		}
		if v.first == window.NoTime || p.Start < v.first {
			v.first = p.Start
		}
		if v.next != window.NoTime && p.Start < v.next {
			v.revise(p)
			continue
		}
		slots := v.pending[p.Start]
		if slots == nil {
			slots = make([]*Pane, v.lanes)
			v.pending[p.Start] = slots
			v.latest = max(v.latest, p.Start+v.group.Pane)
		}
		var sum window.Accumulator[Pane] // of a lane there are two where a state without watermarks was read
		sum.Add(slots[lane], v.merger)
		sum.Add(p.Content, v.merger)
		slots[lane] = sum.Content()
	}
}

func (v *View) revise(p SealedPane) {
	clear(v.slid)
	full := v.tiers.Revise(p.Start, v.next, p.Content)
	for _, w := range v.windows {
		if w.Slide() <= full {
			w.Revise(window.Floor(p.Start, w.Slide()), window.Floor(v.next, w.Slide()), p.Content)
		}
	}
	for _, slide := range v.group.Slides() {
		if slide <= full {
			v.record(slide, window.Floor(p.Start, slide), p.Content)
		}
	}
	if start := window.Floor(p.Start, trailTier); v.trail != nil && full == trailTier && start >= v.needed(trailTier) {
		v.trail.revise(start, p.Content, v.merger)
	}
	v.last = max(v.last, p.Start+v.group.Pane)
}

// Advance merges all panes that end at or before the frontier, which is a
// multiple of the pane, and calls emit with the results of each window that ends
// on the way, in order of the ends. After window.EndOfTime, which means that all
// lanes were read to their ends, it goes on until each window has an end at or
// after the last event, or the time that EndWith said.
func (v *View) Advance(frontier int64, emit func(end int64, results []*Result)) {
	for v.Step(frontier, emit) {
	}
}

// Step is Advance by one pane at most; it returns false when the frontier is reached.
func (v *View) Step(frontier int64, emit func(end int64, results []*Result)) bool {
	if frontier == window.NoTime || !v.more(frontier) {
		return false
	}
	clear(v.slid)
	end := v.next + v.group.Pane
	pane := v.take(v.next)
	v.changes.pass(v.next, pane, !v.losses.Overlap(v.next, end))
	v.push(v.next, pane)
	v.next = end
	atEnd := frontier == window.EndOfTime && len(v.pending) == 0
	switch {
	case emit != nil:
		if results := v.look(end, atEnd, final); len(results) > 0 {
			sortResults(results)
			emit(end, results)
		}
	case v.watched || v.recorder != nil:
		v.look(end, atEnd, passing)
	}
	return true
}

// more reports whether the pane at next is to be merged, and moves next over time
// in which nothing is.
func (v *View) more(frontier int64) bool {
	idle := v.last == window.NoTime || v.next-v.last > v.keep
	if len(v.pending) == 0 {
		if frontier == window.EndOfTime {
			return !idle && v.next < window.Ceil(max(v.last, v.ends), v.widestSlide())
		}
		if idle {
			// What comes before this from now on is a revision.
			v.next = max(v.next, frontier)
		}
		return v.next < frontier
	}
	if idle {
		first := frontier
		for start := range v.pending {
			first = min(first, start)
		}
		v.next = max(v.next, first)
	}
	return v.next < frontier
}

func (v *View) widestSlide() int64 {
	slide := v.group.Pane
	for _, w := range v.windows {
		slide = max(slide, w.Slide())
	}
	return slide
}

// take merges the lanes' panes of one time, in order of the lanes.
func (v *View) take(start int64) *Pane {
	var sum window.Accumulator[Pane]
	for _, p := range v.pending[start] {
		sum.Add(p, v.merger)
	}
	delete(v.pending, start)
	if sum.Content() != nil {
		v.last = start + v.group.Pane
	}
	return sum.Content()
}

func (v *View) push(start int64, c *Pane) {
	v.tiers.Push(start, c, func(length, start int64, c *Pane) {
		for _, w := range v.windows {
			if w.Slide() == length {
				w.Push(start, c)
				v.record(length, start, c)
			}
		}
		if v.trail != nil && length == trailTier {
			v.trail.push(start, c)
			v.record(length, start, c)
		}
	})
}

// Picture makes final results have what is only for pictures, as shown ones do: distributions and curves. They cost about as much as all statistics.
func (v *View) Picture() { v.pictured = true }

func (v *View) pictures(l look) bool { return l == shown || v.pictured }

// look returns the results of the windows that end at end. At the end of all lanes, those
// whose previous end had seen the last event are left out.
func (v *View) look(end int64, atEnd bool, l look) (results []*Result) {
	if end <= v.first {
		return nil
	}
	for i, w := range v.windows {
		if end%w.Slide() != 0 || atEnd && end-w.Slide() >= max(v.last, v.ends) {
			continue
		}
		recorded := l == passing && v.recorder.wants(w.Slide(), end)
		if l == passing && !recorded && !v.watched {
			continue
		}
		var sum window.Accumulator[Pane]
		w.At(end, nil, &sum)
		if l == passing {
			v.slid[i] = slid{end, sum.Content()}
		}
		if recorded {
			v.recorder.Add(v.assess(nil, i, end-w.Length(), end, sum.Content(), final), w.Slide())
			continue
		}
		results = v.assess(results, i, end-w.Length(), end, sum.Content(), l)
	}
	return results
}

// Show returns the results of all windows as of the frontier, which Advance has
// reached. A window is the one that ends at its next slide, filled up to the
// frontier; open are copies of the lanes' open panes.
func (v *View) Show(frontier int64, open []SealedPane) []*Result {
	for _, p := range open {
		if p.Start >= v.begin && (v.first == window.NoTime || p.Start < v.first) {
			v.first = p.Start
		}
	}
	var results []*Result
	for i, w := range v.windows {
		end := window.Ceil(frontier, w.Slide())
		start := end - w.Length()
		var head, sum window.Accumulator[Pane]
		if known, ok := v.slid[i]; ok && end == frontier && known.end == end {
			sum.Add(known.content, v.merger)
		} else {
			if end > frontier {
				v.tiers.Head(w.Slide(), &head)
			}
			w.At(end, head.Content(), &sum)
		}
		for _, p := range open {
			if p.Start >= max(start, v.begin) && p.Start < frontier {
				sum.Add(p.Content, v.merger)
			}
		}
		n := len(results)
		results = v.assess(results, i, start, frontier, sum.Content(), shown)
		if v.recorder != nil && end == frontier {
			v.recorder.Add(results[n:], w.Slide())
		}
	}
	sortResults(results)
	return results
}

func sortResults(rs []*Result) {
	slices.SortFunc(rs, CompareResults)
}

// Next returns the start of the first pane that was not merged yet, or window.NoTime.
func (v *View) Next() int64 { return v.next }

// Last returns the end of the last pane with content that was delivered, or window.NoTime.
func (v *View) Last() int64 {
	return max(v.last, v.latest)
}

// EndWith says that another view, which gives results of the same windows, has its last content at the given time.
func (v *View) EndWith(last int64) { v.ends = last }

// Work returns the start of the pane that the next Step merges at the earliest; the frontier if nothing is to be done before.
func (v *View) Work(frontier int64) int64 {
	if v.last != window.NoTime && v.next-v.last <= v.keep {
		return v.next
	}
	first := frontier
	for start := range v.pending {
		first = min(first, start)
	}
	return max(first, v.next)
}
