// Package join pairs the predictions of one model in one lane with their labels, which come late.
//
// A label matches the first prediction, by offset, that has its id and is in range: the label's time is at most Lateness before
// the prediction's and at most Timeout after. Labels wait in the pane of their time until Seal says that
// all predictions they may match are there. So what is folded depends on the two streams alone and not on how they
// interleave, with one exception: predictions that are evicted because there are more than MaxRows.
//
// Ids are 64-bit hashes: among n predictions that are kept the chance that any two different ids are taken for one is n²/2⁶⁵,
// 3·10⁻⁶ for ten million. Payloads are opaque: what a prediction said, and what a label says. Two labels say the same if
// their payloads are the same bytes.
//
// Predictions lie in chunks in the order of their offsets. A full chunk never changes, and is saved once as an Entry; which of its
// rows have a match, and what the first label of each said, is beside it and saved with the state.
package join

import (
	"bytes"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/window"
)

const (
	// chunkRows is the most rows that a chunk has: a place is the number of the chunk's slot, and of the row in 12 bits.
	chunkBits = 12
	chunkRows = 1 << chunkBits
	// chunkBytes of payloads and keys make a chunk full, too.
	chunkBytes = 1 << 20
	// maxChunks is how many places there are for chunks.
	maxChunks = 1 << (32 - chunkBits)
	// Times outside of these are refused, so that panes can be made of them.
	minTime = -1 << 62
	maxTime = 9_000_000_000_000_000_000
	// never is the time at which nothing happens.
	never = math.MaxInt64
)

// Config says what matches. Times are in nanoseconds.
type Config struct {
	// Pane is the length of the panes in which labels wait; positive.
	Pane int64
	// A label matches a prediction if it is at most Lateness before it and at most Timeout after it.
	Lateness, Timeout int64
	// MaxRows is how many predictions are kept, matched (for repeated labels) or not; 0: no bound. The oldest chunk goes when there
	// are more, so that one chunk more than MaxRows may be there.
	MaxRows int

	rows int // of a chunk, for tests; 0: chunkRows
}

// Key is a series key, kept once for all predictions that have it.
type Key struct {
	Name []byte
	// Number is small, and that of another key when no prediction has this one any more.
	Number uint32
	// Note is for the folder's use: what it has made of the name. It is not saved.
	Note any

	chunks int   // that have it
	newest int64 // the newest of them, which has it at place
	place  uint16
}

// Pair is a prediction and a label of it. Its bytes are to be read during the call only.
type Pair struct {
	Key                 *Key
	Predicted, Labelled int64
	Prediction, Label   []byte
}

// Folder takes what became of labels and predictions. It must not call the table.
type Folder interface {
	// Matched is called for the first label of a prediction.
	Matched(p *Pair)
	// Repeated is called for a label of a prediction that has one already, which stays; conflict: they do not say the same.
	Repeated(p *Pair, conflict bool)
	// Unmatched is called for a label without prediction.
	Unmatched(at int64)
	// Expired is called for a prediction without label, at the time when it was too old for one.
	Expired(key *Key, at int64)
}

// Table has the predictions of one model in one lane that may still get a label, and the labels that wait for their pane to
// be sealed. It is owned by one goroutine.
type Table struct {
	config Config
	chunks []*chunk // in the order of offsets
	slots  []*chunk // the same, by their place in the index
	free   []uint32 // slots
	open   *chunk   // the last of chunks, unless that is full
	next   int64    // the number of the next chunk
	index  index

	keys    map[string]*Key
	numbers []uint32 // of keys that are gone
	last    *Key     // of the last prediction

	waiting                    []waiting // by time
	waitingCount, waitingBytes int

	sealed int64 // the end of the panes that are sealed, or window.NoTime
	dead   int64 // predictions before this time have expired
	rows   int   // in chunks

	pending          int
	evicted, refused uint64

	pair    Pair
	overlay map[uint32][]byte
}

// New returns an empty table.
func New(c Config) *Table {
	if c.rows == 0 {
		c.rows = chunkRows
	}
	return &Table{config: c, index: newIndex(0), keys: map[string]*Key{}, sealed: window.NoTime, dead: window.NoTime}
}

// Predict takes a prediction; they come in the order of their offsets. One that has expired by what is sealed is refused.
func (t *Table) Predict(id uint64, at int64, key, payload []byte) {
	if at < t.dead || at < minTime || at > maxTime {
		t.refused++
		return
	}
	c := t.open
	if c == nil {
		c = t.begin(t.next)
		t.next++
	}
	k := t.intern(key)
	i := c.add(id, at, t.placeOf(k, c), payload)
	t.link(c, i, id)
	t.rows++
	t.pending++
	if c.n == t.config.rows || c.bytes >= chunkBytes {
		t.close()
	}
	for t.config.MaxRows > 0 && t.rows > t.config.MaxRows && len(t.chunks) > 1 || len(t.chunks) == maxChunks {
		t.evict()
	}
}

