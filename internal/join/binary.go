package join

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// Versions of the binary forms, their first bytes.
const (
	stateVersion = 1
	chunkVersion = 1
)

// maxNumber is more chunks than there ever are.
const maxNumber = 1 << 60

// Entry is a full chunk, which never changes. It may be written by another goroutine while the table goes on.
type Entry struct {
	Number int64
	chunk  *chunk
}

// AppendBinary appends the binary form of the chunk.
func (e Entry) AppendBinary(b []byte) []byte { return e.chunk.appendBinary(append(b, chunkVersion)) }

// Stored is an entry as it was written.
type Stored struct {
	Number  int64
	Content []byte
}

// TakeEntries returns the chunks that became full since the last call, or all that there are.
func (t *Table) TakeEntries(all bool) (entries []Entry) {
	for _, c := range t.chunks {
		if c.full && (all || !c.saved) {
			c.saved = true
			entries = append(entries, Entry{c.number, c})
		}
	}
	return entries
}

// Horizon returns the number before which entries are not needed any more.
func (t *Table) Horizon() int64 {
	if len(t.chunks) > 0 {
		return t.chunks[0].number
	}
	return t.next
}

// Frozen is a table at one moment without its full chunks. It does not change.
type Frozen struct {
	pane, sealed, dead, next int64
	evicted, refused         uint64
	chunks                   []frozenChunk
	waiting                  []waiting
}

// frozenChunk is what of a chunk is not in an entry.
type frozenChunk struct {
	number  int64
	n       int
	matches *matches
	open    *chunk // a copy of one that is not full
}

// Freeze returns what the table is, for AppendBinary by another goroutine while it goes on. It costs little: what
// is large is copied when it changes.
func (t *Table) Freeze() *Frozen {
	f := &Frozen{
		pane: t.config.Pane, sealed: t.sealed, dead: t.dead, next: t.next, evicted: t.evicted, refused: t.refused,
		chunks: make([]frozenChunk, 0, len(t.chunks)), waiting: slices.Clone(t.waiting),
	}
	for _, c := range t.chunks {
		if c.matches != nil {
			c.matches.shared = true
		}
		frozen := frozenChunk{number: c.number, n: c.n, matches: c.matches}
		if !c.full {
			open := *c
			frozen.open = &open
		}
		f.chunks = append(f.chunks, frozen)
	}
	return f
}

// AppendBinary appends the binary form. Together with the entries from the horizon on it is all of the table.
func (f *Frozen) AppendBinary(b []byte) []byte {
	b = append(b, stateVersion)
	for _, n := range [...]int64{f.pane, f.sealed, f.dead, f.next} {
		b = binary.AppendVarint(b, n)
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, f.evicted), f.refused)
	b = binary.AppendUvarint(b, uint64(len(f.chunks)))
	for _, c := range f.chunks {
		b = binary.AppendVarint(b, c.number)
		if c.open != nil {
			b = c.open.appendBinary(append(b, 1))
		} else {
			b = append(b, 0)
		}
		b = c.matches.appendBinary(b, c.n)
	}
	b = binary.AppendUvarint(b, uint64(len(f.waiting)))
	for _, w := range f.waiting {
		b = binary.AppendUvarint(binary.AppendVarint(b, w.start), uint64(w.count))
		b = append(binary.AppendUvarint(b, uint64(len(w.labels))), w.labels...)
	}
	return b
}

// appendBinary writes the rows by column.
func (c *chunk) appendBinary(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.keys)))
	for _, k := range c.keys {
		b = sketch.AppendText(b, string(k.Name))
	}
	b = binary.AppendUvarint(b, uint64(c.n))
	if c.size == variable {
		b = append(b, 1)
	} else {
		b = binary.AppendUvarint(append(b, 0), uint64(max(c.size, 0)))
	}
	for i := range c.n {
		b = binary.LittleEndian.AppendUint64(b, c.id(i))
	}
	before := int64(0)
	for i := range c.n {
		at := c.at(i)
		b = binary.AppendVarint(b, at-before)
		before = at
	}
	for i := range c.n {
		b = binary.AppendUvarint(b, uint64(c.keyPlace(i)))
	}
	for i := range c.n {
		payload := c.payload(i)
		if c.size == variable {
			b = binary.AppendUvarint(b, uint64(len(payload)))
		}
		b = append(b, payload...)
	}
	return b
}

// How the labels of a chunk's matches are written.
const (
	saidOne    = iota // the one byte that all say
	saidTwo           // two bytes, and a bit a match, which is set for the second
	saidBytes         // a byte a match
	saidHashes        // a hash a match
)

