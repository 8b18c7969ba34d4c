package pipeline

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Versions of the binary forms, their first bytes.
const (
	// 1 had neither losses nor what is new, 2 had no references that are learned.
	groupVersion  = 3
	intakeVersion = 1
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
// remember, and the rows that references are learned from.
const (
	viewShown = iota
	viewFinal
	entryIDs
	entryRows
)

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

// Horizon is the start before which entries of a kind are not needed any more.
type Horizon struct {
	Kind
	Start int64
}

// Snapshot is a group at one moment: what its lanes have taken in, up to which offsets,
// and what the views have made of it. From it, and from all entries of snapshots before
// it, the group goes on as if nothing had happened.
type Snapshot struct {
	// State is the binary form of all but the entries.
	State []byte
	// Entries are those since the snapshot before.
	Entries []Entry
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

func (g *Group) views() [2]*monitor.View {
	return [2]*monitor.View{viewShown: g.shown, viewFinal: g.final}
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
	group    *Group
	monitor  *monitor.Group
	lanes    []laneCut
	frontier int64
	views    [2]*monitor.FrozenView
	losses   *monitor.Losses
	since    *monitor.Since
	entries  []freshEntry
	horizons []Horizon
}

type laneCut struct {
	parts  []partCut
	sealed []monitor.SealedPane
	shard  *monitor.Shard
	// learners are what it gathers to learn references from.
	learners []learnerCut
}

type partCut struct {
	topic string
	index int
	state []byte
}

// freshEntry is an entry before it is encoded.
type freshEntry struct {
	Kind
	start  int64
	encode func(b []byte) []byte
}

// Read says that a partition is read into the group, before it has taken anything.
func (g *Group) Read(p Part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parts = append(g.parts, p)
}

// TakeCut stops the groups and their sequencer, which may be nil, notes what they are and
// calls mark, and lets them go on. It costs little, since what is large is shared
// until it changes; Snapshots does the rest. anew gives all that later cuts build on, as far as
// memory has it: for a store that has lost what it had.
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
			//lint:ignore SA2001 only to wait for it
			locks[n].Unlock()
		}
	}
	since = time.Now()
	for _, l := range locks {
		l.Lock()
	}
	return since
}

