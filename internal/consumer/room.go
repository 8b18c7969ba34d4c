package consumer

import (
	"context"
	"unsafe"

	"golang.org/x/sync/semaphore"
)

// What a partition takes is small as long as its batches are. One that is large waits for its turn: there is room
// for one packed and for one unpacked batch of the largest size, for all partitions together. A partition asks for
// a packed one first, and for one of each at most, so that no two wait for each other.

const (
	// usualPacked is how many times as long as a fetch may be the answers are that are kept at once; what is larger is
	// fetched again when there is room for it.
	usualPacked = 2
	recordBytes = int(unsafe.Sizeof(Record{}))
)

// room is what all partitions share. A nil one has no end.
type room struct {
	packed, unpacked *semaphore.Weighted
	size             int64 // of unpacked
}

func newRoom(cfg *Config) *room {
	size := mostUnpacked(cfg)
	return &room{packed: semaphore.NewWeighted(1), unpacked: semaphore.NewWeighted(size), size: size}
}

// mostUnpacked is how many bytes an unpacked batch and its records may take.
func mostUnpacked(cfg *Config) int64 {
	return int64(zstdRoof(cfg.MaxBatchBytes) + largestBlock + mostRecords(cfg)*recordBytes)
}

// mostRecords is how many records a batch may have.
func mostRecords(cfg *Config) int { return cfg.MaxBatchBytes / minRecordShare }

// Memory returns how many bytes reading takes at most: those that all partitions share, and those of each one.
func (c Config) Memory() (shared, each int64) {
	c = c.withDefaults()
	shared = mostUnpacked(&c) + int64(c.MaxBatchBytes+batchHeader)
	usual := usualPacked*c.MaxBytes + answerHead
	return shared, int64(2*usual + flushBytes + 2*eagerBytes + 2*flushRecords*recordBytes)
}

// claim is what a partition holds of the room.
type claim struct {
	room     *room
	packed   bool
	unpacked int64
}

// unpack waits until there is room for n bytes of an unpacked batch and its records, or for the end of ctx.
func (c *claim) unpack(ctx context.Context, n int) error {
	if c.room == nil || c.unpacked > 0 {
		return nil
	}
	size := min(int64(n), c.room.size)
	if err := c.room.unpacked.Acquire(ctx, size); err != nil {
		return err
	}
	c.unpacked = size
	return nil
}

// pack waits until there is room for a large packed batch, or for the end of ctx.
func (c *claim) pack(ctx context.Context) error {
	if c.room == nil || c.packed {
		return nil
	}
	if err := c.room.packed.Acquire(ctx, 1); err != nil {
		return err
	}
	c.packed = true
	return nil
}

// release gives all of it back.
func (c *claim) release() {
	if c.unpacked > 0 {
		c.room.unpacked.Release(c.unpacked)
		c.unpacked = 0
	}
	if c.packed {
		c.room.packed.Release(1)
		c.packed = false
	}
}
