package monitor

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Since says from when on models, their segments and features were counted: what a saved state did not have
// begins where it is read, and windows that begin before are not complete.
type Since struct {
	group      *Group
	generation uint64 // of the config, as far as something was new in it
	parts      map[uint64]began
	table      [][]int64 // by model and series
}

// began is when a part began to be counted, and with which generation; NoTime if it was always there.
type began struct {
	at         int64
	generation uint64
}

// NewSince returns that of a group in which nothing is new.
func NewSince(g *Group) *Since {
	s := &Since{group: g, parts: map[uint64]began{}}
	s.Begin(window.NoTime)
	return s
}

// Begin makes what is not known of the group begin at a time, and forgets what the group does not have. It returns the names of what is new, and the
// generation for Shard.Renew.
func (s *Since) Begin(at int64) (names []string, generation uint64) {
	old := s.parts
	s.parts = map[uint64]began{}
	add := func(key, name string) bool {
		h := sketch.HashText([]byte(key))
		b, ok := old[h]
		if !ok {
			b = began{at, s.generation + 1}
			if name != "" {
				names = append(names, name)
			}
		}
		s.parts[h] = b
		return !ok
	}
	for _, m := range s.group.Models {
		anew := add(m.Name, m.Name)
		for part, key := range m.partKeys() {
			name := m.Name + "/" + part
			if anew {
				name = "" // said with the model
			}
			add(key, name)
		}
	}
	if at != window.NoTime && len(names) > 0 {
		s.generation++
	}
	slices.Sort(names)
	s.tabulate()
	return names, s.generation
}

// partKeys returns the keys of the model's features, series and business figures, by what names them.
func (m *Model) partKeys() map[string]string {
	keys := map[string]string{}
	for _, f := range m.common.full.Features {
		keys[f.Name] = strings.Join([]string{m.Name, "feature", f.Type.String(), f.Name}, "\x00")
	}
	for _, segment := range m.segments[1:] {
		keys[segment] = m.segmentKey(segment)
	}
	for name, key := range m.kpiKeys() {
		keys["kpi "+name] = key
	}
	return keys
}

// segmentKey is that of a series; that of all other values depends on the values that are listed.
func (m *Model) segmentKey(segment string) string {
	key := []string{m.Name, "segment", segment}
	for i, s := range m.Segmentations {
		if segment == s.Name+"="+event.Other {
			key = append(key, slices.Sorted(maps.Keys(m.lookup[i]))...)
		}
	}
	return strings.Join(key, "\x00")
}

// Raise makes what is new since the generation begin at a time at the earliest.
func (s *Since) Raise(generation uint64, at int64) {
	for h, b := range s.parts {
		if b.at != window.NoTime && b.generation >= generation {
			s.parts[h] = began{max(b.at, at), b.generation}
		}
	}
	s.tabulate()
}

// tabulate reckons from when on each series is complete.
func (s *Since) tabulate() {
	s.table = nil
	for _, m := range s.group.Models {
		from := s.of(m.Name)
		for _, f := range m.common.full.Features {
			from = max(from, s.of(strings.Join([]string{m.Name, "feature", f.Type.String(), f.Name}, "\x00")))
		}
		for _, key := range m.kpiKeys() {
			from = max(from, s.of(key))
		}
		series := []int64{from}
		for _, segment := range m.segments[1:] {
			series = append(series, max(from, s.of(m.segmentKey(segment))))
		}
		s.table = append(s.table, series)
	}
}

func (s *Since) of(key string) int64 { return s.parts[sketch.HashText([]byte(key))].at }

// at returns from when on a series of a model was counted; m is the model as it is in force, with perhaps more segments than
// the config has.
func (s *Since) at(model int, m *Model, series int) int64 {
	if of := s.group.Models[model]; of != m && !slices.Equal(of.segments, m.segments) {
		series = of.place(m, series)
	}
	return s.table[model][series]
}

// AppendBinary appends the binary form.
func (s *Since) AppendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, s.generation)
	b = binary.AppendUvarint(b, uint64(len(s.parts)))
	for _, h := range slices.Sorted(maps.Keys(s.parts)) {
		b = binary.LittleEndian.AppendUint64(b, h)
		b = binary.AppendUvarint(binary.AppendVarint(b, s.parts[h].at), s.parts[h].generation)
	}
	return b
}

// Read reads what AppendBinary wrote, perhaps of a group of another config; d has nothing else. Begin comes next.
func (s *Since) Read(d *sketch.Decoder) error {
	s.generation, s.parts = d.Count(), map[uint64]began{}
	for range d.Length(10) {
		h := d.Uint64()
		s.parts[h] = began{d.Varint(), d.Count()}
	}
	return finish(d, "since")
}

// Clone returns a copy for AppendBinary.
func (s *Since) Clone() *Since { return &Since{generation: s.generation, parts: maps.Clone(s.parts)} }
