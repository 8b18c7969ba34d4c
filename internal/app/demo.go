package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/demo"
	"github.com/streammon/streammon/internal/monitor"
)

// DemoOptions says how to run the demo.
type DemoOptions struct {
	Scenario demo.Scenario
	Rate     float64 // transactions a second
	Seed     uint64
	Duration time.Duration
	// Skip is how much of the scenario is history when the live stream begins.
	Skip     time.Duration
	Listener net.Listener
	Logger   *slog.Logger
	Build    Build
	// Brokers, if there are any, take the events in place of the embedded broker, and nothing is monitored.
	Brokers []string
	// Say tells the user what happens.
	Say func(format string, args ...any)
}

const (
	demoHistory  = 70 * time.Minute // the longest window, and some
	trainingRows = 90_000
	trainingStep = 80 * time.Millisecond // two hours: 24 windows of 5m
	demoProfile  = "fraud.profile.json"
)

// Demo runs synthetic services, an embedded broker and the monitor in one process
// until the context ends; with Brokers the services alone.
func Demo(ctx context.Context, o DemoOptions) error {
	if len(o.Brokers) > 0 {
		return demoServices(ctx, o)
	}
	dir, err := os.MkdirTemp("", "streammon-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer os.RemoveAll(dir)
	broker, err := demo.StartBroker(filepath.Join(dir, "broker"))
	if err != nil {
		return err
	}
	defer broker.Close()
	o.Say("embedded broker on %s, data in %s", broker.Address(), dir)
	c, err := demoConfig(ctx, broker.Address(), dir, o.Seed)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	c.State.Dir = filepath.Join(dir, "state")
	world := demo.NewWorld(o.Seed)
	if err := demoHistoryWritten(ctx, broker, world, o); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	live := time.Now()
	watch := &demoWatch{scenario: o.Scenario, live: live.Add(-o.Skip), say: o.Say, address: o.Listener.Addr().String()}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return broker.WriteLive(gctx, world, o.Scenario, watch.live, live, o.Rate)
	})
	g.Go(func() error {
		return Run(gctx, c, RunOptions{
			Listener: o.Listener, Logger: o.Logger, Build: o.Build, Published: watch.see,
			Load: func() (*config.Config, error) { return c, nil }, // as of a file that stays as it is
		})
	})
	g.Go(func() error { return watch.announce(gctx) })
	if err := g.Wait(); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// demoServices writes the events of the services to brokers that are there.
