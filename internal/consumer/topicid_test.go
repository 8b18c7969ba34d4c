package consumer

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/streammon/streammon/internal/testkafka"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// deleteTopic returns when the topic is gone.
func deleteTopic(t *testing.T, b testkafka.Broker, name string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req.TopicNames, req.Topics, req.TimeoutMillis = []string{name}, append(req.Topics, topic), 10_000
	res, err := req.RequestWith(t.Context(), b.Client(t))
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("delete topic %s: %v", name, err)
	}
}

// produceNew writes to a topic that was just made, with a client that does not remember
// the one before.
func produceNew(t *testing.T, b testkafka.Broker, records ...*kgo.Record) {
	t.Helper()
	testkafka.Produce(t, b.Client(t), records...)
}

// history keeps the batches without their records, in order, besides what a collector does.
type history struct {
	*collector
	mu      sync.Mutex
	batches []Batch
	counts  []int
}

func (h *history) HandleBatch(ctx context.Context, b *Batch) error {
	h.note(b) // first: who waits for the collector's records looks here next
	return h.collector.HandleBatch(ctx, b)
}

func (h *history) note(b *Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	copied := *b
	copied.Records = nil
	h.batches, h.counts = append(h.batches, copied), append(h.counts, len(b.Records))
}

// restarts returns how many batches say so, and the first of them.
func (h *history) restarts() (n int, first Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.batches {
		if b.Restarted {
			if n == 0 {
				first = b
			}
			n++
		}
	}
	return n, first
}

// ids returns the ids of the batches that hold records, each once, in order.
func (h *history) ids() []topicID {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []topicID
	for i, b := range h.batches {
		if h.counts[i] > 0 {
			out = append(out, b.TopicID)
		}
	}
	return slices.Compact(out)
}

// run starts a consumer that hands on to the history.
func (h *history) run(t *testing.T, cfg Config) *running {
	t.Helper()
	return startWith(t, cfg, h.collector, h)
}

func remembered() *history { return &history{collector: newCollector()} }

// brokerID is the id of a topic as another client has it.
func brokerID(t *testing.T, b testkafka.Broker, name string) topicID {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(t.Context(), b.Client(t))
	if err != nil {
		t.Fatal(err)
	}
	return res.Topics[0].TopicID
}

func TestTopicID(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 3, nil)
		h := remembered()
		h.run(t, quick(b, topic))
		produceNew(t, b, numbered(topic, 1, 0, 5)...)
		h.waitTotal(t, 5)
		want := brokerID(t, b, topic)
		if got := h.ids(); want == (topicID{}) || !slices.Equal(got, []topicID{want}) {
			t.Errorf("ids %x, want %x", got, want)
		}
		c := newCluster(&Config{Brokers: b.Bootstrap}, []string{topic})
		defer c.close()
		if _, err := c.topicID(t.Context(), topic, 3); err == nil || !strings.Contains(err.Error(), "3 partitions") {
			t.Errorf("a partition that is not there: %v", err)
		}
		if _, err := c.topicID(t.Context(), "no-such-topic", 0); err == nil {
			t.Error("no error for a topic that is not there")
		}
	})
}

// The topic was made anew while nobody read it, and holds more than before: only its id
// tells. Whatever the mode, its records are read from the first on.
func TestMadeAnewWhileStopped(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		for _, untilEnd := range []bool{false, true} {
			topic := b.CreateTopic(t, 1, nil)
			produceNew(t, b, numbered(topic, 0, 0, 10)...)
			first := remembered()
			r := first.run(t, quick(b, topic))
			first.waitTotal(t, 10)
			r.stop(t)
			saved := Position{Offset: 10, TopicID: first.ids()[0]}

			deleteTopic(t, b, topic)
			recreate(t, b, topic, 1)
			produceNew(t, b, numbered(topic, 0, 1000, 30)...)
			cfg := quick(b, topic)
			cfg.UntilEnd = untilEnd
			cfg.Positions = func(string, int) (Position, bool) { return saved, true }
			second := remembered()
			r = second.run(t, cfg)
			second.waitTotal(t, 30)
			if untilEnd {
				r.join(t)
			}
			n, b0 := second.restarts()
			if n != 1 || b0.First != 0 || b0.TopicID != brokerID(t, b, topic) || !second.batches[0].Restarted {
				t.Errorf("until end %v: %d restarts, the first %+v", untilEnd, n, b0)
			}
			if got := second.values(topic, 0); got[0] != "001000" || got[29] != "001029" {
				t.Errorf("read %v", got)
			}
		}
	})
}

