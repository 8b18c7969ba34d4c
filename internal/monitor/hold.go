package monitor

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
)

// holds remember when a feature was last found to have moved. A state lasts for a window length at least, and until no
// look has shown it, or a worse one, for a sixth of one: a value that goes to and fro about its threshold is one
// episode, not many. It is a function of the looks at the slides of the windows, and of no others.
type holds map[holdKey]hold

// release is the share of a window length that a state is held after the last look that showed it.
const release = 6

// holdKey identifies a feature of a series in windows of one length.
type holdKey struct {
	length                           int64
	model, version, segment, feature string
}

// hold is what is known of a feature that has moved.
type hold struct {
	warning, drift span
	since          int64 // when it began to move
}

// span is how long at least a state was there: the ends of the first and of the newest window that showed it; 0 is never.
type span struct{ first, last int64 }

func (s span) held(end, length int64) bool {
	return s.first != 0 && (end-s.first < length || end-s.last <= length/release)
}

// seen returns the span after a look that showed the state.
func (s span) seen(end, length int64) span {
	if !s.held(end, length) {
		return span{end, end}
	}
	return span{s.first, max(s.last, end)}
}

func (h hold) held(end, length int64) bool {
	return h.warning.held(end, length) || h.drift.held(end, length)
}

// state returns the worse of the state at a look and of those that are held.
func (h hold) state(now string, end, length int64) string {
	switch {
	case now == "": // nothing is known
		return ""
	case now == StateDrift || h.drift.held(end, length):
		return StateDrift
	case now == StateWarning || h.warning.held(end, length):
		return StateWarning
	}
	return StateOK
}

// note remembers a look, and reports whether it is the first one of an episode.
func (s holds) note(k holdKey, state string, end int64) (first bool) {
	if state != StateWarning && state != StateDrift {
		return false
	}
	h := s[k]
	if first = !h.held(end, k.length); first {
		h = hold{}
	}
	h.warning = h.warning.seen(end, k.length)
	if state == StateDrift {
		h.drift = h.drift.seen(end, k.length)
	}
	s[k] = h
	return first
}

// begin notes when an episode began.
func (s holds) begin(k holdKey, since int64) {
	h := s[k]
	h.since = since
	s[k] = h
}

// expire forgets what is no longer held at the end of a window.
func (s holds) expire(length, end int64) {
	for k, h := range s {
		if k.length == length && !h.held(end, length) {
			delete(s, k)
		}
	}
}

func (s holds) appendBinary(b []byte) []byte {
	keys := make([]holdKey, 0, len(s))
	for k := range s {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b holdKey) int {
		return cmp.Or(cmp.Compare(a.length, b.length), cmp.Compare(a.model, b.model), cmp.Compare(a.version, b.version),
			cmp.Compare(a.segment, b.segment), cmp.Compare(a.feature, b.feature))
	})
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, k := range keys {
		b = binary.AppendVarint(b, k.length)
		for _, text := range [...]string{k.model, k.version, k.segment, k.feature} {
			b = sketch.AppendText(b, text)
		}
		for _, t := range [...]int64{s[k].warning.first, s[k].warning.last, s[k].drift.first, s[k].drift.last, s[k].since} {
			b = binary.AppendVarint(b, t)
		}
	}
	return b
}

func readHolds(d *sketch.Decoder) holds {
	s := holds{}
	for range d.Length(10) {
		k := holdKey{length: d.Varint(), model: d.Text(), version: d.Text(), segment: d.Text(), feature: d.Text()}
		s[k] = hold{span{d.Varint(), d.Varint()}, span{d.Varint(), d.Varint()}, d.Varint()}
	}
	return s
}
