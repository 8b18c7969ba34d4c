package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Versions of the binary forms, their first bytes.
const (
	// Version 1 of a pane had neither answers nor business figures.
	paneVersion = 2
	// Version 1 of a shard had neither watermarks, but the largest times only, nor holes, nor what is new. Version 2
	// had no record times, version 3 no labels.
	shardVersion = 4
)

// AppendBinary appends the binary form of the pane, which need not be sealed: all by
// name, so that it can be read into a group with other models, features and segments.
func (p *Pane) AppendBinary(b []byte) []byte {
	b = appendFlag(append(b, paneVersion), p.gap)
	b = binary.AppendUvarint(b, uint64(len(p.models)))
	for i, versions := range p.models {
		m := p.group.Models[i]
		b = sketch.AppendText(b, m.Name)
		start := len(b)
		b = binary.AppendUvarint(sketch.BeginBlock(b), uint64(len(versions)))
		for k := range versions {
			b = versions[k].appendBinary(b, m)
		}
		b = sketch.EndBlock(b, start)
	}
	return b
}

func appendFlag(b []byte, set bool) []byte {
	if set {
		return append(b, 1)
	}
	return append(b, 0)
}

func (v *version) appendBinary(b []byte, m *Model) []byte {
	b = sketch.AppendText(b, v.name)
	n := uint64(0)
	for _, s := range v.series {
		if s != nil {
			n++
		}
	}
	b = binary.AppendUvarint(b, n)
	for i, s := range v.series {
		if s == nil {
			continue
		}
		b = sketch.AppendText(b, m.segments[i])
		start := len(b)
		b = binary.AppendUvarint(binary.AppendUvarint(sketch.BeginBlock(b), s.events), s.failed)
		b = s.appendPerformance(s.features.AppendBinary(s.latency.AppendBinary(b)))
		b = sketch.EndBlock(s.appendKPIs(b), start)
	}
	return b
}

// ReadPane reads a pane from its binary form. What the group does not have (a model, a
// segment, a feature) is left out; lost is called for each feature whose bins were of
// another reference and are forgotten.
func (g *Group) ReadPane(b []byte, lost func(model, feature string)) (*Pane, error) {
	d := sketch.NewDecoder(b)
	p := g.readPane(d, lost)
	return p, finish(d, "pane")
}

// finish returns the decoder's failure, also if anything is left.
func finish(d *sketch.Decoder, what string) error {
	rest, err := d.End(what)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("read %s: %d bytes follow", what, len(rest))
	}
	return err
}

func (g *Group) readPane(d *sketch.Decoder, lost func(model, feature string)) *Pane {
	p := newPane(g)
	form := d.BeginUpTo(paneVersion)
	p.gap = d.Byte() == 1
	for range d.Length(5) {
		name, block := d.Text(), d.Block()
		i := g.Find(name)
		if i < 0 || d.Err() != nil {
			continue
		}
		if p.models[i] != nil {
			d.Fail(fmt.Errorf("model %q twice", name))
		}
		in := sketch.NewDecoder(block)
		p.models[i] = g.Models[i].readVersions(in, form, func(f string) { lost(name, f) })
		if err := finish(in, "model "+name); err != nil {
			d.Fail(err)
		}
	}
	return p
}

func (m *Model) readVersions(d *sketch.Decoder, form byte, lost func(feature string)) []version {
	var out []version
	for range d.Length(2) {
		v := version{name: d.Text(), series: make([]*series, len(m.segments))}
		if slices.ContainsFunc(out, func(o version) bool { return o.name == v.name }) {
			d.Fail(fmt.Errorf("version %q twice", v.name))
		}
		for range d.Length(5) {
			segment, block := d.Text(), d.Block()
			i := slices.Index(m.segments, segment)
			if i < 0 || d.Err() != nil {
				continue
			}
			if v.series[i] != nil {
				d.Fail(fmt.Errorf("segment %q twice", segment))
			}
			in := sketch.NewDecoder(block)
			v.series[i] = m.readSeries(in, form, v.name, i, lost)
			if err := finish(in, "segment "+segment); err != nil {
				d.Fail(err)
			}
		}
		if v.series[0] == nil {
			d.Fail(fmt.Errorf("version %q without a series of all traffic", v.name))
		}
		out = append(out, v)
	}
	return out
}