// recreate makes a topic under a name that was just deleted, which may still be in use for
// a moment.
func recreate(t *testing.T, b testkafka.Broker, name string, partitions int) {
	t.Helper()
	client := b.Client(t)
	eventually(t, "the topic is made anew", func() bool {
		req := kmsg.NewPtrCreateTopicsRequest()
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), -1
		req.Topics, req.TimeoutMillis = append(req.Topics, topic), 10_000
		res, err := req.RequestWith(t.Context(), client)
		return err == nil && res.Topics[0].ErrorCode == 0
	})
}

// The same topic goes on where it was, and so does one whose id was not known.
func TestSavedPositionOfTheSameTopic(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	produceNew(t, b, numbered(topic, 0, 0, 10)...)
	for _, id := range []topicID{{}, brokerID(t, b, topic)} {
		cfg := quick(b, topic)
		cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 7, TopicID: id}, true }
		h := remembered()
		r := h.run(t, cfg)
		h.waitTotal(t, 3)
		if n, _ := h.restarts(); n != 0 || h.ids()[0] != brokerID(t, b, topic) {
			t.Errorf("%d restarts, id %x", n, h.ids())
		}
		r.stop(t)
	}
}

// While it is being read the topic is deleted and made anew with more than before, and with
// other numbers of partitions.
func TestMadeAnewWhileRunning(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		for _, c := range []struct{ before, after int }{{1, 1}, {3, 1}, {1, 3}} {
			t.Run(fmt.Sprint(c.before, " to ", c.after), func(t *testing.T) {
				topic := b.CreateTopic(t, c.before, nil)
				h := remembered()
				r := h.run(t, quick(b, topic))
				produceNew(t, b, numbered(topic, 0, 0, 10)...)
				h.waitTotal(t, 10)
				deleteTopic(t, b, topic)
				eventually(t, "the trouble is shown", func() bool { return r.Status().Partitions[0].Error != "" })
				recreate(t, b, topic, c.after)
				for i := range c.after {
					produceNew(t, b, numbered(topic, i, 1000*(i+1), 30)...)
				}
				h.waitTotal(t, 10+30*c.after)
				n, b0 := h.restarts()
				if n < 1 || n > min(c.before, c.after) || b0.First != 0 || b0.TopicID != brokerID(t, b, topic) {
					t.Errorf("%d restarts, the first %+v", n, b0)
				}
				if ids := h.ids(); len(ids) != 2 || ids[0] == ids[1] {
					t.Errorf("records of the topics %x", ids)
				}
				if got := h.values(topic, 0); got[9] != "000009" || got[10] != "001000" || got[39] != "001029" {
					t.Errorf("read %v", got)
				}
				for i := c.after; i < c.before; i++ {
					eventually(t, "a surplus partition waits", func() bool {
						return strings.Contains(r.Status().Partitions[i].Error, fmt.Sprint(c.after, " partitions now"))
					})
				}
			})
		}
	})
}