// appendBinary writes the matches of a chunk of n rows.
func (m *matches) appendBinary(b []byte, n int) []byte {
	if m == nil || m.n == 0 {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(m.n))
	if m.n < n {
		for i := range (n + 7) / 8 {
			b = append(b, byte(m.bits[i/8]>>(i%8*8)))
		}
	}
	if m.hashes != nil {
		b = append(b, saidHashes)
		m.rows(func(i int) bool {
			b = binary.LittleEndian.AppendUint32(b, m.hashes[i])
			return true
		})
		return b
	}
	switch said := m.different(); len(said) {
	case 1:
		return append(b, saidOne, said[0])
	case 2:
		b = append(b, saidTwo, said[0], said[1])
		bit := 0
		m.rows(func(i int) bool {
			if bit%8 == 0 {
				b = append(b, 0)
			}
			if m.said[i] == said[1] {
				b[len(b)-1] |= 1 << (bit % 8)
			}
			bit++
			return true
		})
		return b
	default:
		b = append(b, saidBytes)
		m.rows(func(i int) bool {
			b = append(b, m.said[i])
			return true
		})
		return b
	}
}

// different returns up to three bytes that labels say, in the order of rows.
func (m *matches) different() (said []byte) {
	m.rows(func(i int) bool {
		if !slices.Contains(said, m.said[i]) {
			said = append(said, m.said[i])
		}
		return len(said) < 3
	})
	return said
}

// ErrShape is the failure of reading a table of panes of another length.
var ErrShape = errors.New("panes of another length")

var errDamaged = errors.New("damaged")

// Read returns the table of a state and its entries, in any order; those that the state does not need are passed over. What
// has expired stays so with another Timeout. It fails with ErrShape if its panes have another length than the config's.
func Read(config Config, state []byte, entries []Stored) (*Table, error) {
	t := New(config)
	d := sketch.NewDecoder(state)
	d.Begin(stateVersion)
	pane := d.Varint()
	if d.Err() == nil && pane != config.Pane {
		return nil, fmt.Errorf("read join: %w", ErrShape)
	}
	t.sealed, t.dead, t.next = d.Varint(), d.Varint(), d.Varint()
	t.evicted, t.refused = d.Count(), d.Count()
	if t.sealed != window.NoTime && t.sealed%config.Pane != 0 || t.next < 0 || t.next > maxNumber {
		d.Fail(errDamaged)
	}
	contents := make(map[int64][]byte, len(entries))
	for _, e := range entries {
		contents[e.Number] = e.Content
	}
	t.readChunks(d, contents)
	t.readWaiting(d)
	rest, err := d.End("join")
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("read join: %d bytes follow", len(rest))
	}
	if err != nil {
		return nil, err
	}
	t.indexAll()
	return t, nil
}

func (t *Table) readChunks(d *sketch.Decoder, contents map[int64][]byte) {
	before := int64(-1)
	for range d.Length(3) {
		number, open := d.Varint(), d.Byte()
		if number <= before || number >= t.next || open > 1 || t.open != nil || len(t.chunks) == maxChunks {
			d.Fail(errDamaged)
		}
		if d.Err() != nil {
			return
		}
		before = number
		c := t.begin(number)
		if open == 1 {
			t.readRows(c, d)
		} else {
			d.Fail(t.readEntry(c, contents))
			t.close()
			c.saved = true
		}
		c.matches = readMatches(d, c)
		if d.Err() != nil {
			return
		}
		t.rows += c.n
	}
}

func (t *Table) readEntry(c *chunk, contents map[int64][]byte) error {
	content, ok := contents[c.number]
	if !ok {
		return fmt.Errorf("no chunk %d", c.number)
	}
	d := sketch.NewDecoder(content)
	d.Begin(chunkVersion)
	t.readRows(c, d)
	rest, err := d.End(fmt.Sprintf("chunk %d", c.number))
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("read chunk %d: %d bytes follow", c.number, len(rest))
	}
	return err
}

