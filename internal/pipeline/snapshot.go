package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Versions of the binary forms, their first bytes.
const (
	groupVersion  = 1
	intakeVersion = 1
)

// Part is a topic partition that is being read.
type Part struct {
	Topic  string
	Index  int
	Intake *Intake
}

// Snapshot is a group at one moment: what its lanes have taken in, up to which offsets,
// and what the views have made of it. From it, and from all entries of snapshots before
// it, the group goes on as if nothing had happened.
type Snapshot struct {
	// State is the binary form of all but the entries.
	State []byte
	// Entries are those of the views since the snapshot before.
	Entries []Entry
	// Horizons are the starts before which entries are not needed any more.
	Horizons []Horizon
}

// Kinds of view.
const (
	ViewShown = iota
	ViewFinal
)

// Entry is an entry of one of the group's views.
type Entry struct {
	View int
	monitor.Entry
}

// Horizon is the start before which entries of a view's tier are not needed any more.
type Horizon struct {
	View          int
	Length, Start int64
}

// Journal makes the views keep their entries for snapshots; it comes before the first
// message.
func (g *Group) Journal() {
	for _, v := range g.views() {
		if v != nil {
			v.Journal()
		}
	}
}

// Snapshot returns the group's state now, with that of the partitions that are read into
// it. Each lane stands still while its part is written, and no lane delivers meanwhile.
func (g *Group) Snapshot(parts []Part) Snapshot {
	g.mu.Lock()
	defer g.mu.Unlock()
	var s Snapshot
	b := binary.AppendUvarint([]byte{groupVersion}, uint64(len(g.lanes)))
	for _, l := range g.lanes {
		start := len(b)
		b = sketch.EndBlock(l.appendBinary(sketch.BeginBlock(b), parts), start)
	}
	b = binary.AppendVarint(b, g.frontier)
	for kind, v := range g.views() {
		start := len(b)
		b = sketch.BeginBlock(b)
		if v != nil {
			b = v.AppendBinary(b)
			for _, e := range v.TakeEntries() {
				s.Entries = append(s.Entries, Entry{kind, e})
			}
			for _, length := range g.monitor.Slides() {
				s.Horizons = append(s.Horizons, Horizon{kind, length, v.Horizon(length)})
			}
		}
		b = sketch.EndBlock(b, start)
	}
	s.State = b
	return s
}

func (g *Group) views() [2]*monitor.View {
	return [2]*monitor.View{ViewShown: g.shown, ViewFinal: g.final}
}

// appendBinary writes the partitions of the lane, its shard, and what it has sealed and
// not delivered.
func (l *Lane) appendBinary(b []byte, parts []Part) []byte {
	var own []Part
	for _, p := range parts {
		if p.Intake.routes[0].lane == l {
			own = append(own, p)
			p.Intake.mu.Lock()
			defer p.Intake.mu.Unlock()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b = binary.AppendUvarint(b, uint64(len(own)))
	for _, p := range own {
		b = binary.AppendUvarint(sketch.AppendText(b, p.Topic), uint64(p.Index))
		start := len(b)
		b = sketch.EndBlock(p.Intake.appendBinary(sketch.BeginBlock(b)), start)
	}
	l.sealed = append(l.sealed, l.shard.TakeSealed()...)
	b = binary.AppendUvarint(b, uint64(len(l.sealed)))
	for _, p := range l.sealed {
		b = binary.AppendVarint(b, p.Start)
		start := len(b)
		b = sketch.EndBlock(p.Content.AppendBinary(sketch.BeginBlock(b)), start)
	}
	return l.shard.AppendBinary(b)
}

// appendBinary writes the offset of the next message, the ledger, and the labels that wait
// for their time.
func (in *Intake) appendBinary(b []byte) []byte {
	b = binary.AppendVarint(append(b, intakeVersion), in.next)
	l := &in.ledger
	for _, n := range [...]uint64{l.Consumed, l.Accepted, l.Late, l.Duplicate} {
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
	// Next is the offset of the next message.
	Next  int64
	state []byte
}

// Restore makes the group what it was at a snapshot: state is its binary form, and entries
// are all that are left of it and of the snapshots before it, ordered by view, tier and
// start, else as they were taken. It returns the partitions to go on with, for
// NewIntake and Intake.Restore. lost is called for what is forgotten because the reference of a
// feature has other bins. The group must be new; if it fails, or panes have another
// length (monitor.ErrShape), the group is of no use.
func (g *Group) Restore(state []byte, entries []Entry, lost func(model, feature string)) ([]PartState, error) {
	d := sketch.NewDecoder(state)
	d.Begin(groupVersion)
	n := d.Length(4)
	g.Grow(n)
	g.mu.Lock()
	defer g.mu.Unlock()
	var parts []PartState
	for i := range n {
		own, err := g.lanes[i].restore(d.Block(), lost)
		if d.Err() != nil || err != nil {
			return nil, fmt.Errorf("restore lane %d: %w", i, errors.Join(d.Err(), err))
		}
		parts = append(parts, own...)
	}
	g.frontier = d.Varint()
	for kind, v := range g.views() {
		block := d.Block()
		if v == nil || len(block) == 0 || d.Err() != nil {
			continue
		}
		var own []monitor.Entry
		for _, e := range entries {
			if e.View == kind {
				own = append(own, e.Entry)
			}
		}
		restored, err := g.monitor.ReadView(block, len(g.lanes), own, lost)
		if err != nil {
			return nil, fmt.Errorf("restore: %w", err)
		}
		*v = *restored
		v.Journal()
	}
	rest, err := d.End("group")
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("restore: %d bytes follow", len(rest))
	}
	return parts, err
}

func (l *Lane) restore(b []byte, lost func(model, feature string)) ([]PartState, error) {
	d := sketch.NewDecoder(b)
	var parts []PartState
	for range d.Length(6) {
		p := PartState{Topic: d.Text(), Index: int(d.Count()), state: d.Block()}
		in := sketch.NewDecoder(p.state)
		in.Begin(intakeVersion)
		p.Next = in.Varint()
		parts = append(parts, p)
		d.Fail(in.Err())
	}
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
	d := sketch.NewDecoder(p.state)
	d.Begin(intakeVersion)
	in.next = d.Varint()
	l := &in.ledger
	l.Consumed, l.Accepted, l.Late, l.Duplicate = d.Count(), d.Count(), d.Count(), d.Count()
	for i := range d.Length(1) {
		if n := d.Count(); i < len(l.Rejected) {
			l.Rejected[i] = n
		} else {
			d.Fail(errors.New("an unknown reason"))
		}
	}
	in.labels.count = d.Count()
	lane := in.routes[0].lane
	for range d.Length(4) {
		w := &waitingLabel{lane: lane, event: event.Event{Kind: event.Label, Time: d.Varint()}, order: d.Count()}
		w.event.ID = []byte(d.Text())
		if w.event.Model = lane.group.monitor.Find(d.Text()); w.event.Model >= 0 {
			in.labels.items = append(in.labels.items, w) // the order of a heap, as it was
		}
	}
	_, err := d.End("partition")
	return err
}