// The topic is made anew while the handler blocks, so that no fetch ever fails: discovery
// finds out, and what was fetched meanwhile is not handed on.
func TestMadeAnewWithoutAnError(t *testing.T) {
	c, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 1, nil)
	produceNew(t, b, numbered(topic, 0, 0, 10)...)
	h := remembered()
	h.block = make(chan struct{})
	cfg := quick(b, topic)
	cfg.MaxBytes = 1 // a batch a fetch: the next one is there before the handler returns
	testkafka.Produce(t, b.Client(t), numbered(topic, 0, 10, 10)...)
	var looks, fetches atomic.Int32
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if req.GetVersion() == metadataLast {
			looks.Add(1)
		}
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		fetches.Add(1)
		return nil, nil, false
	})
	r := h.run(t, cfg)
	eventually(t, "the second fetch is done", func() bool { return fetches.Load() >= 2 })
	deleteTopic(t, b, topic)
	recreate(t, b, topic, 1)
	produceNew(t, b, numbered(topic, 0, 1000, 30)...)
	seen := looks.Load()
	eventually(t, "discovery looks", func() bool { return looks.Load() >= seen+3 })
	close(h.block)
	h.wait(t, "the new topic", func() bool {
		return h.last[partitionKey{topic, 0}].TopicID == brokerIDOf(c, topic) && h.last[partitionKey{topic, 0}].Next == 30
	})
	r.stop(t)
	if n, b0 := h.restarts(); n != 1 || b0.First != 0 {
		t.Errorf("%d restarts, the first %+v", n, b0)
	}
	got := h.values(topic, 0)
	if i := slices.Index(got, "001000"); i < 0 || len(got)-i != 30 || i > 10 {
		t.Errorf("read %v", got)
	}
}

func brokerIDOf(c *kfake.Cluster, topic string) topicID { return c.TopicInfo(topic).TopicID }

// A job whose saved position lies beyond the end reads the topic from its start.
func TestUntilEndBeyondTheEnd(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		produceNew(t, b, numbered(topic, 0, 0, 5)...)
		cfg := quick(b, topic)
		cfg.UntilEnd = true
		cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 1000}, true }
		h := remembered()
		h.run(t, cfg).join(t)
		if n, _ := h.restarts(); n != 1 || h.total() != 5 || !h.last[partitionKey{topic, 0}].Done {
			t.Errorf("%d restarts, %d records", n, h.total())
		}
	})
}

// gate holds batches of a partition back from its first one on.
type gate struct {
	*history
	partition int
	reached   chan struct{} // closed when the first one is there
	open      chan struct{} // closed to let them pass
	once      sync.Once
}

func (g *gate) HandleBatch(ctx context.Context, b *Batch) error {
	if b.Partition == g.partition && len(b.Records) > 0 {
		g.once.Do(func() { close(g.reached) })
		<-g.open
	}
	return g.history.HandleBatch(ctx, b)
}

// A job whose topic is made anew with fewer partitions while it reads ends: what it has not read of those that are
// gone is a gap.
func TestUntilEndWithFewerPartitions(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 2, nil)
	for i := range 5 { // a batch each
		produceNew(t, b, append(numbered(topic, 0, i, 1), numbered(topic, 1, i, 1)...)...)
	}
	cfg := quick(b, topic)
	cfg.UntilEnd, cfg.MaxBytes = true, 1
	g := &gate{history: remembered(), partition: 1, reached: make(chan struct{}), open: make(chan struct{})}
	r := startWith(t, cfg, g.collector, g)
	<-g.reached
	deleteTopic(t, b, topic)
	recreate(t, b, topic, 1)
	close(g.open)
	r.join(t)
	last := g.last[partitionKey{topic, 1}]
	if read := g.count(topic, 1); !last.Done || last.Next != 5 || read >= 5 || last.Gap != int64(5-read) {
		t.Errorf("%d records, and at last %+v", read, last)
	}
}