// readRows reads what chunk.appendBinary wrote.
func (t *Table) readRows(c *chunk, d *sketch.Decoder) {
	for range d.Length(1) {
		k := t.intern(d.Bytes(d.Length(1)))
		if k.newest == c.number || len(c.keys) == chunkRows {
			d.Fail(errDamaged)
		}
		if d.Err() != nil {
			return
		}
		t.placeOf(k, c)
	}
	n, varies := d.Length(10), d.Byte()
	if n == 0 || n > chunkRows || len(c.keys) > n || varies > 1 {
		d.Fail(errDamaged)
	}
	size := 0
	if varies == 0 {
		size = d.Length(1)
	}
	ids := sketch.NewDecoder(d.Bytes(8 * n))
	if d.Err() != nil {
		return
	}
	times, places := make([]int64, n), make([]uint16, n)
	at := int64(0)
	for i := range n {
		at += d.Varint()
		if at < minTime || at > maxTime {
			d.Fail(errDamaged)
		}
		times[i] = at
	}
	for i := range n {
		place := d.Uvarint()
		if place >= uint64(len(c.keys)) {
			d.Fail(errDamaged)
		}
		places[i] = uint16(place)
	}
	payloads := d
	if varies == 0 {
		payloads = sketch.NewDecoder(d.Bytes(n * size))
	}
	c.room = n
	for i := range n {
		if varies == 1 {
			size = payloads.Length(1)
		}
		payload := payloads.Bytes(size)
		if d.Err() != nil {
			return
		}
		c.add(ids.Uint64(), times[i], places[i], payload)
	}
}

// readMatches reads the matches of a chunk.
func readMatches(d *sketch.Decoder, c *chunk) *matches {
	count := d.Uvarint()
	if count > uint64(c.n) {
		d.Fail(errDamaged)
	}
	if count == 0 || d.Err() != nil {
		return nil
	}
	rows := chunkRows
	if c.full {
		rows = c.n
	}
	m := newMatches(rows)
	m.n = int(count)
	m.readBits(d, c.n)
	n := 0
	for _, w := range m.bits {
		n += bits.OnesCount64(w)
	}
	if n != m.n {
		d.Fail(errDamaged)
	}
	if d.Err() == nil {
		m.readSaid(d)
	}
	return m
}

func (m *matches) readBits(d *sketch.Decoder, n int) {
	if m.n == n {
		for i := range n {
			m.bits[i/64] |= 1 << (i % 64)
		}
		return
	}
	for i, b := range d.Bytes((n + 7) / 8) {
		m.bits[i/8] |= uint64(b) << (i % 8 * 8)
	}
	if last := n % 64; last > 0 && m.bits[n/64]>>last != 0 {
		d.Fail(errDamaged)
	}
}

func (m *matches) readSaid(d *sketch.Decoder) {
	switch mode := d.Byte(); mode {
	case saidOne:
		said := d.Byte()
		m.rows(func(i int) bool { m.said[i] = said; return true })
	case saidTwo:
		said, second := d.Bytes(2), d.Bytes((m.n+7)/8)
		if d.Err() != nil {
			return
		}
		bit := 0
		m.rows(func(i int) bool {
			m.said[i] = said[second[bit/8]>>(bit%8)&1]
			bit++
			return true
		})
	case saidBytes:
		m.rows(func(i int) bool { m.said[i] = d.Byte(); return d.Err() == nil })
	case saidHashes:
		hashes := d.Bytes(4 * m.n)
		if d.Err() != nil {
			return
		}
		m.said, m.hashes = nil, make([]uint32, len(m.said))
		m.rows(func(i int) bool {
			m.hashes[i], hashes = binary.LittleEndian.Uint32(hashes), hashes[4:]
			return true
		})
	default:
		d.Fail(errDamaged)
	}
}

func (t *Table) readWaiting(d *sketch.Decoder) {
	for i := range d.Length(3) {
		w := waiting{start: d.Varint(), count: d.Length(labelHead)}
		labels := d.Bytes(d.Length(1))
		if i > 0 && w.start <= t.waiting[i-1].start || w.start < t.sealed || w.count == 0 {
			d.Fail(errDamaged)
		}
		if d.Err() != nil {
			return
		}
		in := sketch.NewDecoder(labels)
		for range w.count {
			in.Uint64()
			at := int64(in.Uint64())
			in.Bytes(in.Length(1))
			if at < minTime || at > maxTime || window.Floor(at, t.config.Pane) != w.start {
				in.Fail(errDamaged)
			}
			if in.Err() != nil {
				break
			}
		}
		if rest, err := in.End("labels"); err != nil || len(rest) > 0 {
			d.Fail(errors.Join(errDamaged, err))
			return
		}
		w.labels = slices.Clone(labels)
		t.waiting = append(t.waiting, w)
		t.waitingCount += w.count
		t.waitingBytes += cap(w.labels)
	}
}

// indexAll makes what was read be found, counts what is pending, and drops what has expired.
func (t *Table) indexAll() {
	t.index = newIndex(t.rows)
	for _, c := range t.chunks {
		for i := range c.n {
			t.link(c, i, c.id(i))
		}
		c.expire(t.dead, t.dead, nil)
		t.pending += c.pending(t.dead)
	}
	for place := len(t.chunks) - 1; place >= 0; place-- {
		if c := t.chunks[place]; c.full && c.due == never {
			t.drop(place)
		}
	}
}
