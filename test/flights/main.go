// Command flights writes the real data set of testdata/flights as the events of a
// service: as files, one a partition, or to a Kafka.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/flights"
)

func main() {
	data := flag.String("data", "testdata/flights/flights_lga.csv.gz", "the data set")
	from := flag.String("from", "2013-04-01", "first day")
	to := flag.String("to", "2014-01-01", "day to stop before")
	dir := flag.String("dir", "", "write p0.jsonl … (predictions) and l0.jsonl … (labels) to this folder")
	brokers := flag.String("brokers", "", "write to topics on these brokers, which are made")
	flag.Parse()
	if err := run(*data, *from, *to, *dir, *brokers); err != nil {
		fmt.Fprintln(os.Stderr, "flights:", err)
		os.Exit(1)
	}
}

func run(data, from, to, dir, brokers string) error {
	first, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return err
	}
	last, err := time.Parse(time.DateOnly, to)
	if err != nil {
		return err
	}
	predictions, labels, err := flights.Read(data, first, last)
	if err != nil {
		return err
	}
	switch {
	case dir != "":
		err = files(dir, predictions, labels)
	case brokers != "":
		err = produce(strings.Split(brokers, ","), predictions, labels)
	default:
		_, err = os.Stdout.Write(flights.Lines(predictions, -1))
	}
	if err == nil {
		fmt.Fprintf(os.Stderr, "%d predictions, %d labels\n", len(predictions), len(labels))
	}
	return err
}

func files(dir string, predictions, labels []flights.Message) error {
	for p := range flights.Partitions {
		for name, messages := range map[string][]flights.Message{"p": predictions, "l": labels} {
			file := filepath.Join(dir, fmt.Sprintf("%s%d.jsonl", name, p))
			if err := os.WriteFile(file, flights.Lines(messages, p), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func produce(brokers []string, predictions, labels []flights.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := createTopics(ctx, client); err != nil {
		return err
	}
	var failed error
	for topic, messages := range map[string][]flights.Message{flights.Predictions: predictions, flights.Labels: labels} {
		for _, m := range messages {
			r := &kgo.Record{Topic: topic, Partition: int32(m.Partition), Key: []byte(m.Key), Value: m.Value, Timestamp: m.Time}
			client.Produce(ctx, r, func(_ *kgo.Record, err error) { failed = errors.Join(failed, err) })
		}
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return failed
}

func createTopics(ctx context.Context, client *kgo.Client) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range []string{flights.Predictions, flights.Labels} {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, flights.Partitions, 1
		// Events of the past would be deleted at once by the default retention.
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = "retention.ms", kmsg.StringPtr("-1")
		t.Configs = append(t.Configs, c)
		request.Topics = append(request.Topics, t)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, t := range response.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return fmt.Errorf("create %s: %w", t.Topic, err)
		}
	}
	return nil
}
