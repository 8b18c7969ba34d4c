package consumer

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	kgoplain "github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/streammon/streammon/internal/testkafka"
)

// rig is a consumer that reads a topic as the owner of its group, and a broker that errs.
type rig struct {
	cluster *kfake.Cluster
	meddler *testkafka.Meddler
	topic   string
	cfg     Config
	client  *kgo.Client
	log     *lines
	run     *running
	written int

	hits atomic.Int32 // answers of the kind in question
}

func newRig(t *testing.T, sasl bool) *rig {
	g := &rig{topic: "t", log: &lines{}}
	options := []kfake.Opt{kfake.SeedTopics(1, g.topic)}
	var auth []kgo.Opt
	if sasl {
		options = append(options, kfake.EnableSASL(), kfake.Superuser("PLAIN", testkafka.User, testkafka.Password))
		auth = append(auth, kgo.SASL(kgoplain.Auth{User: testkafka.User, Pass: testkafka.Password}.AsMechanism()))
	}
	var b testkafka.Broker
	g.cluster, b, g.meddler = testkafka.Meddled(t, options...)
	g.client = b.Client(t, auth...)
	g.cfg = quick(b, g.topic)
	g.cfg.Group, g.cfg.Logger, g.cfg.SessionTimeout = "g", g.log.logger(), time.Second
	g.cfg.MetadataInterval, g.cfg.MaxWait = 800*time.Millisecond, 800*time.Millisecond
	if sasl {
		g.cfg.SASL = mechanism(t, "PLAIN", testkafka.Password)
	}
	g.run = start(t, g.cfg, newCollector())
	g.produce(t)
	g.awaitHealth(t)
	return g
}

// produce writes the next message.
func (g *rig) produce(t *testing.T) {
	t.Helper()
	testkafka.Produce(t, g.client, numbered(g.topic, 0, g.written, 1)...)
	g.written++
}

// awaitHealth waits until all was read, once and in order, and committed, and nothing is wrong.
func (g *rig) awaitHealth(t *testing.T) {
	t.Helper()
	g.run.got.waitTotal(t, g.written)
	g.run.Commit(g.topic, 0, int64(g.written))
	eventually(t, "the group goes on", func() bool {
		s := g.run.Status()
		info := g.cluster.GroupInfo(g.cfg.Group)
		return s.Owner && s.Assigned && s.Error == "" && s.Partitions[0].Error == "" && info != nil && info.Commits[g.topic][0].Offset == int64(g.written)
	})
}

// checkRead says what was not read as it was written.
func (g *rig) checkRead(t *testing.T) {
	t.Helper()
	got := g.run.got
	for i, v := range got.values(g.topic, 0) {
		if v != fmt.Sprintf("%06d", i) {
			t.Fatalf("message %d is %s", i, v)
		}
	}
	if key := (partitionKey{g.topic, 0}); got.lost[key] != 0 || got.skipped[key] != 0 || got.restarted[key] {
		t.Errorf("lost %d, skipped %d, made anew %v", got.lost[key], got.skipped[key], got.restarted[key])
	}
}

// meddle strikes the answers of an API, and until it has done so it makes the consumer ask.
func (g *rig) meddle(key kmsg.Key, strike func(*testkafka.Answer)) {
	g.hits.Store(0)
	g.meddler.Set(func(a *testkafka.Answer) {
		if a.Client != "streammon" {
			return
		}
		if a.Key() == key {
			if v := a.Request.GetVersion(); key != kmsg.FindCoordinator && key != kmsg.Metadata || v == 0 || v == 6 {
				g.hits.Add(1) // it is about joining the group
			}
			strike(a)
			return
		}
		if g.hits.Load() > 0 {
			return
		}
		switch {
		case a.Key() == kmsg.Heartbeat && groupKeys[key]:
			a.Fail("ErrorCode", "", kerr.RebalanceInProgress.Code)
		case a.Key() == kmsg.SyncGroup && key == kmsg.LeaveGroup:
			a.Fail("ErrorCode", "", -1)
		case a.Key() == kmsg.Fetch && key == kmsg.ListOffsets:
			a.Fail("Topics.Partitions.ErrorCode", "", kerr.OffsetOutOfRange.Code)
		}
	})
	if key == kmsg.ApiVersions || key == kmsg.SASLHandshake || key == kmsg.SASLAuthenticate {
		g.meddler.Break("streammon")
	}
	if key == kmsg.OffsetCommit {
		g.run.Commit(g.topic, 0, int64(g.written))
	}
}

// groupKeys are asked when the group changes.
var groupKeys = map[kmsg.Key]bool{
	kmsg.Metadata: true, kmsg.FindCoordinator: true, kmsg.JoinGroup: true, kmsg.SyncGroup: true, kmsg.LeaveGroup: true, kmsg.OffsetFetch: true,
}

// groupLevel is where an error stands in an answer about the group or a connection.
type groupLevel struct {
	key     kmsg.Key
	path    string
	refused bool // the broker never does what it is asked to
	both    bool // it has done so half of the time
	said    bool // the log names the error, while it lasts
}

