package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streammon/streammon/internal/testkafka"
)

// python is Debian's, which has the libraries of Debian's packages.
const python = "/usr/bin/python3"

// foreignMessage is one that another program writes. Of a transaction, do says how it begins or ends, and nothing is written.
type foreignMessage struct {
	Key     []byte      `json:"key"` // nil: none
	Value   []byte      `json:"value"`
	Headers [][2][]byte `json:"-"`
	Do      string      `json:"-"`
}

// MarshalJSON gives the form that produce.py reads.
func (m foreignMessage) MarshalJSON() ([]byte, error) {
	if m.Do != "" {
		return json.Marshal(map[string]string{"do": m.Do})
	}
	headers := [][2]any{}
	for _, h := range m.Headers {
		headers = append(headers, [2]any{string(h[0]), h[1]})
	}
	return json.Marshal(map[string]any{"key": m.Key, "value": m.Value, "headers": headers})
}

// producer is a program that writes messages to a partition.
type producer func(t *testing.T, address, topic string, partition int, messages []foreignMessage)

// byKcat writes by librdkafka; headers are those of the first message, as kcat has one set for all.
func byKcat(codec string, settings ...string) producer {
	return func(t *testing.T, address, topic string, partition int, messages []foreignMessage) {
		args := []string{"-P", "-Z", "-b", address, "-t", topic, "-p", strconv.Itoa(partition), "-K", "\t", "-X", "compression.codec=" + codec}
		for _, h := range messages[0].Headers {
			args = append(args, "-H", fmt.Sprintf("%s=%s", h[0], h[1]))
		}
		for _, s := range settings {
			args = append(args, "-X", s)
		}
		var in bytes.Buffer
		for _, m := range messages {
			if m.Key != nil {
				in.Write(append(m.Key, '\t'))
			}
			in.Write(append(m.Value, '\n'))
		}
		foreign(t, &in, "kcat", args...)
	}
}

// byPython writes by one of its libraries.
func byPython(library, codec string) producer {
	return func(t *testing.T, address, topic string, partition int, messages []foreignMessage) {
		var in bytes.Buffer
		for _, m := range messages {
			if err := json.NewEncoder(&in).Encode(m); err != nil {
				t.Fatal(err)
			}
		}
		foreign(t, &in, python, "testdata/produce.py", library, address, topic, strconv.Itoa(partition), codec)
	}
}

// foreign runs another program and returns what it prints.
func foreign(t *testing.T, in *bytes.Buffer, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	var said bytes.Buffer
	if c.Stderr = &said; in != nil {
		c.Stdin = in
	}
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(said.String()))
	}
	return out
}

func needForeign(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("kcat")
	need(t, err == nil, "kcat")
	err = exec.Command(python, "-c", "import kafka, confluent_kafka, lz4.frame, snappy, zstandard").Run()
	need(t, err == nil, "Debian's python3-kafka, python3-confluent-kafka, python3-lz4, python3-snappy and python3-zstandard")
}

// foreignProducers each write a partition.
func foreignProducers() []producer {
	var all []producer
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		all = append(all, byKcat(codec), byPython("kafka", codec), byPython("confluent", codec))
	}
	return all
}

// foreignStage is a pair of topics that other programs have written.
type foreignStage struct {
	*stage
	topics [2]string // predictions and labels
	parts  int
}

// foreignRecord is what a consumer that is not ours reads; the value is nil where there is none.
type foreignRecord struct {
	offset int64
	value  []byte
}

// read returns the records of a topic by partition, as a consumer that is not ours reads them.
func (s *foreignStage) read(t *testing.T, topic, isolation string) [][]foreignRecord {
	t.Helper()
	out := foreign(t, nil, "kcat", "-C", "-e", "-q", "-b", s.broker.Bootstrap[0], "-t", topic, "-o", "beginning",
		"-X", "isolation.level="+isolation, "-X", "check.crcs=true", "-f", "%p %o %S %s\\n")
	records := make([][]foreignRecord, s.parts)
	for line := range bytes.Lines(out) {
		var partition, size int
		var r foreignRecord
		fields := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(" "), 4)
		if n, err := fmt.Sscan(string(bytes.Join(fields[:3], []byte(" "))), &partition, &r.offset, &size); n != 3 {
			t.Fatalf("kcat says %q: %v", line, err)
		}
		if size >= 0 {
			r.value = fields[3]
		}
		records[partition] = append(records[partition], r)
	}
	return records
}

