package app

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/monitor"
)

// TestTourShowsAsWritten runs the demo's scenario in event time and compares the number
// of slides until each step shows with what the scenario says, which was written down
// before.
func TestTourShowsAsWritten(t *testing.T) {
	dir := t.TempDir()
	c, err := demoConfig(t.Context(), "localhost:9092", dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	tour, _ := demo.Find("tour")
	const rate = 50
	live := time.Date(2026, 11, 22, 10, 0, 3, 0, time.UTC)
	events := filepath.Join(dir, "tour.jsonl")
	writeTour(t, events, tour, live, rate)

	reached := make([]time.Time, len(tour.Steps)) // first slide at or after the step that shows it
	early := make([]bool, len(tour.Steps))
	_, err = Replay(t.Context(), c, ReplayOptions{Inputs: []string{events}, Result: func(r *monitor.Result) {
		if r.Window != "5m" || r.Version != "7" || r.Segment != "" || !r.Complete {
			return
		}
		for i, step := range tour.Steps {
			value, ok := resultValue(r, step.Sign)
			if !ok || !step.Sign.Reached(value) {
				continue
			}
			switch began := live.Add(step.At); {
			case r.End.After(began) && reached[i].IsZero():
				reached[i] = r.End
			case !r.End.After(began) && !step.Sign.Falling:
				early[i] = true
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range tour.Steps {
		if reached[i].IsZero() || early[i] {
			t.Errorf("%s: shown: %v, shown before it began: %v", step.Name, !reached[i].IsZero(), early[i])
			continue
		}
		slides := int((reached[i].Sub(live.Add(step.At)) + 10*time.Second - 1) / (10 * time.Second))
		t.Logf("%s shows in %s after %d slides", step.Name, step.Sign.Selector(), slides)
		if slides > step.Sign.Within {
			t.Errorf("%s shows after %d slides, not within %d", step.Name, slides, step.Sign.Within)
		}
	}
}

func writeTour(t *testing.T, name string, s demo.Scenario, live time.Time, rate int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	service := demo.NewService(5)
	var line []byte
	for at := -6 * time.Minute; at < 12*time.Minute; at += time.Second / time.Duration(rate) {
		line, _ = service.Append(line[:0], live.Add(at), s.Effects(at))
		w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestDemo starts the demo as a user does, at a low rate, and waits until its windows
// are full and its gauges are served.
func TestDemo(t *testing.T) {
	quiet, _ := demo.Find("quiet")
	patience := time.Minute
	if raceEnabled {
		patience *= 5
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var said talk
	l := listen(t)
	done := make(chan error, 1)
	full := make(chan struct{})
	o := DemoOptions{Scenario: quiet, Rate: 20, Seed: 1, Listener: l, Logger: testLogger(t), Say: func(format string, args ...any) {
		said.add(fmt.Sprintf(format, args...))
		if strings.HasPrefix(format, "windows are full") {
			close(full)
		}
	}}
	go func() { done <- Demo(ctx, o) }()
	select {
	case <-full:
	case err := <-done:
		t.Fatalf("ended: %v\n%s", err, said.String())
	}
	text := get(t, "http://"+l.Addr().String()+"/metrics")
	for _, want := range []string{
		`streammon_window_complete{model="fraud",segment="",version="7",window="1h"} 1`,
		`streammon_drift_state{feature="amount",model="fraud",segment="",version="7",window="5m"} 0`,
		`streammon_drift_state{feature="merchant",model="fraud",segment="country=DE",version="7",window="1h"} 0`,
		`streammon_latency_seconds{model="fraud",q="0.99"`,
		`streammon_accepted_events_total{model="fraud"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the exposition", want)
		}
	}
	if got := get(t, "http://"+l.Addr().String()+"/-/ready"); got != "ready\n" {
		t.Errorf("readiness: %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// talk is what the demo said.
type talk struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *talk) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.WriteString(s + "\n")
}

// String returns all of it.
func (l *talk) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
