package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
	"github.com/streammon/streammon/internal/testkafka"
)

// TestHostileMessages sends mutated messages among good ones through the program: it neither panics nor
// restarts, and its ledger and windows are those of the naive batch program, and those of replay
// to the byte.
func TestHostileMessages(t *testing.T) {
	mutated := 5_000
	switch {
	case long:
		mutated = 1_000_000
	case ci:
		mutated = 100_000
	}
	const seed = 21
	h := newHostile(t, seed, 30*time.Minute/time.Duration(mutated))
	for range mutated {
		h.send(t, h.mutator.next())
		if h.random.IntN(3) == 0 {
			h.send(t, h.real())
		}
		if h.random.IntN(50) == 0 { // once more what the partition had last
			lane := h.lanes[h.sent%partitions]
			h.send(t, lane[len(lane)-1].Value)
		}
	}
	if err := h.client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	live, replayed := filepath.Join(h.dir, "live.jsonl"), filepath.Join(h.dir, "replayed.jsonl")
	began := time.Now()
	p := run(t, nil, "--config.file="+h.config, "--results="+live, "--until-end")
	if err := p.wait(t, 20*time.Minute); err != nil {
		t.Fatalf("seed %d: it ended with %v", seed, err)
	}
	took := time.Since(began)
	noPanic(t, p)
	args := []string{"replay", "--config.file=" + h.config, "--json=" + replayed}
	for _, f := range h.files {
		args = append(args, "--input="+f.Name())
	}
	q := start(t, nil, args...)
	if err := q.wait(t, 20*time.Minute); err != nil {
		t.Fatalf("seed %d: replay: %v", seed, err)
	}
	noPanic(t, q)

	want := h.oracle(t, live)
	if got, line := lastLine(t, live), string(monitor.AppendLedgerJSON(nil, &want)); got != line {
		t.Errorf("seed %d: the ledger is\n%s\nthe oracle's\n%s", seed, got, line)
	}
	if !want.Balanced() || want.Consumed != uint64(h.sent) {
		t.Errorf("seed %d: %d messages were sent, the ledger is %+v", seed, h.sent, want)
	}
	if n := h.deadLetters(t); n != int64(want.RejectedTotal()) {
		t.Errorf("seed %d: %d dead letters of %d rejected messages", seed, n, want.RejectedTotal())
	}
	h.covers(t, &want)
	// Files have no empty messages.
	inFiles := want
	inFiles.Consumed -= want.Rejected[event.Empty]
	inFiles.Rejected[event.Empty] = 0
	if got, line := lastLine(t, replayed), string(monitor.AppendLedgerJSON(nil, &inFiles)); got != line {
		t.Errorf("seed %d: the ledger of replay is\n%s\nthe oracle's\n%s", seed, got, line)
	}
	cutLastLine(t, live)
	cutLastLine(t, replayed)
	compareFiles(t, live, replayed)
	t.Logf("seed %d: %d mutated messages of %d, read in %s; %s", seed, mutated, h.sent, took.Round(100*time.Millisecond), monitor.AppendLedgerJSON(nil, &want))
}

// hostile is a topic of hostile and good messages, the files with the same, a file a partition,
// and what the naive program is given.
type hostile struct {
	dir, topic, letters, config string
	broker                      testkafka.Broker
	client                      *kgo.Client
	random                      *rand.Rand
	traffic                     *traffic
	queue                       [][]byte // real messages to come
	mutator                     *mutator
	setup                       oracle.Setup
	lanes                       [partitions][]oracle.Message
	files                       []*os.File
	sent                        int
}

