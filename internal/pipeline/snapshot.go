package pipeline

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Versions of the binary forms, their first bytes.
const (
	// 1 had neither losses nor what is new, 2 had no references that are learned, 3 had no labels, 4 did not
	// know that results go on without these.
	groupVersion = 5
	// 1 had labels that wait without what they say.
	intakeVersion = 2
	// Ids after those of the entries before, and ids of a bucket that has forgotten those.
	idsVersion     = 1
	idsAnewVersion = 2
)

// Part is a topic partition that is being read.
type Part struct {
	Topic  string
	Index  int
	Intake *Intake
}

// Kinds of entry: the panes in the windows that are shown and in the final ones, the ids that lanes
// remember, the rows that references are learned from, the panes of labels, and predictions that wait for their labels.
const (
	viewShown = iota
	viewFinal
	entryIDs
	entryRows
	viewShownLabels
	viewFinalLabels
	entryPending
)

// viewKinds are the kinds of entry of views, in the order of Group.views.
var viewKinds = [...]uint8{viewShown, viewFinal, viewShownLabels, viewFinalLabels}

// Kind tells entries apart that have horizons of their own. Length is that of the panes in
// nanoseconds; of ids it is twice the number of the lane, plus the kind of event; of rows the number of the lane.
type Kind struct {
	View   uint8
	Length int64
}

// Entry is a part of a group's state that never changes.
type Entry struct {
	Kind
	Start   int64
	Content []byte
}

// FreshEntry is an entry that is not encoded yet: Content appends it. It may be called by any goroutine, and more than once.
type FreshEntry struct {
	Kind
	Start   int64
	Content func(b []byte) []byte
}

// Horizon is the start before which entries of a kind are not needed any more.
type Horizon struct {
	Kind
	Start int64
}

// Snapshot is a group at one moment: what its lanes have taken in, up to which offsets,
// and what the views have made of it. From it, and from all entries of snapshots before
// it, the group goes on as if nothing had happened.
type Snapshot struct {
	// State appends the binary form of all but the entries. That takes time, and holds nobody up.
	State func(b []byte) []byte
	// Entries are those since the snapshot before.
	Entries []FreshEntry
	// Horizons are of all kinds that there are.
	Horizons []Horizon
}

// Journal makes the group keep what snapshots need; it comes before the first message.
func (g *Group) Journal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.journal = true
	for _, v := range g.views() {
		if v != nil {
			v.Journal()
		}
	}
	for _, l := range g.lanes {
		l.shard.Journal()
	}
}

func (g *Group) views() [len(viewKinds)]*monitor.View {
	return [...]*monitor.View{g.shown, g.final, g.shownLabels, g.finalLabels}
}

// Cut is several groups at one and the same moment.
type Cut struct {
	// Held is how long reading stood still for it.
	Held    time.Duration
	groups  []*groupCut
	results *sequencerCut // nil: none
}

// groupCut is a group at one moment, in parts that do not change any more.
type groupCut struct {
	group   *Group
	monitor *monitor.Group
	lanes   []laneCut
	// Up to where panes, and panes of labels, were shown.
	frontier, labelFrontier int64
	without                 bool // results go on without labels
	views                   [len(viewKinds)]*monitor.FrozenView
	losses                  *monitor.Losses
	since                   *monitor.Since
	entries                 []FreshEntry
	horizons                []Horizon
}

type laneCut struct {
	parts  []partCut
	sealed []monitor.SealedPane
	labels []monitor.SealedPane
	shard  *monitor.Shard
	// learners are what it gathers to learn references from.
	learners []learnerCut
}

type partCut struct {
	topic string
	index int
	state []byte
}

// Read says that a partition is read into the group, before it has taken anything.
func (g *Group) Read(p Part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parts = append(g.parts, p)
}

// TakeCut stops the groups and their sequencer, which may be nil, notes what they are and
// calls mark, and lets them go on. It costs little, since what is large is shared
// until it changes; Snapshots does the rest. anew gives all that later cuts build on: for a store that has lost what it
// had.
func TakeCut(groups []*Group, sink *Sequencer, anew bool, mark func()) *Cut {
	locks, began := stop(groups, sink)
	defer unlock(locks)
	c := &Cut{}
	if sink != nil {
		c.results = sink.cut()
	}
	for _, g := range groups {
		c.groups = append(c.groups, g.cut(anew))
	}
	mark()
	c.Held = time.Since(began)
	return c
}

// stop locks all that is in the groups.
func stop(groups []*Group, sink *Sequencer) (locks []*sync.Mutex, since time.Time) {
	for {
		locks = nil
		for _, g := range groups {
			locks = append(locks, &g.mu)
		}
		var within []*sync.Mutex
		for _, g := range groups {
			within = append(within, g.locks()...)
		}
		locks = append(locks, within...)
		if sink != nil {
			locks = append(locks, &sink.mu)
		}
		since = lockAll(locks)
		n := 0
		for _, g := range groups {
			n += len(g.parts) + len(g.lanes)
		}
		if n == len(within) {
			return locks, since
		}
		unlock(locks) // a partition has been added meanwhile
	}
}

