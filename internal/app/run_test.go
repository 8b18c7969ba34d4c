package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// runConfig is a config over one topic without a reference.
func runConfig(b testkafka.Broker, topic, more string) string {
	return `kafka: {brokers: ["` + strings.Join(b.Bootstrap, `", "`) + `"], group: ` + topic + `, start: earliest` + more + `}
windows: [1m]
allowed_lateness: 5s
models:
  - name: fraud
    topics: {predictions: ` + topic + `}
    task: binary
    positive: fraud
    changes: [error_ratio, positive_ratio, {figure: mean, feature: amount}, {figure: missing_ratio, feature: device_score, detectors: [adwin, ddm, hddm_a, hddm_w]}]
    features:
` + demo.Features()
}

// running is a monitor that runs in the background of a test.
type running struct {
	snapshots chan *monitor.Snapshot
	cancel    context.CancelFunc
	done      chan error
}

func startRun(t *testing.T, c *config.Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{snapshots: make(chan *monitor.Snapshot, 1), cancel: cancel, done: make(chan error, 1)}
	go func() {
		r.done <- Run(ctx, c, RunOptions{Listener: listen(t), Logger: testLogger(t), Published: func(s *monitor.Snapshot) {
			select {
			case <-r.snapshots:
			default:
			}
			r.snapshots <- s
		}})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-r.done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("run does not end")
		}
	})
	return r
}

// await returns the first snapshot that satisfies f, within the time.
func (r *running) await(t *testing.T, what string, within time.Duration, f func(*monitor.Snapshot) bool) *monitor.Snapshot {
	t.Helper()
	timeout := time.After(within)
	var last *monitor.Snapshot
	for {
		select {
		case last = <-r.snapshots:
			if f(last) {
				return last
			}
		case err := <-r.done:
			r.done <- nil
			t.Fatalf("waiting for %s: run ended: %v", what, err)
		case <-timeout:
			t.Fatalf("waiting for %s: not within %s; last: %+v", what, within, last)
		}
	}
}

// TestAnyBytesAreCounted sends random bytes, broken and whole events through a broker:
// the ledger is exact, the lane goes on, and rejected messages are dead-lettered.
func TestAnyBytesAreCounted(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic, dead := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
		r := startRun(t, parseConfig(t, runConfig(b, topic, ", dead_letter_topic: "+dead)))
		random := rand.New(rand.NewPCG(3, 4))
		service := demo.NewService(1)
		var records []*kgo.Record
		whole := uint64(0)
		for i := range 3000 {
			value, _ := service.Append(nil, time.Now(), demo.Effects{})
			switch random.IntN(4) {
			case 0:
				value = value[:random.IntN(len(value))] // never a whole object
			case 1:
				value = make([]byte, random.IntN(200))
				for k := range value {
					value[k] = byte(random.Uint32())
				}
			default:
				whole++
			}
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: value})
		}
		testkafka.Produce(t, b.Client(t), records...)
		s := r.await(t, "all messages", 30*time.Second, func(s *monitor.Snapshot) bool {
			letters := uint64(0)
			for _, p := range s.Partitions {
				letters += p.DeadLetters
			}
			return s.Ledger.Consumed == 3000 && letters == 3000-whole
		})
		if l := s.Ledger; !l.Balanced() || l.Accepted != whole {
			t.Errorf("ledger %+v with %d whole events", l, whole)
		}
		if s.Ledger.Rejected[event.Empty] == 0 || s.Ledger.Rejected[event.Syntax] == 0 {
			t.Errorf("rejected: %v", s.Ledger.Rejected)
		}
	})
}

// TestNewPartitionsAndTopics starts before the topic exists, and adds a partition
// while it runs.
func TestNewPartitionsAndTopics(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := testkafka.Name(t)
	r := startRun(t, parseConfig(t, runConfig(b, topic, "")))
	r.await(t, "a snapshot that waits", 20*time.Second, func(s *monitor.Snapshot) bool { return s.NotReady != "" })
	b.CreateNamed(t, topic, 1, nil)
	service := demo.NewService(1)
	write := func(partition int32) {
		client := b.Client(t) // a new one, which knows the new partition
		for range 50 {
			value, _ := service.Append(nil, time.Now(), demo.Effects{})
			testkafka.Produce(t, client, &kgo.Record{Topic: topic, Partition: partition, Value: value})
		}
	}
	write(0)
	r.await(t, "the first partition", 20*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Accepted == 50 && s.NotReady == "" && s.Exporting })
	b.AddPartitions(t, topic, 2)
	write(1)
	s := r.await(t, "the second partition", 20*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Accepted == 100 })
	if len(s.Partitions) != 2 {
		t.Errorf("%d partitions", len(s.Partitions))
	}
}

