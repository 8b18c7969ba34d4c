package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/testkafka"
)

// TestRunTellsOfLabels: from Kafka and from files the results are the same with labels, and the last line tells what became of them, for the models
// that have some.
func TestRunTellsOfLabels(t *testing.T) {
	config := func(brokers, p, l string) string {
		return fmt.Sprintf(`kafka: {brokers: [%q], start: earliest}
windows: [1m, 5m]
allowed_lateness: 2m
models:
  - {name: shop, topics: {predictions: %[2]s, labels: %[3]s}, task: regression, labels: {timeout: 2m}, features: {x: numeric}}
  - {name: fraud, topics: {predictions: %[2]s, labels: %[3]s}, positive: "1", threshold: 0.5, calibrated: true, labels: {timeout: 2m}, features: {x: numeric}}
  - {name: plain, topics: {predictions: %[2]s, labels: %[3]s}, task: none, features: {x: numeric}}
`, brokers, p, l)
	}
	_, b := testkafka.Fake(t)
	topics := [2]string{b.CreateTopic(t, 2, keepForever), b.CreateTopic(t, 2, keepForever)}
	var records []*kgo.Record
	var lines [2][2][]string // by kind and partition
	add := func(kind, partition int, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		lines[kind][partition] = append(lines[kind][partition], text)
		records = append(records, &kgo.Record{Topic: topics[kind], Partition: int32(partition), Value: []byte(text)})
	}
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).Unix()
	for i := range 600 {
		at := start + int64(i)
		add(0, i%2, `{"model":"%s","id":"%d","time":%d,"prediction":{"score":0.%d,"value":%d}}`, []string{"shop", "fraud", "plain"}[i%3], i, at, i%10, i%10)
		if i%7 > 0 {
			add(1, i%2, `{"model":"%s","id":"%d","time":%d,"label":%d}`, []string{"shop", "fraud", "plain"}[i%3], i, at+int64(i%100), i%4/3)
		}
		if i%50 == 0 {
			add(1, i%2, `{"model":"fraud","id":"x%d","time":%d,"label":1}`, i, at)
			add(1, i%2, `{"model":"shop","id":"%d","time":%d,"label":"much"}`, i, at)
		}
	}
	testkafka.Produce(t, b.Client(t), records...)
	var want bytes.Buffer
	o := ReplayOptions{Results: &want}
	for i := range 2 {
		o.Inputs, o.Labels = append(o.Inputs, writeLines(t, lines[0][i]...)), append(o.Labels, writeLines(t, lines[1][i]...))
	}
	text := config(b.Bootstrap[0], topics[0], topics[1])
	if _, err := Replay(t.Context(), parseConfig(t, text), o); err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(want.String()), "\n")
	last := all[len(all)-1]
	_, labels, ok := strings.Cut(last, `"labels":`)
	if !ok || !strings.HasPrefix(labels, `{"fraud":{"matched":1`) || !strings.Contains(labels, `"unmatched":12,`) || !strings.Contains(labels, `"shop":{"matched":1`) ||
		!strings.Contains(labels, `"useless":12,`) || strings.Contains(labels, "plain") {
		t.Errorf("the last line is %s", last)
	}
	compareResults(t, want.Bytes(), runUntilEnd(t, text))
}
