package pipeline

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
)

// sequences makes rapid make so many of its sequences in the test.
func sequences(t *testing.T, n string) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	was := f.Value.String()
	if err := f.Value.Set(n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Value.Set(was) })
}

// labelsOnly is labelledLog with fewer windows, and with models without features.
func labelsOnly(seed int) (oracle.Setup, [][]oracle.Message) {
	setup, lanes := labelledLog(seed)
	if setup.Pane == time.Minute {
		setup.Windows = []oracle.Span{{Name: "7d", Length: 7 * 24 * time.Hour}}
	}
	for i := range setup.Models {
		setup.Models[i].Features = nil
	}
	return setup, lanes
}

// TestLabelCrashes is TestCrashes with labels: random logs of models with tasks, their labels in the same lanes or
// apart, are read with saves, crashes and restores from the newest save or the one before. The final results are to the byte those
// of a run that was never disturbed, and the accounts of labels those of the naive batch program. 60 sequences, 2,000 with
// STREAMMON_FAULTS=long.
func TestLabelCrashes(t *testing.T) {
	sequences(t, "60")
	switch {
	case os.Getenv("STREAMMON_FAULTS") == "long":
		sequences(t, "2000")
	case testing.Short() || raceEnabled:
		sequences(t, "10")
	}
	crashes, figures := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		setup, lanes := labelsOnly(rapid.IntRange(0, 1<<20).Draw(rt, "log"))
		want := oracle.Join(setup, lanes)
		predictions, labels := lanes, [][]oracle.Message(nil)
		if rapid.Bool().Draw(rt, "apart") {
			predictions, labels = oracle.Split(setup, lanes)
		}
		plain := newLabelledMember(rt, labelledGroup(t, setup), predictions, labels)
		for at := 0; !plain.finished(); at++ {
			plain.read(rt, at%len(plain.done), 100)
		}
		compareAccounts(rt, setup, plain.group.accounts(), want)
		m := newLabelledMember(rt, labelledGroup(t, setup), predictions, labels)
		for !m.finished() {
			m.step(rt, 100, &crashes)
		}
		compareAccounts(rt, setup, m.group.accounts(), want)
		compareJSON(rt, 0, m.json(), plain.json())
		for _, r := range plain.results {
			if r.Performance != nil {
				figures += len(r.Performance.Figures)
			}
		}
	})
	t.Logf("%d crashes, %d figures", crashes, figures)
	if figures == 0 {
		t.Error("there are no figures")
	}
}

// TestLabelInterleavings: however the predictions and the labels of a log come, the results are the same to the byte.
func TestLabelInterleavings(t *testing.T) {
	from, to := 1008, 1013
	switch {
	case os.Getenv("STREAMMON_FAULTS") == "long":
		to = 1200
	case testing.Short() || raceEnabled:
		from, to = 1011, 1012
	}
	figures := 0
	for seed := from; seed < to; seed++ {
		setup, lanes := labelsOnly(seed)
		predictions, labels := oracle.Split(setup, lanes)
		rng := rand.New(rand.NewPCG(uint64(seed), 31))
		// Each says which of the streams that are left, predictions and then labels, goes on, and by how many messages.
		whole := func(i int) func(int, int) (int, int) {
			return func(_, n int) (int, int) { return i * (n - 1), 1 << 20 }
		}
		random := func(most int) func(int, int) (int, int) {
			return func(_, n int) (int, int) { return rng.IntN(n), 1 + rng.IntN(most) }
		}
		want := interleaved(t, setup, predictions, labels, whole(0))
		figures += strings.Count(want, `"matched_ratio"`)
		for name, got := range map[string]string{
			"all labels first": interleaved(t, setup, predictions, labels, whole(1)),
			"by one":           interleaved(t, setup, predictions, labels, func(turn, n int) (int, int) { return turn % n, 1 }),
			"small pieces":     interleaved(t, setup, predictions, labels, random(7)),
			"large pieces":     interleaved(t, setup, predictions, labels, random(300)),
			"mixed":            interleaved(t, setup, lanes, nil, random(50)),
			"mixed, whole":     interleaved(t, setup, lanes, nil, whole(0)),
		} {
			if got != want {
				a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Fatalf("log %d, %s, line %d:\n%s\nall predictions first:\n%s", seed, name, i, a[i], b[i])
					}
				}
				t.Fatalf("log %d, %s: %d lines, all predictions first: %d", seed, name, len(a), len(b))
			}
		}
	}
	if figures < 100 {
		t.Errorf("%d windows have figures", figures)
	}
}

// interleaved returns the final results of a log, as lines; next says which of the streams that are left goes on.
func interleaved(t *testing.T, setup oracle.Setup, predictions, labels [][]oracle.Message, next func(turn, streams int) (stream, messages int)) string {
	t.Helper()
	var out []byte
	sink := NewSequencer(1, func(r *monitor.Result, _ []byte) error { out = append(r.AppendJSON(out), '\n'); return nil })
	g := NewGroup(labelledGroup(t, setup), decode.Options{}, sink, 0, false)
	if labels != nil {
		g.LabelsApart()
	}
	g.Grow(len(predictions))
	var streams []*labelStream
	for i := range predictions {
		streams = append(streams, newLabelStream(t, g.Lane(i), event.Prediction, predictions[i]))
	}
	for i := range labels {
		streams = append(streams, newLabelStream(t, g.Lane(i), event.Label, labels[i]))
	}
	for turn := 0; len(streams) > 0; turn++ {
		i, n := next(turn, len(streams))
		if streams[i].step(t, n) {
			streams = slices.Delete(streams, i, i+1)
		}
	}
	return string(out)
}
