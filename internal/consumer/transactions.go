package consumer

import (
	"cmp"
	"slices"
	"time"
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

// openTransaction tells of a transaction that has not ended and holds reading up for long.
type openTransaction struct {
	at    int64 // the offset that it holds reading up at
	since time.Time
	said  bool
}

// look notes whether all that may be read has been, and more is there.
func (o *openTransaction) look(p *partition, now time.Time) {
	held := p.end >= 0 && p.next == p.end && p.end < p.high
	if o.said && !(held && o.at == p.next) {
		p.log.Info("the open transaction has ended, reading goes on", "offset", o.at, "after", now.Sub(o.since).Round(time.Second))
	}
	if !held {
		*o = openTransaction{}
		return
	}
	if o.since.IsZero() || o.at != p.next {
		*o = openTransaction{at: p.next, since: now}
	}
	if !o.said && now.Sub(o.since) >= p.cfg.openAfter {
		o.said = true
		p.log.Warn("an open transaction holds reading up: what lies behind is read once it is committed or aborted", "offset", o.at, "behind", p.high-p.next, "for", now.Sub(o.since).Round(time.Second))
	}
}
