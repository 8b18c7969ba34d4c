package app

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/sketch"
)

// deadLetters writes rejected messages to a topic or a file, as the owner of the group, in the
// order in which they were rejected. What cannot be written waits, up to a limit; then
// reading waits too, or letters are dropped and counted, as the config says.
//
// A member that is not the owner, or not yet, holds its newest letters back; when it becomes the
// owner it writes those from the offsets on that the group has committed, which is
// how far the owner before had written, also if it reads them only then. Letters that wait are part of the state. A letter may be
// written twice, when a process ends between writing and saving.
type deadLetters struct {
	letterOptions
	writer  letterWriter
	owner   func() bool
	written func(topic string, partition int) int64 // how far owners before have written; may be nil
	logger  *slog.Logger
	wake    chan struct{}

	mu      sync.Mutex
	room    sync.Cond
	waiting []consumer.DeadLetter // the oldest first
	size    int                   // of what waits, in bytes
	count   map[partitionKey]uint64
	lost    map[partitionKey]uint64
	failing bool      // the last write failed
	cause   string    // why it did
	since   time.Time // when the write under way began; zero if there is none
	ended   bool
}

// letterOptions are what the config says of dead letters.
type letterOptions struct {
	// Block makes reading wait while letters cannot be written; else they are dropped.
	Block bool
	// Redact leaves keys and payloads out.
	Redact bool
}

// letterWriter stores letters; when it returns nil they are stored.
type letterWriter interface {
	Write(ctx context.Context, letters ...consumer.DeadLetter) error
	Close() error
}

func newDeadLetters(w letterWriter, o letterOptions, c *consumer.Consumer, untilEnd bool, l *slog.Logger) *deadLetters {
	d := &deadLetters{
		letterOptions: o, writer: w, owner: c.Owner, written: c.Committed, logger: l, wake: make(chan struct{}, 1),
		count: map[partitionKey]uint64{}, lost: map[partitionKey]uint64{},
	}
	d.room.L = &d.mu
	if untilEnd { // a job writes all it rejects
		d.owner, d.written = func() bool { return true }, nil
	}
	return d
}

const (
	// Limits of what waits while nobody writes; beyond them the oldest letters go.
	maxHeld      = 10_000
	maxHeldBytes = 32 << 20
	// maxWaitingLetters is how many letters of the owner wait before reading does.
	maxWaitingLetters = 1000
	// maxLetterKey is how much of a message's key is kept.
	maxLetterKey = 4 << 10
	// slowWrite is how long a write may take before reading waits no more.
	slowWrite = 2 * time.Second

	letterBatch = 500                    // how many letters are written at a time at most
	lookForWork = 200 * time.Millisecond // how often ownership is looked at
	lastLetters = 3 * time.Second        // how long writing goes on at the end
)

// add takes a letter, whose bytes are copied. It never waits: wait does.
func (d *deadLetters) add(l consumer.DeadLetter) {
	l.Size = len(l.Payload)
	if d.Redact {
		l.Key, l.Payload = nil, nil
	}
	l.Payload = slices.Clone(l.Payload[:min(len(l.Payload), consumer.MaxDeadLetter)])
	l.Key = slices.Clone(l.Key[:min(len(l.Key), maxLetterKey)])
	owner := d.owner()
	d.mu.Lock()
	defer d.mu.Unlock()
	if owner && !d.Block && d.stuck() && d.full() {
		d.lost[keyOf(&l)]++
		return
	}
	d.waiting = append(d.waiting, l)
	d.size += letterSize(&l)
	if !owner { // the owner writes them
		for len(d.waiting) > maxHeld || d.size > maxHeldBytes {
			d.drop(1)
		}
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// wait returns when there is room for more, or stop returns true; Wake makes it look.
func (d *deadLetters) wait(stop func() bool) {
	if d == nil || !d.owner() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.full() && (d.Block || !d.stuck()) && !d.ended && !stop() && d.owner() {
		d.room.Wait()
	}
}

// blocks says why reading waits, if it does so for letters that are not written.
func (d *deadLetters) blocks() string {
	if d == nil || !d.Block || !d.owner() {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.full() || !d.stuck():
		return ""
	case d.failing:
		return "reading waits for dead letters that cannot be written: " + d.cause
	}
	return "reading waits for dead letters: a write takes longer than " + slowWrite.String()
}

// full reports whether so much waits that reading is to wait, or letters are to be dropped.
func (d *deadLetters) full() bool {
	return len(d.waiting) >= maxWaitingLetters || d.size >= maxHeldBytes
}

// letterSize is what of a letter counts.
func letterSize(l *consumer.DeadLetter) int { return len(l.Key) + len(l.Payload) }

// stuck reports whether letters are not written at present.
func (d *deadLetters) stuck() bool {
	return d.failing || !d.since.IsZero() && time.Since(d.since) > slowWrite
}

// drop removes the oldest letters that wait.
func (d *deadLetters) drop(n int) {
	for i := range d.waiting[:n] {
		d.size -= letterSize(&d.waiting[i])
		d.waiting[i] = consumer.DeadLetter{}
	}
	d.waiting = d.waiting[n:]
	d.room.Broadcast()
}

func keyOf(l *consumer.DeadLetter) partitionKey { return partitionKey{l.Topic, l.Partition} }

// commitable returns the offset up to which nothing of the partition waits to be written,
// at most next.
func (d *deadLetters) commitable(k partitionKey, next int64) int64 {
	if d == nil {
		return next
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.waiting {
		if keyOf(&d.waiting[i]) == k {
			return min(next, d.waiting[i].Offset)
		}
	}
	return next
}

// run writes until the context ends, and then what is left, for a short time.
func (d *deadLetters) run(ctx context.Context) error {
	defer d.writer.Close()
	defer d.end()
	writing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		d.look()
		time.AfterFunc(lastLetters, cancel)
	})()
	ticker := time.NewTicker(lookForWork)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			d.writeAll(writing)
			return nil
		case <-d.wake:
		case <-ticker.C:
			d.look() // a write may have become slow, or ownership gone
		}
		d.writeAll(writing)
	}
}

