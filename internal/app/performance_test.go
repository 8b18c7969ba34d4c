package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/testkafka"
)

var trainingBegin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// scored returns predictions of a model and their labels, one a second, of which a share is wrong: each with its time.
func scored(n int, from time.Time, wrong float64, seed uint64) (predictions, labels []string) {
	rng := rand.New(rand.NewPCG(seed, 9))
	names := []string{"good", "fraud"}
	for i := range n {
		at := from.Add(time.Duration(i) * time.Second)
		truth := rng.IntN(2)
		answer := truth
		if rng.Float64() < wrong {
			answer = 1 - truth
		}
		predictions = append(predictions, fmt.Sprintf(`{"id":"%d-%d","time":%q,"features":{"x":%d},"prediction":{"label":%q,"score":%.3f}}`,
			seed, i, at.Format(time.RFC3339), i%7, names[answer], (float64(answer)+rng.Float64())/2))
		labels = append(labels, fmt.Sprintf(`{"type":"label","id":"%d-%d","time":%q,"label":%q}`, seed, i, at.Add(5*time.Second).Format(time.RFC3339), names[truth]))
	}
	return predictions, labels
}

func performanceConfig(t *testing.T, kafka, topic, labels, reference string) *config.Config {
	t.Helper()
	return parseConfig(t, `kafka: {brokers: [`+kafka+`]}
windows: [1m]
models:
  - name: a
    topics: {predictions: `+topic+`, labels: `+labels+`}
    labels: {timeout: 1h}
    task: binary
    positive: fraud
    features: {x: numeric}
`+reference)
}

// withLabel puts the label of each prediction into its row.
func withLabel(predictions, labels []string) (rows []string) {
	for i, p := range predictions {
		label := labels[i][strings.LastIndex(labels[i], `"label"`):]
		at := strings.Replace(labels[i][strings.Index(labels[i], `"time"`):strings.Index(labels[i], `,"label"`)], "time", "label_time", 1)
		rows = append(rows, p[:len(p)-1]+","+at+","+label)
	}
	return rows
}

// TestProfileWithLabels: labels in rows, among them, in files of their own and in a topic give the same profile, and of what is left out
// there is an account.
func TestProfileWithLabels(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic, labelTopic := b.CreateTopic(t, 2, keepForever), b.CreateTopic(t, 2, keepForever)
		predictions, labels := scored(3000, trainingBegin, 0.1, 1)
		var records []*kgo.Record
		for i := range predictions {
			at := trainingBegin.Add(time.Duration(i) * time.Second)
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: []byte(predictions[i]), Timestamp: at},
				&kgo.Record{Topic: labelTopic, Partition: int32(i % 2), Value: []byte(labels[i]), Timestamp: at.Add(5 * time.Second)})
		}
		testkafka.Produce(t, b.Client(t), records...)
		c := performanceConfig(t, `"`+strings.Join(b.Bootstrap, `", "`)+`"`, topic, labelTopic, "    mapping: {label_time: label_time}\n")
		reversed := make([]string, len(labels))
		for i, l := range labels {
			reversed[len(labels)-1-i] = l
		}
		var want []byte
		for _, way := range []struct {
			name       string
			o          ProfileOptions
			leftLabels uint64
		}{
			{"after the rows", ProfileOptions{Inputs: []string{writeLines(t, append(append([]string{}, predictions...), labels...)...)}}, 0},
			{"before the rows", ProfileOptions{Inputs: []string{writeLines(t, append(append([]string{}, reversed...), predictions...)...)}}, 0},
			{"in the rows", ProfileOptions{Inputs: []string{writeLines(t, withLabel(predictions, labels)...)}}, 0},
			{"in files", ProfileOptions{Inputs: []string{writeLines(t, predictions...)}, Labels: []string{writeLines(t, labels[2000:]...), writeLines(t, labels[:2000]...)}}, 0},
			{"repeated and of nobody", ProfileOptions{
				Inputs: []string{writeLines(t, predictions...)}, Labels: []string{writeLines(t, append(labels, strings.ReplaceAll(labels[0], "fraud", "good"), `{"id":"x","label":"good"}`, `{"label":"good"}`)...)},
			}, 3},
			{"in a topic", ProfileOptions{FromKafka: true, From: trainingBegin, To: trainingBegin.Add(3000 * time.Second)}, 0},
		} {
			r, s, err := BuildProfile(t.Context(), c, way.o)
			if err != nil {
				t.Fatal(way.name, err)
			}
			if s.Labelled != 3000 || s.Labels != way.leftLabels || s.Rows != 3000 {
				t.Errorf("%s: %+v", way.name, s)
			}
			got := performanceText(t, r)
			if want == nil {
				want = got
			}
			if way.o.FromKafka { // partition by partition
				got, want := performanceFigures(r), performanceFigures(mustDecode(t, want, r))
				if got != want {
					t.Errorf("%s: %s, want %s", way.name, got, want)
				}
			} else if !bytes.Equal(got, want) {
				t.Errorf("labels %s make another performance:\n%.600s\nwant\n%.600s", way.name, got, want)
			}
		}
		// What is not measured has no performance, and labels of it are a mistake.
		plain := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
