package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// TestFewerPartitions: a topic that was made anew with fewer partitions than were saved, or are being read, is read on.
func TestFewerPartitions(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := testkafka.Name(t)
	text := runConfig(b, topic, "") + "state: {dir: " + t.TempDir() + ", save_interval: 1s}\n"
	write := func(partitions, from int) {
		client := b.Client(t)
		var records []*kgo.Record
		for i := range 300 {
			value := fmt.Appendf(nil, `{"id":"%d","time":%d,"model":"fraud","version":"1"}`, from+i, 1780315200+from+i)
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: value})
		}
		testkafka.Produce(t, client, records...)
	}
	anew := func(partitions int) {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TopicNames, req.Topics, req.TimeoutMillis = []string{topic}, []kmsg.DeleteTopicsRequestTopic{{Topic: &topic}}, 10000
		if _, err := req.RequestWith(t.Context(), b.Client(t)); err != nil {
			t.Fatal(err)
		}
		b.CreateNamed(t, topic, partitions, nil)
	}
	b.CreateNamed(t, topic, 4, nil)
	write(4, 0)
	t.Run("saved", func(t *testing.T) {
		r := startRun(t, parseConfig(t, text))
		r.await(t, "four partitions", 20*time.Second, func(s *monitor.Snapshot) bool {
			return s.Ledger.Accepted == 300 && s.NotReady == "" && s.State.Saves > 0
		})
	})
	anew(2)
	write(2, 1000)
	t.Run("restored", func(t *testing.T) {
		r := startRun(t, parseConfig(t, text))
		r.await(t, "two partitions", 20*time.Second, func(s *monitor.Snapshot) bool {
			return s.Ledger.Accepted == 600 && s.NotReady == ""
		})
	})
}