// begin makes an open chunk.
func (t *Table) begin(number int64) *chunk {
	c := &chunk{number: number, due: never, least: never, most: math.MinInt64, size: -1}
	if n := len(t.chunks); n > 0 {
		c.room = t.chunks[n-1].n
	}
	if n := len(t.free); n > 0 {
		c.slot, t.free = t.free[n-1], t.free[:n-1]
		t.slots[c.slot] = c
	} else {
		c.slot = uint32(len(t.slots))
		t.slots = append(t.slots, c)
	}
	t.chunks = append(t.chunks, c)
	t.open = c
	return c
}

func (t *Table) close() {
	t.open.close()
	t.open = nil
}

// intern returns the key of a name.
func (t *Table) intern(name []byte) *Key {
	if t.last != nil && bytes.Equal(t.last.Name, name) {
		return t.last
	}
	k := t.keys[string(name)]
	if k == nil {
		k = &Key{Name: bytes.Clone(name), Number: uint32(len(t.keys)), newest: -1}
		if n := len(t.numbers); n > 0 {
			k.Number, t.numbers = t.numbers[n-1], t.numbers[:n-1]
		}
		t.keys[string(k.Name)] = k
	}
	t.last = k
	return k
}

// placeOf returns the place of a key in the open chunk.
func (t *Table) placeOf(k *Key, c *chunk) uint16 {
	if k.newest != c.number {
		k.newest, k.place = c.number, uint16(len(c.keys))
		k.chunks++
		c.keys = append(c.keys, k)
		c.bytes += len(k.Name)
	}
	return k.place
}

// drop forgets the chunk at a place in the order, which is not open.
func (t *Table) drop(place int) {
	c := t.chunks[place]
	t.chunks = slices.Delete(t.chunks, place, place+1)
	t.unlink(c)
	t.slots[c.slot] = nil
	t.free = append(t.free, c.slot)
	t.rows -= c.n
	for _, k := range c.keys {
		if k.chunks--; k.chunks == 0 {
			delete(t.keys, string(k.Name))
			t.numbers = append(t.numbers, k.Number)
			if t.last == k {
				t.last = nil
			}
		}
	}
}

// evict forgets the oldest chunk.
func (t *Table) evict() {
	n := t.chunks[0].pending(t.dead)
	t.pending -= n
	t.evicted += uint64(n)
	t.drop(0)
}

// Await takes a label; they come in the order of their offsets. One of a pane that is sealed is refused.
func (t *Table) Await(id uint64, at int64, payload []byte) {
	if at < t.sealed || at < minTime || at > maxTime {
		t.refused++
		return
	}
	w := t.waitingAt(window.Floor(at, t.config.Pane))
	before := cap(w.labels)
	w.add(id, at, payload)
	t.waitingCount++
	t.waitingBytes += cap(w.labels) - before
}

// Seal pairs the labels of all panes before end, a multiple of Pane: pane by pane, in each in the order of offsets. After
// each pane those predictions expire, in the order of offsets, that no label of a later one can match.
func (t *Table) Seal(end int64, f Folder) {
	if end <= t.sealed {
		return
	}
	end = window.Floor(end, t.config.Pane)
	for {
		start := t.Next()
		if start >= end {
			break
		}
		if len(t.waiting) > 0 && t.waiting[0].start == start {
			w := t.waiting[0]
			for rest := w.labels; len(rest) > 0; {
				var l label
				l, rest = nextLabel(rest)
				t.judge(l, f)
			}
			t.waiting = slices.Delete(t.waiting, 0, 1)
			t.waitingCount -= w.count
			t.waitingBytes -= cap(w.labels)
		}
		t.expire(start, plus(start, t.config.Pane), f)
	}
	t.sealed, t.dead = end, max(t.dead, plus(end, -t.config.Timeout))
	t.pair = Pair{} // it holds the labels
}

// Next returns the start of the first pane in which labels wait or predictions expire, or the largest number.
func (t *Table) Next() int64 {
	due := int64(never)
	for _, c := range t.chunks {
		due = min(due, c.due)
	}
	start := int64(never)
	if due != never {
		// With another Timeout than before the pane may be sealed.
		start = max(t.sealed, window.Floor(plus(due, t.config.Timeout), t.config.Pane))
	}
	if len(t.waiting) > 0 {
		start = min(start, t.waiting[0].start)
	}
	return start
}