// TestLiveGaugesEqualTheBatch compares what is shown at a slide with a replay of the
// same events.
func TestLiveGaugesEqualTheBatch(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic := b.CreateTopic(t, 1, keepForever)
		c := parseConfig(t, runConfig(b, topic, ""))
		var records []*kgo.Record
		var lines []byte
		service := demo.NewService(9)
		base := time.Now().Add(-time.Hour).Truncate(time.Minute)
		for i := range 2400 { // ten a second; the last pane that is sealed ends at 3m50s
			e := demo.Effects{}
			if i >= 1200 { // a change that detectors find
				e.MissingDevice = 0.6
			}
			value, _ := service.Append(nil, base.Add(time.Duration(i)*100*time.Millisecond), e)
			records = append(records, &kgo.Record{Topic: topic, Value: value})
			lines = append(append(lines, value...), '\n')
		}
		testkafka.Produce(t, b.Client(t), records...)
		file := filepath.Join(t.TempDir(), "events.jsonl")
		if err := os.WriteFile(file, lines, 0o600); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		if _, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{file}, Result: func(r *monitor.Result) {
			want[fmt.Sprint(r.End, r.Version)] = string(r.AppendJSON(nil))
		}}); err != nil {
			t.Fatal(err)
		}
		r := startRun(t, c)
		s := r.await(t, "all events", 30*time.Second, func(s *monitor.Snapshot) bool { return s.Ledger.Accepted == 2400 && len(s.Results) == 2 })
		for _, got := range s.Results {
			if g, w := string(got.AppendJSON(nil)), want[fmt.Sprint(got.End, got.Version)]; g != w {
				t.Errorf("shown\n%s\nreplayed\n%s", g, w)
			} else if !strings.Contains(g, `"found":`) {
				t.Errorf("no change is found: %s", g)
			}
		}
	})
}

// TestRunLeavesNothingBehind checks that no goroutine survives a run.
func TestRunLeavesNothingBehind(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic := b.CreateTopic(t, 2, nil)
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ready := make(chan struct{}, 1000)
	go func() {
		done <- Run(ctx, parseConfig(t, runConfig(b, topic, "")), RunOptions{Listener: listen(t), Published: func(s *monitor.Snapshot) {
			if s.NotReady == "" {
				ready <- struct{}{}
			}
		}})
	}()
	<-ready
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

// TestSoak reads 5,000 events a second and checks that memory stays flat and the lag
// is zero: for 20 seconds; a minute in continuous integration, against each real
// Kafka; ten minutes in the long setting.
func TestSoak(t *testing.T) {
	length := 20 * time.Second
	switch {
	case os.Getenv("STREAMMON_SOAK") != "":
		length = 10 * time.Minute
	case os.Getenv("CI") != "":
		length = time.Minute
	case testing.Short():
		t.Skip("takes 20 seconds")
	}
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) { soak(t, b, length) })
}

