package monitor

import (
	"cmp"
	"maps"
	"slices"

	"github.com/streammon/streammon/internal/window"
)

// Refill makes the history of the time before a restart, as far as the entries that were saved reach: of a window length the ends at
// which all panes are there. Where those of its own slide are gone, the panes of wider ones are taken, so that points are further
// apart. What a state was held for before is not known.
type Refill struct {
	view    *View // of the same group, which nobody else has
	first   int64
	next    int64
	kept    map[int64]int64
	entries map[int64][]Entry // by tier
	labels  bool
}

// pass is one window length over the panes of one tier: the ends from on, before to.
type pass struct{ tier, from, to int64 }

// NewRefill returns what is to be done for a view that was read from its form and these entries. It shares no more with the view than
// what never changes.
func (v *View) NewRefill(entries []Entry) *Refill {
	f := &Refill{view: NewView(v.group, 0), first: v.first, next: v.next, kept: map[int64]int64{}, entries: map[int64][]Entry{}, labels: v.group.onLabels}
	f.view.first, f.view.losses = v.first, v.losses.Clone()
	f.view.counted = &Since{group: v.counted.group, table: v.counted.table}
	for tier, from := range v.kept {
		f.kept[tier] = from
	}
	for _, e := range entries {
		f.entries[e.Length] = append(f.entries[e.Length], e)
	}
	return f
}

// Run returns the points, or those that were made before stop returned true. It takes a look at each end.
func (f *Refill) Run(stop func() bool) *Recorder {
	r := NewRecorder(f.labels)
	if f.next == window.NoTime || f.first == window.NoTime {
		return r
	}
	for tier, entries := range f.entries {
		f.entries[tier] = f.sum(entries, f.kept[tier])
	}
	for i, w := range f.view.group.Windows {
		slide := window.Slide(w.Length, f.view.group.Pane)
		passes := f.passes(w.Length, slide)
		for _, p := range slices.Backward(passes) { // points come in order
			if stop() {
				return r
			}
			f.run(r, i, slide, p, stop)
		}
	}
	return r
}

// sum adds up the entries of one start, and leaves out those before from, which may be of another view.
func (f *Refill) sum(entries []Entry, from int64) (out []Entry) {
	var sum window.Accumulator[Pane]
	for i, e := range entries {
		if e.Start < from {
			continue
		}
		sum.Add(e.Content, f.view.merger)
		if i+1 == len(entries) || entries[i+1].Start != e.Start {
			out = append(out, Entry{e.Length, e.Start, sum.Take()})
		}
	}
	return out
}

// passes returns over which tiers a window length is to be gone, the finest first, and which of the ends, as many as a track keeps.
func (f *Refill) passes(length, slide int64) (out []pass) {
	to, room := f.next+1, int64(HistoryPoints)
	for _, tier := range f.view.group.Slides() {
		if tier < slide || length%tier != 0 || f.entries[tier] == nil {
			continue
		}
		from := window.Floor(f.first, tier) + tier
		if f.kept[tier] > f.first {
			from = window.Ceil(f.kept[tier], tier) + length
		}
		from = max(from, window.Floor(to-1, tier)-(room-1)*tier)
		if from >= to || room <= 0 {
			continue
		}
		out = append(out, pass{tier, from, to})
		room -= (to-1-from)/tier + 1
		to = from
	}
	return out
}

// run records the ends of a pass.
func (f *Refill) run(r *Recorder, i int, slide int64, p pass, stop func() bool) {
	v, length := f.view, f.view.group.Windows[i].Length
	sliding := window.NewSliding[Pane](length, p.tier, v.merger)
	v.windows[i], v.from[i], v.holds = sliding, f.kept[p.tier], holds{}
	hours := f.entries[trailTier]
	if v.trail = newTrail(v.group); v.trail != nil {
		v.trail.from = f.kept[trailTier]
	}
	panes := f.entries[p.tier]
	for end := p.from; end < p.to && !stop(); end += p.tier {
		for ; len(panes) > 0 && panes[0].Start < end; panes = panes[1:] {
			if start := panes[0].Start; start >= end-length {
				sliding.Push(start, panes[0].Content)
			}
		}
		for ; v.trail != nil && len(hours) > 0 && hours[0].Start < end; hours = hours[1:] {
			v.trail.push(hours[0].Start, hours[0].Content)
		}
		var sum window.Accumulator[Pane]
		sliding.At(end, nil, &sum)
		r.Add(v.assess(nil, i, end-length, end, sum.Content(), final), slide)
	}
}

// Precede puts the points of another recorder, which is not used any more, before those that are there.
func (r *Recorder) Precede(o *Recorder) {
	keys := slices.SortedFunc(maps.Keys(o.tracks), func(a, b trackKey) int { return cmp.Compare(a.segment, b.segment) })
	for _, k := range keys { // all traffic first, without which segments have no room
		before, was := o.tracks[k], int64(0)
		t := r.tracks[k]
		switch {
		case t != nil:
			was = t.bytes()
			t.chunks = append(before.before(t.First().UnixNano()), t.chunks...)
			t.trim()
		case r.room(k, before.Last().UnixNano()):
			t = before
			r.tracks[k] = t
		default:
			continue
		}
		t.made, r.made = nil, nil
		if k.segment != "" {
			if r.segments += t.bytes() - was; r.segments > HistorySegmentBytes {
				r.drop(k)
			}
		}
	}
}

// before returns the chunks of the points that are before a time.
func (t *recorded) before(end int64) (out []chunk) {
	for _, k := range t.chunks {
		n, _ := slices.BinarySearch(k.ends, end)
		if n == 0 {
			break
		}
		k.ends, k.events, k.complete, k.values = k.ends[:n:n], k.events[:n:n], k.complete[:n:n], k.values[:n*len(k.layout.columns)]
		out = append(out, k)
	}
	return out
}
