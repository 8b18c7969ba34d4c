package faults

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/testkafka"
)

// stage is a broker with a topic of predictions and one of labels, the config of who reads
// them, and files with the same messages, a pair a partition.
type stage struct {
	broker              testkafka.Broker
	predictions, labels string
	dir                 string
	files               [2][]*os.File
	client              *kgo.Client
	traffic             *traffic
	written             int
	quick               bool // writes no files
	learns              bool // two models learn their references, from twenty minutes and from more than an hour
}

const partitions = 4

func newStage(t *testing.T, b testkafka.Broker, seed uint64, step time.Duration) *stage {
	t.Helper()
	return newStageWith(t, b, seed, step, nil)
}

// newStageWith is newStage with configs of the topics.
func newStageWith(t *testing.T, b testkafka.Broker, seed uint64, step time.Duration, configs map[string]string) *stage {
	t.Helper()
	s := &stage{
		broker: b, predictions: b.CreateTopic(t, partitions, configs), labels: b.CreateTopic(t, partitions, configs), dir: t.TempDir(),
		traffic: newTraffic(seed, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), step),
	}
	s.spread(t, partitions)
	return s
}

// spread makes the stage write to so many partitions, which are there, and to a pair of files for
// each.
func (s *stage) spread(t *testing.T, partitions int) {
	t.Helper()
	for kind, name := range []string{"predictions", "labels"} {
		for i := len(s.files[kind]); i < partitions; i++ {
			f, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("%s-%d.jsonl", name, i)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			s.files[kind] = append(s.files[kind], f)
		}
	}
	// A client knows the partitions that are there when it first asks.
	s.client = s.broker.Client(t, kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000))
}