func newHostile(t *testing.T, seed uint64, step time.Duration) *hostile {
	t.Helper()
	_, b := testkafka.Fake(t)
	large := map[string]string{"max.message.bytes": "8388608"}
	h := &hostile{
		dir: t.TempDir(), broker: b, topic: b.CreateTopic(t, partitions, large), letters: b.CreateTopic(t, 1, large),
		client: b.Client(t, kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000), kgo.ProducerBatchMaxBytes(8<<20),
			kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression())),
		random: rand.New(rand.NewPCG(seed, 3)), traffic: newTraffic(seed, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), step),
	}
	h.mutator = newMutator(seed, h.real)
	task := "    task: binary\n    positive: \"yes\"\n    mapping: {record_time: received}\n"
	text := trafficConfigOf([...]string{task, task, task}, b.Bootstrap[0], h.topic, "none", "", ", dead_letter_topic: "+h.letters)
	text = strings.NewReplacer(", labels: none", "", "windows: [1m, 5m, 1h]", "windows: [1m]\nmax_future: 5s").Replace(text)
	h.config = filepath.Join(h.dir, "hostile.yaml")
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.setup = oracle.Setup{Windows: []oracle.Span{{Name: "1m", Length: time.Minute}}, Pane: 10 * time.Second,
		Lateness: 20 * time.Second, MaxFuture: 5 * time.Second, Deduplicate: 2 * time.Minute}
	for m := range 3 {
		model := oracle.Model{Name: fmt.Sprint("m", m)}
		for f := range 12 {
			model.Features = append(model.Features, oracle.Feature{Name: fmt.Sprint("f", f), Categorical: f%4 == 3})
		}
		model.Features = append(model.Features, oracle.Feature{Name: event.PredictionScore}, oracle.Feature{Name: event.PredictionLabel, Categorical: true})
		if m == 0 {
			model.Segments = []oracle.Segment{{Name: "country", Values: []string{"DE", "FR"}}}
		}
		h.setup.Models = append(h.setup.Models, model)
	}
	for i := range partitions {
		f, err := os.Create(filepath.Join(h.dir, fmt.Sprintf("%d.jsonl", i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		h.files = append(h.files, f)
	}
	// What a file begins with may tell its form: a good message.
	for range partitions {
		h.send(t, h.real())
	}
	return h
}

// real returns the next message of the traffic, predictions and labels in one topic.
func (h *hostile) real() []byte {
	for len(h.queue) == 0 {
		prediction, truth := h.traffic.next()
		for _, b := range [][]byte{prediction, truth} {
			if len(b) > 0 {
				h.queue = append(h.queue, b)
			}
		}
	}
	b := h.queue[0]
	h.queue = h.queue[1:]
	return bytes.Clone(b)
}

// send writes a message to the topic and to its file.
func (h *hostile) send(t *testing.T, value []byte) {
	t.Helper()
	partition := h.sent % partitions
	h.sent++
	recorded := time.UnixMilli(h.traffic.at.UnixMilli())
	message := oracle.Message{Value: value, RecordTime: recorded.UnixNano()}
	alone := oracle.Run(oracle.Setup{Models: h.setup.Models, Pane: time.Second, MaxFuture: h.setup.MaxFuture}, [][]oracle.Message{{message}})
	future := alone.Ledger.Rejected[event.Future] > 0
	if !future && h.random.IntN(50) == 0 { // no usable timestamp
		recorded = time.UnixMilli(-int64(h.random.IntN(2)))
		message.RecordTime = recorded.UnixNano()
	}
	h.lanes[partition] = append(h.lanes[partition], message)
	if _, err := h.files[partition].Write(h.line(value, future, recorded)); err != nil {
		t.Fatal(err)
	}
	r := &kgo.Record{Topic: h.topic, Partition: int32(partition), Value: value, Timestamp: recorded, Key: h.oddBytes()}
	for range h.random.IntN(3) * h.random.IntN(2) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(h.oddBytes()), Value: h.oddBytes()})
	}
	h.client.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
		if err != nil {
			t.Error(err)
		}
	})
}

// line is the message as a line of a file. A tab means in JSON what a line break does, inside of
// strings and out; an empty line is no message. A file has no timestamps: where it matters, the
// message gets a member with it.
func (h *hostile) line(value []byte, future bool, recorded time.Time) []byte {
	if len(value) == 0 {
		return nil
	}
	line := bytes.Clone(value)
	for i, c := range line {
		if c == '\n' || c == '\r' {
			line[i] = '\t'
		}
	}
	if future {
		line = bytes.Replace(line, []byte("{"), fmt.Appendf(nil, `{"received":%d,`, recorded.UnixMilli()), 1)
	}
	return append(line, '\n')
}

// oddBytes are a key, or a part of a header: none, empty, or anything.
func (h *hostile) oddBytes() []byte {
	switch h.random.IntN(5) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return bytes.Repeat([]byte("k"), h.random.IntN(300))
	}
	b := make([]byte, h.random.IntN(20))
	for i := range b {
		b[i] = byte(h.random.Uint32())
	}
	return b
}

// oracle returns the ledger of the naive program, and compares its windows with the results.
func (h *hostile) oracle(t *testing.T, results string) event.Ledger {
	t.Helper()
	out := oracle.Run(h.setup, h.lanes[:])
	compareWindows(t, out.Windows, results)
	return out.Ledger
}

// covers fails unless each thing that may become of a message became of some.
func (h *hostile) covers(t *testing.T, l *event.Ledger) {
	t.Helper()
	for r := event.Empty; r < event.Reasons; r++ {
		if l.Rejected[r] == 0 {
			t.Errorf("no message was rejected as %s", r)
		}
	}
	if l.Late == 0 || l.Duplicate == 0 || l.Accepted < l.Consumed/5 {
		t.Errorf("the messages are too much alike: %+v", *l)
	}
}

func (h *hostile) deadLetters(t *testing.T) int64 {
	t.Helper()
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = -1 // the end
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic, topic.Partitions = h.letters, append(topic.Partitions, p)
	req := kmsg.NewPtrListOffsetsRequest()
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(t.Context(), h.client)
	if err != nil {
		t.Fatal(err)
	}
	return res.Topics[0].Partitions[0].Offset
}

