package consumer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// An emptied batch keeps its header, and lies where a fetch may begin.
func TestEmptiedBatches(t *testing.T) {
	s := newScript(t)
	s.append(plainBatch(0, "a", "b"))
	s.append(rawBatch{base: 2, lastDelta: 999, producer: 7})
	s.append(plainBatch(1002, "c"))
	s.append(rawBatch{base: 1003, lastDelta: 99, producer: 7})
	r := start(t, quick(s.broker, s.topic), newCollector())
	last := r.got.waitCaughtUp(t, s.topic, 0)
	if got := r.got.values(s.topic, 0); !slices.Equal(got, []string{"a", "b", "c"}) || last.Next != 1103 {
		t.Errorf("got %v to offset %d", got, last.Next)
	}
}

func TestEmptiedBatchAlone(t *testing.T) {
	s := newScript(t)
	s.append(rawBatch{base: 0, lastDelta: 999, producer: 7})
	cfg := quick(s.broker, s.topic)
	cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 500}, true }
	last := start(t, cfg, newCollector()).got.waitCaughtUp(t, s.topic, 0)
	if last.First != 500 || last.Next != 1000 || last.Skipped != 500 {
		t.Errorf("batch %+v", last)
	}
}

// Compacted batches have holes; a batch may begin before the position.
func TestHolesAndEarlierStart(t *testing.T) {
	s := newScript(t)
	b := rawBatch{base: 10, lastDelta: 9, producer: -1, count: 3}
	for _, delta := range []int64{1, 5, 8} {
		b.body = append(b.body, rawRecord(0, delta, nil, fmt.Append(nil, 10+delta))...)
	}
	s.append(b)
	cfg := quick(s.broker, s.topic)
	cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 12}, true }
	r := start(t, cfg, newCollector())
	last := r.got.waitCaughtUp(t, s.topic, 0)
	if got := r.got.values(s.topic, 0); !slices.Equal(got, []string{"15", "18"}) || last.Next != 20 {
		t.Errorf("got %v to %d", got, last.Next)
	}
}

func zstdBomb(t *testing.T, size int) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(make([]byte, size), nil)
}