func (g *Group) cut(anew bool) *groupCut {
	c := &groupCut{group: g, monitor: g.monitor, frontier: g.frontier, losses: g.losses.Clone(), since: g.since.Clone()}
	for _, l := range g.lanes {
		lane := l.cut()
		lane.learners = l.learners(anew)
		c.lanes = append(c.lanes, lane)
		c.addIDs(l, anew)
		c.addRows(l, lane.learners)
	}
	for kind, v := range g.views() {
		if v == nil {
			continue
		}
		if anew {
			v.DropEntries()
		}
		c.views[kind] = v.Freeze()
		for _, e := range v.TakeEntries() {
			c.entries = append(c.entries, freshEntry{Kind{uint8(kind), e.Length}, e.Start, e.Content.AppendBinary})
		}
		for _, length := range g.monitor.Slides() {
			c.horizons = append(c.horizons, Horizon{Kind{uint8(kind), length}, v.Horizon(length)})
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
			c.entries = append(c.entries, freshEntry{kind, bucket.Start, func(b []byte) []byte { return appendIDs(b, bucket) }})
		}
	}
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

// Snapshots encodes the cut: a snapshot a group, and the results that wait. It takes
// time, and holds nobody up.
func (c *Cut) Snapshots() (snapshots []Snapshot, results []byte) {
	for _, g := range c.groups {
		snapshots = append(snapshots, g.snapshot())
	}
	if c.results != nil {
		results = c.results.appendBinary(nil)
	}
	return snapshots, results
}

// Follow puts the entries of a cut that was not stored before those of this one.
func (c *Cut) Follow(lost *Cut) {
	for i, g := range c.groups {
		var still []freshEntry
		for _, e := range lost.groups[i].entries {
			if !slices.ContainsFunc(g.horizons, func(h Horizon) bool { return h.Kind == e.Kind && e.start < h.Start }) {
				still = append(still, e)
			}
		}
		g.entries = append(still, g.entries...)
	}
}

func (c *groupCut) snapshot() Snapshot {
	s := Snapshot{Horizons: c.horizons}
	b := make([]byte, 0, c.group.stored+c.group.stored/8+1024)
	b = appendBlock(append(b, groupVersion), c.appendLearning)
	b = binary.AppendUvarint(b, uint64(len(c.lanes)))
	for i := range c.lanes {
		b = appendBlock(b, c.lanes[i].appendBinary)
	}
	b = binary.AppendVarint(b, c.frontier)
	for _, v := range c.views {
		b = appendBlock(b, func(b []byte) []byte {
			if v == nil {
				return b
			}
			return v.AppendBinary(b)
		})
	}
	b = appendBlock(b, c.losses.AppendBinary)
	b = appendBlock(b, c.since.AppendBinary)
	s.State, c.group.stored = b, len(b)
	for _, e := range c.entries {
		s.Entries = append(s.Entries, Entry{e.Kind, e.start, e.encode(nil)})
	}
	return s
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
	b = binary.AppendUvarint(b, uint64(len(c.sealed)))
	for _, p := range c.sealed {
		b = appendBlock(binary.AppendVarint(b, p.Start), p.Content.AppendBinary)
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
		b = binary.AppendUvarint(binary.AppendVarint(b, w.event.Time), w.order)
		b = sketch.AppendText(sketch.AppendText(b, string(w.event.ID)), w.lane.group.monitor.Models[w.event.Model].Name)
	}
	return b
}

// PartState is a partition as a snapshot has it.
type PartState struct {
	Topic string
	Index int
	Offsets
	Ledger event.Ledger
	labels []byte // that wait
}

// ReadParts returns the partitions that a snapshot has.
func ReadParts(state []byte) ([]PartState, error) {
	d := sketch.NewDecoder(state)
	beginGroup(d)
	var parts []PartState
	for range d.Length(4) {
		in := sketch.NewDecoder(d.Block())
		parts = append(parts, readParts(in)...)
		d.Fail(in.Err())
	}
	_, err := d.End("group")
	return parts, err
}

// beginGroup reads the version of a group's form, and what is known of references that are learned.
func beginGroup(d *sketch.Decoder) (version byte, learning []byte) {
	if version = d.BeginUpTo(groupVersion); version > 2 {
		learning = d.Block()
	}
	return version, learning
}

// readParts reads the partitions of a lane.
func readParts(d *sketch.Decoder) (parts []PartState) {
	for range d.Length(6) {
		p := PartState{Topic: d.Text(), Index: int(d.Count())}
		in := sketch.NewDecoder(d.Block())
		p.read(in)
		d.Fail(in.Err())
		parts = append(parts, p)
	}
	return parts
}

// read reads what Intake.appendBinary wrote, but for the labels.
func (p *PartState) read(d *sketch.Decoder) {
	d.Begin(intakeVersion)
	copy(p.Log[:], d.Bytes(len(p.Log)))
	p.First, p.Next = d.Varint(), d.Varint()
	l := &p.Ledger
	for _, n := range [...]*uint64{&p.Messages, &p.Skipped, &p.Gap, &p.Restarts, &l.Consumed, &l.Accepted, &l.Late, &l.Duplicate} {
		*n = d.Count()
	}
	for i := range d.Length(1) {
		if n := d.Count(); i < len(l.Rejected) {
			l.Rejected[i] = n
		} else {
			d.Fail(errors.New("an unknown reason"))
		}
	}
	rest, err := d.End("partition")
	if err == nil && p.Next < 0 {
		d.Fail(errors.New("a partition without an offset"))
	}
	p.labels = rest
}

// RestoreResults makes a sequencer that has taken nothing have the results that waited in a
// cut, of the models that keep says. With anew, which goes with groups that begin anew, it does not go on behind those that
// were handed on before the cut.
func (s *Sequencer) RestoreResults(results []byte, anew bool, keep func(model string) bool) error {
	if len(results) == 0 {
		return nil
	}
	return s.restore(results, anew, keep)
}

// Restore makes the group what it was at a snapshot: state is its binary form, and entries
// are all that are left of it and of the snapshots before it, ordered by kind and
// start, else as they were taken. It returns the partitions to go on with, for
// NewIntake and Intake.Restore. lost is called for what is forgotten because the reference of a
// feature has other bins. The group must be new; if it fails, or panes have another
// length (monitor.ErrShape), the group is of no use.
func (g *Group) Restore(state []byte, entries []Entry, lost func(model, feature string)) ([]PartState, error) {
	d := sketch.NewDecoder(state)
	version, learning := beginGroup(d)
	n := d.Length(4)
	g.Grow(n)
	g.mu.Lock()
	defer g.mu.Unlock()
	learners, err := g.restoreLearned(learning)
	if err != nil {
		return nil, err
	}
	var parts []PartState
	for i := range n {
		own, err := g.lanes[i].restore(d.Block(), lost)
		if d.Err() != nil || err != nil {
			return nil, fmt.Errorf("restore lane %d: %w", i, errors.Join(d.Err(), err))
		}
		parts = append(parts, own...)
		if i < len(learners) {
			g.lanes[i].restoreLearners(learners[i], lost)
		}
	}
	g.frontier = d.Varint()
	var reading errgroup.Group
	var mu sync.Mutex
	tell := func(model, feature string) {
		mu.Lock()
		defer mu.Unlock()
		lost(model, feature)
	}
	for kind, v := range g.views() {
		block := d.Block()
		if v != nil && len(block) == 0 {
			v.Begin(g.newest((*monitor.Shard).Frontier))
			if kind == viewFinal {
				g.anew.Results = g.newest((*monitor.Shard).Frontier)
			}
		} else if v != nil && d.Err() == nil {
			reading.Go(func() error { return g.restoreView(v, uint8(kind), block, entries, tell) })
		}
	}
	if err := reading.Wait(); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if version > 1 {
		d.Fail(g.losses.Read(sketch.NewDecoder(d.Block())))
		d.Fail(g.since.Read(sketch.NewDecoder(d.Block())))
		g.renew()
	}
	rest, err := d.End("group")
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("restore: %d bytes follow", len(rest))
	}
	return parts, errors.Join(err, g.restoreIDs(entries), g.restoreRows(entries))
}

