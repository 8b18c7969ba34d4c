package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// readLetters reads the dead letters until there are n, and returns for each the key
// (topic/partition/offset) and its headers.
func readLetters(t *testing.T, b testkafka.Broker, topic string, n int) map[string]map[string]string {
	t.Helper()
	c := b.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out := map[string]map[string]string{}
	for len(out) < n && ctx.Err() == nil {
		c.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			headers := map[string]string{"payload": string(r.Value)}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			if out[string(r.Key)] != nil {
				t.Logf("%s came twice", r.Key)
			}
			out[string(r.Key)] = headers
		})
	}
	return out
}

// brokenMessages are n messages that are rejected, in turn in two partitions.
func brokenMessages(topic string, n int) (records []*kgo.Record, keys []string) {
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 2), Key: fmt.Append(nil, "key ", i), Value: fmt.Append(nil, "{broken ", i)})
		keys = append(keys, fmt.Sprintf("%s/%d/%d", topic, i%2, i/2))
	}
	return records, keys
}

// TestLettersBeforeOwnership: what is read before the group has an owner is dead-lettered
// too, when it lives and when it is a job that ends.
func TestLettersBeforeOwnership(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		for _, untilEnd := range []bool{false, true} {
			topic, dead := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
			records, keys := brokenMessages(topic, 200)
			testkafka.Produce(t, b.Client(t), records...)
			c := parseConfig(t, runConfig(b, topic, ", dead_letter_topic: "+dead))
			if untilEnd {
				if err := Run(t.Context(), c, RunOptions{Listener: listen(t), UntilEnd: true, Results: io.Discard, Logger: testLogger(t)}); err != nil {
					t.Fatal(err)
				}
			} else {
				startRun(t, c)
			}
			letters := readLetters(t, b, dead, len(keys))
			for i, k := range keys {
				if l := letters[k]; l["reason"] != "syntax" || l["topic"] != topic || l["key"] != fmt.Sprint("key ", i) || l["payload"] != fmt.Sprint("{broken ", i) {
					t.Fatalf("until the end %v: %d letters; that of %s is %v", untilEnd, len(letters), k, l)
				}
			}
		}
	})
}

// TestLettersOfATakeOver: what is rejected while the owner goes away is written by the next
// one, and little is written twice.
func TestLettersOfATakeOver(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic, dead := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
		c := parseConfig(t, runConfig(b, topic, ", session_timeout: 6s, dead_letter_topic: "+dead))
		records, keys := brokenMessages(topic, 300)
		client := b.Client(t)
		testkafka.Produce(t, client, records[:100]...)
		first := startRun(t, c)
		first.await(t, "the first to write", 30*time.Second, func(s *monitor.Snapshot) bool { return letters(s) == 100 })
		second := startRun(t, c)
		second.await(t, "the second to read", 30*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Consumed == 100 })
		first.cancel()
		testkafka.Produce(t, client, records[100:]...)
		second.await(t, "the second to take over", 30*time.Second, func(s *monitor.Snapshot) bool { return s.Exporting && s.Ledger.Consumed == 300 })
		got := readLetters(t, b, dead, len(keys))
		for _, k := range keys {
			if got[k] == nil {
				t.Fatalf("%d letters, none of %s", len(got), k)
			}
		}
	})
}

// TestLettersThatCannotBeWritten: neither a topic that is not there nor a letter that is too
// large for it stops the lanes; what is dropped is counted.
func TestLettersThatCannotBeWritten(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 2, nil)
		absent := startRun(t, parseConfig(t, runConfig(b, topic, ", dead_letter_topic: "+testkafka.Name(t))))
		records, _ := brokenMessages(topic, 4000)
		testkafka.Produce(t, b.Client(t), records...)
		s := absent.await(t, "all messages", 40*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Consumed == 4000 })
		if !s.Ledger.Balanced() {
			t.Errorf("%+v", s.Ledger)
		}

		topic, dead := b.CreateTopic(t, 1, nil), b.CreateTopic(t, 1, map[string]string{"max.message.bytes": "1000"})
		small := startRun(t, parseConfig(t, runConfig(b, topic, ", dead_letter_topic: "+dead)))
		large := append([]byte("{large "), bytes.Repeat([]byte("x"), 3000)...)
		testkafka.Produce(t, b.Client(t), &kgo.Record{Topic: topic, Value: []byte("{a")}, &kgo.Record{Topic: topic, Value: large}, &kgo.Record{Topic: topic, Value: []byte("{b")})
		small.await(t, "the letters", 30*time.Second, func(s *monitor.Snapshot) bool { return letters(s) == 3 })
		got := readLetters(t, b, dead, 3)
		if l := got[topic+"/0/1"]; b.Version != "fake" && (l["size"] != fmt.Sprint(len(large)) || len(l["payload"]) != smallLetter) {
			t.Errorf("the large one has %d bytes: %v", len(l["payload"]), l)
		}
	})
}

func letters(s *monitor.Snapshot) (n uint64) {
	for _, p := range s.Partitions {
		n += p.DeadLetters
	}
	return n
}
