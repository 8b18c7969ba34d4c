package consumer

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/testkafka"
)

// unknownCode is an error that no version of Kafka has.
const unknownCode = 9999

// codes are all error codes that a broker may answer.
func codes() []int16 {
	out := []int16{-1, unknownCode}
	for c := int16(1); c < 1000; c++ {
		if kerr.TypedErrorForCode(c) != kerr.UnknownServerError {
			out = append(out, c)
		}
	}
	return out
}

func TestCodesAreAll(t *testing.T) {
	if n := len(codes()); n < 135 || !slices.Contains(codes(), 120) {
		t.Errorf("only %d codes", n)
	}
}

// lines is a log that can be searched.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(bytes.TrimSpace(p)))
	return len(p), nil
}

// with returns the lines that contain all texts.
func (l *lines) with(texts ...string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(line, s) }) {
			out = append(out, line)
		}
	}
	return out
}

func (l *lines) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// crowd is a topic for each error code, read by one consumer, so that all codes are tried at once.
type crowd struct {
	broker  testkafka.Broker
	meddler *testkafka.Meddler
	topics  map[string]int16
	client  *kgo.Client
	written int // to each topic

	mu    sync.Mutex
	asked map[string]int // requests for a topic that were answered with an error
}

func newCrowd(t *testing.T) *crowd {
	_, b, m := testkafka.Meddled(t)
	c := &crowd{broker: b, meddler: m, topics: map[string]int16{}, client: b.Client(t), asked: map[string]int{}}
	req := kmsg.NewPtrCreateTopicsRequest()
	for _, code := range codes() {
		name := fmt.Sprintf("code.%d.", code)
		c.topics[name] = code
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, -1
		req.Topics = append(req.Topics, topic)
	}
	if _, err := req.RequestWith(t.Context(), c.client); err != nil {
		t.Fatal(err)
	}
	return c
}

// produce writes n messages to each topic.
func (c *crowd) produce(t *testing.T, n int) {
	t.Helper()
	var all []*kgo.Record
	for name := range c.topics {
		all = append(all, numbered(name, 0, c.written, n)...)
	}
	testkafka.Produce(t, c.client, all...)
	c.written += n
}

// level is a place in the answers of an API where an error may stand.
type level struct {
	key  kmsg.Key
	path string
	bare bool  // nothing but the error is answered, as brokers do
	also int16 // what fetches are answered meanwhile, for others to be asked at all
	when string
}

// The errors come while the consumer reads, or are there when it begins, or when it begins to read to the
// present end.
const (
	reading = "reading"
	early   = "early"
	job     = "job"
)

func (l level) String() string {
	return fmt.Sprintf("%s.%s bare=%v %s", l.key.Name(), l.path, l.bare, l.when)
}

// fail answers our consumer with each topic's code.
func (c *crowd) fail(l level) {
	c.meddler.Set(func(a *testkafka.Answer) {
		if a.Client != "streammon" {
			return
		}
		if a.Key() == kmsg.Fetch && l.key != kmsg.Fetch && l.also != 0 {
			a.Change(func(res kmsg.Response) { res.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode = l.also })
		}
		if a.Key() == l.key {
			c.mu.Lock()
			defer c.mu.Unlock()
			a.Change(func(res kmsg.Response) { c.change(l, res) })
		}
	})
}

func (c *crowd) change(l level, res kmsg.Response) {
	switch res := res.(type) {
	case *kmsg.FetchResponse:
		name := res.Topics[0].Topic
		c.asked[name]++
		p := &res.Topics[0].Partitions[0]
		if l.path == "ErrorCode" {
			res.ErrorCode = c.topics[name]
		} else {
			p.ErrorCode = c.topics[name]
		}
		if l.bare {
			p.HighWatermark, p.LastStableOffset, p.RecordBatches = -1, -1, nil
			if l.path == "ErrorCode" {
				res.Topics = nil
			}
		}
	case *kmsg.ListOffsetsResponse:
		name := res.Topics[0].Topic
		c.asked[name]++
		p := &res.Topics[0].Partitions[0]
		p.ErrorCode = c.topics[name]
		if l.bare {
			p.Offset, p.Timestamp = -1, -1
		}
	case *kmsg.MetadataResponse:
		for i := range res.Topics {
			topic := &res.Topics[i]
			name := *topic.Topic
			if len(res.Topics) == 1 || l.when != reading { // at the start no partition asks yet
				c.asked[name]++
			}
			if l.path == "Topics.ErrorCode" {
				topic.ErrorCode = c.topics[name]
				if l.bare {
					topic.Partitions, topic.TopicID = nil, [16]byte{}
				}
				continue
			}
			topic.Partitions[0].ErrorCode = c.topics[name]
			if l.bare {
				topic.Partitions[0].Leader, topic.Partitions[0].ISR = -1, nil
			}
		}
	}
}

