package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestChange: topics come and go while a consumer runs, each record is handed on once, in order, and nobody else owns the group meanwhile.
func TestChange(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		one, two := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
		client := b.Client(t)
		n := 0
		produce := func(topic string) {
			t.Helper()
			for range 20 {
				n++
				testkafka.Produce(t, client, &kgo.Record{Topic: topic, Value: fmt.Append(nil, n)})
			}
		}
		got := newCollector()
		cfg := quick(b, one)
		cfg.Group = testkafka.Name(t)
		cfg.Positions = func(topic string, id int) (Position, bool) {
			got.mu.Lock()
			defer got.mu.Unlock()
			last, ok := got.last[partitionKey{topic, id}]
			return Position{Offset: last.Next, TopicID: last.TopicID}, ok
		}
		r := start(t, cfg, got)
		produce(one)
		got.waitTotal(t, 20)
		eventually(t, "ownership", r.Owner)
		generation := func() int32 {
			r.membership.mu.Lock()
			defer r.membership.mu.Unlock()
			return r.membership.current.ID
		}
		before := generation()
		to := func(topics ...string) {
			t.Helper()
			err := r.Change(func() {}, func() (list []Topic, err error) {
				for _, name := range topics {
					list = append(list, Topic{Name: name})
				}
				return list, nil
			})
			if err != nil || !r.Owner() {
				t.Errorf("change to %v: %v, owner %v", topics, err, r.Owner())
			}
		}
		to(one, two)
		produce(two)
		produce(one)
		got.waitTotal(t, 60)
		r.Commit(one, 0, 1)
		to(two)
		r.membership.mu.Lock()
		if r.membership.offsets[one] != nil {
			t.Errorf("offsets of %s are committed on and on", one)
		}
		r.membership.mu.Unlock()
		produce(one) // to be read when it is back
		produce(two)
		got.waitTotal(t, 80)
		refused := errors.New("refused")
		if err := r.Change(func() {}, func() ([]Topic, error) { return nil, refused }); !errors.Is(err, refused) {
			t.Errorf("a change that is refused says %v", err)
		}
		if err := r.Change(func() {}, func() ([]Topic, error) { return nil, nil }); err == nil {
			t.Error("there is nothing to read, and no error")
		}
		produce(two)
		got.waitTotal(t, 100)
		to(one, two)
		got.waitTotal(t, 120)
		if now := generation(); now != before {
			t.Errorf("the group is in generation %d, it was in %d", now, before)
		}
		r.stop(t)
		if err := r.Change(func() {}, func() ([]Topic, error) { return cfg.Topics, nil }); !errors.Is(err, errEnded) {
			t.Errorf("a change after the end says %v", err)
		}
	})
}

// TestChangeWaitsForTheHandler: a call of the handler that is under way ends before the topics change; and what is asked for before Run is
// done at once.
func TestChangeWaitsForTheHandler(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	testkafka.Produce(t, b.Client(t), &kgo.Record{Topic: topic, Value: []byte("x")})
	var within atomic.Bool
	woken := make(chan struct{})
	entered := make(chan struct{}, 1)
	h := handles(func(ctx context.Context, _ *Batch) error {
		within.Store(true)
		defer within.Store(false)
		entered <- struct{}{}
		<-ctx.Done()
		<-woken // once reading is to stop
		return ctx.Err()
	})
	c, err := New(quick(b, "nowhere"), h)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Change(func() { t.Error("nothing to wake") }, func() ([]Topic, error) { return []Topic{{Name: topic}}, nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	<-entered
	err = c.Change(func() { close(woken) }, func() ([]Topic, error) {
		if within.Load() {
			t.Error("the handler is called meanwhile")
		}
		return []Topic{{Name: topic}}, nil
	})
	if err != nil {
		t.Error(err)
	}
	<-entered // it is read again
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type handles func(ctx context.Context, b *Batch) error

func (f handles) HandleBatch(ctx context.Context, b *Batch) error { return f(ctx, b) }
