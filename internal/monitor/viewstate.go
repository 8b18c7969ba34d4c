package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// viewVersion is the version of a view's binary form, its first byte. Version 1 had no held states, and no begin; version 2
// had no detectors.
const viewVersion = 3

// Entry is a pane of a tier as it was pushed into the windows that slide by it, or what
// was added to that pane later. It never changes.
type Entry struct {
	Length, Start int64
	Content       *Pane
}

// Journal makes the view keep the entries of its windows for TakeEntries.
func (v *View) Journal() { v.journal = true }

// TakeEntries returns the entries since the last call, in order.
func (v *View) TakeEntries() []Entry {
	entries := v.entries
	v.entries = nil
	return entries
}

// EntriesAnew says that all entries that were taken are lost: the next TakeEntries gives what the windows, and what they are
// compared with, still hold.
func (v *View) EntriesAnew() {
	v.entries = nil
	if v.next == window.NoTime {
		return
	}
	for _, slide := range v.group.Slides() {
		since, add := v.held(slide)
		if kept, ok := v.kept[slide]; !ok || kept < since {
			v.kept[slide] = since
		}
		add(func(start int64, c *Pane) {
			if start >= v.kept[slide] {
				v.record(slide, start, c)
			}
		})
	}
}

// held returns the panes of a tier that the view has, in order, and the start of the first one that it needs from now on.
func (v *View) held(slide int64) (since int64, panes func(yield func(start int64, c *Pane))) {
	if v.trail != nil && slide == trailTier {
		return window.Floor(v.next, slide) - v.trail.length, v.trail.all
	}
	var longest *window.Sliding[Pane] // has all that the others of the slide have
	for _, w := range v.windows {
		if w.Slide() == slide && (longest == nil || w.Length() > longest.Length()) {
			longest = w
		}
	}
	return window.Ceil(v.next, slide) - longest.Length(), longest.All
}

// Freeze returns a copy of the view for AppendBinary, which does not change and may be read
// by another goroutine while this one goes on. It has no entries, and costs little.
func (v *View) Freeze() *FrozenView {
	f := &FrozenView{
		pane: v.group.Pane, begin: v.begin, first: v.first, next: v.next, last: v.last, filling: v.tiers.Filling(),
		kept: map[int64]int64{}, pending: maps.Clone(v.pending), holds: maps.Clone(v.holds),
		changes: v.changes.appendBinary(nil),
	}
	for start, slots := range f.pending {
		f.pending[start] = slices.Clone(slots)
	}
	for _, slide := range v.group.Slides() {
		kept, ok := v.kept[slide]
		if !ok {
			kept = window.NoTime
		}
		f.kept[slide] = max(kept, v.needed(slide))
	}
	return f
}

// FrozenView is a view at one moment, without its windows.
type FrozenView struct {
	pane, begin, first, next, last int64
	filling                        []*Pane
	pending                        map[int64][]*Pane
	kept                           map[int64]int64
	holds                          holds
	changes                        []byte // the detectors' binary form: they change with each pane
}

// record notes an entry, once for all windows with one slide.
func (v *View) record(length, start int64, c *Pane) {
	if !v.journal || c == nil {
		return
	}
	if n := len(v.entries); n > 0 && v.entries[n-1] == (Entry{length, start, c}) {
		return
	}
	v.entries = append(v.entries, Entry{length, start, c})
	if len(v.entries) > v.pruneAt { // event time may run faster than snapshots are taken
		v.entries = slices.DeleteFunc(v.entries, func(e Entry) bool { return e.Start < v.needed(e.Length) })
		v.pruneAt = 2*len(v.entries) + minJournal
	}
}

// minJournal is how many entries are kept before it is looked which are not needed any more.
const minJournal = 200

// Horizon returns the start before which entries of the tier are in no window any more, nor
// were one block ago: an older snapshot does not need them either.
func (v *View) Horizon(length int64) int64 { return v.since(length, 2) }

// needed returns the start before which entries of the tier are in no window any more.
func (v *View) needed(length int64) int64 { return v.since(length, 1) }

// since returns the start of the block that is so many before the current one.
func (v *View) since(length, blocks int64) int64 {
	start := int64(window.EndOfTime)
	for _, w := range v.windows {
		if w.Slide() == length && v.next != window.NoTime {
			start = min(start, window.Floor(v.next, w.Length())-blocks*w.Length())
		}
	}
	if v.trail != nil && length == trailTier && v.next != window.NoTime {
		start = min(start, window.Floor(v.next, trailTier)-blocks*v.trail.length)
	}
	if start == window.EndOfTime {
		return window.NoTime
	}
	return start
}

