package join

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// waiting are the labels of a pane, in the order of their offsets: each id, time, length of payload, payload.
// Bytes that are there never change.
type waiting struct {
	start  int64
	count  int
	labels []byte
}

type label struct {
	id      uint64
	at      int64
	payload []byte
}

// labelHead is what a label has at least.
const labelHead = 8 + 8 + 1

func (w *waiting) add(id uint64, at int64, payload []byte) {
	b := binary.LittleEndian.AppendUint64(w.labels, id)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.AppendUvarint(b, uint64(len(payload)))
	w.labels = append(b, payload...)
	w.count++
}

// nextLabel returns the first label of what add has made, and the rest.
func nextLabel(b []byte) (label, []byte) {
	l := label{id: binary.LittleEndian.Uint64(b), at: int64(binary.LittleEndian.Uint64(b[8:]))}
	size, n := binary.Uvarint(b[16:])
	b = b[16+n:]
	l.payload = b[:size:size]
	return l, b[size:]
}

// waitingAt returns the labels of the pane that begins at start.
func (t *Table) waitingAt(start int64) *waiting {
	if n := len(t.waiting); n > 0 && t.waiting[n-1].start == start {
		return &t.waiting[n-1]
	}
	i, ok := slices.BinarySearchFunc(t.waiting, start, func(w waiting, start int64) int { return cmp.Compare(w.start, start) })
	if !ok {
		t.waiting = slices.Insert(t.waiting, i, waiting{start: start})
	}
	return &t.waiting[i]
}