// A job that ends where it was saved has nothing to do, even if a transaction is open.
func TestUntilEndAtTheEnd(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, nil)
		produceNew(t, b, numbered(topic, 0, 0, 5)...)
		client := b.Client(t, kgo.TransactionalID(topic))
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		testkafka.Produce(t, client, numbered(topic, 0, 5, 2)...)
		for _, at := range []int64{5, 7} { // 7 was read with ReadCommitted off
			cfg := quick(b, topic)
			cfg.UntilEnd = true
			cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: at, TopicID: brokerID(t, b, topic)}, true }
			h := remembered()
			h.run(t, cfg).join(t)
			if n, _ := h.restarts(); n != 0 || h.total() != 0 {
				t.Errorf("from %d: %d restarts, %d records", at, n, h.total())
			}
		}
		if err := client.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	})
}

// A broker without topic ids is read as ever: ids stay unknown, and a topic that was made
// anew is noticed by its end only.
func TestBrokerWithoutTopicIDs(t *testing.T) {
	_, b := testkafka.Fake(t, kfake.MaxVersions(kversion.V2_7_0()))
	topic := b.CreateTopic(t, 1, nil)
	produceNew(t, b, numbered(topic, 0, 0, 10)...)
	cfg := quick(b, topic)
	cfg.Positions = func(string, int) (Position, bool) { return Position{Offset: 5, TopicID: topicID{1}}, true }
	h := remembered()
	r := h.run(t, cfg)
	h.waitTotal(t, 5)
	if got := h.ids(); !slices.Equal(got, []topicID{{1}}) {
		t.Errorf("ids %x", got)
	}
	deleteTopic(t, b, topic)
	eventually(t, "the trouble is shown", func() bool { return r.Status().Partitions[0].Error != "" })
	recreate(t, b, topic, 1)
	produceNew(t, b, numbered(topic, 0, 1000, 3)...)
	h.waitTotal(t, 8)
	if n, _ := h.restarts(); n != 1 {
		t.Errorf("%d restarts", n)
	}
}

// A leader change changes nothing.
func TestTopicIDWithLeaderChange(t *testing.T) {
	c, b := testkafka.Fake(t, kfake.NumBrokers(3))
	topic := b.CreateTopic(t, 1, nil)
	h := remembered()
	h.run(t, quick(b, topic))
	for i := range 6 {
		if err := c.MoveTopicPartition(topic, 0, int32(i%3)); err != nil {
			t.Fatal(err)
		}
		produceNew(t, b, numbered(topic, 0, 10*i, 10)...)
		h.waitTotal(t, 10*(i+1))
	}
	if n, _ := h.restarts(); n != 0 || len(h.ids()) != 1 {
		t.Errorf("%d restarts, ids %x", n, h.ids())
	}
}

// conversation answers what is written to it with prepared bytes.
type conversation struct {
	bytes.Buffer // what was asked
	answers      io.Reader
}

func (c *conversation) Read(p []byte) (int, error) { return c.answers.Read(p) }

func framed(b []byte) []byte {
	out := appendInt32(nil, int32(len(b)+4), 0)
	return append(out, b...)
}

// versionsAnswer is a response to ApiVersions that tells the range of Metadata.
func versionsAnswer(first, last int) []byte {
	var b []byte
	for _, v := range []int{0, 0, 2, 1, 0, 11, 3, first, last} {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// metadataAnswer is the response of another implementation, without the correlation id.
func metadataAnswer(version int16, topics ...kmsg.MetadataResponseTopic) []byte {
	res := kmsg.NewPtrMetadataResponse()
	res.Version, res.Topics = version, topics
	res.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 7, Host: "there", Port: 9092, Rack: kmsg.StringPtr("r")}, {NodeID: 8}}
	return res.AppendTo([]byte{0}) // no tags in the header
}

func someTopic(name string, id byte, partitions int) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.TopicID = &name, topicID{id}
	for i := range partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Replicas, p.ISR = int32(i), []int32{7, 8}, []int32{7}
		p.UnknownTags.Set(5, []byte("later"))
		t.Partitions = append(t.Partitions, p)
	}
	t.UnknownTags.Set(3, []byte("later"))
	return t
}