func (m *Model) readSeries(d *sketch.Decoder, form byte, version string, segment int, lost func(feature string)) *series {
	s := newSeries(m.layout(version, segment))
	s.events, s.failed = d.Count(), d.Count()
	d.Read(&s.latency)
	if s.latency.Center() != 0 {
		d.Fail(errors.New("latencies that are not distances from 0"))
	}
	d.Read(setReader{s, m.older(version, segment), lost})
	s.kpis = m.newKPIs()
	if form > 1 {
		m.readPerformance(d, s, version, lost)
		m.readKPIs(d, s)
	}
	return s
}

// appendPerformance writes what is known of the answers, empty blocks where there is nothing.
func (s *series) appendPerformance(b []byte) []byte {
	start := len(b)
	b = sketch.BeginBlock(b)
	if s.estimate != nil {
		b = s.estimate.AppendBinary(b)
	}
	b = sketch.EndBlock(b, start)
	start = len(b)
	b = sketch.BeginBlock(b)
	if s.labelled != nil {
		b = s.labelled.appendBinary(b)
	}
	return sketch.EndBlock(b, start)
}

// performancePart names, beside the features, what is lost when a model's task, positive class or classes change.
const performancePart = "performance"

// readPerformance reads what appendPerformance wrote. What was counted of another task or positive class, or with another calibration, is forgotten.
func (m *Model) readPerformance(d *sketch.Decoder, s *series, version string, lost func(feature string)) {
	estimate, labels := d.Block(), d.Block()
	p := m.config.Performance
	if p == nil || d.Err() != nil {
		return
	}
	var err error
	if c, ok := p.estimator(version); ok && len(estimate) > 0 && m.labels != nil {
		if s.estimate, err = p.Spec.ReadEstimate(estimate, c); errors.Is(err, eval.ErrSpec) {
			s.estimate, err = nil, nil
			lost(performancePart)
		}
		d.Fail(err)
	}
	if len(labels) > 0 && m.labels == nil {
		if s.labelled, err = readLabelled(labels, &p.Spec); errors.Is(err, eval.ErrSpec) {
			s.labelled, err = nil, nil
			lost(performancePart)
		}
		d.Fail(err)
	}
}

// setReader makes a sketch of a set, for Decoder.Read.
type setReader struct {
	s     *series
	older []*profile.Layout
	lost  func(feature string)
}

// ReadBinary reads the set.
func (r setReader) ReadBinary(b []byte) ([]byte, error) {
	return r.s.features.ReadBinary(b, r.older, r.lost)
}

// AppendBinary appends the binary form of the shard: a function of the lane's log so far.
// Panes that are sealed and ids are not part of it; take them first.
func (s *Shard) AppendBinary(b []byte) []byte {
	b = append(b, shardVersion)
	b = binary.AppendVarint(b, s.group.Pane)
	b = binary.AppendVarint(b, s.group.Deduplicate)
	for i := range s.watermarks {
		b = binary.AppendVarint(binary.AppendVarint(b, s.watermarks[i].Largest()), s.watermarks[i].Time())
		b = binary.AppendVarint(b, s.recorded[i])
	}
	b = appendHoles(b, s.holes)
	b = binary.AppendVarint(binary.AppendUvarint(b, s.anew), s.anewAt)
	b = binary.AppendVarint(b, s.labels.sealedTo())
	b = binary.AppendUvarint(b, uint64(len(s.open.All())))
	for _, p := range s.open.All() {
		b = binary.AppendVarint(b, p.Start)
		start := len(b)
		b = sketch.EndBlock(p.Content.AppendBinary(sketch.BeginBlock(b)), start)
	}
	b = binary.AppendUvarint(b, uint64(len(s.group.Models)))
	for i, m := range s.group.Models {
		b = sketch.AppendText(b, m.Name)
		start := len(b)
		b = s.appendModel(sketch.BeginBlock(b), i)
		b = sketch.EndBlock(b, start)
	}
	return b
}

// Journal makes the shard keep the ids it remembers for TakeIDs.
func (s *Shard) Journal() {
	for i := range s.recent {
		s.recent[i].journal = true
	}
}

// TakeIDs returns the ids of events of one kind that were remembered since the last call,
// by bucket, and the start of a bucket before which none is needed any more; all is set to
// get all that are. The ids are shared and must not be changed.
func (s *Shard) TakeIDs(k event.Kind, all bool) (ids []SeenIDs, horizon int64) {
	r := &s.recent[k]
	return r.take(all), r.horizon()
}

// RememberIDs makes the shard remember ids that TakeIDs gave, of whatever span, after those of the bucket
// that were given before.
func (s *Shard) RememberIDs(k event.Kind, ids SeenIDs) {
	s.recent[k].restore(ids, s.storedSpan == s.recent[k].span)
}

