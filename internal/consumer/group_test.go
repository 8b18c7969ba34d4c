package consumer

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func TestOneOwner(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 3, nil)
		client := b.Client(t)
		produce := func(from int) {
			for p := range 3 {
				testkafka.Produce(t, client, numbered(topic, p, from, 10)...)
			}
		}
		cfg := quick(b, topic)
		cfg.Group = testkafka.Name(t)
		produce(0)
		first := start(t, cfg, newCollector())
		eventually(t, "the first member owns the group", first.Owner)
		second := start(t, cfg, newCollector())
		second.got.waitTotal(t, 30)
		// Both read everything; the incumbent keeps the group while the other joins.
		eventually(t, "the second member has joined", func() bool { return generationOf(second.Consumer) > 1 })
		if !first.Owner() || second.Owner() {
			t.Errorf("owners: first %v, second %v", first.Owner(), second.Owner())
		}
		produce(10)
		first.got.waitTotal(t, 60)
		second.got.waitTotal(t, 60)
		first.stop(t)
		eventually(t, "the second member takes over", second.Owner)
		third := start(t, cfg, newCollector())
		eventually(t, "the third member has joined", func() bool { return generationOf(third.Consumer) > 3 })
		if !second.Owner() || third.Owner() {
			t.Errorf("owners: second %v, third %v", second.Owner(), third.Owner())
		}
	})
}

func generationOf(c *Consumer) int32 {
	c.membership.mu.Lock()
	defer c.membership.mu.Unlock()
	if c.membership.current == nil {
		return 0
	}
	return c.membership.current.ID
}

// Without answers to its heartbeats the owner fences itself; the data are read on.
func TestOwnerFencesItself(t *testing.T) {
	c, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	cfg := quick(b, topic)
	cfg.Group, cfg.SessionTimeout = testkafka.Name(t), 500*time.Millisecond
	r := start(t, cfg, newCollector())
	eventually(t, "ownership", r.Owner)
	c.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, errors.New("no heartbeat gets through"), true
	})
	c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, errors.New("no join gets through"), true
	})
	eventually(t, "the owner fences itself", func() bool { return !r.Owner() })
	var commits atomic.Int32
	c.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		commits.Add(1)
		return nil, nil, false
	})
	r.Commit(topic, 0, 1)
	time.Sleep(3 * r.membership.cfg.CommitInterval)
	if n := commits.Load(); n > 0 {
		t.Errorf("%d commits of a member that has fenced itself", n)
	}
	testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 10)...)
	r.got.waitTotal(t, 10)
}

func TestCommit(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 2, nil)
		cfg := quick(b, topic)
		cfg.Group = testkafka.Name(t)
		r := start(t, cfg, newCollector())
		r.Commit(topic, 0, 5)
		committed := func(partition int) int64 { return fetchCommit(t, b, cfg.Group, topic, partition) }
		eventually(t, "the commit is seen", func() bool { return committed(0) == 5 })
		r.stop(t)
		cfg.CommitInterval = time.Hour // so that only the last commit is left
		r = start(t, cfg, newCollector())
		eventually(t, "ownership", r.Owner)
		r.Commit(topic, 0, 7)
		r.Commit(topic, 1, 9)
		r.stop(t)
		if committed(0) != 7 || committed(1) != 9 {
			t.Errorf("after the end %d and %d are committed, want 7 and 9", committed(0), committed(1))
		}
	})
}

// TestCommitOfALaggingOwner: an owner that is behind the one before it takes back no commit, and knows what was
// committed; but not of a topic that was made anew.
func TestCommitOfALaggingOwner(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 2, nil)
		testkafka.Produce(t, b.Client(t), numbered(topic, 0, 0, 10)...)
		cfg := quick(b, topic)
		cfg.Group = testkafka.Name(t)
		r := start(t, cfg, newCollector())
		eventually(t, "ownership", r.Owner)
		if n := r.Committed(topic, 0); n != 0 {
			t.Errorf("%d is committed in a new group", n)
		}
		r.Commit(topic, 0, 8)
		r.stop(t)
		r = start(t, cfg, newCollector())
		r.Commit(topic, 0, 3)
		r.Commit(topic, 1, 4)
		eventually(t, "ownership", r.Owner)
		if n := r.Committed(topic, 0); n != 8 {
			t.Errorf("the new owner knows of %d, want 8", n)
		}
		r.stop(t)
		for partition, want := range []int64{8, 4} {
			if n := fetchCommit(t, b, cfg.Group, topic, partition); n != want {
				t.Errorf("%d is committed of partition %d, want %d", n, partition, want)
			}
		}
		r.membership.foresee(&Batch{Topic: topic, End: 8})
		if n := r.Committed(topic, 0); n != 8 {
			t.Errorf("%d is known, want 8", n)
		}
		r.membership.foresee(&Batch{Topic: topic, End: 7})
		if n := r.Committed(topic, 0); n != 0 {
			t.Errorf("%d is known of a log that ends before", n)
		}
	})
}

// TestWriterIsFenced: what may not be written any more is not, also when it was asked for before.
func TestWriterIsFenced(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	may := true
	w := NewWriter(quick(b), topic, func() bool { return may })
	defer w.Close()
	for _, may = range []bool{true, false, true} {
		err := w.Write(t.Context(), DeadLetter{Topic: "t", Reason: "syntax"})
		if errors.Is(err, ErrFenced) == may || may && err != nil {
			t.Errorf("it may write: %v: %v", may, err)
		}
	}
}