// A batch that cannot be read is skipped by its own last offset and counted by its reason.
func TestBatchesThatCannotBeRead(t *testing.T) {
	flip := func(b []byte, at int) []byte { b[at] ^= 0x40; return b }
	bad := func(change func(b *rawBatch)) []byte {
		b := plainBatch(1, "lost", "lost")
		change(&b)
		return b.bytes()
	}
	format := func(magic byte) []byte {
		b := bad(func(*rawBatch) {})
		b[16] = magic
		return b
	}
	packed := func(codec int16, body string) []byte {
		return bad(func(b *rawBatch) { b.attributes, b.body = codec, []byte(body) })
	}
	codec := func(codec int16) []byte { return bad(func(b *rawBatch) { b.attributes = codec }) }
	for name, c := range map[string]struct {
		damaged []byte
		reason  SkipReason
	}{
		"checksum":         {flip(bad(func(*rawBatch) {}), 70), SkipCorrupt},
		"format 0":         {format(0), SkipFormat},
		"format 1":         {format(1), SkipFormat},
		"codec":            {codec(6), SkipFormat},
		"gzip":             {codec(1), SkipCorrupt},
		"snappy":           {codec(2), SkipCorrupt},
		"lz4":              {codec(3), SkipCorrupt},
		"zstd":             {codec(4), SkipCorrupt},
		"records":          {bad(func(b *rawBatch) { b.body = b.body[:len(b.body)-1] }), SkipCorrupt},
		"zeros":            {bad(func(b *rawBatch) { b.body = make([]byte, 1000) }), SkipCorrupt},
		"huge record":      {bad(func(b *rawBatch) { b.body = binary.AppendVarint(nil, 1<<40) }), SkipCorrupt},
		"packed zeros":     {packed(1, string(pack(t, compress.Gzip, make([]byte, 1000)))), SkipCorrupt},
		"count":            {bad(func(b *rawBatch) { b.count = 1 << 30 }), SkipCorrupt},
		"negative count":   {bad(func(b *rawBatch) { b.count = -1 }), SkipCorrupt},
		"no records":       {bad(func(b *rawBatch) { b.body, b.count = nil, 1 }), SkipCorrupt},
		"offsets":          {bad(func(b *rawBatch) { b.lastDelta = 0 }), SkipCorrupt},
		"small records":    {rawBatch{base: 1, lastDelta: 99_999, count: 100_000, body: tiny(100_000)}.bytes(), SkipTooLarge},
		"zstd bomb":        {rawBatch{base: 1, lastDelta: 1, attributes: 4, count: 2, body: zstdBomb(t, 64<<20)}.bytes(), SkipTooLarge},
		"zstd claim":       {packed(4, "\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x70\x01\x00\x00"), SkipTooLarge},
		"zstd lie":         {packed(4, "\x28\xb5\x2f\xfd\xa0\x00\x00\x08\x00\x01\x00\x00"), SkipCorrupt},
		"zstd window":      {packed(4, "\x28\xb5\x2f\xfd\x00\x98\x01\x00\x00"), SkipCorrupt},
		"beyond packed":    {rawBatch{base: 1, lastDelta: 1, count: 1, body: rawRecord(0, 0, nil, make([]byte, 3<<20))}.bytes(), SkipTooLarge},
		"just beyond":      {rawBatch{base: 1, lastDelta: 1, count: 1, body: rawRecord(0, 0, nil, make([]byte, 1<<20))}.bytes(), SkipTooLarge},
		"snappy claim":     {packed(2, string(binary.AppendUvarint(nil, 1<<31))), SkipTooLarge},
		"snappy lie":       {packed(2, string(binary.AppendUvarint(nil, 1<<19))), SkipCorrupt},
		"xerial cut":       {packed(2, "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x7f\xff\xff\xff"), SkipCorrupt},
		"xerial many lies": {packed(2, "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"+strings.Repeat("\x00\x00\x00\x05\x80\x80\x80\x80\x08", 9)), SkipTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.append(plainBatch(0, "before"))
			last := int64(2)
			if name == "small records" {
				last = 100_000
			}
			s.appendBytes(last, c.damaged)
			s.append(plainBatch(last+1, "after"))
			cfg := quick(s.broker, s.topic)
			cfg.MaxBatchBytes = 1 << 20
			r := start(t, cfg, newCollector())
			end := r.got.waitCaughtUp(t, s.topic, 0)
			if got := r.got.values(s.topic, 0); !slices.Equal(got, []string{"before", "after"}) || end.Next != last+2 {
				t.Errorf("got %q to %d", got, end.Next)
			}
			var want [SkipReasons]int64
			want[c.reason] = 1
			if got := r.got.reasons[partitionKey{s.topic, 0}]; got != want {
				t.Errorf("skipped %v, want one %v", got, c.reason)
			}
		})
	}
}

// tiny returns n records of the smallest size that their offsets allow.
func tiny(n int64) []byte {
	var b []byte
	for i := range n {
		b = append(b, rawRecord(0, i, nil, nil)...)
	}
	return b
}

func TestSkipReasonNames(t *testing.T) {
	var got []string
	for r := range SkipReasons + 1 {
		got = append(got, r.String())
	}
	if !slices.Equal(got, []string{"too_large", "corrupt", "format", "unknown"}) {
		t.Error(got)
	}
}

// A damaged header must neither lead back nor beyond the end of the log.
func TestDamagedHeaders(t *testing.T) {
	for name, damaged := range map[string]func(b []byte){
		"length":            func(b []byte) { binary.BigEndian.PutUint32(b[8:], 3) },
		"negative length":   func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<31) },
		"last offset":       func(b []byte) { binary.BigEndian.PutUint32(b[23:], 1<<30) },
		"base offset":       func(b []byte) { binary.BigEndian.PutUint64(b, 1<<62); b[70] ^= 1 },
		"small base offset": func(b []byte) { binary.BigEndian.PutUint64(b, 0); b[70] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.append(plainBatch(0, "before"))
			b := plainBatch(1, "lost").bytes()
			damaged(b)
			s.appendBytes(1, b)
			r := start(t, quick(s.broker, s.topic), newCollector())
			last := r.got.waitCaughtUp(t, s.topic, 0)
			if got := r.got.values(s.topic, 0); !slices.Equal(got, []string{"before"}) || last.Next != 2 {
				t.Errorf("got %q to %d", got, last.Next)
			}
		})
	}
}