models: [{name: a, topics: {predictions: p}, task: none, features: {x: numeric}}]
`)
		r, s, err := BuildProfile(t.Context(), plain, ProfileOptions{Inputs: []string{writeLines(t, append(predictions, labels...)...)}})
		if err != nil || r.Performance != nil || s.Labels != 3000 {
			t.Errorf("without a task: %v, %+v", err, s)
		}
		if _, _, err := BuildProfile(t.Context(), plain, ProfileOptions{Inputs: []string{writeLines(t, predictions...)}, Labels: []string{writeLines(t, labels...)}}); err == nil {
			t.Error("labels of a model without a task are taken")
		}
	})
}

func performanceText(t *testing.T, r *profile.Reference) []byte {
	t.Helper()
	b, err := json.Marshal(r.Performance)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustDecode(t *testing.T, performance []byte, r *profile.Reference) *profile.Reference {
	t.Helper()
	other := *r
	other.Performance = &profile.Performance{}
	if err := json.Unmarshal(performance, other.Performance); err != nil {
		t.Fatal(err)
	}
	return &other
}

func performanceFigures(r *profile.Reference) (out string) {
	for _, f := range r.Performance.Figures {
		out += fmt.Sprintf("%s %s %.9g\n", f.Name, f.At, f.Value)
	}
	return out
}

// TestReplayAgainstPerformance: windows of a model that errs far more often than its reference are worse, others are not; scores are
// calibrated by the reference, so that there are estimates, too.
func TestReplayAgainstPerformance(t *testing.T) {
	dir := t.TempDir()
	predictions, labels := scored(3600, trainingBegin, 0.1, 1)
	r, _, err := BuildProfile(t.Context(), performanceConfig(t, `"localhost:1"`, "p", "l", ""), ProfileOptions{
		Inputs: []string{writeLines(t, predictions...)}, Labels: []string{writeLines(t, labels...)},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.profile.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := performanceConfig(t, `"localhost:1"`, "p", "l", "    performance: {decide_by: accuracy, min_samples: 30}\n    reference: "+file+"\n")
	begin := trainingBegin.Add(24 * time.Hour)
	for _, x := range []struct {
		wrong float64
		worse bool
	}{{0.1, false}, {0.5, true}} {
		predictions, labels := scored(600, begin, x.wrong, 2)
		states, estimates := map[string]int{}, 0
		_, err := Replay(t.Context(), c, ReplayOptions{
			Inputs: []string{writeLines(t, predictions...)}, Labels: []string{writeLines(t, labels...)},
			Result: func(r *monitor.Result) {
				if p := r.Performance; p != nil {
					states[p.State]++
					if len(p.Estimated) > 0 {
						estimates++
					}
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if (states["worse"] > 40) != x.worse || states["ok"] > 40 == x.worse || estimates < 50 {
			t.Errorf("%g wrong: states %v, %d estimates", x.wrong, states, estimates)
		}
	}
	// A reference of something else says so.
	c = performanceConfig(t, `"localhost:1"`, "p", "l", "    threshold: 0.7\n    reference: "+file+"\n")
	warnings, err := CheckReferences(c)
	if err != nil || !strings.Contains(strings.Join(warnings, "\n"), "build it again") {
		t.Errorf("warnings %q, %v", warnings, err)
	}
}
