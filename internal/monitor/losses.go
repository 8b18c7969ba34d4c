package monitor

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Hole is a span of event time, [From, To), of which a lane has lost messages before they were read. To is
// window.EndOfTime while nobody knows where it ends.
type Hole struct{ From, To int64 }

// Losses are the holes of all lanes of a group: windows that overlap one are not complete. What it holds is
// bounded by the panes of the longest window. Its zero value is empty.
type Losses struct {
	closed []Hole // ascending, apart from each other
	open   map[int]int64
}

// Add takes the holes of a lane, in the order in which they came. One that has an end now replaces the lane's that
// had none.
func (l *Losses) Add(lane int, holes []Hole) {
	for _, h := range holes {
		if h.To == window.EndOfTime {
			if l.open == nil {
				l.open = map[int]int64{}
			}
			l.open[lane] = h.From
			continue
		}
		delete(l.open, lane)
		l.close(h)
	}
}

// close adds a hole to those that touch it.
func (l *Losses) close(h Hole) {
	i, _ := slices.BinarySearchFunc(l.closed, h.From, func(c Hole, from int64) int {
		if c.To < from {
			return -1
		}
		return 1
	})
	k := i
	for ; k < len(l.closed) && l.closed[k].From <= h.To; k++ {
		h = Hole{min(h.From, l.closed[k].From), max(h.To, l.closed[k].To)}
	}
	l.closed = slices.Replace(l.closed, i, k, h)
}

// Forget drops the holes that end at or before a time before which no window begins any more.
func (l *Losses) Forget(before int64) {
	n := 0
	for n < len(l.closed) && l.closed[n].To <= before {
		n++
	}
	l.closed = slices.Delete(l.closed, 0, n)
}

// Overlap reports whether something of [start, end) is lost.
func (l *Losses) Overlap(start, end int64) bool {
	for _, from := range l.open {
		if from < end {
			return true
		}
	}
	return slices.ContainsFunc(l.closed, func(h Hole) bool { return h.From < end && h.To > start })
}

// Clone returns an independent copy.
func (l *Losses) Clone() *Losses { return &Losses{slices.Clone(l.closed), maps.Clone(l.open)} }

// AppendBinary appends the binary form.
func (l *Losses) AppendBinary(b []byte) []byte {
	b = appendHoles(b, l.closed)
	b = binary.AppendUvarint(b, uint64(len(l.open)))
	for _, lane := range slices.Sorted(maps.Keys(l.open)) {
		b = binary.AppendVarint(binary.AppendUvarint(b, uint64(lane)), l.open[lane])
	}
	return b
}

// Read reads what AppendBinary wrote; d has nothing else.
func (l *Losses) Read(d *sketch.Decoder) error {
	l.closed, l.open = readHoles(d), map[int]int64{}
	for i, h := range l.closed {
		if h.To == window.EndOfTime || i > 0 && h.From <= l.closed[i-1].To {
			d.Fail(errors.New("holes out of order"))
		}
	}
	for range d.Length(2) {
		lane := int(d.Count())
		l.open[lane] = d.Varint()
	}
	return finish(d, "losses")
}

func appendHoles(b []byte, holes []Hole) []byte {
	b = binary.AppendUvarint(b, uint64(len(holes)))
	for _, h := range holes {
		b = binary.AppendVarint(binary.AppendVarint(b, h.From), h.To)
	}
	return b
}

func readHoles(d *sketch.Decoder) (holes []Hole) {
	for range d.Length(2) {
		h := Hole{d.Varint(), d.Varint()}
		if h.From >= h.To {
			d.Fail(errors.New("a hole without length"))
		}
		holes = append(holes, h)
	}
	return holes
}