func demoServices(ctx context.Context, o DemoOptions) error {
	broker, err := demo.Dial(ctx, o.Brokers)
	if err == nil {
		defer broker.Close()
		world := demo.NewWorld(o.Seed)
		if err = demoHistoryWritten(ctx, broker, world, o); err == nil {
			o.Say("writing the live stream")
			live := time.Now()
			err = broker.WriteLive(ctx, world, o.Scenario, live.Add(-o.Skip), live, o.Rate)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// WriteDemoConfig writes the config that monitors the demo's services on brokers, streammon.yaml, and its profile to a
// folder, which it makes. stateDir is where the state is to be kept, empty for nowhere.
func WriteDemoConfig(ctx context.Context, dir, stateDir string, brokers []string, seed uint64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	work, err := os.MkdirTemp(dir, ".demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer os.RemoveAll(work)
	if _, err := demoConfig(ctx, brokers[0], work, seed); err != nil {
		return err
	}
	text := demo.Config(strings.Join(brokers, `", "`), demoProfile)
	if stateDir != "" {
		text += "state: {dir: " + strconv.Quote(stateDir) + "}\n"
	}
	if err := os.WriteFile(filepath.Join(work, "streammon.yaml"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	for _, name := range []string{demoProfile, "streammon.yaml"} {
		if err := os.Rename(filepath.Join(work, name), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return os.Chmod(filepath.Join(dir, demoProfile), 0o644)
}

func demoHistoryWritten(ctx context.Context, broker *demo.Broker, world *demo.World, o DemoOptions) error {
	to := time.Now()
	began, last := to, 0
	err := broker.WriteHistory(ctx, world, o.Scenario, to.Add(-o.Skip), to.Add(-demoHistory), to, o.Rate, func(share float64) {
		if tenth := int(10 * share); tenth >= last+3 {
			last = tenth
			o.Say("writing %.0f minutes of history: %d %%", demoHistory.Minutes(), 10*tenth)
		}
	})
	if err == nil {
		o.Say("wrote %.0f minutes of history in %.1f s", demoHistory.Minutes(), time.Since(began).Seconds())
	}
	return err
}

// demoConfig builds a reference from a quiet sample of the service with labels, as a user would
// from training data, and returns the config that monitors it.
func demoConfig(ctx context.Context, broker, dir string, seed uint64) (*config.Config, error) {
	training, file := filepath.Join(dir, "training.jsonl"), filepath.Join(dir, demoProfile)
	if err := writeTraining(training, seed+2); err != nil {
		return nil, err
	}
	text := []byte(demo.Config(broker, file))
	if err := os.WriteFile(file, nil, 0o600); err != nil { // the config wants it to be there
		return nil, fmt.Errorf("demo: %w", err)
	}
	c, err := config.Parse("demo.yaml", text)
	if err != nil {
		return nil, err
	}
	r, _, err := BuildProfile(ctx, c, ProfileOptions{Model: demo.Model, Inputs: []string{training}})
	if err != nil {
		return nil, err
	}
	data, err := r.Encode()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return c, nil
}

func writeTraining(name string, seed uint64) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	world := demo.NewWorld(seed)
	var line []byte
	t := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range trainingRows {
		line = world.AppendRow(line[:0], t)
		_, _ = w.Write(append(line, '\n')) // Flush tells
		t = t.Add(trainingStep)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// demoWatch announces the steps of a scenario, and what the board makes of them.
type demoWatch struct {
	scenario demo.Scenario
	live     time.Time
	say      func(format string, args ...any)
	address  string

	mu      sync.Mutex
	full    bool
	begun   []time.Time // of the steps that were announced
	noticed int         // bit i: step i
}

// announce tells of each step when it happens.
func (d *demoWatch) announce(ctx context.Context) error {
	for i, step := range d.scenario.Steps {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(d.live.Add(step.At))):
		}
		d.mu.Lock()
		d.begun = append(d.begun, time.Now())
		d.say("%d. %s: %s", i+1, step.Name, step.What)
		d.say("   watch %s", step.Sign.Selector())
		d.mu.Unlock()
	}
	return nil
}

// see looks at a published snapshot.
func (d *demoWatch) see(s *monitor.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.full && s.NotReady == "" && demoFull(s) {
		d.full = true
		d.say("windows are full: open http://%s/ or curl http://%s/metrics", hostOf(d.address), hostOf(d.address))
	}
	for i, begun := range d.begun {
		step := &d.scenario.Steps[i]
		value, ok := signValue(s, step.Sign)
		if d.noticed&(1<<i) != 0 || !ok || !step.Sign.Reached(value) {
			continue
		}
		d.noticed |= 1 << i
		d.say("   noticed after %.0f s: %s is %.3g (%s)", time.Since(begun).Seconds(), step.Sign.Metric, value, step.Name)
	}
}

// demoFull reports whether the longest window of the live version is full.
func demoFull(s *monitor.Snapshot) bool {
	for _, r := range s.Results {
		if r.Model == demo.Model && r.Window == "1h" && r.Segment == "" && r.Version == "7" {
			return r.Complete && r.Performance != nil && r.Performance.Complete
		}
	}
	return false
}

// signValue returns the value of the gauge that a sign names.
func signValue(s *monitor.Snapshot, sign demo.Sign) (float64, bool) {
	for _, r := range s.Results {
		if r.Model == demo.Model && r.Window == "5m" && r.Segment == "" && r.Version == "7" {
			return resultValue(r, sign)
		}
	}
	return 0, false
}

var driftStates = map[string]float64{monitor.StateOK: 0, monitor.StateWarning: 1, monitor.StateDrift: 2}

func resultValue(r *monitor.Result, sign demo.Sign) (float64, bool) {
	switch sign.Metric {
	case "error_ratio":
		return float64(r.Service.ErrorRatio), !r.Service.ErrorRatio.IsZero()
	case "change_state":
		return changeState(r, sign)
	}
	for i := range r.Features {
		f := &r.Features[i]
		if f.Name != sign.Feature {
			continue
		}
		all := float64(f.Count + f.Missing + f.Invalid)
		switch sign.Metric {
		case "drift_state":
			v, ok := driftStates[f.State]
			return v, ok
		case "feature_unseen_ratio":
			return float64(f.Unseen) / float64(f.Count), f.Count > 0
		case "feature_missing_ratio":
			return float64(f.Missing) / all, all > 0
		}
	}
	return 0, false
}

var changeStates = map[string]float64{monitor.StateOK: 0, monitor.StateWarning: 1, monitor.StateChange: 2}

func changeState(r *monitor.Result, sign demo.Sign) (float64, bool) {
	for _, c := range r.Changes {
		if c.Figure != sign.Figure || c.Feature != sign.Feature {
			continue
		}
		for _, d := range c.Detectors {
			if d.Detector == sign.Detector {
				return changeStates[d.State], true
			}
		}
	}
	return 0, false
}

// hostOf replaces the unspecified host by localhost, for a link that works.
func hostOf(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
