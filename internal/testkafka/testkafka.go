// Package testkafka gives tests a Kafka: an embedded one that is always there, and
// the real ones that the environment names.
//
//	STREAMMON_KAFKA="3.9.2=127.0.0.1:19092;4.4.0=127.0.0.1:29092"
//	STREAMMON_KAFKA_TLS="3.9.2=/tmp/kafka39/tls;4.4.0=/tmp/kafka44/tls"
//
// The first lists version and bootstrap server (several ones by commas), the second
// the folders with ca.pem, client.pem and client.key. Brokers with such a folder
// also listen, as test/kafka.sh arranges it, on the port +2 with SASL, +3 with TLS, +4
// with TLS and a client certificate, and +5 with SASL over TLS; user alice, password
// alice-secret. It is for tests only.
package testkafka

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// User and Password are accepted by the SASL listeners of the real brokers.
const (
	User     = "alice"
	Password = "alice-secret"
)

// Listener is a way to connect to a real broker, as its port's distance from the
// plain one's.
type Listener int

// The listeners besides the plain one.
const (
	SASL    Listener = 2
	TLS     Listener = 3
	MTLS    Listener = 4
	SASLTLS Listener = 5
)

// Broker is a Kafka to test with.
type Broker struct {
	Version   string   // "fake" for the embedded one
	Bootstrap []string // host:port
	tls       string
}

// Real runs f as a subtest for every real broker in the environment, and skips the
// test if there is none.
func Real(t *testing.T, f func(t *testing.T, b Broker)) {
	t.Helper()
	for _, b := range needed(t) {
		t.Run("kafka-"+b.Version, func(t *testing.T) { f(t, b) })
	}
}

// Last returns the last real broker in the environment, and skips the test if there is none.
func Last(t testing.TB) Broker {
	t.Helper()
	brokers := needed(t)
	return brokers[len(brokers)-1]
}

func needed(t testing.TB) []Broker {
	t.Helper()
	brokers := Brokers(t)
	if len(brokers) == 0 {
		t.Skip("needs a real Kafka: set STREAMMON_KAFKA (test/kafka.sh start)")
	}
	return brokers
}

// Brokers returns the real brokers of the environment.
func Brokers(t testing.TB) []Broker {
	t.Helper()
	brokers, err := parse(os.Getenv("STREAMMON_KAFKA"), os.Getenv("STREAMMON_KAFKA_TLS"))
	if err != nil {
		t.Fatal(err)
	}
	return brokers
}

// Each is Real with the embedded broker before the others, so that it never skips.
func Each(t *testing.T, f func(t *testing.T, b Broker)) {
	t.Helper()
	t.Run("kfake", func(t *testing.T) {
		_, b := Fake(t)
		f(t, b)
	})
	t.Run("real", func(t *testing.T) { Real(t, f) })
}

func parse(brokers, tls string) ([]Broker, error) {
	folders, err := pairs("STREAMMON_KAFKA_TLS", tls)
	if err != nil {
		return nil, err
	}
	listed, err := pairs("STREAMMON_KAFKA", brokers)
	if err != nil {
		return nil, err
	}
	var out []Broker
	for _, p := range listed {
		b := Broker{Version: p[0], Bootstrap: strings.Split(p[1], ",")}
		for _, f := range folders {
			if f[0] == b.Version {
				b.tls = f[1]
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// pairs cuts "a=b;c=d".
func pairs(name, list string) ([][2]string, error) {
	var out [][2]string
	for item := range strings.SplitSeq(list, ";") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		key, value, ok := strings.Cut(item, "=")
		if !ok || key == "" || value == "" {
			return nil, fmt.Errorf("%s: %q: want version=value", name, item)
		}
		out = append(out, [2]string{key, value})
	}
	return out, nil
}

// Secure returns the address of another listener of a real broker, and skips the
// test if it has none.
func (b Broker) Secure(t testing.TB, l Listener) string {
	t.Helper()
	if b.tls == "" {
		t.Skip("needs a real Kafka with SASL and TLS: set STREAMMON_KAFKA_TLS (test/kafka.sh start --sasl --tls)")
	}
	host, port, err := net.SplitHostPort(b.Bootstrap[0])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+int(l)))
}

// Certificate returns the path of ca.pem, client.pem or client.key.
func (b Broker) Certificate(name string) string { return filepath.Join(b.tls, name) }

// Fake starts an embedded broker that ends with the test. Without options it is one
// broker that knows no topic.
func Fake(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, Broker) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, Broker{Version: "fake", Bootstrap: c.ListenAddrs()}
}

// Client returns a client of another make than ours, to arrange things with. It
// produces to the partition that a record names and ends with the test.
func (b Broker) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.Bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Name returns a name that no other test uses.
func Name(t testing.TB) string {
	clean := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", r) {
			return r
		}
		return '-'
	}, t.Name())
	return fmt.Sprintf("%.120s-%x", clean, time.Now().UnixNano())
}

// CreateTopic makes a topic that is deleted after the test and returns its name.
func (b Broker) CreateTopic(t testing.TB, partitions int, configs map[string]string) string {
	t.Helper()
	name := Name(t)
	b.CreateNamed(t, name, partitions, configs)
	return name
}

// CreateNamed is CreateTopic with a name from Name.
func (b Broker) CreateNamed(t testing.TB, name string, partitions int, configs map[string]string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), -1
	for k, v := range configs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = k, &v
		topic.Configs = append(topic.Configs, c)
	}
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), 10_000
	c := b.Client(t)
	res, err := req.RequestWith(context.Background(), c)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
	t.Cleanup(func() { b.deleteTopic(t, name) })
}

func (b Broker) deleteTopic(t testing.TB, name string) {
	if b.Version == "fake" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req.TopicNames, req.Topics, req.TimeoutMillis = []string{name}, append(req.Topics, topic), 10_000
	if _, err := req.RequestWith(ctx, b.Client(t)); err != nil {
		t.Logf("delete topic %s: %v", name, err)
	}
}

// AddPartitions grows a topic to the given number of partitions, and waits until a broker tells
// of them.
func (b Broker) AddPartitions(t testing.TB, topic string, total int) {
	t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, int32(total)
	req.Topics, req.TimeoutMillis = append(req.Topics, rt), 10_000
	res, err := req.RequestWith(context.Background(), b.Client(t))
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("add partitions to %s: %v", topic, err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(b.Partitions(t, topic)) < total; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the brokers do not tell of the new partitions of %s", topic)
		}
	}
}

// Partitions returns what the brokers tell of the partitions of topics; those without a leader
// come with an error code.
func (b Broker) Partitions(t testing.TB, topics ...string) (all []kmsg.MetadataResponseTopicPartition) {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		req.Topics = append(req.Topics, topic)
	}
	c := b.Client(t)
	defer c.Close()
	res, err := req.RequestWith(context.Background(), c)
	if err != nil {
		t.Fatalf("ask for metadata: %v", err)
	}
	for _, topic := range res.Topics {
		all = append(all, topic.Partitions...)
	}
	return all
}

// DeleteRecords drops what is before an offset, as retention does.
func (b Broker) DeleteRecords(t testing.TB, topic string, partition int, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = int32(partition), before
	rt.Topic, rt.Partitions = topic, append(rt.Partitions, rp)
	req.Topics, req.TimeoutMillis = append(req.Topics, rt), 10_000
	res, err := req.RequestWith(context.Background(), b.Client(t))
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("delete records of %s: %v", topic, err)
	}
}

// Produce writes the records, all at once, and waits until they are stored.
func Produce(t testing.TB, c *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("produce: %v", err)
	}
}
