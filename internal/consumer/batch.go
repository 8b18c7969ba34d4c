package consumer

import "context"

// Record is one Kafka message. Key and Value are valid during HandleBatch only; a
// nil one was null, an empty one empty.
type Record struct {
	Offset    int64
	Timestamp int64 // Unix milliseconds as Kafka has it; negative if there is none
	Key       []byte
	Value     []byte
}

// Batch is what was read of one partition since its last batch.
type Batch struct {
	Topic     string
	Partition int
	// TopicID identifies the topic as it is now, and not one of that name before or later; zero
	// if the brokers do not tell.
	TopicID [16]byte
	Records []Record

	// First and Next bound the offsets that this batch accounts for:
	// Next − First = len(Records) + Skipped.
	First, Next int64
	// Skipped offsets hold no record for us: compacted, aborted, markers, or in a
	// batch that cannot be read.
	Skipped int64
	// SkippedBatches counts the batches that could not be read, by SkipReason.
	SkippedBatches [SkipReasons]int64
	// Gap is the number of offsets before First that retention took away unread.
	Gap int64
	// Restarted: the topic was deleted and made again, or its log ended before the
	// position; First is where the log now begins.
	Restarted bool
	// End is the high watermark, or the last stable offset with ReadCommitted, as of
	// this fetch.
	End int64
	// HighWatermark is where the log ends, open transactions included: the lag is HighWatermark − Next.
	HighWatermark int64
	// CaughtUp: all there was to read as of this fetch has been read.
	CaughtUp bool
	// Done: the declared end was reached; only with UntilEnd, and the last call for
	// the partition.
	Done bool

	free, lend func()
}

// Free gives the records and their memory back before HandleBatch returns. A handler that has taken them
// and then waits for what is read of other partitions must call it: those may need the memory.
func (b *Batch) Free() {
	if b.free != nil {
		b.free()
	}
}

// Lend lets other partitions have the room of this batch, which stays as it is. It is for a handler that has not taken all
// records yet and must wait for what is read of other partitions, which is rare: meanwhile memory holds more than its room.
func (b *Batch) Lend() {
	if b.lend != nil {
		b.lend()
	}
}

// Handler takes what was read.
type Handler interface {
	// HandleBatch is called by one goroutine a partition, in offset order. Blocking
	// in it is the back-pressure; it must return when ctx ends. It is also called
	// without records when offsets were skipped or lost, when CaughtUp or Done
	// changed, and about every second while a partition is read to its end and
	// fetches succeed. An error ends Run, which returns it.
	HandleBatch(ctx context.Context, b *Batch) error
}