// Freeze returns a copy of the shard for AppendBinary, which does not change and may be
// read by another goroutine while this one goes on. It has no remembered ids, and costs
// little: what is large is copied when it changes.
func (s *Shard) Freeze() *Shard {
	c := *s
	c.open = s.open.With((*Pane).freeze)
	c.holes = slices.Clone(s.holes)
	c.models = slices.Clone(s.models)
	c.versions = slices.Clone(s.versions)
	for i := range c.versions {
		c.versions[i].live = slices.Clone(c.versions[i].live)
	}
	c.recent, c.sealed, c.work, c.learners = [2]recent{}, nil, nil, nil
	c.labels = s.labels.freeze()
	return &c
}

func (s *Shard) appendModel(b []byte, i int) []byte {
	status := &s.models[i]
	for _, n := range [...]uint64{status.Accepted, status.Late, status.Duplicate} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendVarint(b, status.LastEvent)
	b = binary.AppendUvarint(b, uint64(len(s.versions[i].live)))
	for _, v := range s.versions[i].live {
		b = binary.AppendVarint(sketch.AppendText(b, v.name), v.lastSeen)
	}
	start := len(b)
	return sketch.EndBlock(s.labels.appendModel(sketch.BeginBlock(b), i), start)
}

// ErrShape is the failure of reading a shard of panes of another length.
var ErrShape = errors.New("panes of another length")

// ReadShard reads a shard from its binary form, as ReadPane reads panes. It fails with
// ErrShape if its panes have another length than the group's.
func (g *Group) ReadShard(b []byte, lost func(model, feature string)) (*Shard, error) {
	d := sketch.NewDecoder(b)
	s := NewShard(g)
	version := d.BeginUpTo(shardVersion)
	if pane := d.Varint(); d.Err() == nil && pane != g.Pane {
		return nil, fmt.Errorf("read shard: %w", ErrShape)
	}
	s.storedSpan = d.Varint()
	for i := range s.watermarks {
		s.watermarks[i].Observe(d.Varint())
		if version > 1 {
			s.watermarks[i].Reach(d.Varint())
		}
		if version > 2 {
			s.recorded[i] = d.Varint()
		}
	}
	if version > 1 {
		s.holes = readHoles(d)
		s.anew, s.anewAt = d.Count(), d.Varint()
	} else if d.Byte() == 1 {
		s.Gap()
	}
	if version > 3 {
		if end := d.Varint(); s.labels != nil {
			s.labels.end = end
		}
	}
	s.readOpen(d, lost)
	for range d.Length(5) {
		name, block := d.Text(), d.Block()
		if i := g.Find(name); i >= 0 {
			in := sketch.NewDecoder(block)
			s.readModel(in, version, i, func() { lost(name, performancePart) })
			if err := finish(in, "model "+name); err != nil {
				d.Fail(err)
			}
		}
	}
	if w := s.Watermark(event.Prediction); w != window.NoTime && d.Err() == nil {
		s.seal(w) // less lateness may be allowed than before
	}
	return s, finish(d, "shard")
}

func (s *Shard) readOpen(d *sketch.Decoder, lost func(model, feature string)) {
	last := int64(0)
	for i := range d.Length(5) {
		start, block := d.Varint(), d.Block()
		if d.Err() == nil && (start%s.group.Pane != 0 || i > 0 && start <= last) {
			d.Fail(errors.New("open panes out of order"))
		}
		in := sketch.NewDecoder(block)
		p := s.group.At(start).readPane(in, lost)
		if err := finish(in, "open pane"); err != nil {
			d.Fail(err)
		}
		if d.Err() != nil {
			return
		}
		s.open.Add(start, p)
		last = start
	}
}

func (s *Shard) readModel(d *sketch.Decoder, version byte, i int, lost func()) {
	status := &s.models[i]
	status.Accepted, status.Late, status.Duplicate = d.Count(), d.Count(), d.Count()
	status.LastEvent = d.Varint()
	for range d.Length(2) {
		s.versions[i].live = append(s.versions[i].live, liveVersion{d.Text(), d.Varint()})
	}
	if len(s.versions[i].live) > MaxLiveVersions {
		d.Fail(errors.New("too many versions"))
	}
	if version > 3 {
		if block := d.Block(); d.Err() == nil && len(block) > 0 {
			d.Fail(s.labels.readModel(block, i, lost))
		}
	}
}