func (l groupLevel) String() string { return l.key.Name() + "." + l.path }

var groupLevels = []groupLevel{
	{key: kmsg.ApiVersions, path: "ErrorCode"},
	{key: kmsg.Metadata, path: "Topics.ErrorCode"},
	{key: kmsg.FindCoordinator, path: "ErrorCode", said: true},
	{key: kmsg.JoinGroup, path: "ErrorCode", refused: true, said: true},
	{key: kmsg.SyncGroup, path: "ErrorCode", both: true, said: true},
	{key: kmsg.Heartbeat, path: "ErrorCode", said: true},
	{key: kmsg.LeaveGroup, path: "ErrorCode"},
	{key: kmsg.OffsetFetch, path: "Topics.Partitions.ErrorCode", said: true},
	{key: kmsg.OffsetCommit, path: "Topics.Partitions.ErrorCode", both: true},
	{key: kmsg.SASLHandshake, path: "ErrorCode"},
	{key: kmsg.SASLAuthenticate, path: "ErrorCode"},
}

// TestErrorCodesOfGroup answers requests about the group and the connection with every error code for a
// while. Reading never stops for the group's sake, and the member is the owner again.
func TestErrorCodesOfGroup(t *testing.T) {
	for _, l := range groupLevels {
		shards := 8
		if l.key == kmsg.JoinGroup { // each lets the broker wait for a member that is gone
			shards = 20
		}
		for shard := range shards {
			t.Run(fmt.Sprint(l, " ", shard), func(t *testing.T) {
				t.Parallel()
				g := newRig(t, l.key == kmsg.SASLHandshake || l.key == kmsg.SASLAuthenticate)
				for i, code := range codes() {
					if i%shards == shard && (!testing.Short() || i%4 == 0) {
						g.errorCode(t, l, code)
					}
				}
				g.checkRead(t)
			})
		}
	}
}

// errorCode is one trial.
func (g *rig) errorCode(t *testing.T, l groupLevel, code int16) {
	t.Helper()
	g.log.clear()
	before, began := g.meddler.Counts(), time.Now()
	if l.refused || l.both && code%2 == 0 {
		g.meddle(l.key, func(*testkafka.Answer) {})
		fault := g.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{l.key}, TopLevel: l.path == "ErrorCode", Count: -1, Err: &kerr.Error{Message: "TEST", Code: code},
		})
		defer fault.Remove()
		g.wait(t, l, code)
		fault.Remove()
	} else {
		g.meddle(l.key, func(a *testkafka.Answer) { a.Fail(l.path, "", code) })
		g.wait(t, l, code)
	}
	g.meddler.Set(nil)
	took := time.Since(began)
	for key, n := range g.meddler.Counts() {
		if n -= before[key]; n > 15+int(took/(25*time.Millisecond)) {
			t.Errorf("%d: %d requests of %s in %v", code, n, key.Name(), took)
		}
	}
	g.produce(t)
	g.awaitHealth(t)
	said := g.log.with()
	if len(said) > 8 {
		t.Errorf("%d: %d lines: %q", code, len(said), said)
	}
}

// wait lets the errors last, while a message is written and read.
func (g *rig) wait(t *testing.T, l groupLevel, code int16) {
	t.Helper()
	eventually(t, "the error is met", func() bool { return g.hits.Load() > 0 })
	g.produce(t)
	time.Sleep(lasting())
	// Some mean no more at first than that the member must join again.
	usual := code == kerr.RebalanceInProgress.Code || l.key == kmsg.Heartbeat && (code == kerr.UnknownMemberID.Code || code == kerr.IllegalGeneration.Code)
	if l.said && !usual {
		eventually(t, "the log names the error", func() bool {
			return len(g.log.with("group=g", fmt.Sprintf("[%d]", code))) > 0
		})
	}
	if l.key == kmsg.Heartbeat || l.key == kmsg.OffsetCommit || groupKeys[l.key] && l.key != kmsg.Metadata {
		g.run.got.waitTotal(t, g.written) // whatever becomes of the group
	}
}

// lasting is how long errors go on.
func lasting() time.Duration {
	if os.Getenv("STREAMMON_FAULTS") == "long" {
		return 2 * time.Second // longer than a session
	}
	return 150 * time.Millisecond
}

// What keeps a member out is said once, also if something else kept it out before, and not without end.
func TestTroublesThatAreSaid(t *testing.T) {
	log := &lines{}
	m := newMembership(&Config{Group: "g", Logger: log.logger()})
	for range 3 {
		for _, what := range []string{"a", "b", "c", "d"} {
			m.trouble("trouble", errors.New(what))
		}
	}
	if n := len(log.with("trouble")); n != maxSaid {
		t.Errorf("%d lines", n)
	}
	if got := m.troubles(); !strings.Contains(got, "d") {
		t.Errorf("troubles are %q", got)
	}
	m.trouble("", nil)
	m.trouble("trouble", errors.New("a"))
	if n := len(log.with("trouble")); n != maxSaid+1 {
		t.Errorf("%d lines after a success", n)
	}
}