// locks returns the locks of what is in the group, in the order in which others take several.
func (g *Group) locks() (locks []*sync.Mutex) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parts {
		locks = append(locks, &p.Intake.mu)
	}
	for _, l := range g.lanes {
		locks = append(locks, &l.mu)
	}
	return locks
}

func unlock(locks []*sync.Mutex) {
	for _, l := range locks {
		l.Unlock()
	}
}

// lockAll locks all, and returns since when it holds any of them. It waits for one that is
// taken without holding the others, so that they are not held up, unless that fails too often.
func lockAll(locks []*sync.Mutex) (since time.Time) {
	const attempts = 100
	for attempt := range attempts {
		since = time.Now()
		n := slices.IndexFunc(locks, func(l *sync.Mutex) bool { return !l.TryLock() })
		if n < 0 {
			return since
		}
		unlock(locks[:n])
		if attempt < attempts-1 {
			locks[n].Lock()
			locks[n].Unlock() //nolint:staticcheck // only to wait for it
		}
	}
	since = time.Now()
	for _, l := range locks {
		l.Lock()
	}
	return since
}

func (g *Group) cut(anew bool) *groupCut {
	c := &groupCut{group: g, monitor: g.monitor, frontier: g.frontier, labelFrontier: g.labelFrontier, without: g.without, losses: g.losses.Clone(), since: g.since.Clone()}
	for _, l := range g.lanes {
		lane := l.cut()
		lane.learners = l.learners(anew)
		c.lanes = append(c.lanes, lane)
		c.addIDs(l, anew)
		c.addPending(l, anew)
		c.addRows(l, lane.learners)
	}
	for i, v := range g.views() {
		if v == nil {
			continue
		}
		kind := viewKinds[i]
		if anew {
			v.EntriesAnew()
		}
		c.views[i] = v.Freeze()
		for _, e := range v.TakeEntries() {
			c.entries = append(c.entries, FreshEntry{Kind{kind, e.Length}, e.Start, e.Content.AppendBinary})
		}
		for _, length := range g.monitor.Slides() {
			c.horizons = append(c.horizons, Horizon{Kind{kind, length}, v.Horizon(length)})
		}
	}
	return c
}

func (l *Lane) cut() (c laneCut) {
	for _, p := range l.group.parts {
		if p.Intake.routes[0].lane == l && p.Intake.offsets.Next >= 0 {
			c.parts = append(c.parts, partCut{p.Topic, p.Index, p.Intake.appendBinary(nil)})
		}
	}
	l.sealed = append(l.sealed, l.shard.TakeSealed()...)
	c.sealed = slices.Clone(l.sealed)
	l.labelPanes = append(l.labelPanes, l.shard.TakeSealedLabels()...)
	c.labels = slices.Clone(l.labelPanes)
	c.shard = l.shard.Freeze()
	return c
}

// addIDs makes an entry of the ids of each bucket.
func (c *groupCut) addIDs(l *Lane, anew bool) {
	for _, k := range [...]event.Kind{event.Prediction, event.Label} {
		ids, horizon := l.shard.TakeIDs(k, anew)
		kind := Kind{entryIDs, int64(2*l.index) + int64(k)}
		c.horizons = append(c.horizons, Horizon{kind, horizon})
		for _, bucket := range ids {
			c.entries = append(c.entries, FreshEntry{kind, bucket.Start, func(b []byte) []byte { return appendIDs(b, bucket) }})
		}
	}
}

// addPending makes an entry of each part of the predictions that wait for their labels.
func (c *groupCut) addPending(l *Lane, anew bool) {
	for _, p := range l.shard.TakePending(anew) {
		kind := pendingKind(l.index, p.Model)
		c.horizons = append(c.horizons, Horizon{kind, p.Horizon})
		for _, e := range p.Entries {
			c.entries = append(c.entries, FreshEntry{kind, e.Number, func(b []byte) []byte { return e.AppendBinary(sketch.AppendText(b, p.Model)) }})
		}
	}
	for _, kind := range l.group.gone {
		c.horizons = append(c.horizons, Horizon{kind, window.EndOfTime})
	}
}

// pendingKind is that of a model's predictions in a lane.
func pendingKind(lane int, model string) Kind {
	return Kind{entryPending, int64(lane)<<32 | int64(sketch.HashText([]byte(model))>>32)}
}

// appendIDs writes ids; the version says whether those before are forgotten.
func appendIDs(b []byte, ids monitor.SeenIDs) []byte {
	if ids.Anew {
		b = append(b, idsAnewVersion)
	} else {
		b = append(b, idsVersion)
	}
	for _, some := range ids.IDs {
		for _, id := range some {
			b = binary.AppendVarint(binary.LittleEndian.AppendUint64(b, id.Hash), id.Time)
		}
	}
	return b
}

