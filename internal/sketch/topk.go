package sketch

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// MaxKey is the length in bytes to which the keys of a TopK are cut.
const MaxKey = 256

// TopK has the frequent keys of a stream: Misra and Gries, "Finding repeated elements"
// (1982), merged as in Agarwal et al., "Mergeable summaries" (2012). With k counters a
// count is at most Total/(k+1) too low; while there are at most k keys it is exact.
// Beyond that another order or partitioning may give other counts, within that bound.
// The zero value has no counters until it is merged with or read from another.
type TopK struct {
	k        int
	counters []counter
	index    map[string]int // of a key in counters
	total    uint64
	lost     uint64 // what each count may be too low
}

type counter struct {
	key string
	n   uint64
}

// Item is a key with its count: the true one is in [Count, Count+Error].
type Item struct {
	Key   string
	Count uint64
	Error uint64
}

// NewTopK returns an empty summary with k counters.
func NewTopK(k int) TopK { return TopK{k: max(k, 0)} }

// Total returns the sum of all counts added.
func (t *TopK) Total() uint64 { return t.total }

// Add counts a key n times. A key of more than MaxKey bytes is cut, which may end it
// in the middle of a character. A known key costs a look-up, a new one beyond the k-th
// takes n, or the smallest count, from all: constant time on average, as each count
// can only be taken once.
func (t *TopK) Add(key []byte, n uint64) {
	key = key[:min(len(key), MaxKey)]
	t.total += n
	if i, ok := t.index[string(key)]; ok {
		t.counters[i].n += n
		return
	}
	if len(t.counters) == t.k {
		least := n
		for i := range t.counters {
			least = min(least, t.counters[i].n)
		}
		t.reduce(least)
		n -= least
	}
	if n > 0 {
		t.insert(string(key), n)
	}
}

// insert adds a key that is not there.
func (t *TopK) insert(key string, n uint64) {
	if t.index == nil {
		t.index = make(map[string]int)
	}
	t.index[key] = len(t.counters)
	t.counters = append(t.counters, counter{key, n})
}

// reduce takes by from all counts and forgets the keys that have no more.
func (t *TopK) reduce(by uint64) {
	t.lost += by
	kept := t.counters[:0]
	clear(t.index) // most keys go at once, and one by one they would cost more than the rest of a flood
	for _, c := range t.counters {
		if c.n > by {
			t.index[c.key] = len(kept)
			kept = append(kept, counter{c.key, c.n - by})
		}
	}
	clear(t.counters[len(kept):])
	t.counters = kept
}

// Merge adds o. The bound is that of the lesser k, if they differ.
func (t *TopK) Merge(o *TopK) {
	if t.k == 0 && t.total == 0 {
		t.k = o.k
	}
	t.total += o.total
	t.lost += o.lost
	for _, c := range o.counters {
		if i, ok := t.index[c.key]; ok {
			t.counters[i].n += c.n
		} else {
			t.insert(c.key, c.n)
		}
	}
	if len(t.counters) > t.k {
		t.reduce(t.largest(t.k))
	}
}

// largest returns the count that i others are above or beside.
func (t *TopK) largest(i int) uint64 {
	counts := make([]uint64, 0, len(t.counters))
	for _, c := range t.counters {
		counts = append(counts, c.n)
	}
	slices.Sort(counts)
	return counts[len(counts)-1-i]
}

// Count returns the count of a key, 0 if it is not among the frequent ones.
func (t *TopK) Count(key string) uint64 {
	if i, ok := t.index[key[:min(len(key), MaxKey)]]; ok {
		return t.counters[i].n
	}
	return 0
}

// Items returns the keys by falling count, ties by bytes.
func (t *TopK) Items() []Item {
	items := make([]Item, 0, len(t.counters))
	for _, c := range t.counters {
		items = append(items, Item{c.key, c.n, t.lost})
	}
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Key, b.Key))
	})
	return items
}

// Clone returns an independent copy.
func (t *TopK) Clone() TopK {
	c := TopK{k: t.k, total: t.total, lost: t.lost}
	for _, e := range t.counters {
		c.insert(e.key, e.n)
	}
	return c
}

// Reset empties the summary; the number of counters stays.
func (t *TopK) Reset() { *t = TopK{k: t.k} }

// Bytes returns about the heap memory in use, in bytes.
func (t *TopK) Bytes() int {
	n := 24*cap(t.counters) + 32*len(t.index)
	for _, c := range t.counters {
		n += len(c.key)
	}
	return n
}

// AppendBinary appends the binary form, the keys ascending.
func (t *TopK) AppendBinary(b []byte) []byte {
	b = append(b, topKVersion)
	for _, v := range [...]uint64{uint64(t.k), t.total, t.lost, uint64(len(t.counters))} {
		b = binary.AppendUvarint(b, v)
	}
	sorted := slices.SortedFunc(slices.Values(t.counters), func(a, b counter) int {
		return strings.Compare(a.key, b.key)
	})
	for _, c := range sorted {
		b = append(binary.AppendUvarint(b, uint64(len(c.key))), c.key...)
		b = binary.AppendUvarint(b, c.n)
	}
	return b
}

// ReadBinary replaces t by the binary form at the beginning of b.
func (t *TopK) ReadBinary(b []byte) ([]byte, error) {
	d := Decoder{b: b}
	d.Begin(topKVersion)
	k, total, lost := d.Count(), d.Count(), d.Count()
	n := d.Length(2)
	r := TopK{k: int(k), total: total, lost: lost}
	sum := lost
	for range n {
		sum += r.readCounter(&d)
	}
	if k > 1<<20 || uint64(n) > k || sum > total {
		d.Fail(errDamaged)
	}
	if d.err == nil {
		*t = r
	}
	return d.End("top k")
}

// readCounter reads one more counter and returns its count.
func (t *TopK) readCounter(d *Decoder) uint64 {
	key, n := d.Bytes(d.Length(1)), d.Count()
	if len(key) > MaxKey || n == 0 {
		d.Fail(errDamaged)
	}
	if i := len(t.counters); i > 0 && t.counters[i-1].key >= string(key) {
		d.Fail(errDamaged)
	}
	if d.err != nil {
		return 0
	}
	t.insert(string(key), n)
	return n
}
