package sketch

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

// MaxKey is the length to which the keys of a TopK are cut.
const MaxKey = 256

// TopK has the frequent keys of a stream: Misra and Gries, "Finding repeated elements"
// (1982), merged as in Agarwal et al., "Mergeable summaries" (2012). With k counters a
// count is at most total/(k+1) too low; while there are at most k keys it is exact.
// Adding in another order or partitioning may give other counts, within that bound.
type TopK struct {
	k      int
	counts map[string]uint64
	total  uint64
	lost   uint64 // what each count may be too low
}

// Item is a key with its count: the true one is in [Count, Count+Error].
type Item struct {
	Key   string
	Count uint64
	Error uint64
}

// NewTopK returns an empty summary with k counters.
func NewTopK(k int) TopK { return TopK{k: k} }

// Total returns the sum of all counts added.
func (t *TopK) Total() uint64 { return t.total }

// Add counts a key n times. Keys longer than MaxKey bytes are cut.
func (t *TopK) Add(key []byte, n uint64) {
	key = key[:min(len(key), MaxKey)]
	t.total += n
	if t.counts == nil {
		t.counts = make(map[string]uint64)
	}
	if _, ok := t.counts[string(key)]; ok || len(t.counts) < t.k {
		t.counts[string(key)] += n
		return
	}
	// One key too many: the smallest count, or n, is taken from each.
	least := n
	for _, c := range t.counts {
		least = min(least, c)
	}
	t.reduce(least)
	if n > least {
		t.counts[string(key)] = n - least
	}
}

func (t *TopK) reduce(by uint64) {
	if by == 0 {
		return
	}
	t.lost += by
	for key, c := range t.counts {
		if c <= by {
			delete(t.counts, key)
		} else {
			t.counts[key] = c - by
		}
	}
}

// Merge adds o, which has as many counters.
func (t *TopK) Merge(o *TopK) {
	if o.total == 0 {
		return
	}
	if t.counts == nil {
		t.counts = make(map[string]uint64, len(o.counts))
	}
	t.total += o.total
	t.lost += o.lost
	for key, c := range o.counts {
		t.counts[key] += c
	}
	if len(t.counts) > t.k {
		sorted := slices.Sorted(maps.Values(t.counts))
		t.reduce(sorted[len(sorted)-1-t.k])
	}
}

// Items returns the keys by falling count, ties by bytes.
func (t *TopK) Items() []Item {
	items := make([]Item, 0, len(t.counts))
	for key, c := range t.counts {
		items = append(items, Item{key, c, t.lost})
	}
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key))
	})
	return items
}

// Clone returns an independent copy.
func (t *TopK) Clone() TopK {
	c := *t
	c.counts = maps.Clone(t.counts)
	return c
}

// Reset empties the summary.
func (t *TopK) Reset() { *t = TopK{k: t.k} }

// AppendBinary appends the binary form.
func (t *TopK) AppendBinary(b []byte) []byte {
	b = append(b, topKVersion)
	for _, v := range [...]uint64{uint64(t.k), t.total, t.lost, uint64(len(t.counts))} {
		b = binary.AppendUvarint(b, v)
	}
	for _, key := range slices.Sorted(maps.Keys(t.counts)) {
		b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
		b = binary.AppendUvarint(b, t.counts[key])
	}
	return b
}

// ReadBinary replaces t by the binary form at the beginning of b.
func (t *TopK) ReadBinary(b []byte) ([]byte, error) {
	d := decoder{b: b}
	d.begin(topKVersion)
	k, total, lost := d.uvarint(), d.uvarint(), d.uvarint()
	n := d.length(2)
	if k > 1<<20 || uint64(n) > k {
		d.fail(errDamaged)
	}
	r := TopK{k: int(k), total: total, lost: lost}
	var last []byte
	for i := 0; i < n && d.err == nil; i++ {
		key := d.bytes(d.length(1))
		c := d.uvarint()
		if len(key) > MaxKey || c == 0 || i > 0 && bytes.Compare(last, key) >= 0 {
			d.fail(errDamaged)
		}
		if r.counts == nil {
			r.counts = make(map[string]uint64, n)
		}
		r.counts[string(key)], last = c, key
	}
	if d.err == nil {
		*t = r
	}
	return d.end("top k")
}
