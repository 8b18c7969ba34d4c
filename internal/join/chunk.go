package join

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
)

// head is what a row has before its payload: id, time and place of the key. Where payloads differ in length
// the end of the payload in data follows.
const (
	head         = 8 + 8 + 2
	variableHead = head + 4
)

// chunk has predictions in the order of their offsets. Rows are only appended, and bytes that are there never
// change, so that a copy of the slices may be read while the chunk grows.
type chunk struct {
	number int64
	slot   uint32
	n      int
	full   bool
	saved  bool // it was an entry
	room   int  // the rows to make room for at first

	// size is the length of each payload, variable if they differ, or none.
	size  int
	rows  []byte
	data  []byte
	keys  []*Key
	bytes int // of payloads and keys

	// after makes a ring of rows of one id, each followed by the next by offset and the last by the first. nil: no id is there twice.
	// The index has the last.
	after []uint16

	matches     *matches
	least, most int64 // times
	due         int64 // the least time of those that have not expired, or never
	from        int   // rows before this one have expired
}

const (
	none     = -1
	variable = -2
)

func (c *chunk) stride() int {
	if c.size == variable {
		return variableHead
	}
	return head + c.size
}

// add appends a row.
func (c *chunk) add(id uint64, at int64, key uint16, payload []byte) int {
	switch c.size {
	case len(payload), variable:
	case none:
		c.size = len(payload)
	default:
		c.vary()
	}
	stride := c.stride()
	if need := len(c.rows) + stride; need > cap(c.rows) {
		room := c.room
		if c.n > 0 || room == 0 {
			room = min(max(16, 2*c.n), chunkRows)
		}
		room = min(room*stride, chunkBytes+chunkRows*variableHead)
		c.rows = append(make([]byte, 0, max(room, need)), c.rows...)
	}
	b := binary.LittleEndian.AppendUint64(c.rows, id)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.LittleEndian.AppendUint16(b, key)
	if c.size == variable {
		c.data = append(c.data, payload...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(c.data)))
	} else {
		b = append(b, payload...)
	}
	c.rows = b
	c.bytes += len(payload)
	c.least, c.most, c.due = min(c.least, at), max(c.most, at), min(c.due, at)
	if c.after != nil {
		c.after = append(c.after, uint16(c.n))
	}
	c.n++
	return c.n - 1
}

// vary gives payloads of one length to data.
func (c *chunk) vary() {
	old := c.rows
	stride := c.stride()
	c.rows = make([]byte, 0, max(16, 2*c.n)*variableHead)
	for i := range c.n {
		row := old[i*stride : (i+1)*stride]
		c.data = append(c.data, row[head:]...)
		c.rows = binary.LittleEndian.AppendUint32(append(c.rows, row[:head]...), uint32(len(c.data)))
	}
	c.size = variable
}

// close says that no row follows.
func (c *chunk) close() {
	c.full = true
	if cap(c.rows)-len(c.rows) > len(c.rows)/16 {
		c.rows = slices.Clone(c.rows)
	}
	if cap(c.data)-len(c.data) > len(c.data)/16 {
		c.data = slices.Clone(c.data)
	}
}

func (c *chunk) row(i int) []byte { s := c.stride(); return c.rows[i*s : (i+1)*s] }

func (c *chunk) id(i int) uint64 { return binary.LittleEndian.Uint64(c.rows[i*c.stride():]) }

func (c *chunk) at(i int) int64 { return int64(binary.LittleEndian.Uint64(c.rows[i*c.stride()+8:])) }

func (c *chunk) keyPlace(i int) uint16 { return binary.LittleEndian.Uint16(c.rows[i*c.stride()+16:]) }

func (c *chunk) key(i int) *Key { return c.keys[c.keyPlace(i)] }

func (c *chunk) payload(i int) []byte {
	row := c.row(i)
	if c.size != variable {
		return row[head:]
	}
	from := uint32(0)
	if i > 0 {
		from = binary.LittleEndian.Uint32(c.row(i - 1)[head:])
	}
	return c.data[from:binary.LittleEndian.Uint32(row[head:])]
}

// placeOf is what the index has for a row.
func (c *chunk) placeOf(i int) uint32 { return c.slot<<chunkBits | uint32(i) }