// judge pairs a label.
func (t *Table) judge(l label, f Folder) {
	c, i := t.match(l)
	if c == nil {
		f.Unmatched(l.at)
		return
	}
	p := t.pairOf(c, i, l)
	if c.matches.has(i) {
		f.Repeated(p, !c.matches.says(i, l.payload))
		return
	}
	c.mark(i, l.payload)
	t.pending--
	f.Matched(p)
}

func (t *Table) match(l label) (*chunk, int) {
	return t.first(l.id, max(t.dead, plus(l.at, -t.config.Timeout)), plus(l.at, t.config.Lateness))
}

func (t *Table) pairOf(c *chunk, i int, l label) *Pair {
	t.pair = Pair{c.key(i), c.at(i), l.at, c.payload(i), l.payload}
	return &t.pair
}

// expire ends the predictions that no label from end on can match, in the pane from start to end.
func (t *Table) expire(start, end int64, f Folder) {
	dead := plus(end, -t.config.Timeout)
	if dead <= t.dead {
		return
	}
	for place := 0; place < len(t.chunks); {
		c := t.chunks[place]
		if c.due < dead {
			c.expire(t.dead, dead, func(i int) {
				t.pending--
				f.Expired(c.key(i), max(start, plus(c.at(i), t.config.Timeout)))
			})
			if c.due == never && c.full {
				t.drop(place)
				continue
			}
		}
		place++
	}
	t.dead = dead
}

// Preview tells what Seal would of the labels before end, but nothing of what expires, and changes nothing.
func (t *Table) Preview(end int64, f Folder) {
	if t.overlay == nil {
		t.overlay = map[uint32][]byte{}
	}
	defer func() {
		clear(t.overlay)
		t.pair = Pair{}
	}()
	for _, w := range t.waiting {
		if w.start >= end {
			break
		}
		for rest := w.labels; len(rest) > 0; {
			var l label
			l, rest = nextLabel(rest)
			t.preview(l, f)
		}
	}
}

func (t *Table) preview(l label, f Folder) {
	c, i := t.match(l)
	if c == nil {
		f.Unmatched(l.at)
		return
	}
	p, place := t.pairOf(c, i, l), c.placeOf(i)
	if c.matches.has(i) {
		f.Repeated(p, !c.matches.says(i, l.payload))
	} else if said, ok := t.overlay[place]; ok {
		f.Repeated(p, !bytes.Equal(said, l.payload))
	} else {
		t.overlay[place] = l.payload
		f.Matched(p)
	}
}

// plus returns a+b, or the number next to it.
func plus(a, b int64) int64 {
	switch sum := a + b; {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	default:
		return sum
	}
}

// Pending returns how many predictions have neither a label nor expired nor been evicted.
func (t *Table) Pending() int { return t.pending }

// Rows returns how many predictions are kept: those that may still get a label, or another one, and those of their chunks.
func (t *Table) Rows() int { return t.rows }

// Waiting returns how many labels wait for their pane to be sealed, and what memory they take.
func (t *Table) Waiting() (labels, bytes int) { return t.waitingCount, t.waitingBytes }

// Evicted returns how many predictions without label were forgotten because there were more than MaxRows. It is the
// one figure that depends on how the streams interleave.
func (t *Table) Evicted() uint64 { return t.evicted }

// Refused returns how many predictions and labels came after what they belong to was sealed.
func (t *Table) Refused() uint64 { return t.refused }

// Sealed returns the end of the panes that are sealed, or window.NoTime.
func (t *Table) Sealed() int64 { return t.sealed }

// RowBytes returns what a prediction takes at most, its place in the index and the mark of its match included, with payloads of so many
// bytes; alike: all have as many, and labels have one byte.
func RowBytes(payload int, alike bool) int {
	const slot = 10 // with 8 slots of 5 bytes a group, of which 4 are in use
	if alike {
		return (head+payload)*17/16 + slot + 2
	}
	return (variableHead+payload)*17/16 + slot + 5
}

// Bytes returns what memory the table takes, labels that wait included.
func (t *Table) Bytes() int {
	const keyBytes = 160 // with its place in the map
	n := t.waitingBytes + t.index.bytes() + 8*(cap(t.chunks)+cap(t.slots))
	for _, c := range t.chunks {
		n += c.memory()
	}
	for name := range t.keys {
		n += keyBytes + 2*len(name)
	}
	return n
}
