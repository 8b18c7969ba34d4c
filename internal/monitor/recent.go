package monitor

import (
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// recent remembers the ids of events as 64-bit hashes in buckets of event time,
// each as long as repeats are to be found. A repeat is found if it is at most
// one bucket away from the first; two ids of one hash are taken for one (the
// chance is n²/2⁶⁵ among n ids).
type recent struct {
	length  int64
	buckets map[int64]map[uint64]struct{}
}

func newRecent(length int64) recent {
	return recent{length: length, buckets: map[int64]map[uint64]struct{}{}}
}

// repeated reports whether the id was seen near t; if not, it is remembered.
func (r *recent) repeated(id []byte, t int64) bool {
	if r.length <= 0 || len(id) == 0 {
		return false
	}
	hash, at := sketch.HashText(id), window.Floor(t, r.length)
	for _, start := range [...]int64{at - r.length, at, at + r.length} {
		if _, ok := r.buckets[start][hash]; ok {
			return true
		}
	}
	bucket := r.buckets[at]
	if bucket == nil {
		bucket = map[uint64]struct{}{}
		r.buckets[at] = bucket
	}
	bucket[hash] = struct{}{}
	return false
}

// forget drops the buckets that no event after the given time can look at.
func (r *recent) forget(before int64) {
	for start := range r.buckets {
		if start+2*r.length <= before {
			delete(r.buckets, start)
		}
	}
}
