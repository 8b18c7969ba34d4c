package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/join"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// PartState is a partition as a snapshot has it.
type PartState struct {
	Topic string
	Index int
	Offsets
	Ledger  event.Ledger
	version byte   // of the form
	labels  []byte // that wait
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
	p.version = d.BeginUpTo(intakeVersion)
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
		own, err := g.lanes[i].restore(d.Block(), version, lost)
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
	var read [len(viewKinds)][]monitor.Entry
	view := func(i int, block []byte, of *monitor.Group, newest int64) {
		v, kind := g.views()[i], viewKinds[i]
		if v != nil && len(block) == 0 {
			v.Begin(newest)
			if kind == viewFinal {
				g.anew.Results = newest
			}
		} else if v != nil && d.Err() == nil {
			reading.Go(func() (err error) {
				read[i], err = g.restoreView(v, of, kind, block, entries, tell)
				return err
			})
		}
	}
	for i := range 2 {
		view(i, d.Block(), g.monitor, g.newest((*monitor.Shard).Frontier))
	}
	var losses, since []byte
	if version > 1 {
		losses, since = d.Block(), d.Block()
	}
	if version > 3 {
		g.labelFrontier = d.Varint()
	}
	for i := 2; i < len(viewKinds); i++ {
		var block []byte
		if version > 3 {
			block = d.Block()
		}
		view(i, block, g.monitor.Labels(), g.newest((*monitor.Shard).LabelFrontier))
	}
	if version > 4 {
		g.without = d.Byte() == 1 && g.finalLabels != nil
	}
	if err := reading.Wait(); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if version > 1 {
		d.Fail(g.losses.Read(sketch.NewDecoder(losses)))
		d.Fail(g.since.Read(sketch.NewDecoder(since)))
		g.renew()
	}
	g.recordOn(read)
	rest, err := d.End("group")
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("restore: %d bytes follow", len(rest))
	}
	return parts, errors.Join(err, g.restoreIDs(entries), g.restoreRows(entries), g.restorePending(entries))
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

func (g *Group) restoreView(v *monitor.View, of *monitor.Group, kind uint8, block []byte, entries []Entry, lost func(model, feature string)) ([]monitor.Entry, error) {
	var own []monitor.Entry
	for _, e := range entries {
		if e.View != kind {
			continue
		}
		p, err := of.ReadPane(e.Content, lost)
		if err != nil {
			return nil, err
		}
		own = append(own, monitor.Entry{Length: e.Length, Start: e.Start, Content: p})
	}
	restored, err := of.ReadView(block, len(g.lanes), own, lost)
	if err != nil {
		return nil, err
	}
	*v = *restored
	if of == g.monitor {
		v.Heed(g.losses, g.since)
	}
	if g.journal {
		v.Journal()
	}
	return own, nil
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

func (l *Lane) restore(b []byte, version byte, lost func(model, feature string)) ([]PartState, error) {
	d := sketch.NewDecoder(b)
	parts := readParts(d)
	l.sealed = readSealed(d, l.group.monitor, lost)
	if version > 3 {
		l.labelPanes = readSealed(d, l.group.monitor.Labels(), lost)
	}
	rest, err := d.End("lane")
	if err != nil {
		return nil, err
	}
	if l.shard, err = l.group.monitor.ReadShard(rest, lost); err != nil {
		return nil, err
	}
	l.shard.Learn(l.index)
	if l.apart {
		l.shard.LabelsApart()
	}
	if l.group.journal {
		l.shard.Journal()
	}
	l.base, l.labelBase = slices.Clone(l.shard.Models()), l.shard.Labels()
	l.sealed = append(l.sealed, l.shard.TakeSealed()...)
	l.frontier, l.watermark = l.shard.Frontier(), l.shard.Watermark(event.Prediction)
	l.truth.frontier, l.truth.watermark = l.shard.LabelFrontier(), l.shard.Watermark(event.Label)
	if len(l.sealed)+len(l.labelPanes) > 0 {
		l.frontier, l.truth.frontier = window.NoTime, window.NoTime // until these are delivered
	}
	return parts, nil
}

// readSealed reads panes of a group, which is nil where none are kept any more.
func readSealed(d *sketch.Decoder, g *monitor.Group, lost func(model, feature string)) (panes []monitor.SealedPane) {
	for range d.Length(5) {
		start, block := d.Varint(), d.Block()
		if g == nil {
			continue
		}
		p, err := g.ReadPane(block, lost)
		d.Fail(err)
		panes = append(panes, monitor.SealedPane{Start: start, Content: p})
	}
	return panes
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
		w := &waitingLabel{lane: lane, time: d.Varint(), order: d.Count(), id: d.Text()}
		model := d.Text()
		if p.version > 1 {
			w.truth = d.Text()
		} else {
			w.truth = string(appendTruth(nil, &event.Truth{}))
		}
		d.Fail(checkTruth(w.truth))
		if w.model = lane.group.monitor.Find(model); w.model >= 0 && d.Err() == nil {
			in.labels.insert(w)
		}
	}
	_, err := d.End("partition")
	return err
}

// restorePending gives the lanes the predictions that wait for their labels.
func (g *Group) restorePending(entries []Entry) error {
	stored := make([]map[string][]join.Stored, len(g.lanes))
	for i := range entries {
		e := &entries[i]
		if e.View != entryPending {
			continue
		}
		d := sketch.NewDecoder(e.Content)
		model := d.Text()
		content, err := d.End("predictions that wait")
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		lane := int(e.Length >> 32)
		if lane >= len(g.lanes) || g.monitor.Find(model) < 0 || g.monitor.Labels() == nil {
			if !slices.Contains(g.gone, e.Kind) {
				g.gone = append(g.gone, e.Kind)
			}
			continue
		}
		if stored[lane] == nil {
			stored[lane] = map[string][]join.Stored{}
		}
		stored[lane][model] = append(stored[lane][model], join.Stored{Number: e.Start, Content: content})
	}
	for i, l := range g.lanes {
		if err := l.shard.RestorePending(stored[i]); err != nil {
			return fmt.Errorf("restore lane %d: %w", i, err)
		}
	}
	return nil
}