// check holds the log and the number of requests to bounds.
func (c *crowd) check(t *testing.T, l level, log *lines, during time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	most, asked := 0, 0
	atStart := l.key == kmsg.Metadata && l.when != reading // no partition is known yet
	for name, code := range c.topics {
		said := log.with(name)
		if len(said) > 8 {
			t.Errorf("%s: %d lines: %q", name, len(said), said)
		}
		slow := len(log.with(name, "deadline exceeded")) > 0 // and so says the line
		unnamed := slow || l.also != 0 || l.key == kmsg.Fetch && code == kerr.OffsetOutOfRange.Code || atStart && l.path != "Topics.ErrorCode"
		if len(said) == 0 || !unnamed && len(log.with(name, fmt.Sprintf("[%d]", code))) == 0 {
			t.Errorf("%s: no line names the error: %q", name, said)
		}
		most, asked = max(most, c.asked[name]), asked+c.asked[name]
	}
	if asked < len(c.topics) {
		t.Errorf("only %d requests were answered with an error", asked)
	}
	if limit := 10 + int(during/(100*time.Millisecond)); most > limit {
		t.Errorf("a topic was asked for %d times in %v", most, during)
	}
	t.Logf("%d requests were answered with an error in %v, %d of a topic at most; %d lines", asked, during, most, len(log.with()))
}

// TestErrorCodesOfPartitions answers requests of partitions with every error code for a while, at
// every level of the answer, while the consumer reads or before it begins.
func TestErrorCodesOfPartitions(t *testing.T) {
	const ofPartition = "Topics.Partitions.ErrorCode"
	gate := make(chan struct{}, 3) // each works as hard as all other tests
	for _, l := range []level{
		{key: kmsg.Fetch, path: "ErrorCode", when: reading},
		{key: kmsg.Fetch, path: "ErrorCode", bare: true, when: early},
		{key: kmsg.Fetch, path: ofPartition, when: reading},
		{key: kmsg.Fetch, path: ofPartition, bare: true, when: reading},
		{key: kmsg.Fetch, path: ofPartition, when: job},
		{key: kmsg.ListOffsets, path: ofPartition, also: kerr.OffsetOutOfRange.Code, when: reading},
		{key: kmsg.ListOffsets, path: ofPartition, bare: true, when: early},
		{key: kmsg.ListOffsets, path: ofPartition, bare: true, when: job},
		{key: kmsg.Metadata, path: "Topics.ErrorCode", also: kerr.NotLeaderForPartition.Code, when: reading},
		{key: kmsg.Metadata, path: "Topics.ErrorCode", also: kerr.UnknownTopicID.Code, bare: true, when: reading},
		{key: kmsg.Metadata, path: "Topics.ErrorCode", bare: true, when: job},
		{key: kmsg.Metadata, path: ofPartition, also: kerr.OffsetOutOfRange.Code, bare: true, when: reading},
		{key: kmsg.Metadata, path: ofPartition, bare: true, when: early},
	} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			gate <- struct{}{}
			defer func() { <-gate }()
			errorCodesOfPartitions(t, l)
		})
	}
}

