package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestReadsAllCodecs(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 3, nil)
		want := map[int][]string{}
		for name, codec := range codecs {
			client := b.Client(t, kgo.ProducerBatchCompression(codec))
			for p := range 3 {
				records := numbered(topic, p, 0, 200)
				for _, r := range records {
					r.Value = fmt.Appendf(nil, "%s %s %0500d", name, r.Value, 0)
					want[p] = append(want[p], string(r.Value))
				}
				testkafka.Produce(t, client, records...)
			}
		}
		c := start(t, quick(b, topic), newCollector()).got
		c.waitTotal(t, 3*len(codecs)*200)
		for p := range 3 {
			if d := cmp.Diff(want[p], c.values(topic, p)); d != "" {
				t.Errorf("partition %d: %s", p, d)
			}
		}
	})
}

func TestNullAndEmpty(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		stamp := time.UnixMilli(time.Now().UnixMilli())
		testkafka.Produce(t, b.Client(t),
			&kgo.Record{Topic: topic, Key: nil, Value: nil, Timestamp: stamp},
			&kgo.Record{Topic: topic, Key: []byte{}, Value: []byte{}, Timestamp: stamp.Add(-time.Hour),
				Headers: []kgo.RecordHeader{{Key: "", Value: nil}, {Key: "a", Value: []byte("b")}, {Key: "a"}}},
			&kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v"), Timestamp: stamp.Add(time.Minute)},
		)
		c := start(t, quick(b, topic), newCollector()).got
		c.waitTotal(t, 3)
		want := []Record{
			{Offset: 0, Timestamp: stamp.UnixMilli()},
			{Offset: 1, Timestamp: stamp.Add(-time.Hour).UnixMilli(), Key: []byte{}, Value: []byte{}},
			{Offset: 2, Timestamp: stamp.Add(time.Minute).UnixMilli(), Key: []byte("k"), Value: []byte("v")},
		}
		if d := cmp.Diff(want, c.records[partitionKey{topic, 0}]); d != "" {
			t.Error(d)
		}
	})
}

func TestLogAppendTime(t *testing.T) {
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
		before := time.Now().UnixMilli()
		old := &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: time.UnixMilli(1000)}
		testkafka.Produce(t, b.Client(t), old)
		c := start(t, quick(b, topic), newCollector()).got
		c.waitTotal(t, 1)
		if got := c.records[partitionKey{topic, 0}][0].Timestamp; got < before-1000 {
			t.Errorf("timestamp %d is the producer's, not the broker's (%d)", got, before)
		}
	})
}

func TestStartPolicies(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		client := b.Client(t)
		base := time.Now().Add(-time.Hour).Truncate(time.Second)
		for i, r := range numbered(topic, 0, 0, 10) {
			r.Timestamp = base.Add(time.Duration(i) * time.Minute)
			testkafka.Produce(t, client, r)
		}
		b.DeleteRecords(t, topic, 0, 2)
		at := func(d time.Duration) Start { return Start{Policy: StartTimestamp, Time: base.Add(d)} }
		for _, c := range []struct {
			name  string
			start Start
			saved int64
			want  int64
		}{
			{"earliest", Start{}, -1, 2},
			{"latest", Start{Policy: StartLatest}, -1, 10},
			{"timestamp of a record", at(4 * time.Minute), -1, 4},
			{"timestamp between", at(4*time.Minute + time.Second), -1, 5},
			{"timestamp before all", at(-time.Hour), -1, 2},
			{"timestamp after all", at(time.Hour), -1, 10},
			{"saved position", Start{Policy: StartLatest}, 7, 7},
			{"saved position at the end", Start{}, 10, 10},
		} {
			t.Run(c.name, func(t *testing.T) {
				cfg := quick(b, topic)
				cfg.Topics[0].Start = c.start
				cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: c.saved}, c.saved >= 0 }
				r := start(t, cfg, newCollector())
				last := r.got.waitCaughtUp(t, topic, 0)
				if got := r.got.count(topic, 0); got != int(10-c.want) || last.Next != 10 {
					t.Errorf("%d records to offset %d, want %d to 10", got, last.Next, 10-c.want)
				}
				r.stop(t)
			})
		}
	})
}

func TestUntilEnd(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		full, empty := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
		client := b.Client(t)
		testkafka.Produce(t, client, numbered(full, 0, 0, 100)...)
		cfg := quick(b, full, empty)
		cfg.UntilEnd = true
		c := newCollector()
		c.block = make(chan struct{})
		r := start(t, cfg, c)
		eventually(t, "the end is noted", func() bool {
			return len(r.Status().Partitions) == 3 && r.Status().Partitions[0].LastFetch != (time.Time{})
		})
		// What comes later is not part of it.
		testkafka.Produce(t, client, numbered(full, 0, 100, 50)...)
		testkafka.Produce(t, client, numbered(full, 1, 0, 50)...)
		close(c.block)
		r.join(t)
		if r.err != nil {
			t.Fatal(r.err)
		}
		for key, want := range map[partitionKey]int{{full, 0}: 100, {empty, 0}: 0} {
			if last := c.last[key]; len(c.records[key]) != want || last.Next != int64(want) || !last.Done {
				t.Errorf("%v: %d records, last batch %+v", key, len(c.records[key]), last)
			}
		}
		if !c.last[partitionKey{full, 1}].Done {
			t.Error("partition 1 is not done")
		}
	})
}