// config writes a config and returns its name.
func (s *stage) config(t *testing.T, name, state, more string) string {
	t.Helper()
	file := filepath.Join(s.dir, name+".yaml")
	if state != "" {
		state = filepath.Join(s.dir, state)
	}
	text := trafficConfig(strings.Join(s.broker.Bootstrap, `", "`), s.predictions, s.labels, state, more)
	if s.learns {
		text = strings.Replace(text, "  - name: m1\n", "  - name: m1\n    segments: [country]\n    reference: {learn: 20m}\n", 1)
		text = strings.Replace(text, "  - name: m2\n", "  - name: m2\n    reference: {learn: 70m}\n", 1)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// produce writes n events. A line break inside of one would be two messages in a file.
func (s *stage) produce(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for range n {
		prediction, truth := s.traffic.next()
		s.send(ctx, t, 0, prediction)
		if truth != nil {
			s.send(ctx, t, 1, truth)
		}
	}
	if err := s.client.Flush(ctx); err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

// partition returns where a message belongs: by its id, so that a label is where its prediction is.
func (s *stage) partition(message []byte) int {
	id := s.written
	if _, after, ok := bytes.Cut(message, []byte(`"id":"e`)); ok {
		digits, _, _ := bytes.Cut(after, []byte(`"`))
		if n, err := strconv.Atoi(string(digits)); err == nil {
			id = n
		}
	}
	return id / 3 % len(s.files[0]) // ids are those of the models in turn
}

func (s *stage) send(ctx context.Context, t *testing.T, kind int, message []byte) {
	t.Helper()
	if len(message) == 0 {
		return // an empty line of a file is no message
	}
	partition := s.partition(message)
	s.written++
	if !s.quick {
		if _, err := s.files[kind][partition].Write(append(slices.Clip(message), '\n')); err != nil {
			t.Fatal(err)
		}
	}
	s.client.Produce(ctx, &kgo.Record{Topic: []string{s.predictions, s.labels}[kind], Partition: int32(partition), Value: message}, func(_ *kgo.Record, err error) {
		if err != nil {
			t.Error(err)
		}
	})
}

// undisturbed runs to the end without state, and replays the files; both must say the same. It
// returns the file of results.
func (s *stage) undisturbed(t *testing.T) string {
	t.Helper()
	live := filepath.Join(s.dir, "undisturbed.jsonl")
	config := s.config(t, "undisturbed", "", "")
	if err := run(t, nil, "--config.file="+config, "--results="+live, "--until-end").wait(t, 5*time.Minute); err != nil {
		t.Fatalf("the undisturbed run: %v", err)
	}
	compareFiles(t, live, s.replay(t))
	return live
}

// replay replays the files, and returns the file of results.
func (s *stage) replay(t *testing.T) string {
	t.Helper()
	replayed := filepath.Join(s.dir, "replayed.jsonl")
	args := []string{"replay", "--config.file=" + s.config(t, "replay", "", ""), "--json=" + replayed}
	for i := range s.files[0] {
		args = append(args, "--input="+s.files[0][i].Name(), "--labels="+s.files[1][i].Name())
	}
	if err := start(t, nil, args...).wait(t, 5*time.Minute); err != nil {
		t.Fatalf("replay: %v", err)
	}
	return replayed
}

// steps of a save at which the program is made to die.
var steps = []string{"begin", "cut", "results", "tidied", "written", "committed", "end"}

// TestKill ends the program by SIGKILL at random moments, and at each step of a save, while
// events flow and references are learned from them. In the end its results are those of a run that was never disturbed.
func TestKill(t *testing.T) {
	kills, events := 4, 60_000
	switch {
	case long:
		kills, events = 200, 2_000_000
	case ci:
		kills, events = 20, 200_000
	case testing.Short():
		t.Skip("takes half a minute")
	}
	_, b := testkafka.Fake(t)
	s := newStage(t, b, 1, 2*time.Hour/time.Duration(events))
	s.learns = true
	config, results := s.config(t, "killed", "state", ""), filepath.Join(s.dir, "results.jsonl")
	args := []string{"--config.file=" + config, "--results=" + results, "--log.level=debug"}
	kills += len(steps)

	produced := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(produced)
		// In pieces, over about as long as the kills take.
		pieces := kills * 3
		for range pieces {
			s.produce(ctx, t, events/pieces)
			select {
			case <-ctx.Done():
				return
			case <-time.After(400 * time.Millisecond):
			}
		}
	}()
	random := rand.New(rand.NewPCG(2, 3))
	var restarts, ready []time.Duration
	for i := range kills {
		began := time.Now()
		if i < len(steps)*2 && i%2 == 1 {
			p := run(t, []string{fmt.Sprintf("STREAMMON_FAILPOINT=%s:1", steps[i/2])}, args...)
			if err := p.wait(t, 20*time.Second); err == nil {
				t.Fatal("the failpoint was not met")
			}
			continue
		}
		p := run(t, nil, args...)
		await(t, 20*time.Second, "reading", func() bool { return strings.Count(p.log.String(), "reading topic") == 2 })
		restarts = append(restarts, time.Since(began))
		p.awaitReady(t, 3*time.Minute) // what was not saved is read again, and references are learned from it
		ready = append(ready, time.Since(began))
		time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
		p.kill(t)
	}
	p := run(t, nil, args...)
	<-produced
	p.awaitReady(t, 3*time.Minute) // what was not saved is read again, and references are learned from it
	p.terminate(t)
	if err := run(t, nil, append(args, "--until-end")...).wait(t, time.Minute); err != nil {
		t.Fatalf("the last run: %v", err)
	}
	slices.Sort(restarts)
	slices.Sort(ready)
	t.Logf("%d events, %d kills; reading again after %s (median), %s (longest); caught up after %s, %s", events, kills,
		restarts[len(restarts)/2], restarts[len(restarts)-1], ready[len(ready)/2], ready[len(ready)-1])
	compareFiles(t, s.undisturbed(t), results)
	if data, err := os.ReadFile(results); err != nil || bytes.Count(data, []byte(`"drift":`)) < 100 {
		t.Errorf("nothing was learned: %v", err)
	}
	if data, err := os.ReadFile(results); err != nil || bytes.Count(data, []byte(`"accuracy":`)) < 100 || bytes.Count(data, []byte(`"mae":`)) < 100 {
		t.Errorf("there are no performance figures: %v", err)
	}
	if d := restarts[len(restarts)*9/10]; d > 2*time.Second { // a busy machine may make one slow
		t.Errorf("one restart in ten took %s or more", d)
	}
}
