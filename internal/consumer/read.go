package consumer

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// Probe connects to one of the brokers with cfg's TLS and SASL and returns the true
// cause if none can be reached.
func Probe(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	c := newCluster(&cfg, nil)
	defer c.close()
	return c.probe(ctx)
}

// patience is how long Sample and ReadRange wait for a cluster that stopped answering.
const patience = 30 * time.Second

// Sample returns the newest n records of a topic by their timestamps, over all its
// partitions, in order of partition and offset; fewer if there are fewer among the
// last n offsets of each. They are the caller's to keep.
func Sample(ctx context.Context, cfg Config, topic string, n int) ([]Record, error) {
	var all []sampled
	start := Start{Policy: startNewest, newest: int64(n)}
	err := readTopic(ctx, cfg, Topic{topic, start}, func(b *Batch) error {
		for _, r := range b.Records {
			r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
			all = append(all, sampled{r, b.Partition})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sample topic %s: %w", topic, err)
	}
	return newest(all, n), nil
}

type sampled struct {
	Record
	partition int
}

func newest(all []sampled, n int) []Record {
	slices.SortStableFunc(all, func(a, b sampled) int { return cmp.Compare(b.Timestamp, a.Timestamp) })
	all = all[:min(n, len(all))]
	slices.SortFunc(all, func(a, b sampled) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.Offset, b.Offset))
	})
	out := make([]Record, len(all))
	for i := range all {
		out[i] = all[i].Record
	}
	return out
}

// ReadRange calls f with the records of a topic that are stamped in [from, to), in
// order of partition and offset. A zero from means the beginning, a zero to the end
// as of the call; the log is read to its end in any case, since timestamps need not
// ascend. A record is valid during the call only. It ends with f's first error.
func ReadRange(ctx context.Context, cfg Config, topic string, from, to time.Time, f func(Record) error) error {
	start, first, last := Start{}, int64(math.MinInt64), int64(math.MaxInt64)
	if !from.IsZero() {
		start, first = Start{Policy: StartTimestamp, Time: from}, from.UnixMilli()
	}
	if !to.IsZero() {
		last = to.UnixMilli()
	}
	err := readTopic(ctx, cfg, Topic{topic, start}, func(b *Batch) error {
		for _, r := range b.Records {
			if r.Timestamp < first || r.Timestamp >= last {
				continue
			}
			if err := f(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read topic %s: %w", topic, err)
	}
	return nil
}

// readTopic reads one partition after the other to its present end.
func readTopic(ctx context.Context, cfg Config, t Topic, f handlerFunc) error {
	cfg = cfg.withDefaults()
	cfg.UntilEnd, cfg.Positions = true, nil
	c := newCluster(&cfg, []string{t.Name})
	defer c.close()
	partitions, err := c.partitions(ctx, t.Name)
	if err != nil {
		return err
	}
	u, err := newUnpacker(cfg.MaxBatchBytes)
	if err != nil {
		return err
	}
	defer u.zstd.Close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(patience, func() { cancel(fmt.Errorf("no answer for %v", patience)) })
	defer watchdog.Stop()
	s := &shared{cfg: &cfg, cluster: c, unpacker: u, handler: handlerFunc(func(b *Batch) error {
		watchdog.Stop()
		defer watchdog.Reset(patience)
		return f(b)
	})}
	for id := range partitions {
		p := newPartition(s, t, id)
		if err := p.run(ctx); err != nil {
			return err
		}
		if trouble := p.snapshot().Error; ctx.Err() != nil && trouble != "" {
			return fmt.Errorf("partition %d: %w: %s", id, context.Cause(ctx), trouble)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// handlerFunc is a Handler that needs no context.
type handlerFunc func(*Batch) error

// HandleBatch calls the function.
func (f handlerFunc) HandleBatch(_ context.Context, b *Batch) error { return f(b) }

// partitions returns the number of a topic's partitions, or the true cause why it
// cannot be told.
func (c *cluster) partitions(ctx context.Context, topic string) (int, error) {
	if err := c.probe(ctx); err != nil {
		return 0, err
	}
	topics, err := c.topics(ctx, []string{topic})
	if err != nil {
		return 0, err
	}
	info := topics[topic]
	return info.partitions, info.err
}
