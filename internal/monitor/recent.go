package monitor

import (
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// maxIDBytes is the most that a remembered id takes: in the log, which grows by a quarter, and in
// the table, which is at least three eighths full.
const maxIDBytes = 16*5/4 + 8*8/3

// recent remembers the ids of accepted events as 64-bit hashes with their times, in
// buckets of event time as long as the span in which repeats are to be found; so a
// bucket never has two events of one id that it remembers. Two ids of one hash are taken for one
// (the chance is n²/2⁶⁵ among n ids).
type recent struct {
	span      int64
	kept      int // ids of a bucket for certain, the newest ones; at most twice as many
	buckets   map[int64]*idBucket
	journal   bool
	forgotten uint64
}

// idBucket holds the ids of a bucket in two generations: when the young one is full it becomes the old
// one, which is forgotten. So what a bucket remembers depends on its ids and their order alone.
type idBucket struct {
	young, old generation
	turns      int // how often a generation was forgotten since ids were taken
}

// generation is a log of ids, with an open-addressing table of places in it.
type generation struct {
	ids   []SeenID
	saved int // so many are in snapshots
	// table has the low half of the hash and the place plus 1; 0 is free. Where an id belongs depends on a
	// random factor, so that nobody can choose ids that all belong to one place.
	table  []uint64
	factor uint64
}

// SeenID is an id that is remembered: its hash and its time.
type SeenID struct {
	Hash uint64
	Time int64
}

// SeenIDs are ids of a bucket, which begins at Start, in the order they came. Anew is set if those before
// are forgotten.
type SeenIDs struct {
	Start int64
	Anew  bool
	IDs   [][]SeenID
}

func newRecent(span int64, kept int) recent {
	return recent{span: span, kept: max(kept, 1), buckets: map[int64]*idBucket{}}
}

// repeated reports whether the model (a hash of its name) had an event of this id within the span before or
// after t; if not, this one is remembered. began is true if that begins a bucket.
func (r *recent) repeated(model uint64, id []byte, t int64) (repeated, began bool) {
	if r.span <= 0 || len(id) == 0 {
		return false, false
	}
	hash := sketch.HashText(id) ^ model
	if r.hasHash(hash, t) {
		return true, false
	}
	return false, r.remember(SeenID{hash, t}, false)
}

// has is repeated without remembering.
func (r *recent) has(model uint64, id []byte, t int64) bool {
	return r.span > 0 && len(id) > 0 && r.hasHash(sketch.HashText(id)^model, t)
}

func (r *recent) hasHash(hash uint64, t int64) bool {
	at := window.Floor(t, r.span)
	for _, start := range [...]int64{at - r.span, at, at + r.span} {
		if b := r.buckets[start]; b != nil && (b.young.seen(hash, t, r.span) || b.old.seen(hash, t, r.span)) {
			return true
		}
	}
	return false
}

// remember remembers an id, which is saved or not, and reports whether it began a bucket.
func (r *recent) remember(id SeenID, saved bool) (began bool) {
	at := window.Floor(id.Time, r.span)
	b := r.buckets[at]
	if b == nil {
		b, began = &idBucket{}, true
		r.buckets[at] = b
	}
	if len(b.young.ids) == r.kept {
		b.turns++
		r.forgotten += uint64(len(b.old.ids))
		b.old, b.young = b.young, generation{}
	}
	b.young.add(id)
	if saved {
		b.young.saved = len(b.young.ids)
	}
	return began
}

// restore remembers what take gave; of buckets of another length, which are to be saved again, all.
func (r *recent) restore(ids SeenIDs, same bool) {
	if r.span <= 0 {
		return
	}
	if same && ids.Anew {
		delete(r.buckets, ids.Start)
	}
	for _, some := range ids.IDs {
		for _, id := range some {
			r.remember(id, same)
		}
	}
	if b := r.buckets[ids.Start]; same && b != nil {
		b.turns = 0
	}
	r.forgotten = 0
}

// seen reports whether the generation has the hash at a time that is within the span of t.
func (g *generation) seen(hash uint64, t, span int64) bool {
	if len(g.table) == 0 {
		return false
	}
	mask := uint64(len(g.table) - 1)
	for i := g.home(hash); g.table[i] != 0; i = (i + 1) & mask {
		if uint32(g.table[i]>>32) != uint32(hash) {
			continue
		}
		if id := &g.ids[uint32(g.table[i])-1]; id.Hash == hash && max(id.Time-t, t-id.Time) <= span {
			return true
		}
	}
	return false
}

// home is where a hash belongs in the table.
func (g *generation) home(hash uint64) uint64 {
	return hash * g.factor >> (64 - bits.TrailingZeros64(uint64(len(g.table))))
}

func (g *generation) add(id SeenID) {
	g.ids = append(g.ids, id)
	if 4*len(g.ids) <= 3*len(g.table) {
		g.place(id.Hash, len(g.ids))
		return
	}
	g.table, g.factor = make([]uint64, max(16, 2*len(g.table))), rand.Uint64()|1
	for i := range g.ids {
		g.place(g.ids[i].Hash, i+1)
	}
}

func (g *generation) place(hash uint64, place int) {
	mask := uint64(len(g.table) - 1)
	i := g.home(hash)
	for g.table[i] != 0 {
		i = (i + 1) & mask
	}
	g.table[i] = hash<<32 | uint64(uint32(place))
}

// take returns the ids since the last call, or all that are remembered, by bucket. They share memory that
// does not change any more.
func (r *recent) take(all bool) (taken []SeenIDs) {
	for start, b := range r.buckets {
		if all {
			b.old.saved, b.young.saved = 0, 0
		}
		var ids [][]SeenID
		for _, g := range [...]*generation{&b.old, &b.young} {
			if g.saved < len(g.ids) {
				ids = append(ids, g.ids[g.saved:])
				g.saved = len(g.ids)
			}
		}
		if len(ids) > 0 {
			// After two turns all that is there came since.
			taken = append(taken, SeenIDs{start, all || b.turns > 1, ids})
		}
		b.turns = 0
	}
	slices.SortFunc(taken, func(a, b SeenIDs) int { return int(min(max(a.Start-b.Start, -1), 1)) })
	return taken
}

// horizon is the start before which nothing is remembered any more.
func (r *recent) horizon() int64 {
	oldest := int64(window.EndOfTime)
	for start := range r.buckets {
		oldest = min(oldest, start)
	}
	return oldest
}

// forget drops the buckets that no event after the given time can look at.
func (r *recent) forget(before int64) {
	for start := range r.buckets {
		if start+2*r.span <= before {
			delete(r.buckets, start)
		}
	}
}
