package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/consumer"
)

// deadLetters writes rejected messages to a topic, as the owner of the group. The lanes
// wait when it falls behind, but not while writing fails: letters that have no place
// are dropped then, and counted. A
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
	size    int       // of what is held, in bytes
	failing bool      // the last write failed
	since   time.Time // when the write under way began; zero if there is none
	lost    map[partitionKey]uint64
}

func newDeadLetters(w *consumer.Writer, c *consumer.Consumer, untilEnd bool, l *slog.Logger) *deadLetters {
	d := &deadLetters{
		writer: w, owner: c.Owner, committed: c.Committed, logger: l, queue: make(chan consumer.DeadLetter, 1000), ended: make(chan struct{}),
		count: map[partitionKey]uint64{}, waiting: map[partitionKey][]int64{}, lost: map[partitionKey]uint64{},
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
	if d.stuck() && len(d.queue) == cap(d.queue) {
		d.lost[k]++
		d.mu.Unlock()
		return
	}
	d.waiting[k] = append(d.waiting[k], l.Offset)
	d.mu.Unlock()
	select {
	case d.queue <- l:
		return
	default:
	}
	for {
		select {
		case d.queue <- l:
			return
		case <-d.ended:
			return
		case <-time.After(heldEvery):
			if d.giveUp(k, l.Offset) {
				return
			}
		}
	}
}

// slowWrite is how long a write may take before the lanes wait no more.
const slowWrite = 2 * time.Second

// stuck reports whether letters are not written at present.
func (d *deadLetters) stuck() bool {
	return d.failing || !d.since.IsZero() && time.Since(d.since) > slowWrite
}

// giveUp drops a letter that found no place, if writing fails.
func (d *deadLetters) giveUp(k partitionKey, offset int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stuck() {
		return false
	}
	d.waiting[k] = slices.DeleteFunc(d.waiting[k], func(o int64) bool { return o == offset })
	d.lost[k]++
	return true
}

func keyOf(l *consumer.DeadLetter) partitionKey { return partitionKey{l.Topic, l.Partition} }

func (d *deadLetters) hold(l consumer.DeadLetter) {
	d.held = append(d.held, l)
	d.size += len(l.Payload)
	for len(d.held) > maxHeld || d.size > maxHeldBytes {
		d.size -= len(d.held[0].Payload)
		if d.owner() { // else the owner writes it
			d.lost[keyOf(&d.held[0])]++
		}
		d.held[0] = consumer.DeadLetter{}
		d.held = d.held[1:]
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
		d.began(time.Now())
		err := d.writer.Write(ctx, letters...)
		if errors.Is(err, consumer.ErrTooLarge) {
			d.writeSmall(ctx, letters)
			d.ranOut(false)
			return
		}
		d.ranOut(err != nil)
		if err == nil {
			d.wrote(letters)
			return
		}
		if failures == 0 {
			d.logger.Error("cannot write dead letters; those for which there is no room are dropped", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// smallLetter is how much is kept of the payload of a letter that the topic does not take.
const smallLetter = 256

// writeSmall writes letters one by one, with less of their payloads where they are too
// large for the topic, and drops those that are still too large.
func (d *deadLetters) writeSmall(ctx context.Context, letters []consumer.DeadLetter) {
	for _, l := range letters {
		err := d.writer.Write(ctx, l)
		if errors.Is(err, consumer.ErrTooLarge) {
			l.Payload, l.Key = l.Payload[:min(len(l.Payload), smallLetter)], nil
			err = d.writer.Write(ctx, l)
		}
		one := []consumer.DeadLetter{l}
		switch {
		case err == nil:
			d.wrote(one)
		case errors.Is(err, consumer.ErrTooLarge):
			d.logger.Error("the dead-letter topic does not take even a small letter; it is dropped", "error", err)
			d.giveAway(&l)
		default:
			d.write(ctx, one)
		}
	}
}

func (d *deadLetters) began(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = now
}

func (d *deadLetters) ranOut(failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing, d.since = failed, time.Time{}
}

// giveAway counts a letter as lost.
func (d *deadLetters) giveAway(l *consumer.DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := keyOf(l)
	d.lost[k]++
	d.waiting[k] = d.waiting[k][1:]
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

// account returns how many letters of the partition were written and how many lost.
func (d *deadLetters) account(k partitionKey) (written, lost uint64) {
	if d == nil {
		return 0, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[k], d.lost[k]
}
