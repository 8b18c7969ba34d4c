package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// heartbeatEvery is how often a handler hears of a partition without news.
	heartbeatEvery = time.Second
	// flushBytes of unpacked data are handed on at once, so that a well-packed
	// response does not take many times its size.
	flushBytes = 1 << 20
	// flushRecords are handed on at once, for the same reason.
	flushRecords = 1 << 14
	// keepBytes of unpacked data and keepRecords are what it may hold on to between batches.
	keepBytes   = 2 << 20
	keepRecords = 2 * flushRecords
	// minRecordShare bytes of MaxBatchBytes must be there for each record of a batch:
	// a record takes more memory here than the 7 bytes of an empty one.
	minRecordShare = 128
	// beyondLimit is how many times in a row the log must end before our position
	// until we believe it: a new leader may not know the high watermark yet.
	beyondLimit = 3
)

// shared is what all partitions of a consumer use.
type shared struct {
	cfg      *Config
	cluster  *cluster
	unpacker *unpacker
	room     *room // nil: without end
	handler  Handler
	seen     sightings
}

// partition reads one partition. Its goroutine alone touches it, but for status.
type partition struct {
	*shared
	topic string
	id    int
	start Start
	log   *slog.Logger

	topicID topicID // of the topic that next is an offset of
	doubt   bool    // the topic may be another one by now
	checked int     // the look of discovery that the leader was asked about

	next     int64 // all before it was handed on
	target   int64 // the declared end; -1: none
	end      int64 // as of the last fetch; -1: unknown
	high     int64 // the same, with open transactions
	open     openTransaction
	beyond   int // times in a row that the log ended before next
	retry    backoff
	troubled bool

	spare   []*fetchRequest
	scanned []recordBatch
	filter  abortFilter
	arena   arena
	claim   claim
	lent    bool // a large packed batch, whose room is given back
	batch   Batch
	told    time.Time // of the last call of the handler

	mu     sync.Mutex
	status PartitionStatus
}

func newPartition(s *shared, t Topic, id int) *partition {
	p := &partition{
		shared: s, topic: t.Name, id: id, start: t.Start, target: -1, end: -1, claim: claim{room: s.room},
		log:    s.cfg.Logger.With("topic", t.Name, "partition", id),
		batch:  Batch{Topic: t.Name, Partition: id},
		status: PartitionStatus{Topic: t.Name, Partition: id, Next: -1, End: -1, Lag: -1},
	}
	p.batch.free, p.batch.lend = p.free, p.lend
	return p
}

