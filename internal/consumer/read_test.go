package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestSampleAndReadRange(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 3, nil)
		client := b.Client(t)
		base := time.Now().Add(-time.Hour).Truncate(time.Second)
		at := func(i int) time.Time { return base.Add(time.Duration(i) * time.Second) }
		for i := range 60 {
			r := numbered(topic, i%2, i, 1)[0] // partition 2 stays empty
			r.Timestamp = at(i)
			testkafka.Produce(t, client, r)
		}
		cfg := quick(b)
		sample, err := Sample(t.Context(), cfg, topic, 7)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := valuesOf(sample), []string{"000054", "000056", "000058", "000053", "000055", "000057", "000059"}; !slices.Equal(got, want) {
			t.Errorf("sample %v, want %v", got, want)
		}
		if all, err := Sample(t.Context(), cfg, topic, 1000); err != nil || len(all) != 60 {
			t.Errorf("%d of 60 records, %v", len(all), err)
		}
		for _, c := range []struct {
			from, to time.Time
			want     int
		}{
			{time.Time{}, time.Time{}, 60}, {at(10), at(20), 10}, {at(55), time.Time{}, 5}, {time.Time{}, at(5), 5}, {at(70), time.Time{}, 0},
		} {
			var got []string
			err := ReadRange(t.Context(), cfg, topic, c.from, c.to, func(r Record) error {
				got = append(got, string(r.Value))
				return nil
			})
			if err != nil || len(got) != c.want {
				t.Errorf("from %v to %v: %d records, want %d; %v", c.from, c.to, len(got), c.want, err)
			}
		}
		stop := errors.New("enough")
		if err := ReadRange(t.Context(), cfg, topic, time.Time{}, time.Time{}, func(Record) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("the callback's error became %v", err)
		}
	})
}

func valuesOf(records []Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out
}

func TestSampleErrors(t *testing.T) {
	_, b := testkafka.Fake(t)
	if _, err := Sample(t.Context(), quick(b), "missing", 1); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing topic gives %v", err)
	}
	if _, err := Sample(t.Context(), Config{Brokers: []string{"127.0.0.1:1"}}, "t", 1); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a missing broker gives %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Sample(ctx, quick(b), "t", 1); err == nil {
		t.Error("an ended context gives no error")
	}
}

func TestDeadLetters(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 2, nil)
		w := NewWriter(quick(b), topic, nil)
		defer w.Close()
		long := strings.Repeat("x", MaxDeadLetter+10)
		letters := []DeadLetter{
			{Topic: "t", Partition: 3, Offset: 42, Reason: "syntax", Key: []byte("k"), Payload: []byte("{")},
			{Topic: "t", Partition: 3, Offset: 43, Reason: "too_large", Payload: []byte(long)},
		}
		if err := w.Write(t.Context(), letters...); err != nil {
			t.Fatal(err)
		}
		c := b.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		got := map[string]*kgo.Record{}
		for len(got) < 2 {
			fetches := c.PollFetches(t.Context())
			fetches.EachRecord(func(r *kgo.Record) { got[string(r.Key)] = r })
		}
		first, second := got["t/3/42"], got["t/3/43"]
		if first == nil || second == nil {
			t.Fatalf("got %v", got)
		}
		want := map[string]string{"topic": "t", "partition": "3", "offset": "42", "reason": "syntax", "key": "k"}
		if d := cmp.Diff(want, headersOf(first)); d != "" || string(first.Value) != "{" {
			t.Errorf("%s, payload %q", d, first.Value)
		}
		if h := headersOf(second); len(second.Value) != MaxDeadLetter || h["size"] != fmt.Sprint(len(long)) {
			t.Errorf("payload of %d bytes, headers %v", len(second.Value), h)
		}
	})
}

func headersOf(r *kgo.Record) map[string]string {
	out := map[string]string{}
	for _, h := range r.Headers {
		out[h.Key] = string(h.Value)
	}
	return out
}

// The writer asks for all replicas and tells what a broker refused.
func TestDeadLetterErrors(t *testing.T) {
	c, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	w := NewWriter(quick(b), topic, nil)
	defer w.Close()
	acks := make(chan int16, 1)
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		produce := req.(*kmsg.ProduceRequest)
		acks <- produce.Acks
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		rt := kmsg.NewProduceResponseTopic()
		rp := kmsg.NewProduceResponseTopicPartition()
		rp.ErrorCode = 10
		rt.Topic, rt.Partitions = topic, append(rt.Partitions, rp)
		res.Topics = append(res.Topics, rt)
		return res, nil, true
	})
	err := w.Write(t.Context(), DeadLetter{Topic: "t"})
	if err == nil || !strings.Contains(err.Error(), topic) || !strings.Contains(err.Error(), "Message Size Too Large") {
		t.Errorf("error %v", err)
	}
	if got := <-acks; got != -1 {
		t.Errorf("acks %d, want all", got)
	}
}
