package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/testkafka"
)

// TestReloadLive reloads a running monitor again and again, with models that come and go, with bad files, while it catches up, and while other members
// of its group come and go: the results of the model that stays are, byte for byte, those of a run that nobody touched, each message counts
// once, the gauges never go, and all of it survives a restart.
func TestReloadLive(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic, other := b.CreateTopic(t, 3, nil), b.CreateTopic(t, 2, nil)
		const events = 30_000
		produceEvents(t, b, topic, events)
		produceEvents(t, b, other, 600)
		text := runConfig(b, topic, "")
		more := text + "  - {name: other, topics: {predictions: " + other + "}, features: {amount: numeric}}\n"
		less := strings.Replace(text, "windows: [1m]", "windows: [1m, 5m]", 1)
		var untouched bytes.Buffer
		if err := Run(t.Context(), parseConfig(t, text), RunOptions{Listener: listen(t), Logger: testLogger(t), Results: &untouched, UntilEnd: true}); err != nil {
			t.Fatal(err)
		}
		want := resultsOf(untouched.String(), "fraud", "1m")

		withState := text + "state: {dir: " + filepath.Join(t.TempDir(), "state") + ", save_interval: 1s}\n"
		var now atomic.Pointer[string]
		put := func(s string) { now.Store(&s) }
		put(withState)
		file := &memoryFile{}
		reload := make(chan os.Signal)
		latest := &atomic.Pointer[monitor.Snapshot]{}
		var owned, lost atomic.Bool
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- Run(ctx, parseConfig(t, withState), RunOptions{
				Listener: listen(t), Logger: testLogger(t), Results: file, Reload: reload,
				Load: func() (*config.Config, error) { return config.Parse("test.yaml", []byte(*now.Load())) },
				Published: func(s *monitor.Snapshot) {
					latest.Store(s)
					shown := slices.ContainsFunc(s.Results, func(r *monitor.Result) bool { return r.Model == "fraud" })
					lost.Store(lost.Load() || owned.Load() && !(shown && s.Exporting))
					owned.Store(owned.Load() || shown && s.Exporting)
				},
			})
		}()
		suffix := strings.TrimPrefix(withState, text)
		refused := uint64(0)
		for i, next := range []string{more, text, "nonsense", more, less, more, strings.Replace(text, "[1m]", "[7s]", 1), text, less, text} {
			loaded, bad := time.Now(), !strings.Contains(next, "windows: [1m")
			put(next + suffix)
			select {
			case reload <- syscall.SIGHUP:
			case err := <-done:
				t.Fatalf("run ended: %v", err)
			}
			if bad {
				refused++
			}
			if i == 4 { // the group has another member for a while
				guest := startRun(t, parseConfig(t, text))
				guest.await(t, "a snapshot", time.Minute, func(*monitor.Snapshot) bool { return true })
				guest.cancel()
			}
			eventuallySnapshot(t, latest, fmt.Sprintf("reload %d", i), func(s *monitor.Snapshot) bool {
				return s.Config.Failures == refused && (s.Config.Error != "") == bad && (bad || s.Config.Loaded.After(loaded))
			})
		}
		eventuallySnapshot(t, latest, "all messages", func(s *monitor.Snapshot) bool { return s.Ledger.Consumed >= events && s.NotReady == "" })
		eventuallySnapshot(t, latest, "the history", func(s *monitor.Snapshot) bool {
			track := s.History.Find("fraud", "7", "", "1m", false)
			return track != nil && track.Len() > 90 // of 300 slides: the last 60, and one of six before
		})
		counted := uint64(0)
		for _, p := range latest.Load().Partitions {
			counted += p.Consumed
		}
		if l := latest.Load().Ledger; l.Accepted != events || counted != events {
			t.Errorf("the ledger is %+v, and %d are counted", l, counted)
		}
		if !owned.Load() || lost.Load() {
			t.Errorf("the gauges were there: %v; they went away: %v", owned.Load(), lost.Load())
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := resultsOf(string(file.data), "fraud", "1m")
		if len(got) < 100 || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
			t.Fatalf("%d results differ from the %d of a run that nobody touched", len(got), len(want))
		}
		if err := Run(t.Context(), parseConfig(t, withState), RunOptions{Listener: listen(t), Logger: testLogger(t), Results: file, UntilEnd: true}); err != nil {
			t.Fatal(err)
		}
		if got := resultsOf(string(file.data), "fraud", "1m"); !slices.Equal(got, want) {
			t.Errorf("after a restart there are %d results, not the %d of a run that nobody touched", len(got), len(want))
		}
	})
}

// produceEvents writes events of the demo's service, ten a second, to the partitions in turn.
func produceEvents(t *testing.T, b testkafka.Broker, topic string, n int) {
	t.Helper()
	partitions := len(b.Partitions(t, topic))
	service := demo.NewService(1)
	at := time.Now().Add(-time.Duration(n) * 100 * time.Millisecond).Truncate(time.Minute)
	var records []*kgo.Record
	for i := range n {
		at := at.Add(time.Duration(i) * 100 * time.Millisecond)
		value, _ := service.Append(nil, at, demo.Effects{})
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: bytes.Replace(value, []byte(`"model":"fraud"`), []byte(`"x":0`), 1), Timestamp: at})
	}
	testkafka.Produce(t, b.Client(t), records...)
}

// resultsOf returns the results of a model and window length.
func resultsOf(text, model, window string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, `{"model":"`+model+`"`) && strings.Contains(line, `"window":"`+window+`"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

func eventuallySnapshot(t *testing.T, latest *atomic.Pointer[monitor.Snapshot], what string, f func(*monitor.Snapshot) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s := latest.Load(); s != nil && f(s) {
			return
		}
	}
	t.Fatalf("waiting in vain for %s; last: %+v", what, latest.Load())
}