func fetchCommit(t *testing.T, b testkafka.Broker, group, topic string, partition int) int64 {
	req := kmsg.NewPtrOffsetFetchRequest()
	rt := kmsg.NewOffsetFetchRequestTopic()
	rt.Topic, rt.Partitions = topic, []int32{int32(partition)}
	req.Group, req.Topics = group, append(req.Topics, rt)
	rg := kmsg.NewOffsetFetchRequestGroup()
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	gt.Topic, gt.Partitions = topic, rt.Partitions
	rg.Group, rg.Topics = group, append(rg.Topics, gt)
	req.Groups = append(req.Groups, rg)
	res, err := req.RequestWith(t.Context(), b.Client(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Groups) > 0 && len(res.Groups[0].Topics) > 0 {
		return res.Groups[0].Topics[0].Partitions[0].Offset
	}
	if len(res.Topics) > 0 {
		return res.Topics[0].Partitions[0].Offset
	}
	return -1
}

// The group is joined only once a topic exists: before that nobody would own it.
func TestGroupWaitsForTopics(t *testing.T) {
	c, b := testkafka.Fake(t)
	topic := testkafka.Name(t)
	var joins atomic.Int32
	c.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		joins.Add(1)
		return nil, nil, false
	})
	cfg := quick(b, topic)
	cfg.Group = testkafka.Name(t)
	r := start(t, cfg, newCollector())
	eventually(t, "the missing topic is reported", func() bool { return r.Status().Error != "" })
	b.CreateNamed(t, topic, 1, nil)
	eventually(t, "ownership", r.Owner)
	if n := joins.Load(); n > 3 {
		t.Errorf("%d joins", n)
	}
}

// A member that comes back from a long stop finds that another one owns the group.
func TestEvictedMember(t *testing.T) {
	c, b := testkafka.Fake(t, kfake.GroupMinSessionTimeout(100*time.Millisecond))
	topic := b.CreateTopic(t, 1, nil)
	cfg := quick(b, topic)
	cfg.Group = testkafka.Name(t)
	r := start(t, cfg, newCollector())
	eventually(t, "ownership", r.Owner)
	evicted := make(chan struct{}, 1)
	c.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		res := req.ResponseKind().(*kmsg.HeartbeatResponse)
		res.ErrorCode = int16(kafka.UnknownMemberId)
		evicted <- struct{}{}
		return res, nil, true
	})
	<-evicted
	t.Cleanup(func() {
		t.Logf("gen %d owns %v beat %v claim %d", generationOf(r.Consumer), r.membership.owns, time.Since(r.membership.beat), r.membership.claim)
	})
	eventually(t, "the member joins again", func() bool { return generationOf(r.Consumer) > 1 && r.Owner() })
}

// The coordinator need not be the broker that the client asks first.
func TestOwnerAmongManyBrokers(t *testing.T) {
	_, b := testkafka.Fake(t, kfake.NumBrokers(3))
	topic := b.CreateTopic(t, 1, nil)
	var members []*running
	for range 6 { // groups on every coordinator
		cfg := quick(b, topic)
		cfg.Group, cfg.SessionTimeout = testkafka.Name(t), 500*time.Millisecond
		members = append(members, start(t, cfg, newCollector()))
	}
	for _, r := range members {
		eventually(t, "ownership", r.Owner)
	}
	began := time.Now()
	eventually(t, "ownership lasts", func() bool {
		for _, r := range members {
			if !r.Owner() {
				t.Fatal("an owner lost its group")
			}
		}
		return time.Since(began) > 600*time.Millisecond
	})
}

func claimData(generation int32) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(generation))
}

// All partitions go to exactly one member, whatever the order of the members, and to
// the one with the newest claim.
func TestBalancerGivesAllToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var members []kafka.GroupMember
		newest := int32(0)
		for _, id := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-d]{1,3}`), 1, 6, rapid.ID).Draw(t, "ids") {
			claim := rapid.Int32Range(0, 5).Draw(t, "claim")
			newest = max(newest, claim)
			members = append(members, kafka.GroupMember{ID: id, UserData: claimData(claim)})
		}
		var partitions []kafka.Partition
		for p := range rapid.IntRange(0, 10).Draw(t, "partitions") {
			partitions = append(partitions, kafka.Partition{Topic: []string{"a", "b"}[p%2], ID: p / 2})
		}
		got := ownerBalancer{&membership{}}.AssignGroups(members, partitions)
		owners := 0
		for _, m := range members {
			n := len(got[m.ID]["a"]) + len(got[m.ID]["b"])
			if n == 0 {
				continue
			}
			owners++
			if n != len(partitions) || claimOf(m) != newest {
				t.Fatalf("member %v has %d of %d partitions", m, n, len(partitions))
			}
		}
		if owners != min(1, len(partitions)) || len(got) != len(members) {
			t.Fatalf("%d owners in %v", owners, got)
		}
		slices.Reverse(members)
		if again := (ownerBalancer{&membership{}}).AssignGroups(members, partitions); !cmp.Equal(got, again) {
			t.Fatalf("%v in another order gives %v", got, again)
		}
	})
}

func TestBalancerIgnoresForeignUserData(t *testing.T) {
	members := []kafka.GroupMember{{ID: "b"}, {ID: "a", UserData: []byte{1}}}
	got := ownerBalancer{&membership{}}.AssignGroups(members, []kafka.Partition{{Topic: "t"}})
	if len(got["a"]["t"]) != 1 {
		t.Errorf("got %v", got)
	}
}
