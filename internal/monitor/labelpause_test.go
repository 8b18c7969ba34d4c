package monitor

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
)

// cpu returns how long the process has worked: other processes do not change it much.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// labelShard is a shard of a group with a binary model, and what it is fed with: events of a second, numbered.
type labelShard struct {
	*Shard
	ev      event.Event
	longest time.Duration
}

func newLabelShard(lateness, timeout time.Duration) *labelShard {
	schema := event.Schema{Models: []string{"m"}, Answers: event.Answers{Truth: true}, Features: []event.Feature{{Name: event.PredictionScore}}}
	g := &Group{Schema: schema, Pane: int64(10 * time.Second), Lateness: int64(lateness), Windows: []Window{{Name: "5m", Length: int64(5 * time.Minute)}}}
	g.Models = []*Model{NewModel(ModelConfig{Name: "m", Performance: &Performance{
		Spec: eval.Spec{Task: eval.Binary, Positive: "a", Threshold: 0.5}, Joined: true, Timeout: int64(timeout), Score: 0, Decision: -1, Value: -1,
	}}, &schema)}
	s := &labelShard{Shard: NewShard(g), ev: event.Event{Features: make([]event.Value, 1)}}
	s.LabelsApart()
	return s
}

// take applies an event of an id.
func (s *labelShard) take(k event.Kind, id uint64, at int64) {
	s.ev.Kind, s.ev.Time, s.ev.ID = k, event.Ancient+at, binary.BigEndian.AppendUint64(s.ev.ID[:0], id)
	s.ev.Features[0] = event.Value{State: event.Valid, Number: float64(id%100) / 100}
	s.ev.Truth = event.Truth{Text: []byte("a"), HasText: true}
	began := cpu()
	s.Apply(&s.ev)
	s.longest = max(s.longest, cpu()-began)
	s.TakeSealed()
}

// TestSealingPauses: after an outage of the predictions, with which labels go on and then a million predictions expire, no event
// takes long. STREAMMON_FAULTS=long runs it; what it takes elsewhere is not measured.
func TestSealingPauses(t *testing.T) {
	if os.Getenv("STREAMMON_FAULTS") != "long" {
		t.Skip("STREAMMON_FAULTS is not long")
	}
	const second, n, labels = int64(time.Second), 1_000_000, 100_000
	for name, spread := range map[string]int64{"labels of 100 s": 100 * second, "labels of a pane": second} {
		s := newLabelShard(30*time.Second, time.Hour)
		for i := range int64(n) {
			s.take(event.Prediction, uint64(i), i*second/1000)
		}
		for i := range int64(labels) {
			s.take(event.Label, uint64(i*7), 1100*second+i*spread/labels)
		}
		s.take(event.Label, n+1, 10*3600*second)
		before := s.longest
		s.longest = 0
		for i := range int64(100) {
			s.take(event.Prediction, uint64(n+i), 10*3600*second+i)
		}
		t.Logf("%s: the longest event took %v, before %v; %+v", name, s.longest, before, s.Labels()[0])
		most := 50 * time.Millisecond
		if spread < 10*second {
			most = 200 * time.Millisecond // a pane is sealed at once
		}
		if s.longest > most {
			t.Errorf("%s: a pause of %v", name, s.longest)
		}
	}
}

// sealedText is what the panes of labels have that were sealed since the last call.
func (s *labelShard) sealedText() (text string) {
	for _, p := range s.TakeSealedLabels() {
		text += fmt.Sprintf("%d: %x\n", p.Start, p.Content.models[0][0].series[0].labelled.appendBinary(nil))
	}
	return text
}

// TestSealingInSteps: panes that are sealed one at a time, whenever something happens, are those that are sealed at once.
func TestSealingInSteps(t *testing.T) {
	const second = int64(time.Second)
	behind := 0 // how often something was left
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		steps, atOnce := newLabelShard(30*time.Second, 5*time.Minute), newLabelShard(30*time.Second, 5*time.Minute)
		steps.labels.work = 1
		var inSteps, whole string
		var at [2]int64 // by event.Kind
		for range 400 {
			k := event.Kind(r.IntN(2))
			if at[k] += r.Int64N(20 * second); r.IntN(40) == 0 {
				at[k] += r.Int64N(1000 * second)
			}
			id, time := r.Uint64N(150), at[k]-r.Int64N(20*second)
			for _, s := range []*labelShard{steps, atOnce} {
				s.take(k, id, max(time, 0))
			}
			atOnce.labels.seal(atOnce.reach(), math.MaxInt)
			if steps.labels.end < atOnce.labels.end {
				behind++
			}
			if r.IntN(10) == 0 {
				inSteps += steps.sealedText()
				whole += atOnce.sealedText()
			}
		}
		for _, k := range []event.Kind{event.Label, event.Prediction} {
			steps.EndOf(k)
			atOnce.EndOf(k)
		}
		inSteps += steps.sealedText()
		whole += atOnce.sealedText()
		if inSteps != whole || whole == "" {
			t.Fatalf("seed %d: in steps\n%swhole\n%s", seed, inSteps, whole)
		}
		if a, b := steps.Labels()[0], atOnce.Labels()[0]; *a != *b {
			t.Fatalf("seed %d: in steps %+v, whole %+v", seed, a, b)
		}
	}
	if behind == 0 {
		t.Error("nothing was left for later")
	}
}
