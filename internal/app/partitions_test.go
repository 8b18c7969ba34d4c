package app

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// TestAddedPartitionWithoutLeader adds two partitions, the first of which cannot be read before the
// program ends. What is written to it meanwhile is new, whatever the config says of where to start.
func TestAddedPartitionWithoutLeader(t *testing.T) {
	cluster, b := testkafka.Fake(t)
	var back atomic.Bool
	cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked := req.(*kmsg.ListOffsetsRequest)
		if back.Load() || asked.Topics[0].Partitions[0].Partition != 1 {
			return nil, nil, false
		}
		res := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic, p := kmsg.NewListOffsetsResponseTopic(), kmsg.NewListOffsetsResponseTopicPartition()
		topic.Topic, p.Partition, p.ErrorCode = asked.Topics[0].Topic, 1, kerr.LeaderNotAvailable.Code
		topic.Partitions = append(topic.Partitions, p)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	topic := b.CreateTopic(t, 1, nil)
	text := strings.Replace(runConfig(b, topic, ""), "start: earliest", "start: latest", 1)
	c := parseConfig(t, fmt.Sprintf("state: {dir: %q}\n%s", t.TempDir(), text))
	service := demo.NewService(1)
	write := func(partition int32) {
		value, _ := service.Append(nil, time.Now(), demo.Effects{})
		testkafka.Produce(t, b.Client(t), &kgo.Record{Topic: topic, Partition: partition, Value: value})
	}
	accepted := func(s *monitor.Snapshot) bool { return s.Ledger.Accepted == 1 }

	first := startRun(t, c)
	first.await(t, "readiness", 20*time.Second, func(s *monitor.Snapshot) bool { return s.NotReady == "" })
	b.AddPartitions(t, topic, 3)
	write(2)
	first.await(t, "the message of the second new partition", 20*time.Second, accepted)
	first.cancel()
	if err := <-first.done; err != nil {
		t.Fatal(err)
	}
	first.done <- nil
	write(1)
	back.Store(true)
	second := startRun(t, c)
	second.await(t, "the message of the first new partition", 20*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Accepted == 2 })
}