func TestUntilEndWaitsForTopics(t *testing.T) {
	_, b := testkafka.Fake(t)
	there, missing := b.CreateTopic(t, 1, nil), testkafka.Name(t)
	testkafka.Produce(t, b.Client(t), numbered(there, 0, 0, 10)...)
	cfg := quick(b, there, missing)
	cfg.UntilEnd = true
	r := start(t, cfg, newCollector())
	eventually(t, "the missing topic is reported", func() bool { return r.Status().Error != "" })
	if s := r.Status(); s.Assigned || len(s.Partitions) != 0 {
		t.Errorf("status %+v", s)
	}
	b.CreateNamed(t, missing, 1, nil)
	r.join(t)
	if r.got.total() != 10 || r.err != nil {
		t.Errorf("%d records, error %v", r.got.total(), r.err)
	}
}

func TestTopicsAndPartitionsThatComeLater(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		here, later := b.CreateTopic(t, 1, nil), testkafka.Name(t)
		client := b.Client(t)
		testkafka.Produce(t, client, numbered(here, 0, 0, 5)...)
		cfg := quick(b, here, later)
		for i := range cfg.Topics {
			cfg.Topics[i].Start.Policy = StartLatest
		}
		counts := make(chan string, 100)
		cfg.OnPartitions = func(topic string, n int) { counts <- fmt.Sprint(topic == here, n) }
		r := start(t, cfg, newCollector())
		r.got.waitCaughtUp(t, here, 0)
		if s := r.Status(); s.Assigned || s.Error == "" {
			t.Errorf("status %+v", s)
		}
		b.CreateNamed(t, later, 1, nil)
		testkafka.Produce(t, client, numbered(later, 0, 0, 10)...)
		r.got.waitTotal(t, 10) // all of it, though the policy is latest
		b.AddPartitions(t, here, 3)
		for p := 1; p < 3; p++ {
			testkafka.Produce(t, b.Client(t), numbered(here, p, 0, 10)...)
		}
		r.got.waitTotal(t, 30)
		eventually(t, "all topics are assigned", func() bool { return r.Status().Assigned && r.Status().Error == "" })
		var told []string
		for len(counts) > 0 {
			told = append(told, <-counts)
		}
		if want := []string{"true 1", "false 1", "true 3"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

func TestHandlerErrorEndsRun(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 4, nil)
	testkafka.Produce(t, b.Client(t), numbered(topic, 2, 0, 10)...)
	c := newCollector()
	c.fail = errors.New("the disk is full")
	r := start(t, quick(b, topic), c)
	r.join(t)
	if !errors.Is(r.err, c.fail) {
		t.Errorf("Run returned %v", r.err)
	}
}

func TestStopIsPrompt(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 2, nil)
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 10)...)
		c := newCollector()
		c.block = make(chan struct{}) // a handler that blocks until its context ends
		cfg := quick(b, topic)
		cfg.MaxWait, cfg.Group = 30*time.Second, testkafka.Name(t)
		r := start(t, cfg, c)
		eventually(t, "ownership", r.Owner)
		if took := r.stop(t); took > 2*time.Second {
			t.Errorf("Run took %v to end", took)
		}
		if r.err != nil || r.Owner() {
			t.Errorf("error %v, owner %v", r.err, r.Owner())
		}
	})
}

func TestBackPressure(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	client := b.Client(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 40 {
		r := numbered(topic, 0, i, 1)[0]
		r.Value = make([]byte, 1<<15)
		testkafka.Produce(t, client, r)
	}
	cfg := quick(b, topic)
	cfg.MaxBytes = 1 << 16
	c := newCollector()
	c.block = make(chan struct{})
	r := start(t, cfg, c)
	eventually(t, "a fetch", func() bool { return len(r.Status().Partitions) == 1 && r.Status().Partitions[0].Next > 0 })
	// One response is with the handler and one is fetched ahead: no more.
	if next := r.Status().Partitions[0].Next; next > 4 {
		t.Errorf("position %d while the handler blocks", next)
	}
	close(c.block)
	c.waitTotal(t, 40)
}

func TestHeartbeatsAndStatus(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 7)...)
	r := start(t, quick(b, topic), newCollector())
	r.got.waitTotal(t, 7)
	key := partitionKey{topic, 0}
	began, calls := time.Now(), r.got.batches[key]
	r.got.wait(t, "two heartbeats", func() bool { return r.got.batches[key] >= calls+2 })
	if d := time.Since(began); d < heartbeatEvery {
		t.Errorf("two heartbeats within %v", d)
	}
	s := r.Status()
	p := s.Partitions[0]
	if !s.Assigned || !s.Owner || p.Next != 7 || p.End != 7 || p.Lag != 0 || !p.CaughtUp || time.Since(p.LastFetch) > 5*time.Second {
		t.Errorf("status %+v", s)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, cfg := range []Config{
		{}, {Brokers: []string{"h:1"}}, {Topics: []Topic{{Name: "a"}}},
		{Brokers: []string{"h:1"}, Topics: []Topic{{Name: "a"}, {Name: "a"}}},
		{Brokers: []string{"h:1"}, Topics: []Topic{{}}},
		{Brokers: []string{"h:1"}, Topics: []Topic{{Name: "a"}}, SessionTimeout: time.Second, HeartbeatInterval: time.Second},
	} {
		if _, err := New(cfg, nil); err == nil {
			t.Errorf("New(%+v) gave no error", cfg)
		}
	}
}

func TestRunWithEndedContext(t *testing.T) {
	c, err := New(Config{Brokers: []string{"127.0.0.1:1"}, Topics: []Topic{{Name: "a"}}}, newCollector())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
}
