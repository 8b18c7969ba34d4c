package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/testkafka"
)

// grow adds a partition to both topics. From now on it writes to it, too.
func (s *stage) grow(t *testing.T) {
	t.Helper()
	total := len(s.files[0]) + 1
	for _, topic := range []string{s.predictions, s.labels} {
		s.broker.AddPartitions(t, topic, total)
	}
	s.spread(t, total)
}

// growWhileReading adds a partition and writes to it until the program has found it. Of event time
// hardly any passes meanwhile, so that no window becomes final in which the partition has events.
func (r *reader) growWhileReading(t *testing.T) {
	t.Helper()
	step, said := r.traffic.step, len(r.log.String())
	r.traffic.step, r.traffic.onTime = 20*time.Microsecond, true
	r.grow(t)
	await(t, 30*time.Second, "word of the new partitions", func() bool {
		r.produce(t.Context(), t, 200)
		return strings.Count(r.log.String()[said:], "added=1") == 2
	})
	r.traffic.step, r.traffic.onTime = step, false
}

// growWhileAway ends the program, adds a partition and writes to it, and starts the program again.
func (r *reader) growWhileAway(t *testing.T, end func(*testing.T)) {
	t.Helper()
	end(t)
	r.traffic.onTime = true
	r.grow(t)
	r.produce(t.Context(), t, 1_000)
	r.traffic.onTime = false
	r.again(t)
}

// again starts the program again and waits until it has caught up.
func (r *reader) again(t *testing.T) {
	t.Helper()
	r.program = run(t, nil, r.args...)
	r.awaitReady(t, 20*time.Second)
}

// TestPartitionsAdded adds partitions to both topics while the program reads and while it is away,
// and in the long setting just before it is killed, too. What is in them is not older than what is
// final when the program finds them: its results are those of a run that knows all partitions from
// the start.
func TestPartitionsAdded(t *testing.T) {
	rounds := 1
	switch {
	case long:
		rounds = 5
	case testing.Short():
		t.Skip("takes 10 seconds")
	}
	t.Parallel()
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		r := newStage(t, b, 33, 50*time.Millisecond).read(t)
		final := 0
		grown := func(grow func()) {
			before := countLines(t, r.results)
			if before <= final {
				t.Errorf("no window became final before partition %d was added", len(r.files[0]))
			}
			final = before
			grow()
			r.produce(t.Context(), t, 1_000)
			await(t, 20*time.Second, "windows with the new partition", func() bool { return countLines(t, r.results) > before })
		}
		for range rounds {
			grown(func() { r.growWhileReading(t) })
			grown(func() { r.growWhileAway(t, r.kill) })
			if !long {
				continue
			}
			grown(func() { r.growWhileAway(t, r.terminate) })
			grown(func() {
				r.growWhileReading(t)
				r.kill(t)
				r.again(t)
			})
		}
		t.Logf("%d partitions; %d windows were final before the last was added", len(r.files[0]), final)
		r.finish(t, r.program, r.args, r.results)
	})
}

func countLines(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// TestOldEventsInNewPartition adds a partition whose first events lie before what is final. What is
// final stays as it is: it is what the partitions told that were there. The ledger, and all windows
// that end later, have these events, as in a run that knows the partition from the start. There
// the sums of floats and the sketches may differ, by the order in which they were merged.
func TestOldEventsInNewPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5 seconds")
	}
	t.Parallel()
	_, b := testkafka.Fake(t)
	r := newStage(t, b, 34, 150*time.Millisecond).read(t)
	lines, since := 0, time.Now() // SIGTERM does not wait for all that can be final
	await(t, time.Minute, "all results that can be final", func() bool {
		if n := countLines(t, r.results); n != lines {
			lines, since = n, time.Now()
		}
		return lines > 0 && time.Since(since) > 2*time.Second
	})
	r.terminate(t)
	final, err := os.ReadFile(r.results)
	if err != nil {
		t.Fatal(err)
	}
	without, err := os.ReadFile(r.replay(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(final) == 0 || !bytes.HasPrefix(without, final) {
		t.Fatal("what is final differs from a replay of the partitions that there are")
	}

	r.grow(t)
	now := r.traffic.at
	r.traffic.at = now.Add(-2 * time.Minute)
	r.produce(t.Context(), t, 300) // elsewhere they are late
	r.traffic.at = now
	r.produce(t.Context(), t, 1_000)
	r.again(t)
	r.terminate(t)
	if err := run(t, nil, append(r.args, "--until-end")...).wait(t, time.Minute); err != nil {
		t.Fatalf("the last run: %v", err)
	}
	undisturbed := r.undisturbed(t)
	if got, want := lastLine(t, r.results), lastLine(t, undisturbed); got != want {
		t.Errorf("the ledger is\n%s\nwant\n%s", got, want)
	}
	got, want := windowsOf(t, r.results), windowsOf(t, undisturbed)
	n := bytes.Count(final, []byte("\n"))
	if kept, err := os.ReadFile(r.results); err != nil || !bytes.HasPrefix(kept, final) {
		t.Errorf("what was final has changed (%v)", err)
	}
	if len(got) != len(want) || slices.Equal(got[:n], want[:n]) {
		t.Fatalf("%d windows, want %d; of the first %d some without the new events", len(got), len(want), n)
	}
	for i := n; i < len(want); i++ {
		if got[i] != want[i] {
			t.Fatalf("a window that was not final when the partition was added is\n%s\nwant\n%s", got[i], want[i])
		}
	}
	t.Logf("%d windows were final before, %d later", n, len(got)-n)
}

// windowCounts is of a line of results what is the same in whatever order it was merged.
type windowCounts struct {
	Model, Version, Segment, Window string
	End                             time.Time
	Complete                        bool
	Events                          int
	Features                        []struct {
		Name                            string
		Count, Missing, Invalid, Unseen int
		Min, Max                        float64
	}
}

// windowsOf returns the counts of the windows of results, as text.
func windowsOf(t *testing.T, results string) (all []string) {
	t.Helper()
	b, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(b)); d.More(); {
		var w windowCounts
		if err := d.Decode(&w); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%+v", w))
	}
	return all[:len(all)-1] // the last is the ledger
}