func TestLogAppendTimeOfBatch(t *testing.T) {
	b := plainBatch(0, "a", "b")
	b.attributes, b.firstTime, b.maxTime = logAppendTime, 5, 1234
	parsed, _, ok := nextBatch(b.bytes(), false)
	if !ok || parsed.err != nil {
		t.Fatal(parsed.err)
	}
	got, err := parsed.appendRecords(nil, parsed.packed, 0, 2)
	if err != nil || got[0].Timestamp != 1234 || got[1].Timestamp != 1234 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A fetch that a quota throttles comes back without any topic.
func TestThrottledFetch(t *testing.T) {
	s := newScript(t)
	s.append(plainBatch(0, "a"))
	s.answer = func(fetch int, res *kmsg.FetchResponse) {
		if fetch < 3 {
			res.Topics, res.ThrottleMillis = nil, 20
		}
	}
	r := start(t, quick(s.broker, s.topic), newCollector())
	r.got.waitTotal(t, 1)
	if e := r.Status().Partitions[0].Error; e != "" {
		t.Errorf("throttling is shown as trouble: %s", e)
	}
}

// Errors that pass are retried at the same offset.
func TestPassingErrors(t *testing.T) {
	for _, code := range []int16{3, 5, 6, 9, 56, 74, 75, 76, 78} {
		s := newScript(t)
		s.append(plainBatch(0, "a"))
		s.answer = func(fetch int, res *kmsg.FetchResponse) {
			if fetch < 2 {
				res.Topics[0].Partitions[0].ErrorCode = code
				res.Topics[0].Partitions[0].RecordBatches = nil
			}
		}
		r := start(t, quick(s.broker, s.topic), newCollector())
		r.got.waitTotal(t, 1)
		r.stop(t)
	}
}

func TestRetentionGap(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 100)...)
		b.DeleteRecords(t, topic, 0, 40)
		cfg := quick(b, topic)
		cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 10}, true }
		r := start(t, cfg, newCollector())
		r.got.waitTotal(t, 60)
		if lost := r.got.lost[partitionKey{topic, 0}]; lost != 30 {
			t.Errorf("gap of %d, want 30", lost)
		}
	})
}

// Nothing is left at all: the gap is told without a record.
func TestRetentionTookAll(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 100)...)
		b.DeleteRecords(t, topic, 0, 100)
		cfg := quick(b, topic)
		cfg.UntilEnd = true
		cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 10}, true }
		r := start(t, cfg, newCollector())
		r.join(t)
		key := partitionKey{topic, 0}
		if last := r.got.last[key]; r.got.lost[key] != 90 || last.Next != 100 || !last.Done {
			t.Errorf("gap of %d, last batch %+v", r.got.lost[key], last)
		}
	})
}

// The saved position lies beyond the end: the topic was made anew.
func TestTopicMadeAnew(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 5)...)
		cfg := quick(b, topic)
		cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 1000}, true }
		c := newCollector()
		r := start(t, cfg, c)
		r.got.waitTotal(t, 5)
		if c.lost[partitionKey{topic, 0}] != 0 {
			t.Error("a new topic is no gap")
		}
	})
}

func TestReadUncommittedAndCommitted(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		committed, all := transactions(t, b, topic)
		for name, c := range map[string]struct {
			committed bool
			want      []string
		}{"committed": {true, committed}, "uncommitted": {false, all}} {
			t.Run(name, func(t *testing.T) {
				cfg := quick(b, topic)
				cfg.ReadCommitted = c.committed
				r := start(t, cfg, newCollector())
				r.got.waitTotal(t, len(c.want)) // the last marker may be on its way yet
				if d := cmp.Diff(c.want, r.got.values(topic, 0)); d != "" {
					t.Error(d)
				}
			})
		}
	})
}

