package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is an embedded broker on a free port of the loopback interface, with its
// data in a folder, or a cluster that is there.
type Broker struct {
	cluster *kfake.Cluster // nil: it is not ours
	client  *kgo.Client
}

// StartBroker starts a broker that has the topics of all services.
func StartBroker(dir string) (*Broker, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir), kfake.SeedTopics(Partitions, Topics()...))
	if err != nil {
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	client, err := newClient(cluster.ListenAddrs())
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	return &Broker{cluster: cluster, client: client}, nil
}

func newClient(brokers []string) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ProducerLinger(5*time.Millisecond),
		kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchCompression(kgo.NoCompression()),
	)
}

// Dial connects to a cluster that is there, and makes the topics of all services that it lacks. It asks again
// until a broker answers or the context ends. Close leaves the cluster as it is.
func Dial(ctx context.Context, brokers []string) (*Broker, error) {
	client, err := newClient(brokers)
	if err != nil {
		return nil, fmt.Errorf("dial brokers: %w", err)
	}
	for {
		err := createTopics(ctx, client)
		if err == nil {
			return &Broker{client: client}, nil
		}
		if refused := (*kerr.Error)(nil); errors.As(err, &refused) && !refused.Retriable || ctx.Err() != nil {
			client.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func createTopics(ctx context.Context, client *kgo.Client) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range Topics() {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, Partitions, -1
		request.Topics = append(request.Topics, t)
	}
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, t := range answer.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.Topic, err)
		}
	}
	return nil
}

// Address returns the embedded broker's host and port.
func (b *Broker) Address() string { return b.cluster.ListenAddrs()[0] }

// Close stops the embedded broker, and ends the connections to it.
func (b *Broker) Close() {
	b.client.Close()
	if b.cluster != nil {
		b.cluster.Close()
	}
}

// WriteHistory writes the events of [from, to) at an even rate of transactions a second, as fast as
// the broker takes them, and the labels that are due by then. The scenario begins at begun. progress is called now and then with the share written.
func (b *Broker) WriteHistory(ctx context.Context, w *World, scenario Scenario, begun, from, to time.Time, rate float64, progress func(share float64)) error {
	step := time.Duration(float64(time.Second) / rate)
	n := int(to.Sub(from) / step)
	for i := range n {
		at := from.Add(time.Duration(i) * step)
		b.write(ctx, w, at, scenario.Effects(at.Sub(begun)))
		if i%10_000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			progress(float64(i) / float64(n))
		}
	}
	if err := b.client.Flush(ctx); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// tick is how often the live stream writes what has come due.
const tick = 20 * time.Millisecond

// WriteLive writes events from start on at the rate of transactions a second, stamped with the time they are
// written, and labels as they become due, until the context ends. The scenario began at begun.
func (b *Broker) WriteLive(ctx context.Context, w *World, scenario Scenario, begun, start time.Time, rate float64) error {
	step := time.Duration(float64(time.Second) / rate)
	due := start
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			for ; !due.After(now); due = due.Add(step) {
				b.write(ctx, w, due, scenario.Effects(due.Sub(begun)))
			}
		}
	}
}

func (b *Broker) write(ctx context.Context, w *World, t time.Time, e Effects) {
	w.Step(t, e, func(r Record) {
		b.client.Produce(ctx, &kgo.Record{Topic: r.Topic, Key: []byte(r.Key), Value: r.Value, Timestamp: r.Time}, nil)
	})
}
