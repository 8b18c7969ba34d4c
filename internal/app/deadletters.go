package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/consumer"
)

// deadLetters writes rejected messages to a topic, as the owner of the group. The lanes
// wait when it falls behind, so that none is lost while the process lives. A
// member that is not the owner, or not yet, holds its newest letters back; when it becomes the
// owner it writes those from the offsets on that the group has committed, which is
// how far the owner before had written.
type deadLetters struct {
	writer    *consumer.Writer
	owner     func() bool
	committed func(ctx context.Context, topics map[string][]int) (map[string]map[int]int64, error)
	logger    *slog.Logger
	queue     chan consumer.DeadLetter
	ended     chan struct{}

	mu      sync.Mutex
	count   map[partitionKey]uint64
	waiting map[partitionKey][]int64 // offsets of letters that are not written yet
	held    []consumer.DeadLetter
	size    int // of what is held, in bytes
	dropped bool
}

func newDeadLetters(w *consumer.Writer, c *consumer.Consumer, untilEnd bool, l *slog.Logger) *deadLetters {
	d := &deadLetters{
		writer: w, owner: c.Owner, committed: c.Committed, logger: l, queue: make(chan consumer.DeadLetter, 1000), ended: make(chan struct{}),
		count: map[partitionKey]uint64{}, waiting: map[partitionKey][]int64{},
	}
	if untilEnd { // a job writes all it rejects
		d.owner = func() bool { return true }
		d.committed = func(context.Context, map[string][]int) (map[string]map[int]int64, error) { return nil, nil }
	}
	return d
}

// Limits of what is held back; beyond them the oldest letters go.
const (
	maxHeld      = 10_000
	maxHeldBytes = 32 << 20
)

// add takes a letter, whose bytes are copied.
func (d *deadLetters) add(l consumer.DeadLetter) {
	l.Size = len(l.Payload)
	l.Payload = slices.Clone(l.Payload[:min(len(l.Payload), consumer.MaxDeadLetter)])
	l.Key = slices.Clone(l.Key)
	d.mu.Lock()
	if !d.owner() || len(d.held) > 0 { // what is held goes first
		d.hold(l)
		d.mu.Unlock()
		return
	}
	k := keyOf(&l)
	d.waiting[k] = append(d.waiting[k], l.Offset)
	d.mu.Unlock()
	select {
	case d.queue <- l:
	case <-d.ended:
	}
}

func keyOf(l *consumer.DeadLetter) partitionKey { return partitionKey{l.Topic, l.Partition} }

func (d *deadLetters) hold(l consumer.DeadLetter) {
	d.held = append(d.held, l)
	d.size += len(l.Payload)
	for len(d.held) > maxHeld || d.size > maxHeldBytes {
		d.size -= len(d.held[0].Payload)
		d.held[0] = consumer.DeadLetter{}
		d.held = d.held[1:]
		if d.owner() && !d.dropped {
			d.logger.Error("too many dead letters came before they could be written; the oldest are lost")
			d.dropped = true
		}
	}
}

// commitable returns the offset up to which nothing of the partition waits to be written,
// at most next.
func (d *deadLetters) commitable(k partitionKey, next int64) int64 {
	if d == nil {
		return next
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.held {
		if keyOf(&d.held[i]) == k {
			return min(next, d.held[i].Offset)
		}
	}
	if w := d.waiting[k]; len(w) > 0 {
		return min(next, w[0])
	}
	return next
}

const (
	letterBatch = 500                    // how many letters are written at a time at most
	heldEvery   = 200 * time.Millisecond // how often it is looked whether held letters may go
	lastLetters = 3 * time.Second        // how long writing goes on at the end
)

// run writes until the context ends, and then what is left, for a short time.
func (d *deadLetters) run(ctx context.Context) error {
	defer d.writer.Close()
	defer close(d.ended)
	writing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastLetters, cancel) })()
	ticker := time.NewTicker(heldEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			for len(d.queue) > 0 && writing.Err() == nil {
				d.write(writing, d.gather(nil))
			}
			d.release(writing)
			return nil
		case l := <-d.queue:
			d.write(writing, d.gather([]consumer.DeadLetter{l}))
		case <-ticker.C:
			d.release(writing)
		}
	}
}

// release writes what is held, once this member is the owner.
func (d *deadLetters) release(ctx context.Context) {
	if !d.owner() {
		return
	}
	d.mu.Lock()
	topics := map[string][]int{}
	for _, l := range d.held {
		if !slices.Contains(topics[l.Topic], l.Partition) {
			topics[l.Topic] = append(topics[l.Topic], l.Partition)
		}
	}
	d.mu.Unlock()
	if len(topics) == 0 {
		return
	}
	done, err := d.committed(ctx, topics)
	if err != nil {
		d.logger.Warn("dead letters wait", "error", err)
		return
	}
	for ctx.Err() == nil {
		batch, more := d.take(done)
		if len(batch) > 0 {
			d.write(ctx, batch)
		}
		if !more {
			return
		}
	}
}

// take moves held letters to those that wait to be written; done are the offsets before
// which they were written by another.
func (d *deadLetters) take(done map[string]map[int]int64) (batch []consumer.DeadLetter, more bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.held) > 0 && len(batch) < letterBatch {
		l := d.held[0]
		d.held = d.held[1:]
		d.size -= len(l.Payload)
		if l.Offset >= done[l.Topic][l.Partition] {
			k := keyOf(&l)
			d.waiting[k] = append(d.waiting[k], l.Offset)
			batch = append(batch, l)
		}
	}
	return batch, len(d.held) > 0
}

// gather adds what is queued, without waiting.
func (d *deadLetters) gather(letters []consumer.DeadLetter) []consumer.DeadLetter {
	for len(letters) < letterBatch {
		select {
		case l := <-d.queue:
			letters = append(letters, l)
		default:
			return letters
		}
	}
	return letters
}

// write retries until the letters are stored or the context ends.
func (d *deadLetters) write(ctx context.Context, letters []consumer.DeadLetter) {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := d.writer.Write(ctx, letters...)
		if err == nil {
			d.wrote(letters)
			return
		}
		if failures == 0 {
			d.logger.Error("cannot write dead letters; reading waits for it", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (d *deadLetters) wrote(letters []consumer.DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range letters {
		k := keyOf(&letters[i])
		d.count[k]++
		d.waiting[k] = d.waiting[k][1:]
	}
}

// written returns how many letters of the partition were written.
func (d *deadLetters) written(k partitionKey) uint64 {
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[k]
}
