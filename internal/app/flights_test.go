package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/flights"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

const flightsFile = "../../testdata/flights/flights_lga.csv.gz"

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// flightsUntil is the end of the replayed events: the year, but only April with the
// race detector, which takes ten times as long.
func flightsUntil() time.Time {
	if raceEnabled {
		return day("2013-05-01")
	}
	return day("2014-01-01")
}

// writeMarch builds the reference of March and its labels as a user would, and returns its file.
func writeMarch(t *testing.T, dir string, text func(profile string) string) string {
	t.Helper()
	march, labels, err := flights.Read(flightsFile, day("2013-03-01"), day("2013-04-01"))
	if err != nil {
		t.Fatal(err)
	}
	rows, truth, file := filepath.Join(dir, "march.jsonl"), filepath.Join(dir, "march.labels.jsonl"), filepath.Join(dir, "march.profile.json")
	for name, data := range map[string][]byte{rows: flights.Lines(march, -1), truth: flights.Lines(labels, -1), file: nil} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, s, err := BuildProfile(t.Context(), parseConfig(t, text(file)), ProfileOptions{Inputs: []string{rows}, Labels: []string{truth}})
	if err != nil {
		t.Fatal(err)
	}
	if int(s.Rows) != len(march) || int(s.Labelled) != len(labels) {
		t.Fatalf("%d rows of %d, %d labels of %d", s.Rows, len(march), s.Labelled, len(labels))
	}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func parseConfig(t testing.TB, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// replayFlights returns the results of the files, one a partition.
func replayFlights(t *testing.T, dir, text string, predictions, labels []flights.Message) []byte {
	t.Helper()
	var o ReplayOptions
	for p := range flights.Partitions {
		in, lab := filepath.Join(dir, fmt.Sprintf("p%d.jsonl", p)), filepath.Join(dir, fmt.Sprintf("l%d.jsonl", p))
		for name, data := range map[string][]byte{in: flights.Lines(predictions, p), lab: flights.Lines(labels, p)} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o.Inputs, o.Labels = append(o.Inputs, in), append(o.Labels, lab)
	}
	var out bytes.Buffer
	o.Results = &out
	ledger, err := Replay(t.Context(), parseConfig(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64(len(predictions) + len(labels)); !ledger.Balanced() || ledger.Consumed != want || ledger.Accepted != want {
		t.Fatalf("ledger %+v, want %d accepted", ledger, want)
	}
	return out.Bytes()
}

// TestFlightsAreTheSameEverywhere replays a real data set from files, and reads it
// from Kafka: the embedded one, and each real one that STREAMMON_KAFKA names. All
// give the same results, byte for byte.
func TestFlightsAreTheSameEverywhere(t *testing.T) {
	dir := t.TempDir()
	config := func(profile string) string { return flights.Config([]string{"localhost:9092"}, profile) }
	profile := writeMarch(t, dir, config)
	predictions, labels, err := flights.Read(flightsFile, day("2013-04-01"), flightsUntil())
	if err != nil {
		t.Fatal(err)
	}
	want := replayFlights(t, dir, config(profile), predictions, labels)
	if n := bytes.Count(want, []byte("\n")); n < 4000 {
		t.Fatalf("only %d lines", n)
	}
	if !raceEnabled {
		checkYear(t, want)
	}
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		p, l := b.CreateTopic(t, flights.Partitions, keepForever), b.CreateTopic(t, flights.Partitions, keepForever)
		produceFlights(t, b, p, predictions)
		produceFlights(t, b, l, labels)
		text := strings.NewReplacer(flights.Predictions, p, flights.Labels, l).Replace(flights.Config(b.Bootstrap, profile))
		compareResults(t, want, runUntilEnd(t, text))
	})
}

// checkYear checks what drifted and when. March has days enough to judge a day, and too few weeks for more than a
// warning of a week.
func checkYear(t *testing.T, lines []byte) {
	t.Helper()
	type key struct{ window, feature, month string }
	states := map[key]map[string]int{}
	unseen := map[string]uint64{}
	caveats := map[string]string{"24h": "", "7d": drift.Insufficient}
	for line := range bytes.Lines(lines) {
		var r struct {
			Window, End string
			Features    []struct {
				Name, State, Calibration string
				Unseen                   uint64
			}
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Features {
			if f.Calibration != caveats[r.Window] {
				t.Fatalf("%s in %s of %s: calibration %q", f.Name, r.Window, r.End, f.Calibration)
			}
			k := key{r.Window, f.Name, r.End[:7]}
			if states[k] == nil {
				states[k] = map[string]int{}
			}
			states[k][f.State]++
			if f.Name == "dest" && r.Window == "7d" {
				unseen[k.month] = max(unseen[k.month], f.Unseen)
			}
		}
	}
	for _, c := range []struct {
		key
		state     string
		low, high float64 // share of the month's windows that have it
	}{
		{key{"24h", "dest", "2013-04"}, monitor.StateOK, 1, 1}, {key{"24h", "dest", "2013-10"}, monitor.StateDrift, 0.9, 1}, // destinations that appear
		{key{"7d", "dest", "2013-05"}, monitor.StateOK, 1, 1}, {key{"7d", "dest", "2013-10"}, monitor.StateWarning, 0.9, 1},
		{key{"24h", "weekday", "2013-08"}, monitor.StateOK, 1, 1}, {key{"7d", "weekday", "2013-08"}, monitor.StateOK, 1, 1}, // a day has one, as all days have
		{key{"24h", "carrier", "2013-06"}, monitor.StateOK, 1, 1}, {key{"24h", "pressure", "2013-11"}, monitor.StateOK, 1, 1},
	} {
		all := states[c.key]
		judged := all[monitor.StateOK] + all[monitor.StateWarning] + all[monitor.StateDrift]
		if share := float64(all[c.state]) / float64(judged); judged == 0 || share < c.low || share > c.high {
			t.Errorf("%v: %v, want %g to %g of %s", c.key, all, c.low, c.high, c.state)
		}
	}
	if unseen["2013-04"] > unseen["2013-08"]/10 {
		t.Errorf("unseen destinations: %d in April, %d in August", unseen["2013-04"], unseen["2013-08"])
	}
}

// keepForever is for topics of past events, which the default retention deletes.
var keepForever = map[string]string{"retention.ms": "-1"}

func produceFlights(t *testing.T, b testkafka.Broker, topic string, messages []flights.Message) {
	t.Helper()
	var records []*kgo.Record
	for _, m := range messages {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(m.Partition), Key: []byte(m.Key), Value: m.Value, Timestamp: m.Time})
	}
	testkafka.Produce(t, b.Client(t), records...)
}

// runUntilEnd runs the monitor until the end of the topics and returns its results.
func runUntilEnd(t *testing.T, text string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := Run(ctx, parseConfig(t, text), RunOptions{Listener: listen(t), Results: &out, UntilEnd: true}); err != nil {
		t.Fatal(err)
	}
	if err := ctx.Err(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// compareResults reports the first line that differs.
func compareResults(t *testing.T, want, got []byte) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	w, g := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(w), len(g)) {
		if !bytes.Equal(w[i], g[i]) {
			t.Fatalf("line %d of %d (want %d):\n got %s\nwant %s", i+1, len(g), len(w), g[i], w[i])
		}
	}
	t.Fatalf("%d lines, want %d", len(g), len(w))
}
