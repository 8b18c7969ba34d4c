package app

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// lockedBuffer may be written and read by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns those that have a text.
func (l *lockedBuffer) lines(text string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestMisplacedLabels: of three pairs of topics the labels of the first are written with another partitioner, those of the second go to
// fewer partitions, and those of the third are right until partitions are added. Each is said once, of the right topic, with the remedy.
func TestMisplacedLabels(t *testing.T) {
	_, b := testkafka.Fake(t)
	text := `kafka: {brokers: ["` + strings.Join(b.Bootstrap, `", "`) + `"], group: g, start: earliest}
windows: [1m]
models:
`
	murmur := kgo.StickyKeyPartitioner(nil) // as the Java client's
	fnv1a := kgo.StickyKeyPartitioner(kgo.SaramaHasher(func(b []byte) uint32 {
		h := fnv.New32a()
		h.Write(b)
		return h.Sum32()
	}))
	now := time.Now().Add(-time.Hour)
	var topics [3][2]string
	for i, c := range []struct {
		partitions int
		labels     kgo.Partitioner
	}{{3, fnv1a}, {2, murmur}, {3, murmur}} {
		topics[i] = [2]string{b.CreateTopic(t, 3, nil), b.CreateTopic(t, c.partitions, nil)}
		text += fmt.Sprintf("  - {name: m%d, topics: {predictions: %s, labels: %s}, task: regression, features: {x: numeric}}\n", i, topics[i][0], topics[i][1])
		for kind, partitioner := range []kgo.Partitioner{murmur, c.labels} {
			client := b.Client(t, kgo.RecordPartitioner(partitioner))
			var records []*kgo.Record
			for n := range 300 {
				value := fmt.Appendf(nil, `{"id":"e%d","time":%d,"prediction":{"value":1},"features":{"x":1}}`, n, now.UnixMilli())
				if kind == 1 {
					value = fmt.Appendf(nil, `{"type":"label","id":"e%d","time":%d,"label":1}`, n, now.Add(time.Second).UnixMilli())
				}
				records = append(records, &kgo.Record{Topic: topics[i][kind], Key: fmt.Append(nil, "e", n), Value: value})
			}
			testkafka.Produce(t, client, records...)
		}
	}
	var log lockedBuffer
	var newest atomic.Pointer[monitor.Snapshot]
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, parseConfig(t, text), RunOptions{
			Listener: listen(t), Logger: slog.New(slog.NewTextHandler(&log, nil)), Published: func(s *monitor.Snapshot) { newest.Store(s) },
		})
	}()
	await := func(text string, topics ...string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); len(log.lines(text)) < len(topics); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%q is said %d times, want %d", text, len(log.lines(text)), len(topics))
			}
		}
		lines := log.lines(text)
		for _, topic := range topics {
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, " topic="+topic+" ") })
		}
		if len(log.lines(text)) != len(topics) || len(lines) > 0 {
			t.Errorf("%s is not expected, but for %s", lines, topics)
		}
	}
	await("do not have the same number", topics[1][1])
	await("in other partitions than their predictions", topics[0][0], topics[1][0])
	for i, p := range newest.Load().Placements {
		if p.Topic != topics[i][1] || p.Predictions != topics[i][0] || p.Labels == 0 || p.Misplaced != (i < 2) || (p.Elsewhere > 0) != (i < 2) || p.Misplaced && p.Partition == p.Prediction {
			t.Errorf("%+v", p)
		}
	}
	if n := len(newest.Load().Placements); n != len(topics) {
		t.Errorf("%d topics have a status", n)
	}
	if n := len(log.lines("the same key and partitioner")); n < 2 {
		t.Errorf("the remedy is said %d times", n)
	}
	b.AddPartitions(t, topics[2][0], 5)
	b.AddPartitions(t, topics[2][1], 5)
	await("partitions were added", topics[2][0], topics[2][1])
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestMisplacedLabelsOfFiles: replay, and a run that ends before it would look for them, say so too.
func TestMisplacedLabelsOfFiles(t *testing.T) {
	_, b := testkafka.Fake(t)
	topic, labelTopic := b.CreateTopic(t, 2, keepForever), b.CreateTopic(t, 2, keepForever)
	c := parseConfig(t, `kafka: {brokers: ["`+strings.Join(b.Bootstrap, `", "`)+`"], start: earliest}
windows: [1m]
models: [{name: a, topics: {predictions: `+topic+`, labels: `+labelTopic+`}, task: regression}]
`)
	var predictions, labels [2][]string
	var records []*kgo.Record
	for n := range 100 {
		at := trainingBegin.Add(time.Duration(n) * time.Second)
		p := fmt.Sprintf(`{"id":"e%d","time":%d,"prediction":{"value":1}}`, n, at.Unix())
		l := fmt.Sprintf(`{"type":"label","id":"e%d","time":%d,"label":1}`, n, at.Unix())
		predictions[n%2], labels[n/2%2] = append(predictions[n%2], p), append(labels[n/2%2], l)
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(n % 2), Value: []byte(p), Timestamp: at},
			&kgo.Record{Topic: labelTopic, Partition: int32(n / 2 % 2), Value: []byte(l), Timestamp: at})
	}
	inputs := []string{writeLines(t, predictions[0]...), writeLines(t, predictions[1]...)}
	for _, way := range []struct {
		labels []string
		want   int
	}{
		{[]string{writeLines(t, labels[0]...), writeLines(t, labels[1]...)}, 1},
		{[]string{writeLines(t, slices.Concat(labels[0], labels[1])...), writeLines(t)}, 1},
	} {
		var said []string
		o := ReplayOptions{Inputs: inputs, Labels: way.labels, Warn: func(text string) { said = append(said, text) }}
		if _, err := Replay(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
		if len(said) != way.want || !strings.Contains(said[0], topic) || !strings.Contains(said[0], "the same key and partitioner") {
			t.Errorf("%q", said)
		}
	}
	right := slices.Concat(labels[0], labels[1])
	one := writeLines(t, slices.Concat(predictions[0], predictions[1])...)
	if _, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{one}, Labels: []string{writeLines(t, right...)}, Warn: func(text string) { t.Error(text) }}); err != nil {
		t.Fatal(err)
	}
	testkafka.Produce(t, b.Client(t), records...)
	var log lockedBuffer
	if err := Run(t.Context(), c, RunOptions{Listener: listen(t), UntilEnd: true, Logger: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
		t.Fatal(err)
	}
	if lines := log.lines("in other partitions than their predictions"); len(lines) != 1 {
		t.Errorf("a run to the end says %q", lines)
	}
}