// replayed writes what the other consumer reads to files, replays them, and returns the results and the number of messages without
// a value, which no line of a file is.
func (s *foreignStage) replayed(t *testing.T, config, isolation string) (results string, nulls int) {
	t.Helper()
	results = filepath.Join(s.dir, "replayed-"+isolation+".jsonl")
	args := []string{"replay", "--config.file=" + config, "--json=" + results}
	for kind, topic := range s.topics {
		for i, records := range s.read(t, topic, isolation) {
			name := filepath.Join(s.dir, fmt.Sprintf("%s-%d-%d.jsonl", isolation, kind, i))
			var lines []byte
			for _, r := range records {
				if r.value == nil {
					nulls++
				} else {
					lines = append(append(lines, r.value...), '\n')
				}
			}
			if err := os.WriteFile(name, lines, 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, []string{"--input=", "--labels="}[kind]+name)
		}
	}
	if err := start(t, nil, args...).wait(t, 5*time.Minute); err != nil {
		t.Fatalf("replay: %v", err)
	}
	return results, nulls
}

// compare runs the program to the end of the topics and compares its results with those of the same messages in files. It returns the ledger.
func (s *foreignStage) compare(t *testing.T, isolation string) (got map[string]any) {
	t.Helper()
	live := filepath.Join(s.dir, "live-"+isolation+".jsonl")
	config := s.config(t, isolation, "", ", isolation: "+isolation)
	if err := run(t, nil, "--config.file="+config, "--results="+live, "--until-end").wait(t, 5*time.Minute); err != nil {
		t.Fatalf("the run: %v", err)
	}
	replayed, nulls := s.replayed(t, config, isolation)
	want := cutLedger(t, replayed)
	if nulls > 0 {
		want["rejected"].(map[string]any)["empty"] = float64(nulls)
	}
	want["consumed"] = want["consumed"].(float64) + float64(nulls)
	if got = cutLedger(t, live); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: the ledger is %v, want %v", isolation, got, want)
	}
	compareFiles(t, replayed, live)
	return got
}

// cutLedger takes the last line of results off the file.
func cutLedger(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n') + 1
	var line struct{ Ledger map[string]any }
	if err := json.Unmarshal(text[cut:], &line); err != nil || line.Ledger == nil {
		t.Fatalf("the last line of %s is no ledger: %v", file, err)
	}
	if err := os.Truncate(file, int64(cut)); err != nil {
		t.Fatal(err)
	}
	return line.Ledger
}

func newForeignStage(t *testing.T, b testkafka.Broker, parts int, configs map[string]string) *foreignStage {
	s := &stage{
		broker: b, predictions: b.CreateTopic(t, parts, configs), labels: b.CreateTopic(t, parts, nil), dir: t.TempDir(),
		traffic: newTraffic(17, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), 50*time.Millisecond),
	}
	return &foreignStage{s, [2]string{s.predictions, s.labels}, parts}
}

// shares deals n events and their labels out to the partitions, with and without keys and headers, and messages without a
// value between them.
func (s *foreignStage) shares(n int) (shares [2][][]foreignMessage) {
	shares = [2][][]foreignMessage{make([][]foreignMessage, s.parts), make([][]foreignMessage, s.parts)}
	headers := [][2][]byte{{[]byte("trace"), []byte("00-4bf92f3577b34da6")}, {[]byte("empty"), {}}, {[]byte("trace"), []byte("again \u00e9")}}
	deal := func(kind, i int, value []byte) {
		m := foreignMessage{Value: value, Headers: headers[:(i+3)%4]}
		if value == nil || i%3 > 0 {
			m.Key = fmt.Appendf(nil, "key-%d", i%100)
		}
		partition := i / 8 % s.parts // those that come twice mostly in one
		shares[kind][partition] = append(shares[kind][partition], m)
	}
	for i := range n {
		prediction, truth := s.traffic.next()
		for kind, value := range [][]byte{prediction, truth} {
			if len(value) > 0 {
				deal(kind, i, value)
			}
			if i%211 == 0 {
				deal(kind, i, nil)
			}
		}
	}
	return shares
}

// inTransactions wraps messages in transactions of various length, of which every third is aborted, and returns what is left.
func inTransactions(messages []foreignMessage) (all, committed []foreignMessage) {
	for n := 0; len(messages) > 0; n++ {
		part := messages[:min(len(messages), 1+n*37%200)]
		messages = messages[len(part):]
		all = append(append(all, foreignMessage{Do: "begin"}), part...)
		if n%3 == 2 {
			all = append(all, foreignMessage{Do: "abort"})
			continue
		}
		all = append(all, foreignMessage{Do: "commit"})
		committed = append(committed, part...)
	}
	return all, committed
}