// AppendBinary appends the binary form of the view without its entries: how far it is, from
// where on there are entries, the tiers' panes that are being filled, and the lanes' panes
// that wait to be merged.
func (v *FrozenView) AppendBinary(b []byte) []byte {
	b = binary.AppendVarint(append(b, viewVersion), v.pane)
	for _, t := range [...]int64{v.first, v.next, v.last} {
		b = binary.AppendVarint(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(v.kept)))
	for _, slide := range slices.Sorted(maps.Keys(v.kept)) {
		b = binary.AppendVarint(binary.AppendVarint(b, slide), v.kept[slide])
	}
	b = binary.AppendUvarint(b, uint64(len(v.filling)))
	for _, c := range v.filling {
		b = appendBlock(b, c)
	}
	b = binary.AppendUvarint(b, uint64(len(v.pending)))
	for _, start := range slices.Sorted(maps.Keys(v.pending)) {
		b = binary.AppendVarint(b, start)
		b = binary.AppendUvarint(b, uint64(len(v.pending[start])))
		for _, c := range v.pending[start] {
			b = appendBlock(b, c)
		}
	}
	b = v.holds.appendBinary(binary.AppendVarint(b, v.begin))
	start := len(b)
	return sketch.EndBlock(append(sketch.BeginBlock(b), v.changes...), start)
}

// appendBlock appends a pane as a block, an empty one if it is nil.
func appendBlock(b []byte, p *Pane) []byte {
	start := len(b)
	b = sketch.BeginBlock(b)
	if p != nil {
		b = p.AppendBinary(b)
	}
	return sketch.EndBlock(b, start)
}

// ReadView reads a view of so many lanes, or as many as it had, from its binary form and
// from its entries, which are ordered by start, those of one tier and start as they were
// taken. It fails with ErrShape if its panes have another length than the group's.
func (g *Group) ReadView(b []byte, lanes int, entries []Entry, lost func(model, feature string)) (*View, error) {
	d := sketch.NewDecoder(b)
	v := NewView(g, lanes)
	version := d.BeginUpTo(viewVersion)
	if pane := d.Varint(); d.Err() == nil && pane != g.Pane {
		return nil, fmt.Errorf("read view: %w", ErrShape)
	}
	v.first, v.next, v.last = d.Varint(), d.Varint(), d.Varint()
	for range d.Length(2) {
		slide := d.Varint()
		v.kept[slide] = d.Varint()
	}
	for i, w := range v.windows {
		v.from[i] = v.keptFrom(w.Slide())
	}
	if v.trail != nil {
		v.trail.from = v.keptFrom(trailTier)
	}
	tiers := len(v.tiers.Filling())
	if n := d.Length(4); d.Err() == nil && n != tiers {
		return nil, fmt.Errorf("read view: %d tiers, want %d", n, tiers)
	}
	for i := range tiers {
		if c := g.readBlock(d, lost); c != nil {
			v.tiers.Fill(i, c)
		}
	}
	for range d.Length(2) {
		start := d.Varint()
		slots := make([]*Pane, d.Length(4))
		for i := range slots {
			slots[i] = g.readBlock(d, lost)
		}
		v.pending[start] = slots
		v.latest = max(v.latest, start+g.Pane)
	}
	if version > 1 {
		v.begin, v.holds = d.Varint(), readHolds(d)
	}
	if version > 2 {
		if block := d.Block(); d.Err() == nil {
			d.Fail(v.changes.read(block))
		}
	}
	if err := finish(d, "view"); err != nil {
		return nil, err
	}
	for _, slots := range v.pending {
		v.lanes = max(v.lanes, len(slots))
	}
	v.Grow(v.lanes)
	return v, v.replay(entries)
}

// keptFrom returns from when on the panes of a tier were kept; of a new one they are from now on.
func (v *View) keptFrom(slide int64) int64 {
	kept, ok := v.kept[slide]
	if !ok {
		kept = window.NoTime
		if v.next != window.NoTime {
			kept = window.Floor(v.next, slide)
		}
		v.kept[slide] = kept
	}
	return kept
}

// readBlock reads what appendBlock wrote.
func (g *Group) readBlock(d *sketch.Decoder, lost func(model, feature string)) *Pane {
	block := d.Block()
	if len(block) == 0 {
		return nil
	}
	p, err := g.ReadPane(block, lost)
	if err != nil {
		d.Fail(err)
		return nil
	}
	return p
}

// replay pushes entries into the windows, and into the trail; of one tier and start they are added up first.
func (v *View) replay(entries []Entry) error {
	fills := map[int64][]func(start int64, c *Pane){}
	for _, w := range v.windows {
		fills[w.Slide()] = append(fills[w.Slide()], w.Fill)
	}
	if v.trail != nil {
		fills[trailTier] = append(fills[trailTier], v.trail.push)
	}
	for length, fill := range fills {
		fill := func(start int64, c *Pane) {
			for _, f := range fill {
				f(start, c)
			}
		}
		var sum window.Accumulator[Pane]
		at := int64(window.NoTime)
		for _, e := range entries {
			if e.Length != length || e.Start < v.kept[e.Length] { // may be of a view before this one
				continue
			}
			if e.Start < at {
				return errors.New("read view: entries out of order")
			}
			if e.Start != at {
				if c := sum.Take(); c != nil {
					fill(at, c)
				}
				at = e.Start
			}
			sum.Add(e.Content, v.merger)
		}
		if c := sum.Take(); c != nil {
			fill(at, c)
		}
	}
	return nil
}
