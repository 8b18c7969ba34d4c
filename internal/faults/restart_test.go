package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/testkafka"
)

// TestBrokerKilled kills the only broker while events flow, and starts it again on its data. The
// program goes on, says little, and counts nothing twice.
func TestBrokerKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	rounds := 1
	if long {
		rounds = 6
	}
	testkafka.Real(t, func(t *testing.T, listed testkafka.Broker) {
		t.Parallel()
		k := testkafka.Own(t, listed.Version, 1)
		r := newStage(t, k.Broker, 31, 50*time.Millisecond).read(t)
		random := rand.New(rand.NewPCG(31, 2))
		for i := range rounds {
			r.disturbed(t, fmt.Sprintf("kill %d", i+1), 1, 40, func() {
				pauseAtRandom(random) // events flow, and saves are made
				k.Kill(t, 1)
				time.Sleep(time.Duration(i) * 3 * time.Second) // past the session, later on
				k.Restart(t, 1)
			})
		}
		r.end(t)
	})
}

// TestLeaderKilled kills one of three brokers while events flow: the coordinator of the group,
// which leads some of the partitions, and in the long setting in turn one that is a leader only. The
// program reads on from the new leaders while the broker is away, and when it is back.
func TestLeaderKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	listed := testkafka.Last(t)
	k := replicas{testkafka.Own(t, listed.Version, 3)}
	s := newStageWith(t, k.Broker, 32, 50*time.Millisecond, map[string]string{"min.insync.replicas": "2"})
	k.awaitInSync(t, s)
	r := s.read(t)
	random := rand.New(rand.NewPCG(32, 2))
	victims := []func(*testing.T, *stage) int32{k.coordinator}
	if long {
		victims = slices.Repeat(append(victims, k.leader), 4)
	}
	for _, choose := range victims {
		victim := choose(t, s)
		leads := k.leads(t, s, victim)
		what := fmt.Sprintf("broker %d, leader of %d partitions, coordinator: %t", victim, leads, victim == k.coordinator(t, s))
		r.disturbed(t, what+", killed", 1, 40, func() {
			pauseAtRandom(random)
			k.Kill(t, int(victim))
			await(t, 30*time.Second, "new leaders", func() bool { return k.leads(t, s, victim) == 0 })
		})
		r.disturbed(t, what+", restarted", 0, 40, func() {
			k.Restart(t, int(victim))
			k.awaitInSync(t, s)
		})
	}
	r.end(t)
}

// replicas are brokers of which each partition has its replicas.
type replicas struct{ testkafka.Cluster }

// leads returns of how many partitions the broker is the leader.
func (k replicas) leads(t *testing.T, s *stage, broker int32) (n int) {
	t.Helper()
	for _, p := range k.Partitions(t, s.predictions, s.labels) {
		if p.Leader == broker {
			n++
		}
	}
	return n
}

func (k replicas) awaitInSync(t *testing.T, s *stage) {
	t.Helper()
	await(t, time.Minute, "replicas in sync", func() bool {
		return !slices.ContainsFunc(k.Partitions(t, s.predictions, s.labels), func(p kmsg.MetadataResponseTopicPartition) bool {
			return p.ErrorCode != 0 || len(p.ISR) < len(k.Bootstrap)
		})
	})
}

// leader returns a broker that leads partitions, if possible not the coordinator.
func (k replicas) leader(t *testing.T, s *stage) int32 {
	t.Helper()
	coordinator := k.coordinator(t, s)
	for broker := int32(1); int(broker) <= len(k.Bootstrap); broker++ {
		if broker != coordinator && k.leads(t, s, broker) > 0 {
			return broker
		}
	}
	return coordinator
}

// coordinator returns the broker that coordinates the program's group.
func (k replicas) coordinator(t *testing.T, s *stage) int32 {
	t.Helper()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKeys = []string{s.predictions}
	res, err := req.RequestWith(t.Context(), s.client)
	if err == nil {
		err = kerr.ErrorForCode(res.Coordinators[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("find the coordinator: %v", err)
	}
	return res.Coordinators[0].NodeID
}