// follow puts row i behind the last row of its id.
func (c *chunk) follow(last, i int) {
	if c.after == nil {
		c.after = make([]uint16, c.n, chunkRows)
		for j := range c.after {
			c.after[j] = uint16(j)
		}
	}
	c.after[i], c.after[last] = c.after[last], uint16(i)
}

// lastOfID reports whether no later row has the id of row i.
func (c *chunk) lastOfID(i int) bool { return c.after == nil || int(c.after[i]) <= i }

// firstIn returns the first row of an id, of which last is the last, with a time from lo to hi; none: there is no such row.
func (c *chunk) firstIn(last int, lo, hi int64) int {
	i := last
	for {
		if c.after != nil {
			i = int(c.after[i])
		}
		if at := c.at(i); lo <= at && at <= hi {
			return i
		}
		if i == last {
			return none
		}
	}
}

// expire calls f for the rows without match whose time is from one time to another, before which all are expired then.
func (c *chunk) expire(from, to int64, f func(i int)) {
	c.due = never
	expired := true
	for i := c.from; i < c.n; i++ {
		at := c.at(i)
		if at >= to {
			c.due = min(c.due, at)
			expired = false
			continue
		}
		if at >= from && !c.matches.has(i) {
			f(i)
		}
		if expired {
			c.from = i + 1
		}
	}
}

// pending counts the rows that have neither a match nor a time before dead.
func (c *chunk) pending(dead int64) (n int) {
	for i := range c.n {
		if c.at(i) >= dead && !c.matches.has(i) {
			n++
		}
	}
	return n
}

func (c *chunk) memory() int {
	n := 256 + cap(c.rows) + cap(c.data) + 8*cap(c.keys) + 2*cap(c.after)
	if m := c.matches; m != nil {
		n += 64 + 8*cap(m.bits) + cap(m.said) + 4*cap(m.hashes)
	}
	return n
}

// mark notes the first label of row i.
func (c *chunk) mark(i int, label []byte) {
	switch {
	case c.matches == nil:
		rows := chunkRows
		if c.full {
			rows = c.n
		}
		c.matches = newMatches(rows)
	case c.matches.shared:
		c.matches = c.matches.clone()
	}
	c.matches.set(i, label)
}

// matches says which rows of a chunk have a match, and what its label says: the byte of labels that are
// one byte, else, for all of the chunk, 32 bits of a hash. So one in 2³² conflicts is taken for a duplicate.
type matches struct {
	n      int
	bits   []uint64
	said   []byte
	hashes []uint32
	shared bool // it does not change any more
}

func newMatches(rows int) *matches {
	return &matches{bits: make([]uint64, (rows+63)/64), said: make([]byte, rows)}
}

func (m *matches) clone() *matches {
	return &matches{n: m.n, bits: slices.Clone(m.bits), said: slices.Clone(m.said), hashes: slices.Clone(m.hashes)}
}

func (m *matches) has(i int) bool { return m != nil && m.bits[i/64]>>(i%64)&1 == 1 }

func labelHash(label []byte) uint32 { return uint32(sketch.HashText(label)) }

// says reports whether the label of row i says the same.
func (m *matches) says(i int, label []byte) bool {
	if m.hashes != nil {
		return m.hashes[i] == labelHash(label)
	}
	return len(label) == 1 && m.said[i] == label[0]
}

func (m *matches) set(i int, label []byte) {
	if m.hashes == nil && len(label) != 1 {
		m.widen()
	}
	if m.hashes != nil {
		m.hashes[i] = labelHash(label)
	} else {
		m.said[i] = label[0]
	}
	m.bits[i/64] |= 1 << (i % 64)
	m.n++
}

// widen makes hashes of bytes.
func (m *matches) widen() {
	m.hashes = make([]uint32, len(m.said))
	for i := range m.rows {
		m.hashes[i] = labelHash(m.said[i : i+1])
	}
	m.said = nil
}

// rows calls f for the rows with a match, in order.
func (m *matches) rows(f func(i int) bool) {
	for w, word := range m.bits {
		for ; word != 0; word &= word - 1 {
			if !f(64*w + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}