func readIDs(e *Entry) (monitor.SeenIDs, error) {
	d := sketch.NewDecoder(e.Content)
	version := d.Byte()
	if version != idsVersion && version != idsAnewVersion {
		d.Fail(fmt.Errorf("version %d, want %d or %d", version, idsVersion, idsAnewVersion))
	}
	ids := monitor.SeenIDs{Start: e.Start, Anew: version == idsAnewVersion}
	var some []monitor.SeenID
	for {
		rest, err := d.End("ids")
		if err != nil || len(rest) == 0 {
			ids.IDs = append(ids.IDs, some)
			return ids, err
		}
		some = append(some, monitor.SeenID{Hash: d.Uint64(), Time: d.Varint()})
	}
}

// Snapshots are a snapshot a group, and the binary form of the results that wait.
func (c *Cut) Snapshots() (snapshots []Snapshot, results []byte) {
	for _, g := range c.groups {
		snapshots = append(snapshots, Snapshot{g.appendState, g.entries, g.horizons})
	}
	if c.results != nil {
		results = c.results.appendBinary(nil)
	}
	return snapshots, results
}

// Whole encodes a cut that was taken anew: for each group what Restore takes.
func (c *Cut) Whole() (states [][]byte, entries [][]Entry, results []byte) {
	snapshots, results := c.Snapshots()
	for _, s := range snapshots {
		var own []Entry
		for _, e := range s.Entries {
			own = append(own, Entry{e.Kind, e.Start, e.Content(nil)})
		}
		slices.SortStableFunc(own, func(a, b Entry) int {
			return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Start, b.Start))
		})
		states, entries = append(states, s.State(nil)), append(entries, own)
	}
	return states, entries, results
}

// Follow puts the entries of a cut that was not stored before those of this one.
func (c *Cut) Follow(lost *Cut) {
	for i, g := range c.groups {
		var still []FreshEntry
		for _, e := range lost.groups[i].entries {
			if !slices.ContainsFunc(g.horizons, func(h Horizon) bool { return h.Kind == e.Kind && e.Start < h.Start }) {
				still = append(still, e)
			}
		}
		g.entries = append(still, g.entries...)
	}
}

func (c *groupCut) appendState(b []byte) []byte {
	before := len(b)
	b = slices.Grow(b, c.group.stored+c.group.stored/8+1024)
	b = appendBlock(append(b, groupVersion), c.appendLearning)
	b = binary.AppendUvarint(b, uint64(len(c.lanes)))
	for i := range c.lanes {
		b = appendBlock(b, c.lanes[i].appendBinary)
	}
	b = binary.AppendVarint(b, c.frontier)
	b = appendViews(b, c.views[:2])
	b = appendBlock(b, c.losses.AppendBinary)
	b = appendBlock(b, c.since.AppendBinary)
	b = appendViews(binary.AppendVarint(b, c.labelFrontier), c.views[2:])
	without := byte(0)
	if c.without {
		without = 1
	}
	b = append(b, without)
	c.group.stored = len(b) - before
	return b
}

// appendViews writes views as blocks, empty ones where there is none.
func appendViews(b []byte, views []*monitor.FrozenView) []byte {
	for _, v := range views {
		b = appendBlock(b, func(b []byte) []byte {
			if v == nil {
				return b
			}
			return v.AppendBinary(b)
		})
	}
	return b
}

func appendBlock(b []byte, content func([]byte) []byte) []byte {
	start := len(b)
	return sketch.EndBlock(content(sketch.BeginBlock(b)), start)
}

// appendBinary writes the partitions of the lane, what it has sealed and not delivered, and
// its shard.
func (c *laneCut) appendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.parts)))
	for _, p := range c.parts {
		b = binary.AppendUvarint(sketch.AppendText(b, p.topic), uint64(p.index))
		b = appendBlock(b, func(b []byte) []byte { return append(b, p.state...) })
	}
	for _, panes := range [...][]monitor.SealedPane{c.sealed, c.labels} {
		b = binary.AppendUvarint(b, uint64(len(panes)))
		for _, p := range panes {
			b = appendBlock(binary.AppendVarint(b, p.Start), p.Content.AppendBinary)
		}
	}
	return c.shard.AppendBinary(b)
}

// appendBinary writes the accounts, and the labels that wait for their time.
func (in *Intake) appendBinary(b []byte) []byte {
	o, l := &in.offsets, &in.ledger
	b = append(append(b, intakeVersion), o.Log[:]...)
	b = binary.AppendVarint(binary.AppendVarint(b, o.First), o.Next)
	for _, n := range [...]uint64{o.Messages, o.Skipped, o.Gap, o.Restarts, l.Consumed, l.Accepted, l.Late, l.Duplicate} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(l.Rejected)))
	for _, n := range l.Rejected {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, in.labels.count)
	b = binary.AppendUvarint(b, uint64(len(in.labels.items)))
	for _, w := range in.labels.items {
		b = binary.AppendUvarint(binary.AppendVarint(b, w.time), w.order)
		b = sketch.AppendText(sketch.AppendText(b, w.id), w.lane.group.monitor.Models[w.model].Name)
		b = sketch.AppendText(b, w.truth)
	}
	return b
}
