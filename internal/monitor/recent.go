package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// recent remembers the ids of accepted events as 64-bit hashes with their times, in
// buckets of event time as long as the span in which repeats are to be found; so a
// bucket never has two events of one id. Two ids of one hash are taken for one (the chance is
// n²/2⁶⁵ among n ids).
type recent struct {
	span    int64
	buckets map[int64]map[uint64]int64
	journal bool
	fresh   []SeenID // since the last snapshot
	pruneAt int
}

// SeenID is an id that is remembered: its hash and its time, and the start of its bucket.
type SeenID struct {
	Bucket int64
	Hash   uint64
	Time   int64
}

func newRecent(span int64) recent {
	return recent{span: span, buckets: map[int64]map[uint64]int64{}}
}

// repeated reports whether the model (a hash of its name) had an event of this id within the span before or
// after t; if not, this one is remembered.
func (r *recent) repeated(model uint64, id []byte, t int64) bool {
	if r.span <= 0 || len(id) == 0 {
		return false
	}
	hash, at := sketch.HashText(id)^model, window.Floor(t, r.span)
	for _, start := range [...]int64{at - r.span, at, at + r.span} {
		if seen, ok := r.buckets[start][hash]; ok && max(seen-t, t-seen) <= r.span {
			return true
		}
	}
	r.remember(hash, t)
	return false
}

func (r *recent) remember(hash uint64, t int64) {
	at := window.Floor(t, r.span)
	bucket := r.buckets[at]
	if bucket == nil {
		bucket = map[uint64]int64{}
		r.buckets[at] = bucket
	}
	bucket[hash] = t
	if r.journal {
		r.fresh = append(r.fresh, SeenID{at, hash, t})
		if len(r.fresh) > r.pruneAt { // event time may run faster than snapshots are taken
			horizon := r.horizon()
			r.fresh = slices.DeleteFunc(r.fresh, func(id SeenID) bool { return id.Bucket < horizon })
			r.pruneAt = 2*len(r.fresh) + 10_000
		}
	}
}

// all makes all that is remembered fresh again.
func (r *recent) all() {
	r.fresh = nil
	for start, bucket := range r.buckets {
		for hash, t := range bucket {
			r.fresh = append(r.fresh, SeenID{start, hash, t})
		}
	}
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