// TestForeign lets kcat and two libraries of Python write to real brokers with each codec, with headers, without keys, without values, and in
// transactions that are committed and aborted. The program reads what another consumer reads; its ledger is exact, and its windows are those of the
// same messages from files.
func TestForeign(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	events := 3_000
	switch {
	case long:
		events = 400_000
	case ci:
		events = 10_000
	}
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
		needForeign(t)
		producers := foreignProducers()
		s := newForeignStage(t, b, len(producers), nil)
		written, aborted := 0, 0
		for kind, shares := range s.shares(events) {
			want := make([][]foreignMessage, s.parts)
			for i, messages := range shares {
				want[i] = messages
				if i%3 == 2 { // those of confluent_kafka
					messages, want[i] = inTransactions(messages)
				}
				producers[i](t, b.Bootstrap[0], s.topics[kind], i, messages)
				written += len(shares[i])
				aborted += len(shares[i]) - len(want[i])
			}
			for i, got := range s.read(t, s.topics[kind], "read_committed") {
				same := func(r foreignRecord, m foreignMessage) bool { return bytes.Equal(r.value, m.Value) }
				if !slices.EqualFunc(got, want[i], same) {
					t.Fatalf("partition %d: the other consumer reads %d messages, %d were to be read", i, len(got), len(want[i]))
				}
			}
		}
		committed, all := s.compare(t, "read_committed"), s.compare(t, "read_uncommitted")
		if n := committed["consumed"].(float64); int(n) != written-aborted || aborted < written/20 {
			t.Errorf("%g messages were consumed of %d, of which %d were aborted", n, written, aborted)
		}
		if n := all["consumed"].(float64); int(n) != written {
			t.Errorf("%g messages were consumed of %d, aborted ones included", n, written)
		}
		t.Logf("%d messages of %d producers, of which %d were aborted; the ledger is %v", written, len(producers), aborted, committed)
	})
}

// TestForeignCompacted lets a broker compact what other programs wrote until there are gaps of offsets and batches without records.
func TestForeignCompacted(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	testkafka.Real(t, func(t *testing.T, b testkafka.Broker) {
		needForeign(t)
		s := newForeignStage(t, b, 1, map[string]string{
			"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "min.compaction.lag.ms": "0", "delete.retention.ms": "100",
		})
		messages := s.shares(6_000)[0][0]
		third := len(messages) / 3
		// The keys of all but a few of the first two thirds come again in the last, so that the last batches of their producers lose all.
		for i := range messages {
			messages[i].Key = fmt.Appendf(nil, "key-%d", i%third)
			if i < third && i%10 == 0 {
				messages[i].Key = fmt.Appendf(nil, "stays-%d", i)
			}
		}
		again := len(messages) - third
		transactions, _ := inTransactions(messages[third:again])
		byKcat("lz4", "enable.idempotence=true", "batch.num.messages=100")(t, b.Bootstrap[0], s.predictions, 0, messages[:third])
		byPython("confluent", "zstd")(t, b.Bootstrap[0], s.predictions, 0, transactions)
		byPython("kafka", "gzip")(t, b.Bootstrap[0], s.predictions, 0, messages[again:])

		client := b.Client(t)
		var records []foreignRecord
		var empty int
		rolls := 0
		await(t, time.Minute, "gaps and emptied batches", func() bool {
			before := len(records)
			// Appending rolls the segment, so that the cleaner may take the one before.
			prediction, _ := s.traffic.next()
			rolls++
			testkafka.Produce(t, client, &kgo.Record{Topic: s.predictions, Key: fmt.Appendf(nil, "roll-%d", rolls), Value: prediction})
			time.Sleep(300 * time.Millisecond)
			records, empty = s.read(t, s.predictions, "read_committed")[0], emptied(t, client, s.predictions)
			return empty > 0 && len(records) <= len(messages)/2 && len(records) == before+1
		})
		ledger := s.compare(t, "read_committed")
		if now := s.read(t, s.predictions, "read_committed")[0]; len(now) != len(records) {
			t.Fatal("the cleaner was at work meanwhile")
		}
		gaps := 0
		for i := 1; i < len(records); i++ {
			if records[i].offset > records[i-1].offset+1 {
				gaps++
			}
		}
		if gaps < 3 || int(ledger["consumed"].(float64)) != len(records) {
			t.Errorf("%v were consumed of %d messages with %d gaps", ledger["consumed"], len(records), gaps)
		}
		t.Logf("%d messages are left up to offset %d, with %d gaps and %d emptied batches; the ledger is %v", len(records), records[len(records)-1].offset, gaps, empty, ledger)
	})
}

// emptied returns the number of batches of a topic's first partition that have no record.
func emptied(t *testing.T, client *kgo.Client, topic string) (n int) {
	t.Helper()
	meta := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(topic)
	meta.Topics = append(meta.Topics, asked)
	topics, err := meta.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes, request.MaxWaitMillis = 64<<20, 100
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 64 << 20
	of := kmsg.NewFetchRequestTopic()
	of.Topic, of.TopicID, of.Partitions = topic, topics.Topics[0].TopicID, []kmsg.FetchRequestTopicPartition{part}
	request.Topics = append(request.Topics, of)
	response, err := client.Broker(int(topics.Topics[0].Partitions[0].Leader)).Request(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	var batch kmsg.RecordBatch
	for set := response.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches; len(set) > 0 && batch.ReadFrom(set) == nil; {
		if batch.NumRecords == 0 {
			n++
		}
		set = set[12+int(batch.Length):] // the base offset and the length itself come first
	}
	return n
}