// noPanic fails if the program's log tells of a panic, of one that was caught too.
func noPanic(t *testing.T, p *program) {
	t.Helper()
	if s := p.log.String(); strings.Contains(s, "panic") || strings.Contains(s, "fatal error") || strings.Contains(s, "goroutine ") {
		t.Errorf("it panicked:\n%s", tail(s))
	}
}

func lastLine(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	return string(b[bytes.LastIndexByte(b, '\n')+1:])
}

// ledger is the last line of results.
type ledger struct {
	Consumed, Accepted, Late, Duplicate int
	Rejected                            map[string]int
}

func ledgerOf(t *testing.T, results string) ledger {
	t.Helper()
	var last struct{ Ledger ledger }
	if err := json.Unmarshal([]byte(lastLine(t, results)), &last); err != nil {
		t.Fatalf("the last line of %s is no ledger: %v", results, err)
	}
	return last.Ledger
}

func (l ledger) balanced() bool {
	sum := l.Accepted + l.Late + l.Duplicate
	for _, n := range l.Rejected {
		sum += n
	}
	return sum == l.Consumed
}

func cutLastLine(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()-int64(len(lastLine(t, file)))-1); err != nil {
		t.Fatal(err)
	}
}

// windowFigures are those of a result that are compared with the naive program's.
type windowFigures struct {
	Model, Version, Segment, Window string
	End                             time.Time
	Complete                        bool
	Events                          uint64
	Service                         struct {
		ErrorRatio float64 `json:"error_ratio"`
	}
	Features []struct {
		Name                              string
		Count, Missing, Invalid, Distinct uint64
		Mean, Min, Max                    *float64
	}
}

// compareWindows compares the counts exactly, and means to 1e-9 of the largest value.
func compareWindows(t *testing.T, want []oracle.Window, results string) {
	t.Helper()
	f, err := os.Open(results)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := json.NewDecoder(f)
	for i := range want {
		var got windowFigures
		if err := d.Decode(&got); err != nil {
			t.Fatalf("window %d of %d: %v", i, len(want), err)
		}
		w := &want[i]
		if got.Model != w.Model || got.Version != w.Version || got.Segment != w.Segment || got.Window != w.Name || got.End.UnixNano() != w.End {
			t.Fatalf("window %d is of %q %q %q %s ending at %s, want %q %q %q %s, %s", i, got.Model, got.Version, got.Segment, got.Window, got.End,
				w.Model, w.Version, w.Segment, w.Name, time.Unix(0, w.End).UTC())
		}
		if diff := got.differs(w); diff != "" {
			t.Fatalf("window %d of %q %q %q %s ending at %s: %s", i, got.Model, got.Version, got.Segment, got.Window, got.End, diff)
		}
	}
	var last struct{ Ledger json.RawMessage }
	if err := d.Decode(&last); err != nil || last.Ledger == nil {
		t.Fatalf("after the last window is no ledger (%v)", err)
	}
}

func (got *windowFigures) differs(w *oracle.Window) string {
	if got.Events != w.Events || got.Complete != w.Complete || math.Abs(got.Service.ErrorRatio-w.ErrorRatio) > 1e-12 {
		return fmt.Sprintf("%d events, complete: %v, error ratio %g; want %d, %v, %g", got.Events, got.Complete, got.Service.ErrorRatio, w.Events, w.Complete, w.ErrorRatio)
	}
	if len(got.Features) != len(w.Features) {
		return fmt.Sprintf("%d features, want %d", len(got.Features), len(w.Features))
	}
	for _, g := range got.Features {
		i := slices.IndexFunc(w.Features, func(f oracle.Figures) bool { return f.Name == g.Name })
		if i < 0 {
			return "an unknown feature " + g.Name
		}
		f := &w.Features[i]
		if g.Count != f.Count || g.Missing != f.Missing || g.Invalid != f.Invalid {
			return fmt.Sprintf("%s has %d values, %d missing, %d invalid; want %d, %d, %d", g.Name, g.Count, g.Missing, g.Invalid, f.Count, f.Missing, f.Invalid)
		}
		scale := max(math.Abs(f.Min), math.Abs(f.Max))
		if f.Categorical || f.Count == 0 {
			continue
		}
		if !near(g.Min, f.Min, 0) || !near(g.Max, f.Max, 0) || !near(g.Mean, f.Mean, 1e-9*scale) {
			return fmt.Sprintf("%s has mean %v, least %v, most %v; want %g, %g, %g", g.Name, show(g.Mean), show(g.Min), show(g.Max), f.Mean, f.Min, f.Max)
		}
	}
	return ""
}

// near reports whether a figure is as it should be; one that is undefined is left out.
func near(got *float64, want, off float64) bool {
	if math.IsNaN(want) || math.IsInf(want, 0) {
		return got == nil
	}
	return got != nil && math.Abs(*got-want) <= off
}

func show(x *float64) string {
	if x == nil {
		return "none"
	}
	return fmt.Sprint(*x)
}
