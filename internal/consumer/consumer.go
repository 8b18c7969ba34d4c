package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// leaveTimeout is how long the last commit and leaving the group may take.
const leaveTimeout = time.Second

// Consumer reads the configured topics. Its methods may be called by any goroutine.
type Consumer struct {
	cfg        Config
	handler    Handler
	membership *membership

	mu         sync.Mutex
	partitions []*partition // in order of topic and partition
	assigned   bool
	problem    string
	stop       context.CancelFunc // ends reading; nil: it has not begun
	ended      bool               // Run has returned
	change     *change            // that is to be made; nil: none

	changing sync.Mutex // one change at a time
	begun    bool       // Run was called; guarded by changing
}

// Status is a snapshot of a consumer.
type Status struct {
	// Assigned: the partitions of all topics are known and being read.
	Assigned bool
	// Owner is what Owner reports.
	Owner bool
	// Error says what keeps the consumer from reaching the cluster, a topic or the
	// group; "" if nothing does.
	Error      string
	Partitions []PartitionStatus // in order of topic and partition
}

// PartitionStatus is a snapshot of one partition.
type PartitionStatus struct {
	Topic     string
	Partition int
	Next      int64     // offset of the next record to hand on; -1 while unknown
	End       int64     // as Batch.End; -1 while unknown
	Lag       int64     // up to the high watermark, with what open transactions hold up; -1 while unknown
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
	cfg = cfg.withDefaults()
	return &Consumer{cfg: cfg, handler: h, membership: newMembership(&cfg)}, nil
}

// Run reads until ctx ends, and then returns nil; or, with UntilEnd, until every
// partition is done. An error of the handler ends it and is returned. Trouble with
// the cluster never does: it is retried, logged once and shown by Status. Run may
// be called once.
func (c *Consumer) Run(ctx context.Context) error {
	c.begin()
	u, err := newUnpacker(c.cfg.MaxBatchBytes)
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	defer u.zstd.Close()
	brokers := newCluster(&c.cfg, c.topicNames())
	defer brokers.close()

	leave := c.membership.start(ctx, brokers)
	err = c.readAll(ctx, &shared{cfg: &c.cfg, cluster: brokers, unpacker: u, handler: foresight{c.handler, c.membership}})
	leave()
	c.finish(err)
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

// read finds the partitions and reads them.
func (c *Consumer) read(ctx context.Context, s *shared) error {
	readers, ctx := errgroup.WithContext(ctx)
	d := discovery{consumer: c, shared: s, readers: readers, known: map[string]int{}}
	readers.Go(func() error { return d.run(ctx) })
	return readers.Wait()
}

func (c *Consumer) topicNames() []string {
	var names []string
	for _, t := range c.cfg.Topics {
		names = append(names, t.Name)
	}
	return names
}

// add registers partitions for Status.
func (c *Consumer) add(added []*partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partitions = append(c.partitions, added...)
	slices.SortFunc(c.partitions, func(a, b *partition) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.id, b.id))
	})
}

func (c *Consumer) note(assigned bool, problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.assigned, c.problem = assigned, problem
}

// Owner reports whether this member owns the group now and its last successful
// heartbeat is younger than the session timeout, so that no other member can own it.
func (c *Consumer) Owner() bool { return c.membership.owner() }

// Status returns a snapshot.
func (c *Consumer) Status() Status {
	owner := c.Owner()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{Assigned: c.assigned, Owner: owner, Error: cmp.Or(c.problem, c.membership.troubles())}
	for _, p := range c.partitions {
		s.Partitions = append(s.Partitions, p.snapshot())
	}
	return s
}

// Commit notes the offset up to which a partition was processed, for lag tools. The
// group is told about every CommitInterval and at the end of Run, by the owner only.
func (c *Consumer) Commit(topic string, partition int, next int64) {
	c.membership.commit(topic, partition, next)
}

// Committed returns the offset that the group had committed when this member became its
// owner; 0 if there was none. What lies before it was dealt with by the owner before.
func (c *Consumer) Committed(topic string, partition int) int64 {
	return c.membership.committed(topic, partition)
}
