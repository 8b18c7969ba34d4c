package consumer

import (
	"cmp"
	"slices"
)

// abortedTransaction is an entry of a fetch response: a producer's transaction that
// was aborted, and the offset of its first record.
type abortedTransaction struct{ producer, first int64 }

// abortFilter finds the batches of aborted transactions among those of one
// response. Batches are judged in offset order.
type abortFilter struct {
	pending []abortedTransaction // in order of first
	active  map[int64]bool       // producers whose aborted transaction is being read
}

func (f *abortFilter) reset(aborted []abortedTransaction) {
	slices.SortFunc(aborted, func(a, b abortedTransaction) int { return cmp.Compare(a.first, b.first) })
	f.pending = aborted
	clear(f.active)
}

// aborted reports whether the batch belongs to an aborted transaction. abortMarker
// says that it is the marker that ends one.
func (f *abortFilter) aborted(b *recordBatch, abortMarker bool) bool {
	for len(f.pending) > 0 && f.pending[0].first <= b.last {
		if f.active == nil {
			f.active = map[int64]bool{}
		}
		f.active[f.pending[0].producer] = true
		f.pending = f.pending[1:]
	}
	if abortMarker {
		delete(f.active, b.producer)
		return false
	}
	return b.transactional() && f.active[b.producer]
}
