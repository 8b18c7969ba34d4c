package consumer

import (
	"context"
	"time"
)

// Consumer reads the configured topics. Its methods may be called by any goroutine.
type Consumer struct {
	cfg     Config
	handler Handler
}

// Status is a snapshot of a consumer.
type Status struct {
	// Assigned: the partitions of all topics are known and being read.
	Assigned bool
	// Owner is what Owner reports.
	Owner bool
	// Error says what keeps the consumer from reaching the cluster or a topic; ""
	// if nothing does.
	Error      string
	Partitions []PartitionStatus // in order of topic and partition
}

// PartitionStatus is a snapshot of one partition.
type PartitionStatus struct {
	Topic     string
	Partition int
	Next      int64     // offset of the next record to hand on; -1 while unknown
	End       int64     // as Batch.End; -1 while unknown
	Lag       int64     // End − Next; -1 while unknown
	LastFetch time.Time // of the last successful one; zero if there was none
	CaughtUp  bool
	Done      bool
	Error     string // of the last fetch; "" if it succeeded
}

// New returns a consumer of cfg that hands what it reads to h. It does not connect.
// The error names what is missing in cfg.
func New(cfg Config, h Handler) (*Consumer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Consumer{cfg: cfg.withDefaults(), handler: h}, nil
}

// Run reads until ctx ends, and then returns nil; or, with UntilEnd, until every
// partition is done. An error of the handler ends it and is returned. Trouble with
// the cluster never does: it is retried, logged once and shown by Status. Run may
// be called once.
func (c *Consumer) Run(ctx context.Context) error { return nil }

// Owner reports whether this member owns the group now and its last successful
// heartbeat is younger than the session timeout, so that no other member can own it.
func (c *Consumer) Owner() bool { return false }

// Status returns a snapshot.
func (c *Consumer) Status() Status { return Status{} }

// Commit notes the offset up to which a partition was processed, for lag tools. The
// group is told about every CommitInterval and at the end of Run, by the owner only.
func (c *Consumer) Commit(topic string, partition int, next int64) {}
