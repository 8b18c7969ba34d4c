package app

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// BenchmarkKafkaToGauges reads a topic of the demo's events, of some 420 bytes with 12
// features, 2 versions and 6 segments, from the beginning until all are in the gauges.
func BenchmarkKafkaToGauges(b *testing.B) {
	_, fake := testkafka.Fake(b)
	for _, broker := range append([]testkafka.Broker{fake}, testkafka.Brokers(b)...) {
		b.Run("kafka-"+broker.Version, func(b *testing.B) { benchmarkKafka(b, broker) })
	}
}

const (
	benchmarkEvents     = 500_000
	benchmarkPartitions = 4
)

func benchmarkKafka(b *testing.B, broker testkafka.Broker) {
	topic := broker.CreateTopic(b, benchmarkPartitions, nil)
	size := writeBenchmark(b, broker, topic)
	config := parseConfig(b, runConfig(broker, topic, "")+"    segments: [{name: country, values: [DE, FR, IT, ES, NL]}]\n")
	for b.Loop() {
		consumed, accepted := uint64(0), uint64(0)
		err := Run(b.Context(), config, RunOptions{Listener: listen(b), UntilEnd: true, Results: io.Discard, Logger: slog.New(slog.DiscardHandler),
			Published: func(s *monitor.Snapshot) { consumed, accepted = s.Ledger.Consumed, s.Ledger.Accepted }})
		if err != nil {
			b.Fatal(err)
		}
		if consumed != benchmarkEvents || accepted == 0 {
			b.Fatalf("%d consumed, %d accepted", consumed, accepted)
		}
	}
	b.ReportMetric(float64(b.N)*benchmarkEvents/b.Elapsed().Seconds(), "events/s")
	b.SetBytes(size)
}

// writeBenchmark writes events of an hour, and returns their size in bytes.
func writeBenchmark(b *testing.B, broker testkafka.Broker, topic string) (size int64) {
	client := broker.Client(b, kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	service := demo.NewService(1)
	start := time.Now().Add(-time.Hour)
	for i := range benchmarkEvents {
		at := start.Add(time.Duration(i) * time.Hour / benchmarkEvents)
		value, _ := service.Append(nil, at, demo.Effects{})
		size += int64(len(value))
		client.Produce(b.Context(), &kgo.Record{Topic: topic, Partition: int32(i % benchmarkPartitions), Value: value, Timestamp: at}, nil)
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	return size
}