// look lets those that wait look again.
func (d *deadLetters) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room.Broadcast()
}

func (d *deadLetters) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	d.room.Broadcast()
}

// writeAll writes what waits while this member is the owner.
func (d *deadLetters) writeAll(ctx context.Context) {
	for ctx.Err() == nil && d.owner() {
		batch := d.oldest()
		if len(batch) == 0 {
			return
		}
		d.write(ctx, batch)
	}
}

// oldest returns the letters to write next, after dropping those that an owner before has
// written. They wait until they are written.
func (d *deadLetters) oldest() []consumer.DeadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.written != nil {
		n := len(d.waiting)
		d.waiting = slices.DeleteFunc(d.waiting, func(l consumer.DeadLetter) bool {
			written := l.Offset < d.written(l.Topic, l.Partition)
			if written {
				d.size -= letterSize(&l)
			}
			return written
		})
		if len(d.waiting) < n {
			d.room.Broadcast()
		}
	}
	return slices.Clone(d.waiting[:min(len(d.waiting), letterBatch)])
}

// write tries to store the letters. If it fails it waits for a second.
func (d *deadLetters) write(ctx context.Context, letters []consumer.DeadLetter) {
	d.began(time.Now())
	err := d.writer.Write(ctx, letters...)
	if errors.Is(err, consumer.ErrTooLarge) {
		d.writeSmall(ctx, letters)
		return
	}
	if d.done(letters, err) {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// done notes the outcome of a write, and reports whether it succeeded.
func (d *deadLetters) done(letters []consumer.DeadLetter, err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	fenced := errors.Is(err, consumer.ErrFenced) // another member writes them
	if err != nil && !d.failing && !fenced {
		d.logger.Error("cannot write dead letters, retrying", "error", err, "reading_waits", d.Block)
	}
	if err != nil {
		d.cause = err.Error()
	}
	d.failing, d.since = err != nil && !fenced, time.Time{}
	d.room.Broadcast()
	if err != nil {
		return false
	}
	for i := range letters {
		d.count[keyOf(&letters[i])]++
	}
	d.drop(len(letters))
	return true
}

// smallLetter is how much is kept of the payload of a letter that the topic does not take.
const smallLetter = 256

// writeSmall writes letters one by one, with less of their payloads where they are too
// large for the topic, and drops those that are still too large. It ends when a write fails.
func (d *deadLetters) writeSmall(ctx context.Context, letters []consumer.DeadLetter) {
	for _, l := range letters {
		err := d.writer.Write(ctx, l)
		if errors.Is(err, consumer.ErrTooLarge) {
			l.Payload, l.Key = l.Payload[:min(len(l.Payload), smallLetter)], nil
			err = d.writer.Write(ctx, l)
		}
		if errors.Is(err, consumer.ErrTooLarge) {
			d.logger.Error("the dead-letter topic does not take even a small letter; it is dropped", "error", err)
			d.giveAway(&l)
			continue
		}
		if !d.done([]consumer.DeadLetter{l}, err) {
			return
		}
	}
}

func (d *deadLetters) began(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = now
}

// giveAway counts the oldest letter as lost.
func (d *deadLetters) giveAway(l *consumer.DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost[keyOf(l)]++
	d.since = time.Time{}
	d.drop(1)
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

// snapshot returns the letters that wait. They never change.
func (d *deadLetters) snapshot() []consumer.DeadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.waiting)
}

// restore makes letters wait that waited when the state was saved.
func (d *deadLetters) restore(letters []consumer.DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = letters
	for i := range letters {
		d.size += letterSize(&letters[i])
	}
}

// lettersVersion is the version of the form of appendLetters, its first byte.
const lettersVersion = 1

func appendLetters(b []byte, letters []consumer.DeadLetter) []byte {
	b = binary.AppendUvarint(append(b, lettersVersion), uint64(len(letters)))
	for i := range letters {
		l := &letters[i]
		b = binary.AppendUvarint(sketch.AppendText(b, l.Topic), uint64(l.Partition))
		b = sketch.AppendText(binary.AppendVarint(b, l.Offset), l.Reason)
		b = sketch.AppendText(sketch.AppendText(b, string(l.Key)), string(l.Payload))
		b = binary.AppendUvarint(b, uint64(l.Size))
	}
	return b
}

func readLetterState(b []byte) (letters []consumer.DeadLetter, err error) {
	d := sketch.NewDecoder(b)
	d.Begin(lettersVersion)
	for range d.Length(7) {
		l := consumer.DeadLetter{Topic: d.Text(), Partition: int(d.Count()), Offset: d.Varint(), Reason: d.Text()}
		l.Key, l.Payload, l.Size = []byte(d.Text()), []byte(d.Text()), int(d.Count())
		letters = append(letters, l)
	}
	_, err = d.End("dead letters")
	return letters, err
}