func soak(t *testing.T, b testkafka.Broker, length time.Duration) {
	const rate = 5000
	topic := b.CreateTopic(t, 4, nil)
	r := startRun(t, parseConfig(t, runConfig(b, topic, "")))
	client := b.Client(t, kgo.ProducerLinger(5*time.Millisecond))
	service := demo.NewService(2)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	began := time.Now()
	written := 0
	var early, late uint64
	for now := range ticker.C {
		elapsed := now.Sub(began)
		for ; written < int(elapsed.Seconds()*rate); written++ {
			value, _ := service.Append(nil, time.Now(), demo.Effects{})
			client.Produce(t.Context(), &kgo.Record{Topic: topic, Partition: int32(written % 4), Value: value}, nil)
		}
		if elapsed > length/2 && early == 0 {
			early = heapInUse()
		}
		if elapsed > length {
			late = heapInUse()
			break
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := r.await(t, "zero lag", 5*time.Second, func(s *monitor.Snapshot) bool {
		lag := int64(0)
		for _, p := range s.Partitions {
			lag += p.Lag
		}
		return lag == 0 && s.Ledger.Consumed == uint64(written)
	})
	t.Logf("%d events in %s: heap %d MB half way, %d MB at the end; ledger %+v", written, length, early>>20, late>>20, s.Ledger)
	if s.Ledger.Accepted != uint64(written) || !s.Ledger.Balanced() {
		t.Errorf("ledger %+v, written %d", s.Ledger, written)
	}
	if late > early+early/4+(16<<20) {
		t.Errorf("the heap grew from %d to %d MB", early>>20, late>>20)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestInit samples a topic, and its config passes the check.
func TestInit(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic, flat := b.CreateTopic(t, 2, nil), b.CreateTopic(t, 1, nil)
	service := demo.NewService(4)
	var records []*kgo.Record
	for i := range 500 {
		value, _ := service.Append(nil, time.Now(), demo.Effects{})
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: value})
		records = append(records, &kgo.Record{Topic: flat, Value: fmt.Appendf(nil, `{"request_id":"r%d","ts":%d,"amount":%g,"shop":"s%d","probability":%g}`, i, time.Now().UnixMilli(), 1+float64(i)/7, i%9, float64(i%100)/100)})
	}
	testkafka.Produce(t, b.Client(t), records...)
	for _, c := range []struct {
		topic string
		want  []string
	}{
		{topic, []string{`name: "fraud"`, `"amount": numeric`, `"merchant": categorical`, "task: binary", `- "country"`}},
		{flat, []string{`id: "$.request_id"`, `time: "$.ts"`, `prediction_score: "$.probability"`, `features: "$"`, `"amount": numeric`, `"shop": categorical`}},
	} {
		r, err := Init(t.Context(), InitOptions{Brokers: b.Bootstrap, Topic: c.topic, Rows: 400})
		if err != nil {
			t.Fatal(err)
		}
		if r.Messages != 400 || r.Accepted() != 400 {
			t.Errorf("%d of %d messages would be accepted", r.Accepted(), r.Messages)
		}
		data := r.Config
		for _, w := range c.want {
			if !bytes.Contains(data, []byte(w)) {
				t.Errorf("no %s in\n%s", w, data)
			}
		}
		if _, err := config.Parse("streammon.yaml", data); err != nil {
			t.Errorf("%v\n%s", err, data)
		}
	}
	if _, err := Init(t.Context(), InitOptions{Brokers: b.Bootstrap, Topic: "no-such-topic", Rows: 10}); err == nil {
		t.Error("a topic that does not exist was sampled")
	}
}

// unusedPort returns a port that is free, and that the system gives to nobody by itself.
func unusedPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(10_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// TestBrokerComesLater starts before there is a broker: the monitor says what it waits
// for, and goes on once the broker is there. A run to the end fails instead.
func TestBrokerComesLater(t *testing.T) {
	port := unusedPort(t)
	b := testkafka.Broker{Version: "fake", Bootstrap: []string{fmt.Sprintf("127.0.0.1:%d", port)}}
	c := parseConfig(t, runConfig(b, "later", ""))
	if err := Run(t.Context(), c, RunOptions{Listener: listen(t), UntilEnd: true}); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a run to the end: %v", err)
	}
	r := startRun(t, c)
	r.await(t, "the cause", 20*time.Second, func(s *monitor.Snapshot) bool { return strings.Contains(s.NotReady, "connection refused") })
	_, b = testkafka.Fake(t, kfake.Ports(port), kfake.SeedTopics(1, "later"))
	value, _ := demo.NewService(1).Append(nil, time.Now(), demo.Effects{})
	testkafka.Produce(t, b.Client(t), &kgo.Record{Topic: "later", Value: value})
	r.await(t, "the event", 30*time.Second, func(s *monitor.Snapshot) bool { return s.NotReady == "" && s.Ledger.Accepted == 1 })
}

// TestRecordTime takes what is no time of a record for none: it would overflow.
func TestRecordTime(t *testing.T) {
	for ms, want := range map[int64]int64{
		-1: 0, 0: 0, 1: 1e6, 1795341600250: 1795341600250e6, 1795341600250 * 1000: 0, 1795341600250 * 1e6: 0, math.MaxInt64: 0, math.MinInt64: 0,
	} {
		if got := recordTime(ms); got != want {
			t.Errorf("%d ms: %d, want %d", ms, got, want)
		}
	}
}