// run reads until ctx ends, the declared end is reached or the handler fails.
func (p *partition) run(ctx context.Context) error {
	defer p.free()
	if !p.locate(ctx) {
		return nil
	}
	for ctx.Err() == nil {
		switch {
		case p.finished():
			return p.finish(ctx)
		case p.doubt:
			p.recheck(ctx)
		default:
			if err := p.stream(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *partition) finished() bool { return p.target >= 0 && p.next >= p.target }

func (p *partition) finish(ctx context.Context) error {
	p.end = max(p.end, p.target)
	p.begin()
	p.batch.Done = true
	return p.flush(ctx)
}

// fetched is the outcome of one fetch.
type fetched struct {
	req *fetchRequest // to be used again; nil if it is not
	res *fetchResponse
	err error
}

// ask starts a fetch.
func (p *partition) ask(ctx context.Context, offset int64) <-chan fetched {
	var req *fetchRequest
	if n := len(p.spare); n > 0 {
		req, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		req = newFetchRequest(p.cfg, p.topic, p.id)
	}
	req.seek(offset)
	done := make(chan fetched, 1)
	go func() {
		res, err := p.cluster.fetch(ctx, req)
		done <- fetched{req, res, err}
	}()
	return done
}

// stream reads until a fetch fails, the declared end is reached or the handler
// fails, whose error it returns. The next fetch is under way while the handler works.
func (p *partition) stream(ctx context.Context) error {
	pending := p.ask(ctx, p.next)
	for {
		got := <-pending
		if got.err != nil || got.res.code != 0 || got.res.empty {
			p.overcome(ctx, got)
			return nil
		}
		if p.doubt = p.doubtful(); p.doubt {
			return nil // and read it again if nothing changed
		}
		p.recovered()
		if n := got.res.lacks(p.cfg.MaxBatchBytes); n > 0 {
			if got = p.fetchLarge(ctx, n); got.res == nil {
				return nil
			}
		}
		following := p.scan(got)
		if following == p.next && p.next < p.end {
			pause(ctx, leastBackoff) // no batch, though there are some: do not spin
		}
		last := p.target >= 0 && following >= p.target
		if !last {
			pending = p.ask(ctx, following)
		}
		req, res := got.req, got.res
		got = fetched{} // what is large must not be held while the handler waits
		if err := p.deliver(ctx, res, following); err != nil {
			return err
		}
		if req != nil {
			p.spare = append(p.spare, req)
		}
		if last {
			return nil
		}
	}
}

// scan cuts the response into batches and returns the offset that follows them.
//
// The position rule: each batch moves the position beyond its own last offset, even
// if it holds no record any more; and a batch that was returned moves it by one at
// least. A response without a batch does not move it.
func (p *partition) scan(got fetched) int64 {
	p.end, p.high = got.res.highWatermark, got.res.highWatermark
	if p.cfg.ReadCommitted {
		p.end = got.res.lastStable
	}
	p.scanned = p.scanned[:0]
	following := p.next
	for set := got.res.records; ; {
		b, rest, ok := nextBatch(set, got.res.truncated && len(p.scanned) == 0)
		if !ok {
			break
		}
		if b.err != nil {
			b.last = min(b.last, p.end-1) // its header may be damaged too
		}
		following = max(following, b.last+1)
		p.scanned = append(p.scanned, b)
		set = rest
	}
	if following == p.next && len(p.scanned) > 0 && p.next < p.end {
		following++
	}
	if p.target >= 0 {
		following = min(following, p.target)
	}
	return following
}

// deliver hands the scanned batches on, up to the offset that follows them.
func (p *partition) deliver(ctx context.Context, res *fetchResponse, following int64) error {
	p.begin()
	p.filter.reset(res.aborted)
	position := p.next
	for i := range p.scanned {
		b := &p.scanned[i]
		if position >= following {
			break // what is behind the declared end
		}
		if p.cfg.Wait != nil && len(p.batch.Records) == 0 {
			p.cfg.Wait()
		}
		if err := p.add(ctx, b, position, following); err != nil {
			return err
		}
		position = min(max(position, b.last+1), following)
		if (p.arena.used >= flushBytes || p.claim.unpacked > 0 || len(p.batch.Records) >= flushRecords) && position < following {
			p.next = position
			if err := p.flush(ctx); err != nil {
				return err
			}
			p.begin()
		}
	}
	p.next = following
	return p.flush(ctx)
}

// add takes the batch's records that lie in [from, to) and are for us. The error is that of ctx.
func (p *partition) add(ctx context.Context, b *recordBatch, from, to int64) error {
	var body []byte
	records := recordBytes * min(max(int(b.count), 0), mostRecords(p.cfg))
	room := func(n int) error { return p.claim.unpack(ctx, n+records) }
	err := b.err
	if err == nil {
		body, err = p.unpacker.unpack(&p.arena, b.codec(), b.packed, room)
	}
	if err == nil && p.skip(b, body) {
		return nil
	}
	if err == nil && int(b.count) > mostRecords(p.cfg) && int(b.count) <= len(body)/recordSize {
		err = errTooLarge
	}
	if err == nil && int(b.count) > flushRecords && int(b.count) <= len(body)/recordSize {
		err = room(0)
	}
	if err == nil {
		p.batch.Records, err = b.appendRecords(p.batch.Records, body, from, to)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // perhaps there was no room before the end
	}
	if err != nil {
		reason := skipReason(err)
		p.batch.SkippedBatches[reason]++
		p.log.Warn("record batch cannot be read and is skipped", "offset", b.base, "until", b.last, "reason", reason, "err", err)
	}
	return nil
}

// skip reports whether the batch holds markers or an aborted transaction.
func (p *partition) skip(b *recordBatch, body []byte) bool {
	if !p.cfg.ReadCommitted {
		return b.control()
	}
	return p.filter.aborted(b, b.control() && b.abortMarker(body)) || b.control()
}

// begin starts a new batch at the position.
func (p *partition) begin() { p.batch.First = p.next }

// free gives back the records of the batch, and what is large of its memory. A large packed batch is the only one of
// its answer.
func (p *partition) free() {
	p.arena.reset(keepBytes)
	clear(p.batch.Records)
	p.batch.Records = p.batch.Records[:0]
	if cap(p.batch.Records) > keepRecords {
		p.batch.Records = nil
	}
	if p.claim.packed || p.lent {
		clear(p.scanned)
	}
	p.lent = false
	p.claim.release()
}

// lend gives the room back, and keeps the batch.
func (p *partition) lend() {
	p.lent = p.lent || p.claim.packed
	p.claim.release()
}

// flush completes the batch and hands it on if it says anything new.
func (p *partition) flush(ctx context.Context) error {
	b := &p.batch
	caughtUp := b.CaughtUp
	b.TopicID, b.Next, b.End, b.HighWatermark = p.topicID, p.next, p.end, max(p.high, p.end)
	p.open.look(p, time.Now())
	b.CaughtUp = p.next >= p.end
	b.Skipped = b.Next - b.First - int64(len(b.Records))
	p.publish(b)
	now := time.Now()
	news := b.Next > b.First || b.Gap > 0 || b.Restarted || b.Done || b.CaughtUp != caughtUp
	if !news && now.Sub(p.told) < heartbeatEvery {
		p.free()
		return nil
	}
	p.told = now
	err := p.handler.HandleBatch(ctx, b)
	p.free()
	b.Gap, b.SkippedBatches, b.Restarted = 0, [SkipReasons]int64{}, false
	return err
}

func (p *partition) publish(b *Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.status
	s.LastFetch = time.Now()
	s.Next, s.End, s.Lag = b.Next, b.End, max(b.HighWatermark-b.Next, 0)
	s.CaughtUp, s.Done = b.CaughtUp, b.Done
}

// overcome waits or moves the position after a fetch that gave no records. Any error may
// be that of a topic that was deleted, and is there again by the next fetch.
func (p *partition) overcome(ctx context.Context, got fetched) {
	switch {
	case ctx.Err() != nil:
		return
	case got.err != nil:
		p.trouble(got.err)
	case got.res.code == kafka.OffsetOutOfRange:
		err := p.reposition(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		p.trouble(err)
	case got.res.code != 0:
		p.trouble(fmt.Errorf("fetch: %w", got.res.code))
	default: // throttled by a quota: nothing is wrong
		pause(ctx, max(got.res.throttle, p.retry.delay()))
		return
	}
	p.doubt = true
	p.retry.wait(ctx)
}

// trouble notes an error and logs it when it is the first since a success.
func (p *partition) trouble(err error) {
	if !p.troubled {
		p.log.Warn("cannot read partition, retrying", "err", err)
	}
	p.troubled = true
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Error = err.Error()
}

// recovered notes a success.
func (p *partition) recovered() {
	if p.troubled {
		p.log.Info("reading partition again")
	}
	p.troubled, p.beyond = false, 0
	p.retry.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Error = ""
}

func (p *partition) snapshot() PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}
