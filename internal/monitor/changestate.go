package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// changesVersion is the version of the binary form of a view's detectors, its first byte.
const changesVersion = 1

// noPane is the next pane of a stream that had none.
const noPane = window.NoTime

// key names a watch in a state; with another one its detectors begin anew.
func (w *watch) key() string {
	return strings.Join([]string{w.Figure, w.Feature, w.Category}, "\x00")
}

// basis is what else the figures of a version depend on: the fingerprint of the reference, or nothing.
func (m *Model) basis(w *watch, version string) string {
	if !w.figure.NeedsReference {
		return ""
	}
	if _, ok := m.versions[version]; !ok {
		version = ""
	}
	for _, r := range m.References {
		if r.Version == version {
			return r.Fingerprint
		}
	}
	return ""
}

// appendBinary appends the binary form: all by name, so that it can be read into a group with other models and
// figures.
func (c *changes) appendBinary(b []byte) []byte {
	b = binary.AppendUvarint(append(b, changesVersion), uint64(len(c.models)))
	for i := range c.models {
		m := c.group.Models[i]
		b = sketch.AppendText(b, m.Name)
		start := len(b)
		b = c.models[i].appendBinary(sketch.BeginBlock(b), m)
		b = sketch.EndBlock(b, start)
	}
	return b
}

func (c *modelChanges) appendBinary(b []byte, m *Model) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.versions.live)))
	for _, v := range c.versions.live {
		b = binary.AppendVarint(sketch.AppendText(b, v.name), v.lastSeen)
		streams := c.streams[v.name]
		b = binary.AppendUvarint(b, uint64(len(streams)))
		for i := range streams {
			w := &m.watches[i]
			b = sketch.AppendText(b, w.key())
			start := len(b)
			b = streams[i].appendBinary(sketch.BeginBlock(b), w, m.basis(w, v.name))
			b = sketch.EndBlock(b, start)
		}
	}
	return b
}

func (s *stream) appendBinary(b []byte, w *watch, basis string) []byte {
	b = binary.AppendVarint(sketch.AppendText(b, basis), s.next)
	b = binary.AppendUvarint(b, uint64(len(s.detectors)))
	for i := range s.detectors {
		d := &s.detectors[i]
		b = sketch.AppendText(b, w.kinds[i].Name)
		b = binary.AppendVarint(binary.AppendVarint(b, d.found), d.since)
		start := len(b)
		b = sketch.EndBlock(d.AppendBinary(sketch.BeginBlock(b)), start)
	}
	return b
}

// read reads what appendBinary wrote, perhaps of a group of another config. What the group does not have is left out; what
// it has with another reference, and detectors of other options, begin anew.
func (c *changes) read(b []byte) error {
	d := sketch.NewDecoder(b)
	d.Begin(changesVersion)
	for range d.Length(5) {
		name, block := d.Text(), d.Block()
		i := c.group.Find(name)
		if i < 0 || d.Err() != nil || len(c.group.Models[i].watches) == 0 {
			continue
		}
		in := sketch.NewDecoder(block)
		c.models[i].read(in, c.group.Models[i])
		if err := finish(in, "model "+name); err != nil {
			d.Fail(err)
		}
	}
	return finish(d, "changes")
}

func (c *modelChanges) read(d *sketch.Decoder, m *Model) {
	for range d.Length(3) {
		v := liveVersion{d.Text(), d.Varint()}
		if _, ok := c.streams[v.name]; ok || v.name == event.Other || len(c.versions.live) == MaxLiveVersions {
			d.Fail(fmt.Errorf("version %q is one too many", v.name))
		}
		streams := newStreams(m)
		for range d.Length(5) {
			key, block := d.Text(), d.Block()
			i := slices.IndexFunc(m.watches, func(w watch) bool { return w.key() == key })
			if i < 0 || d.Err() != nil {
				continue
			}
			in, w := sketch.NewDecoder(block), &m.watches[i]
			s := stream{next: noPane, detectors: newStreams(m)[i].detectors}
			basis := in.Text()
			s.read(in, w)
			if err := finish(in, "figure "+w.Figure); err != nil {
				d.Fail(err)
			} else if basis == m.basis(w, v.name) {
				streams[i] = s
			}
		}
		if d.Err() != nil {
			return
		}
		c.versions.live = append(c.versions.live, v)
		c.streams[v.name] = streams
	}
}

func (s *stream) read(d *sketch.Decoder, w *watch) {
	if s.next = d.Varint(); s.next != noPane && (s.next < event.Ancient || s.next > event.Beyond) {
		d.Fail(errors.New("a time that no pane has"))
	}
	for range d.Length(7) {
		name, found, since := d.Text(), d.Varint(), d.Varint()
		block := d.Block()
		i := slices.IndexFunc(w.kinds, func(k drift.DetectorKind) bool { return k.Name == name })
		if i < 0 || d.Err() != nil {
			continue
		}
		to := &s.detectors[i]
		to.found, to.since = found, since
		switch rest, err := to.ReadBinary(block); {
		case errors.Is(err, drift.ErrOptions):
			to.Reset()
		case err != nil:
			d.Fail(err)
		case len(rest) > 0:
			d.Fail(fmt.Errorf("detector %s: %d bytes follow", name, len(rest)))
		}
	}
}
