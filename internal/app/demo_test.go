package app

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/monitor"
)

// TestTourShowsAsWritten runs the demo's scenario in event time and compares the number
// of slides until each step shows with what the scenario says, which was written down
// before.
func TestTourShowsAsWritten(t *testing.T) {
	tour, _ := demo.Find("tour")
	reached := make([]time.Time, len(tour.Steps)) // first slide at or after the step that shows it
	early := make([]bool, len(tour.Steps))
	d, n := readOpenAPI(t), 0
	live := play(t, tour, 13*time.Minute, func(live time.Time, r *monitor.Result) {
		if n++; n%10 == 0 {
			d.text(t, r.End.String(), d.Components.Schemas["Result"], r.AppendJSON(nil))
		}
		if r.Model != demo.Model || r.Version != "7" {
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
	})
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

// TestConceptDriftShowsInLabelsOnly: after the world has turned, performance by labels falls, and the detector of wrong answers finds it;
// what needs no labels is as ever: the estimate of the same figures, and the drift of all features.
func TestConceptDriftShowsInLabelsOnly(t *testing.T) {
	concept, _ := demo.Find("concept")
	turned := concept.Steps[0]
	var before, after *monitor.Result // the last ones before the turn, and of all
	var shop *monitor.Result
	found := time.Time{}
	drifted := map[string]string{}
	live := play(t, concept, 8*time.Minute, func(live time.Time, r *monitor.Result) {
		switch r.Model + " " + r.Version {
		case demo.ShopModel + " 3":
			shop = r
		case demo.Model + " 7":
			at := live.Add(turned.At)
			if !r.End.After(at) {
				before = r
			} else {
				after = r
			}
			if v, ok := resultValue(r, turned.Sign); ok && turned.Sign.Reached(v) && found.IsZero() {
				found = r.End
			}
			for _, f := range r.Features {
				if f.State == monitor.StateDrift {
					drifted[f.Name] = f.State
				}
			}
			for _, c := range r.Changes {
				for _, d := range c.Detectors {
					if c.Figure != "misprediction_ratio" && d.State == monitor.StateChange {
						drifted[c.Figure+" "+d.Detector] = d.State
					}
				}
			}
		}
	})
	if before == nil || after == nil || shop == nil {
		t.Fatalf("before %v, after %v, shop %v", before, after, shop)
	}
	if wait := found.Sub(live.Add(turned.At)); found.IsZero() || wait <= 0 || wait > time.Duration(turned.Sign.Within)*10*time.Second {
		t.Errorf("found %s after the world had turned", wait)
	}
	if len(drifted) > 0 {
		t.Errorf("moved without labels: %v", drifted)
	}
	for _, c := range []struct {
		name           string
		least, falling float64 // before, and by how much at least
	}{{"accuracy", 0.88, 0.05}, {"roc_auc", 0.65, 0.2}} {
		was, is := figureOf(t, before.Performance.Figures, c.name), figureOf(t, after.Performance.Figures, c.name)
		guessed, still := figureOf(t, before.Performance.Estimated, "estimated_"+c.name), figureOf(t, after.Performance.Estimated, "estimated_"+c.name)
		t.Logf("%s: %.3f, then %.3f; estimated %.3f, then %.3f", c.name, was, is, guessed, still)
		if was < c.least || was-is < c.falling {
			t.Errorf("%s was %.3f and is %.3f", c.name, was, is)
		}
		if math.Abs(guessed-was) > 0.02 || math.Abs(still-guessed) > 0.01 {
			t.Errorf("%s was estimated %.3f and %.3f, and was %.3f", c.name, guessed, still, was)
		}
	}
	p := after.Performance
	if was := before.Performance; was.State != eval.OK || p.State != eval.Worse || len(p.Reference) == 0 {
		t.Errorf("performance was %q and is %q by %s, the reference's is %+v", was.State, p.State, p.DecidedBy, p.Reference)
	}
	if p.Duplicate == 0 || p.Conflict == 0 || p.Matched < 10_000 {
		t.Errorf("%d matched, %d duplicate, %d conflict", p.Matched, p.Duplicate, p.Conflict)
	}
	for _, k := range []string{"1", "5", "10"} {
		i := slices.IndexFunc(shop.Performance.Figures, func(f eval.Figure) bool { return f.Name == "ndcg" && f.At == k })
		if i < 0 || shop.Performance.Figures[i].Value < 0.1 || shop.Performance.Figures[i].Value > 0.6 {
			t.Errorf("ndcg at %s is not what is expected: %+v", k, shop.Performance.Figures)
		}
	}
}

// figureOf returns the figure of that name without a label.
func figureOf(t *testing.T, figures []eval.Figure, name string) float64 {
	t.Helper()
	i := slices.IndexFunc(figures, func(f eval.Figure) bool { return f.Name == name && f.Label == "" })
	if i < 0 {
		t.Fatalf("no %s in %+v", name, figures)
	}
	return figures[i].Value
}

// play replays a scenario of the demo in event time, from 6 minutes before it begins, and calls see with the full windows of 5 minutes
// of all traffic. It returns when the scenario began.
func play(t *testing.T, s demo.Scenario, length time.Duration, see func(live time.Time, r *monitor.Result)) (live time.Time) {
	t.Helper()
	const rate = 50
	live = time.Date(2026, 11, 22, 10, 0, 3, 0, time.UTC)
	dir := t.TempDir()
	c, err := demoConfig(t.Context(), "localhost:9092", dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	// Messages of both models.
	predictions, labels := filepath.Join(dir, "predictions.jsonl"), filepath.Join(dir, "labels.jsonl")
	files := map[string]*bufio.Writer{}
	for _, name := range []string{predictions, labels} {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[name] = bufio.NewWriter(f)
	}
	of := map[string]*bufio.Writer{demo.Topic: files[predictions], demo.ShopTopic: files[predictions], demo.LabelTopic: files[labels], demo.ShopLabelTopic: files[labels]}
	world := demo.NewWorld(5)
	for at := -6 * time.Minute; at < length; at += time.Second / rate {
		world.Step(live.Add(at), s.Effects(at), func(r demo.Record) { of[r.Topic].Write(append(r.Value, '\n')) })
	}
	for _, w := range files {
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Replay(t.Context(), c, ReplayOptions{Inputs: []string{predictions}, Labels: []string{labels}, Result: func(r *monitor.Result) {
		if r.Window == "5m" && r.Segment == "" && r.Complete {
			see(live, r)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return live
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
		`streammon_change_state{detector="page_hinkley",feature="",figure="misprediction_ratio",model="fraud",segment="",version="7",window="5m"} 0`,
		`streammon_window_complete{model="recommendations",segment="",version="3",window="1h"} 1`,
		`streammon_accepted_events_total{model="recommendations"}`,
		`streammon_performance_state{model="fraud",segment="",version="7",window="5m"} 0`,
		`streammon_estimated_roc_auc{model="fraud",segment="",version="7",window="1h"} 0.7`,
		`streammon_ndcg{k="10",model="recommendations",segment="",version="3",window="1h"} 0.`,
		`streammon_latency_seconds{model="fraud",q="0.99"`,
		`streammon_kpi{kpi="amount",model="fraud",segment="",version="7",window="5m"} `,
		`streammon_fairness{against="",`,
		`streammon_config_last_reload_successful 1`,
		`streammon_state_saves_total`,
		`streammon_reference_quantile{feature="amount",model="fraud",q="0.5",version="7"} 3`,
		`streammon_accepted_events_total{model="fraud"}`,
		`streammon_series_dropped_total{reason="model_share"} 0`, // or an alert would tell of it for ever
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the exposition", want)
		}
	}
	// As many lists of the shop are clicked as the alert on labels wants at least.
	m := regexp.MustCompile(`streammon_labels_matched_ratio\{model="recommendations",segment="",version="3",window="1h"\} (\S+)`).FindStringSubmatch(text)
	if m == nil {
		t.Error("the shop has no labels")
	} else if matched, err := strconv.ParseFloat(m[1], 64); err != nil || matched < config.DefaultModelAlerts().MinMatched+0.05 {
		t.Errorf("of the shop's lists %s are clicked", m[1])
	}
	if got := get(t, "http://"+l.Addr().String()+"/-/ready"); got != "ready\n" {
		t.Errorf("readiness: %q", got)
	}
	checkAPI(t, "http://"+l.Addr().String())
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