// transactions writes interleaved transactions of three producers and plain records,
// ending with an abort marker, and returns the values of the committed and of all.
func transactions(t *testing.T, b testkafka.Broker, topic string) (committed, all []string) {
	type producer struct {
		*kgo.Client
		open   bool
		values []int
	}
	plain := b.Client(t)
	var producers []*producer
	for i := range 3 {
		producers = append(producers, &producer{Client: b.Client(t, kgo.TransactionalID(fmt.Sprint(topic, i)))})
	}
	aborted := map[int]bool{}
	end := func(p *producer, commit bool) {
		if err := p.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
		for _, v := range p.values {
			aborted[v] = !commit
		}
		p.open, p.values = false, nil
	}
	n := 0
	write := func(p *producer, c *kgo.Client) {
		r := numbered(topic, 0, n, 1)
		if p != nil {
			p.values = append(p.values, n)
		}
		testkafka.Produce(t, c, r...)
		all = append(all, string(r[0].Value))
		n++
	}
	// A fixed walk that visits every interleaving of open and closed.
	for step := range 90 {
		p := producers[(step*step+step/7)%3]
		switch {
		case step%10 == 9:
			write(nil, plain)
		case !p.open:
			if err := p.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			p.open = true
			write(p, p.Client)
		case step%4 == 0:
			end(p, step%8 == 0)
		default:
			write(p, p.Client)
		}
	}
	for i, p := range producers {
		if p.open {
			end(p, i == 0)
		}
	}
	for i, v := range all {
		if !aborted[i] {
			committed = append(committed, v)
		}
	}
	if len(committed) == len(all) || len(committed) < 10 {
		t.Fatalf("%d of %d committed: the walk is no test", len(committed), len(all))
	}
	return committed, all
}

// Records of an open transaction hold the partition at the last stable offset; the
// marker that ends it takes an offset but is no record.
func TestOpenTransaction(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		client := b.Client(t, kgo.TransactionalID(topic))
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 3)...)
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		testkafka.Produce(t, client, numbered(topic, 0, 3, 2)...)
		r := start(t, quick(b, topic), newCollector())
		if last := r.got.waitCaughtUp(t, topic, 0); last.Next != 3 || last.End != 3 {
			t.Errorf("while the transaction is open: %+v", last)
		}
		if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		key := partitionKey{topic, 0}
		r.got.wait(t, "the marker", func() bool { return r.got.last[key].CaughtUp && r.got.last[key].Next == 6 })
		if n := r.got.count(topic, 0); n != 5 {
			t.Errorf("%d records, want 5", n)
		}
	})
}

// On a real broker compaction leaves emptied batches and holes behind.
func TestCompaction(t *testing.T) {
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, map[string]string{
			"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001",
			"min.compaction.lag.ms": "0", "delete.retention.ms": "100",
		})
		keyed := func(from, n int, value string) []*kgo.Record {
			records := numbered(topic, 0, from, n)
			for _, r := range records {
				r.Key, r.Value = bytes.Clone(r.Value), []byte(value)
			}
			return records
		}
		testkafka.Produce(t, b.Client(t), keyed(5000, 500, "kept")...)
		testkafka.Produce(t, b.Client(t), keyed(0, 1000, "old")...) // this producer's last batch
		roll := b.Client(t)
		want := 500 + 1000
		var r *running
		eventually(t, "the old records are compacted away", func() bool {
			// Appending rolls the segment, so that the cleaner may take the one before.
			testkafka.Produce(t, roll, keyed(0, 1000, "new")...)
			cfg := quick(b, topic)
			cfg.UntilEnd = true
			r = start(t, cfg, newCollector())
			r.join(t)
			return !slices.Contains(r.got.values(topic, 0), "old")
		})
		counts := map[string]int{}
		newest := map[string]bool{}
		for _, rec := range r.got.records[partitionKey{topic, 0}] {
			counts[string(rec.Value)]++
			newest[string(rec.Key)] = true
		}
		if counts["kept"] != 500 || len(newest) != want {
			t.Errorf("kept %d of 500, %d keys of %d", counts["kept"], len(newest), want)
		}
	})
}

// A large batch is delivered whole, whatever MaxBytes is.
func TestLargeRecord(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, map[string]string{"max.message.bytes": "8388608"})
		client := b.Client(t, kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
		large := &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte("x"), 900<<10)}
		testkafka.Produce(t, client, large)
		testkafka.Produce(t, client, numbered(topic, 0, 1, 1)...)
		cfg := quick(b, topic)
		cfg.MaxBytes = 1 << 12
		r := start(t, cfg, newCollector())
		r.got.waitTotal(t, 2)
		if got := r.got.records[partitionKey{topic, 0}][0].Value; !bytes.Equal(got, large.Value) {
			t.Errorf("%d bytes", len(got))
		}
	})
}