// Requests and responses agree with another implementation, in every version.
func TestMetadataExchange(t *testing.T) {
	for _, c := range []struct {
		first, last int
		asked       int16 // 0: not
	}{{0, 13, 12}, {0, 12, 12}, {0, 11, 11}, {0, 10, 10}, {0, 9, 0}, {10, 10, 10}, {13, 20, 0}} {
		answers := slices.Concat(framed(versionsAnswer(c.first, c.last)), framed(metadataAnswer(c.asked, someTopic("a", 1, 3), someTopic("b", 2, 0))))
		talk := &conversation{answers: bytes.NewReader(answers)}
		m, err := (&metadataRequest{clientID: "me", topics: []string{"a", "b"}}).RawExchange(talk)
		if err != nil {
			t.Fatal(c, err)
		}
		got := m.(*metadataResponse).topics
		if c.asked == 0 {
			if got != nil {
				t.Errorf("%v: %v", c, got)
			}
			continue
		}
		if want := (identity{id: topicID{1}, partitions: 3}); len(got) != 2 || got["a"] != want {
			t.Errorf("%v: %+v", c, got)
		}
		checkMetadataRequest(t, talk.Bytes(), c.asked)
	}
}

// checkMetadataRequest parses the second request that was written.
func checkMetadataRequest(t *testing.T, asked []byte, version int16) {
	t.Helper()
	asked = asked[4+binary.BigEndian.Uint32(asked):]
	if got := int16(binary.BigEndian.Uint16(asked[6:])); got != version {
		t.Errorf("asked in version %d, want %d", got, version)
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Version = version
	if err := req.ReadFrom(asked[4+8+2+len("me")+1:]); err != nil {
		t.Fatal(err)
	}
	if len(req.Topics) != 2 || *req.Topics[0].Topic != "a" || *req.Topics[1].Topic != "b" || req.AllowAutoTopicCreation {
		t.Errorf("asked %+v", req)
	}
	if again := req.AppendTo(nil); !bytes.Equal(again, asked[4+8+2+len("me")+1:]) {
		t.Errorf("asked %x, want %x", asked, again)
	}
}

func TestMetadataErrors(t *testing.T) {
	versions := framed(versionsAnswer(0, 12))
	for name, answers := range map[string][]byte{
		"none":             nil,
		"versions refused": framed([]byte{0, 35, 0, 0, 0, 0}),
		"versions cut":     framed(versionsAnswer(0, 12)[:15]),
		"huge":             appendInt32(slices.Clone(versions), 1<<30, 0),
		"negative":         appendInt32(slices.Clone(versions), -5, 0),
		"cut":              slices.Concat(versions, framed(metadataAnswer(12, someTopic("a", 1, 3))[:60])),
	} {
		if _, err := (&metadataRequest{topics: []string{"a"}}).RawExchange(&conversation{answers: bytes.NewReader(answers)}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	failed := someTopic("a", 0, 0)
	failed.ErrorCode = 29
	got, err := parseMetadata(metadataAnswer(12, failed))
	if err != nil || got["a"].code != kafka.TopicAuthorizationFailed {
		t.Errorf("%+v, %v", got, err)
	}
}

// No bytes make the parsers panic, run on or find more than there is.
func FuzzMetadata(f *testing.F) {
	for v := int16(metadataFirst); v <= metadataLast; v++ {
		f.Add(metadataAnswer(v, someTopic("a", 1, 3), someTopic("b", 2, 1)), versionsAnswer(0, int(v)))
	}
	f.Add(appendInt32([]byte{0}, 0), []byte{0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b, versions []byte) {
		if v, err := metadataVersion(versions); err == nil && v != 0 && (v < metadataFirst || v > metadataLast) {
			t.Fatalf("version %d", v)
		}
		got, err := parseMetadata(b)
		if err == nil && len(got) > len(b) {
			t.Fatalf("%d topics in %d bytes", len(got), len(b))
		}
	})
}
