package consumer

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil { // those that are parallel wait most of the time
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const patient = 30 * time.Second

// partitionKey names a partition.
type partitionKey struct {
	topic string
	id    int
}

// collector keeps what a consumer hands on, and checks the account of offsets.
type collector struct {
	mu        sync.Mutex
	changed   sync.Cond
	records   map[partitionKey][]Record
	last      map[partitionKey]Batch
	batches   map[partitionKey]int
	lost      map[partitionKey]int64
	skipped   map[partitionKey]int64 // batches
	reasons   map[partitionKey][SkipReasons]int64
	restarted map[partitionKey]bool
	faults    []string
	fail      error
	block     chan struct{}
}

func newCollector() *collector {
	c := &collector{
		records: map[partitionKey][]Record{}, last: map[partitionKey]Batch{}, batches: map[partitionKey]int{},
		lost: map[partitionKey]int64{}, skipped: map[partitionKey]int64{}, reasons: map[partitionKey][SkipReasons]int64{},
		restarted: map[partitionKey]bool{},
	}
	c.changed.L = &c.mu
	return c
}

func (c *collector) HandleBatch(ctx context.Context, b *Batch) error {
	if c.block != nil {
		select {
		case <-c.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	c.check(b)
	key := partitionKey{b.Topic, b.Partition}
	for _, r := range b.Records {
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		c.records[key] = append(c.records[key], r)
	}
	copied := *b
	copied.Records = nil
	c.last[key] = copied
	c.batches[key]++
	c.lost[key] += b.Gap
	c.restarted[key] = c.restarted[key] || b.Restarted
	reasons := c.reasons[key]
	for r, n := range b.SkippedBatches {
		c.skipped[key] += n
		reasons[r] += n
	}
	c.reasons[key] = reasons
	return c.fail
}

// check holds each batch to the guarantees of the package.
func (c *collector) check(b *Batch) {
	fault := func(format string, args ...any) {
		c.faults = append(c.faults, fmt.Sprintf("%s/%d: ", b.Topic, b.Partition)+fmt.Sprintf(format, args...))
	}
	if b.Next-b.First != int64(len(b.Records))+b.Skipped || b.Skipped < 0 {
		fault("next %d − first %d ≠ %d records + %d skipped", b.Next, b.First, len(b.Records), b.Skipped)
	}
	previous, ok := c.last[partitionKey{b.Topic, b.Partition}]
	if ok && !b.Restarted && previous.Next+b.Gap != b.First {
		fault("previous next %d + gap %d ≠ first %d", previous.Next, b.Gap, b.First)
	}
	if previous.Done {
		fault("a batch after the last one")
	}
	at := b.First - 1
	for _, r := range b.Records {
		if r.Offset <= at || r.Offset >= b.Next {
			fault("offset %d after %d in a batch to %d", r.Offset, at, b.Next)
		}
		at = r.Offset
	}
}

// wait blocks until the condition holds, which is asked after every batch.
func (c *collector) wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	expired := false
	timer := time.AfterFunc(patient, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		expired = true
		c.changed.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !condition() && !expired {
		c.changed.Wait()
	}
	for _, f := range c.faults {
		t.Error(f)
	}
	if expired {
		t.Fatalf("waited %v in vain for %s; have %v", patient, what, c.last)
	}
}

func (c *collector) count(topic string, id int) int { return len(c.records[partitionKey{topic, id}]) }

func (c *collector) total() int {
	n := 0
	for _, r := range c.records {
		n += len(r)
	}
	return n
}

func (c *collector) waitTotal(t *testing.T, n int) {
	t.Helper()
	c.wait(t, fmt.Sprintf("%d records", n), func() bool { return c.total() >= n })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total() != n {
		t.Fatalf("%d records, want %d", c.total(), n)
	}
}

func (c *collector) waitCaughtUp(t *testing.T, topic string, id int) Batch {
	t.Helper()
	key := partitionKey{topic, id}
	c.wait(t, "the end of the partition", func() bool { return c.last[key].CaughtUp })
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last[key]
}

func (c *collector) values(topic string, id int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, r := range c.records[partitionKey{topic, id}] {
		out = append(out, string(r.Value))
	}
	return out
}

// quick is a config for tests.
func quick(b testkafka.Broker, topics ...string) Config {
	cfg := Config{
		Brokers: b.Bootstrap, MetadataInterval: 100 * time.Millisecond, MaxWait: 100 * time.Millisecond,
		SessionTimeout: 2 * time.Second, HeartbeatInterval: 100 * time.Millisecond, CommitInterval: 50 * time.Millisecond,
		ReadCommitted: true,
	}
	for _, name := range topics {
		cfg.Topics = append(cfg.Topics, Topic{Name: name})
	}
	return cfg
}

// running is a consumer that Run works for.
type running struct {
	*Consumer
	got    *collector
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// start runs a consumer until the test ends.
func start(t *testing.T, cfg Config, c *collector) *running {
	t.Helper()
	return startWith(t, cfg, c, c)
}

// startWith is start with a handler that hands on to c.
func startWith(t *testing.T, cfg Config, c *collector, h Handler) *running {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	consumer, err := New(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Consumer: consumer, got: c, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = consumer.Run(ctx)
	}()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends the consumer and returns how long that took.
func (r *running) stop(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	r.cancel()
	r.join(t)
	return time.Since(began)
}

func (r *running) join(t *testing.T) {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(patient):
		t.Fatal("Run does not end")
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

// eventually asks until the condition holds: for what no handler is told of.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	expired := time.After(patient)
	for !condition() {
		select {
		case <-tick.C:
		case <-expired:
			t.Fatalf("waited %v in vain: %s", patient, what)
		}
	}
}

// numbered returns n records of a partition with the values from-th and on.
func numbered(topic string, partition, from, n int) []*kgo.Record {
	var out []*kgo.Record
	for i := from; i < from+n; i++ {
		out = append(out, &kgo.Record{Topic: topic, Partition: int32(partition), Value: fmt.Appendf(nil, "%06d", i)})
	}
	return out
}

// rawBatch is a record batch as a broker sends it, written independently of the
// decoder from the protocol's description.
type rawBatch struct {
	base       int64
	lastDelta  int32
	attributes int16
	producer   int64
	firstTime  int64
	maxTime    int64
	count      int32
	body       []byte
}

func (b rawBatch) bytes() []byte {
	var rest []byte
	rest = binary.BigEndian.AppendUint16(rest, uint16(b.attributes))
	rest = binary.BigEndian.AppendUint32(rest, uint32(b.lastDelta))
	rest = binary.BigEndian.AppendUint64(rest, uint64(b.firstTime))
	rest = binary.BigEndian.AppendUint64(rest, uint64(b.maxTime))
	rest = binary.BigEndian.AppendUint64(rest, uint64(b.producer))
	rest = append(rest, 0, 0, 0, 0, 0, 0) // epoch, sequence
	rest = binary.BigEndian.AppendUint32(rest, uint32(b.count))
	rest = append(rest, b.body...)
	var out []byte
	out = binary.BigEndian.AppendUint64(out, uint64(b.base))
	out = binary.BigEndian.AppendUint32(out, uint32(4+1+4+len(rest)))
	out = append(out, 0, 0, 0, 0, 2) // leader epoch, format
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(rest, crc32.MakeTable(crc32.Castagnoli)))
	return append(out, rest...)
}

// rawRecord is a record in a batch. A nil key or value is null.
func rawRecord(timeDelta, offsetDelta int64, key, value []byte) []byte {
	b := []byte{0}
	b = binary.AppendVarint(b, timeDelta)
	b = binary.AppendVarint(b, offsetDelta)
	for _, f := range [][]byte{key, value} {
		if f == nil {
			b = binary.AppendVarint(b, -1)
		} else {
			b = append(binary.AppendVarint(b, int64(len(f))), f...)
		}
	}
	b = binary.AppendVarint(b, 0) // headers
	return append(binary.AppendVarint(nil, int64(len(b))), b...)
}

// plainBatch is a batch of one record an offset, with the given values.
func plainBatch(base int64, values ...string) rawBatch {
	b := rawBatch{base: base, lastDelta: int32(len(values) - 1), producer: -1, count: int32(len(values))}
	for i, v := range values {
		b.body = append(b.body, rawRecord(0, int64(i), nil, []byte(v))...)
	}
	return b
}
