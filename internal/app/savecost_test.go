package app

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/pipeline"
)

// TestSaveCost saves a state of more than 200 MB while events flow: reading stands still for less
// than 50 ms, and saving takes 5 % of the time.
func TestSaveCost(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("a state of 200 MB")
	}
	const models, features, lanes = 10, 50, 4
	var config strings.Builder
	config.WriteString("kafka: {brokers: [\"localhost:1\"]}\nwindows: [5m]\nallowed_lateness: 80s\nmodels:\n")
	for m := range models {
		fmt.Fprintf(&config, "  - {name: m%d, topics: {predictions: p}, task: none, features: {", m)
		for f := range features {
			fmt.Fprintf(&config, "f%d: numeric,", f)
		}
		config.WriteString("}}\n")
	}
	k := newKept(t, t.TempDir(), config.String())
	k.groups[0].Grow(lanes)
	r := rand.New(rand.NewPCG(1, 1))
	bodies := make([]string, 500)
	for i := range bodies {
		var b strings.Builder
		for f := range features {
			fmt.Fprintf(&b, `"f%d":%.4f,`, f, r.NormFloat64())
		}
		bodies[i] = strings.TrimSuffix(b.String(), ",")
	}
	var slowest atomic.Int64
	at := keptNow.Add(-time.Hour).UnixMilli()
	step := func(n, lane int) {
		messages := make([]pipeline.Message, 250)
		for i := range messages {
			messages[i].Value = fmt.Appendf(nil, `{"time":%d,"model":"m%d","features":{%s}}`, at, r.IntN(models), bodies[r.IntN(len(bodies))])
		}
		p, err := k.partition("p", lane)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if n == 0 {
			p.intake.Arrive(pipeline.Arrival{})
		}
		p.intake.Take(messages, p.intake.Offsets().Next+int64(len(messages)))
		if err := p.lane.Deliver(pipeline.Progress{Records: len(messages), Now: keptNow}); err != nil {
			t.Fatal(err)
		}
		slowest.Store(max(slowest.Load(), int64(time.Since(began))))
	}
	for n := range 1000 { // 100 s of event time
		for lane := range lanes {
			step(n, lane)
		}
		at += 100
	}
	k.keeper.save() // what was sealed so far
	if e := k.keeper.snapshot().Error; e != "" {
		t.Fatal(e)
	}
	quiet := time.Duration(slowest.Swap(0))
	var held, took []time.Duration
	for range 3 {
		saved := make(chan time.Duration)
		go func() { saved <- k.keeper.save() }()
		var d time.Duration
		for n := 1; d == 0; n++ {
			select {
			case d = <-saved:
			default:
				step(n, n%lanes)
				at += 2
			}
		}
		s := k.keeper.snapshot()
		if s.Bytes < 200e6 {
			t.Fatalf("a state of %d bytes", s.Bytes)
		}
		held, took = append(held, s.Held), append(took, d)
	}
	s := k.keeper.snapshot()
	t.Logf("%d MB: held reading up for %s, took %s; the slowest 250 events took %s meanwhile, %s before", s.Bytes>>20, held, took, time.Duration(slowest.Load()), quiet)
	slices.Sort(held) // one may be a pause of the machine
	if held[1] > 50*time.Millisecond {
		t.Errorf("reading was held up for %s", held)
	}
	k.keeper.stretch(took[0]) // one alone says nothing
	if next := k.keeper.stretch(took[0]); float64(took[0])/float64(next) > saveShare+1e-9 || next < took[0]*20 && next != k.keeper.interval {
		t.Errorf("after a save of %s the next is in %s", took[0], next)
	}
}