// Anew is what of a restored group begins anew, and when.
type Anew struct {
	// Results is the time of the first final window that is complete; window.NoTime if results were made before.
	Results int64
	// Names are those of models, features and segments that were not saved; their windows that begin before From are not
	// complete, nor are those that begin before the next events.
	Names []string
	From  int64
}

// Anew returns what of the group begins anew.
func (g *Group) Anew() Anew { return g.anew }

// renew makes what the config has and the state has not begin behind all that was read.
func (g *Group) renew() {
	at := g.newest((*monitor.Shard).Newest)
	names, generation := g.since.Begin(at)
	if at == window.NoTime || len(names) == 0 {
		return
	}
	g.anew.Names, g.anew.From = names, at
	for _, l := range g.lanes {
		l.shard.Renew(generation)
	}
}

// newest returns the largest of the lanes' times.
func (g *Group) newest(of func(*monitor.Shard) int64) int64 {
	t := int64(window.NoTime)
	for _, l := range g.lanes {
		t = max(t, of(l.shard))
	}
	return t
}

func (g *Group) restoreView(v *monitor.View, kind uint8, block []byte, entries []Entry, lost func(model, feature string)) error {
	var own []monitor.Entry
	for _, e := range entries {
		if e.View != kind {
			continue
		}
		p, err := g.monitor.ReadPane(e.Content, lost)
		if err != nil {
			return err
		}
		own = append(own, monitor.Entry{Length: e.Length, Start: e.Start, Content: p})
	}
	restored, err := g.monitor.ReadView(block, len(g.lanes), own, lost)
	if err != nil {
		return err
	}
	*v = *restored
	v.Heed(g.losses, g.since)
	if g.journal {
		v.Journal()
	}
	return nil
}

func (g *Group) restoreIDs(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		if e.View != entryIDs {
			continue
		}
		ids, err := readIDs(e)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if lane := int(e.Length / 2); lane < len(g.lanes) {
			g.lanes[lane].shard.RememberIDs(event.Kind(e.Length%2), ids)
		}
	}
	return nil
}

func (l *Lane) restore(b []byte, lost func(model, feature string)) ([]PartState, error) {
	d := sketch.NewDecoder(b)
	parts := readParts(d)
	for range d.Length(5) {
		start := d.Varint()
		p, err := l.group.monitor.ReadPane(d.Block(), lost)
		d.Fail(err)
		l.sealed = append(l.sealed, monitor.SealedPane{Start: start, Content: p})
	}
	rest, err := d.End("lane")
	if err != nil {
		return nil, err
	}
	if l.shard, err = l.group.monitor.ReadShard(rest, lost); err != nil {
		return nil, err
	}
	l.shard.Learn(l.index)
	if l.group.journal {
		l.shard.Journal()
	}
	l.base = slices.Clone(l.shard.Models())
	l.sealed = append(l.sealed, l.shard.TakeSealed()...)
	l.frontier, l.watermark = l.shard.Frontier(), l.shard.Watermark(event.Prediction)
	if len(l.sealed) > 0 {
		l.frontier = window.NoTime // until these are delivered
	}
	return parts, nil
}

// Restore makes an intake that has taken nothing what it was at a snapshot.
func (in *Intake) Restore(p PartState) error {
	in.lock()
	defer in.unlock()
	in.offsets, in.ledger = p.Offsets, p.Ledger
	d := sketch.NewDecoder(p.labels)
	in.labels.count = d.Count()
	lane := in.routes[0].lane
	for range d.Length(4) {
		w := &waitingLabel{lane: lane, event: event.Event{Kind: event.Label, Time: d.Varint()}, order: d.Count()}
		w.event.ID = []byte(d.Text())
		if w.event.Model = lane.group.monitor.Find(d.Text()); w.event.Model >= 0 {
			in.labels.items = append(in.labels.items, w)
		}
	}
	heap.Init(&in.labels) // some may have been left out
	_, err := d.End("partition")
	return err
}
