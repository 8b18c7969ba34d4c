package consumer

import (
	"fmt"
	"testing"

	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A real broker that is killed and started again: nothing is lost, nothing comes
// twice, and the group has its owner again.
func TestKilledBroker(t *testing.T) {
	testkafka.Real(t, func(t *testing.T, listed testkafka.Broker) {
		k := testkafka.Own(t, listed.Version, 1)
		topic := k.CreateTopic(t, 2, nil)
		client := k.Client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
		cfg := quick(k.Broker, topic)
		cfg.Group = testkafka.Name(t)
		r := start(t, cfg, newCollector())
		for round := range 2 {
			for i := range 50 {
				testkafka.Produce(t, client, &kgo.Record{Topic: topic, Value: fmt.Append(nil, round, i)})
			}
			r.got.waitTotal(t, 50*(round+1))
			eventually(t, "ownership", r.Owner)
			if round == 0 {
				k.Kill(t, 1)
				eventually(t, "the trouble is shown", func() bool { return r.Status().Partitions[0].Error != "" })
				eventually(t, "the owner fences itself", func() bool { return !r.Owner() })
				k.Restart(t, 1)
			}
		}
		seen := map[string]bool{}
		for _, id := range []int{0, 1} {
			for _, v := range r.got.values(topic, id) {
				if seen[v] {
					t.Errorf("%q came twice", v)
				}
				seen[v] = true
			}
		}
	})
}
