package monitor

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
)

// holds remember when a feature was last found to have moved. A state is held until no look has shown it, or a worse one,
// for a whole window length: a value that goes to and fro about its threshold is one episode, not many. It is
// a function of the looks within the last window length, and only of those at the slides of the windows.
type holds map[holdKey]hold

// holdKey identifies a feature of a series in windows of one length.
type holdKey struct {
	length                           int64
	model, version, segment, feature string
}

// hold has the ends of the newest windows in which the feature had at least a warning, and drift; 0 is never. Since is
// when it began to move.
type hold struct{ warning, drift, since int64 }

// state returns the worse of the state at a look and of those that are held.
func (h hold) state(now string, end, length int64) string {
	switch {
	case now == "": // nothing is known
		return ""
	case now == StateDrift || h.drift != 0 && end-h.drift < length:
		return StateDrift
	case now == StateWarning || h.warning != 0 && end-h.warning < length:
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
	if first = h.warning == 0 || end-h.warning >= k.length; first {
		h = hold{}
	}
	h.warning = max(h.warning, end)
	if state == StateDrift {
		h.drift = max(h.drift, end)
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
		if k.length == length && end-h.warning >= length {
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
		for _, t := range [...]int64{s[k].warning, s[k].drift, s[k].since} {
			b = binary.AppendVarint(b, t)
		}
	}
	return b
}

func readHolds(d *sketch.Decoder) holds {
	s := holds{}
	for range d.Length(8) {
		k := holdKey{length: d.Varint(), model: d.Text(), version: d.Text(), segment: d.Text(), feature: d.Text()}
		s[k] = hold{d.Varint(), d.Varint(), d.Varint()}
	}
	return s
}