// Well-packed batches are handed on in pieces.
func TestWellPackedResponse(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	client := b.Client(t, kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(4<<20))
	for i := range 16 {
		r := numbered(topic, 0, i, 1)[0]
		r.Value = bytes.Repeat([]byte{byte(i)}, 900<<10)
		testkafka.Produce(t, client, r)
	}
	r := start(t, quick(b, topic), newCollector())
	r.got.waitTotal(t, 16)
	for i, rec := range r.got.records[partitionKey{topic, 0}] {
		if len(rec.Value) != 900<<10 || rec.Value[0] != byte(i) || rec.Value[len(rec.Value)-1] != byte(i) {
			t.Fatalf("record %d is not what was written", i)
		}
	}
	if n := r.got.batches[partitionKey{topic, 0}]; n < 3 {
		t.Errorf("14 MiB were handed on in %d batches", n)
	}
}

func TestLeaderChange(t *testing.T) {
	c, b := testkafka.Fake(t, kfake.NumBrokers(3))
	topic := b.CreateTopic(t, 1, nil)
	client := b.Client(t)
	r := start(t, quick(b, topic), newCollector())
	for i := range 6 {
		if err := c.MoveTopicPartition(topic, 0, int32(i%3)); err != nil {
			t.Fatal(err)
		}
		testkafka.Produce(t, client, numbered(topic, 0, 10*i, 10)...)
		r.got.waitTotal(t, 10*(i+1))
	}
}

// The cluster is not there at the start, then is, then goes and comes again.
func TestBrokerComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	up := func(port int) *kfake.Cluster {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := up(0)
	b := testkafka.Broker{Version: "fake", Bootstrap: first.ListenAddrs()}
	var port int
	fmt.Sscanf(b.Bootstrap[0][strings.LastIndex(b.Bootstrap[0], ":")+1:], "%d", &port)
	topic := b.CreateTopic(t, 1, nil)
	testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 10)...)
	first.Close()

	r := start(t, quick(b, topic), newCollector())
	eventually(t, "the cause is shown", func() bool { return strings.Contains(r.Status().Error, "connection refused") })
	second := up(port)
	r.got.waitTotal(t, 10)
	second.Close()
	eventually(t, "the trouble is shown", func() bool { return r.Status().Partitions[0].Error != "" })
	third := up(port)
	t.Cleanup(third.Close)
	testkafka.Produce(t, b.Client(t), numbered(topic, 0, 10, 10)...)
	r.got.waitTotal(t, 20)
	eventually(t, "the trouble is over", func() bool { return r.Status().Partitions[0].Error == "" })
}

// A hung broker, which accepts and never answers, does not hang Run's end.
func TestHungBroker(t *testing.T) {
	c, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	asked := make(chan struct{}, 1)
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case asked <- struct{}{}:
		default:
		}
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	r := start(t, quick(b, topic), newCollector())
	select {
	case <-asked:
	case <-time.After(patient):
		t.Fatal("no fetch")
	}
	if took := r.stop(t); took > 2*time.Second {
		t.Errorf("Run took %v to end", took)
	}
}

// A transaction that does not end holds reading up: what lies behind it is lag, and it is said once, and again when
// it has ended. Nothing is lost.
func TestOpenTransactionIsSaid(t *testing.T) {
	s := newScript(t)
	s.append(plainBatch(0, "before", "before"))
	open := plainBatch(2, "within", "within", "within")
	open.attributes, open.producer = transactionalFlag, 7
	s.append(open)
	s.append(plainBatch(5, "behind"))
	s.open = 2
	var log bytes.Buffer
	var mu sync.Mutex
	cfg := quick(s.broker, s.topic)
	cfg.openAfter = 300 * time.Millisecond
	cfg.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
	said := func(what string) int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(log.String(), what)
	}
	r := start(t, cfg, newCollector())
	r.got.waitTotal(t, 2)
	eventually(t, "it is said", func() bool { return said("transaction") > 0 })
	time.Sleep(2 * cfg.openAfter)
	p := r.Status().Partitions[0]
	if said("transaction") != 1 || p.Lag != 4 || !p.CaughtUp || p.Next != 2 {
		t.Errorf("said %d times, %+v", said("transaction"), p)
	}
	r.got.mu.Lock()
	if b := r.got.last[partitionKey{s.topic, 0}]; b.HighWatermark != 6 || b.End != 2 {
		t.Errorf("%+v", b)
	}
	r.got.mu.Unlock()
	s.mu.Lock()
	s.open = 0
	s.mu.Unlock()
	r.got.waitTotal(t, 6)
	eventually(t, "its end is said", func() bool { return said("transaction has ended") == 1 })
	eventually(t, "there is no lag", func() bool { return r.Status().Partitions[0].Lag == 0 })
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