func errorCodesOfPartitions(t *testing.T, l level) {
	c, log := newCrowd(t), &lines{}
	cfg := quick(c.broker)
	cfg.Logger, cfg.MetadataInterval, cfg.MaxWait = log.logger(), 300*time.Millisecond, 300*time.Millisecond
	cfg.UntilEnd = l.when == job
	for name := range c.topics {
		cfg.Topics = append(cfg.Topics, Topic{Name: name})
	}
	c.produce(t, 2)
	var r *running
	if l.when == reading {
		r = start(t, cfg, newCollector())
		r.got.waitTotal(t, 2*len(c.topics))
	}
	log.clear()
	began := time.Now()
	c.fail(l)
	if l.when != reading {
		r = start(t, cfg, newCollector())
	}
	eventually(t, "the errors are met", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		said := l.key != kmsg.Metadata || l.when == reading || l.path != "Topics.ErrorCode" || len(log.with("cannot read all topics yet")) > 0
		return len(c.asked) == len(c.topics) && said
	})
	if l.when != job {
		c.produce(t, 2)
	}
	time.Sleep(2 * lasting())
	c.meddler.Set(nil)
	ended := time.Now()
	if l.when == job {
		r.join(t)
	} else {
		c.produce(t, 2)
		r.got.waitTotal(t, c.written*len(c.topics))
		eventually(t, "nothing is wrong any more", func() bool {
			s := r.Status()
			return s.Error == "" && s.Assigned && !slices.ContainsFunc(s.Partitions, func(p PartitionStatus) bool { return p.Error != "" })
		})
	}
	t.Logf("recovered after %v", time.Since(ended))
	r.stop(t)
	c.check(t, l, log, ended.Sub(began))
	c.checkRead(t, r.got)
}

// checkRead compares what was read with what was written.
func (c *crowd) checkRead(t *testing.T, got *collector) {
	t.Helper()
	var want []string
	for _, r := range numbered("", 0, 0, c.written) {
		want = append(want, string(r.Value))
	}
	for name := range c.topics {
		if v := got.values(name, 0); !slices.Equal(v, want) {
			t.Errorf("%s: read %q", name, v)
		}
		if key := (partitionKey{name, 0}); got.lost[key] != 0 || got.skipped[key] != 0 || got.restarted[key] {
			t.Errorf("%s: lost %d, skipped %d, made anew %v", name, got.lost[key], got.skipped[key], got.restarted[key])
		}
	}
}

// TestErrorCodesOfJobs answers what a job asks at its start with every error code, for as long as it takes: it
// fails at once, and says why.
func TestErrorCodesOfJobs(t *testing.T) {
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			_, b, m := testkafka.Meddled(t, kfake.SeedTopics(1, "t"))
			for i, code := range codes() {
				if i%shards != shard {
					continue
				}
				for key, path := range map[kmsg.Key]string{kmsg.ApiVersions: "ErrorCode", kmsg.Metadata: "Topics.ErrorCode"} {
					m.Set(func(a *testkafka.Answer) {
						if a.Key() == key {
							a.Fail(path, "", code)
						}
					})
					began := time.Now()
					cfg := quick(b)
					cfg.MetadataInterval = 2 * time.Second // which is how long it waits for them
					_, err := Sample(t.Context(), cfg, "t", 1)
					if err == nil || !strings.Contains(err.Error(), "topic t") || !strings.Contains(err.Error(), fmt.Sprintf("[%d]", code)) {
						t.Errorf("%s %d: %v", key.Name(), code, err)
					}
					if took := time.Since(began); took > 10*time.Second {
						t.Errorf("%s %d: took %v", key.Name(), code, took)
					}
				}
			}
		})
	}
}

// A job whose partition errs on and on gives up, and says why.
func TestJobGivesUp(t *testing.T) {
	if os.Getenv("STREAMMON_FAULTS") != "long" {
		t.Skip("takes half a minute")
	}
	_, b, m := testkafka.Meddled(t, kfake.SeedTopics(1, "t"))
	testkafka.Produce(t, b.Client(t), numbered("t", 0, 0, 1)...)
	m.Set(func(a *testkafka.Answer) {
		if a.Key() == kmsg.Fetch {
			a.Fail("Topics.Partitions.ErrorCode", "", kerr.KafkaStorageError.Code)
		}
	})
	_, err := Sample(t.Context(), quick(b), "t", 1)
	if err == nil || !strings.Contains(err.Error(), "no answer for 30s") || !strings.Contains(err.Error(), "[56]") {
		t.Error(err)
	}
}
