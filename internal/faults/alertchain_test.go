package faults

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/demo"
)

// chainRate is how many requests a second the demo's service gets.
const chainRate = 50

// chain is the demo's services, Kafka, the program, Prometheus, Alertmanager and receivers.
type chain struct {
	t          *testing.T
	kafka      *proxy
	effects    atomic.Pointer[demo.Effects]
	config     string
	address    string
	monitor    *program
	prometheus *program
	told       *receivers
}

// TestAlertChain shows the whole way from an event to a page: nothing is told while all is well; a merchant that nobody knew makes a
// ticket and a note; an outage of the service makes a page, whose time is measured; a crash of the monitor meanwhile neither ends nor repeats any of
// it; and a loss of Kafka makes a page that the monitor is blind, and nothing else.
func TestAlertChain(t *testing.T) {
	if os.Getenv("STREAMMON_CHAIN") == "" {
		t.Skip("takes five minutes: STREAMMON_CHAIN=1 runs it")
	}
	began := time.Now()
	c := startChain(t)
	t.Logf("all runs after %.0f s", time.Since(began).Seconds())
	began = time.Now()

	c.quiet(began, 20*time.Second)
	c.strangers()
	c.outage()
	c.crash()
	c.blind()
}

// startChain starts everything on a service that is well.
func startChain(t *testing.T) *chain {
	dir := t.TempDir()
	_, broker, kafka, direct := proxied(t)
	for _, topic := range demo.Topics() {
		broker.CreateNamed(t, topic, demo.Partitions, nil)
	}
	profile := filepath.Join(dir, "fraud.profile.json")
	c := &chain{t: t, kafka: kafka, config: filepath.Join(dir, "chain.yaml"), address: freePort(t), told: startReceivers(t)}
	text := demo.Config(broker.Bootstrap[0], profile)
	text = strings.Replace(text, "windows: [5m, 1h]", "windows: [30s, 5m]\nstate: {dir: "+filepath.Join(dir, "state")+", save_interval: 1s}\n"+
		"alerts: {grafana_url: http://grafana.test, runbook_url: http://runbooks.test/r}", 1)
	text = strings.Replace(text, "    task: binary\n", "    task: binary\n    alerts: {error_budget: 0.006}\n", 1) // half a percent of the requests always fail
	if err := os.WriteFile(c.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.command("profile", "build", "--config.file="+c.config, "--model="+demo.Model, "--input="+chainTraining(t), "--output="+profile)
	c.command("rules", "generate", "--config.file="+c.config, "--output="+dir)

	c.effects.Store(&demo.Effects{})
	c.serve(direct())
	c.startMonitor()
	alertmanager := startAlertmanager(t, dir, c.told)
	c.prometheus = startPrometheus(t, dir, c.address, alertmanager.address)
	await(t, time.Minute, "figures in Prometheus", func() bool {
		_, body := c.prometheus.get(`/api/v1/query?query=streammon_drift_state%7Bwindow=%2230s%22%7D`)
		return strings.Contains(body, `"feature":"merchant"`)
	})
	return c
}

// command runs the program to its end.
func (c *chain) command(args ...string) {
	c.t.Helper()
	name, err := binary()
	if err != nil {
		c.t.Fatal(err)
	}
	if out, err := exec.CommandContext(c.t.Context(), name, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("streammon %q: %v\n%s", args, err, out)
	}
}

// chainTraining writes two hours of quiet requests and their labels.
func chainTraining(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "training.jsonl")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	world := demo.NewWorld(3)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 90_000 {
		if _, err := w.Write(append(world.AppendRow(nil, at), '\n')); err != nil {
			t.Fatal(err)
		}
		at = at.Add(80 * time.Millisecond)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// serve writes three minutes of history, and then what the services answer until the test ends.
func (c *chain) serve(client *kgo.Client) {
	ctx := c.t.Context()
	world := demo.NewWorld(1)
	step := time.Second / chainRate
	due := time.Now().Add(-3 * time.Minute)
	write := func() {
		for ; !due.After(time.Now()); due = due.Add(step) {
			world.Step(due, *c.effects.Load(), func(r demo.Record) {
				client.Produce(ctx, &kgo.Record{Topic: r.Topic, Key: []byte(r.Key), Value: r.Value, Timestamp: r.Time}, nil)
			})
		}
	}
	write()
	if err := client.Flush(ctx); err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	c.t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			write()
			time.Sleep(20 * time.Millisecond)
		}
	}()
}

func (c *chain) startMonitor() {
	c.t.Helper()
	c.monitor = start(c.t, nil, "run", "--config.file="+c.config, "--web.listen-address="+c.address)
	c.monitor.address = c.address
	c.monitor.awaitReady(c.t, time.Minute)
}

// quiet sees that nothing is told since then, for so long.
func (c *chain) quiet(since time.Time, length time.Duration) {
	c.t.Helper()
	time.Sleep(length)
	for _, x := range c.told.since(since) {
		c.t.Errorf("%s was told, though nothing has changed (over: %v):\n%s", x.receiver, x.over, x.text)
	}
}

// awaitTold waits until a receiver was told an alert of a model, and returns the message.
func (c *chain) awaitTold(since time.Time, within time.Duration, receiver, text string) told {
	c.t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for _, x := range c.told.since(since) {
			if x.receiver == receiver && !x.over && strings.Contains(x.text, text) {
				return x
			}
		}
	}
	c.t.Fatalf("%s was not told %q within %s; told was:\n%v\nfiring: %q", receiver, text, within, c.told.since(since), firing(c.t, c.prometheus))
	return told{}
}

// strangers come: 30 % of the payments go to a merchant that the reference does not know.
func (c *chain) strangers() {
	began := time.Now()
	c.effects.Store(&demo.Effects{NewMerchant: 0.3})
	ticket := c.awaitTold(began, 3*time.Minute, "tickets", "merchant of fraud 7 are categories that its reference does not know")
	ticket.checkLinks(c.t, demo.Model)
	note := c.awaitTold(began, 3*time.Minute, "chat", "Feature merchant of fraud")
	note.checkLinks(c.t, demo.Model)
	c.t.Logf("a new merchant: a ticket after %.0f s, a note after %.0f s", ticket.at.Sub(began).Seconds(), note.at.Sub(began).Seconds())
	for _, x := range c.told.since(began) {
		if x.receiver == "pager" || x.over || !strings.Contains(x.text, "merchant") {
			c.t.Errorf("%s was told, too (over: %v):\n%s", x.receiver, x.over, x.text)
		}
	}
}

// crash kills the monitor while alerts fire: these go on, and nothing is told.
func (c *chain) crash() {
	before := firing(c.t, c.prometheus)
	if len(before) < 2 {
		c.t.Fatalf("only %q fires", before)
	}
	began := time.Now()
	c.monitor.kill(c.t)
	time.Sleep(2 * time.Second)
	c.startMonitor()
	for time.Since(began) < 50*time.Second {
		time.Sleep(time.Second)
		if now := firing(c.t, c.prometheus); fmt.Sprint(now) != fmt.Sprint(before) {
			c.t.Fatalf("%.0f s after the crash %q fires, before it was %q", time.Since(began).Seconds(), now, before)
		}
	}
	c.quiet(began, 0)
}

// outage: every request fails. The goal is a page within a minute; a busy machine may take half a minute more.
func (c *chain) outage() {
	began := time.Now()
	c.effects.Store(&demo.Effects{NewMerchant: 0.3, Errors: 1})
	page := c.awaitTold(began, 2*time.Minute, "pager", "Requests of fraud fail")
	took := page.at.Sub(began)
	page.checkLinks(c.t, demo.Model)
	c.t.Logf("an outage: the page came %.0f s after the first failed request, with a twentieth of the shipped time to wait for", took.Seconds())
	if took > 90*time.Second {
		c.t.Errorf("the page took %s", took)
	}
	for _, x := range c.told.since(began) {
		if x.over || x.receiver == "pager" && !strings.Contains(x.text, "requests of fraud") {
			c.t.Errorf("%s was told, too (over: %v):\n%s", x.receiver, x.over, x.text)
		}
	}
	c.effects.Store(&demo.Effects{NewMerchant: 0.3})
	time.Sleep(40 * time.Second) // until all that belongs to it fires, and is told
}

// blind: Kafka is gone. That is told, and nothing of the models.
func (c *chain) blind() {
	began := time.Now()
	c.kafka.refuse()
	page := c.awaitTold(began, 2*time.Minute, "pager", "is blind: it does not read")
	page.checkLinks(c.t, "")
	took := page.at.Sub(began)
	c.t.Logf("without Kafka: the page came after %.0f s, with a fifth of the shipped time to wait for", took.Seconds())
	if took > time.Minute {
		c.t.Errorf("the page took %s, more than a minute", took)
	}
	time.Sleep(30 * time.Second)
	for _, x := range c.told.since(began) {
		if !strings.Contains(x.text, "is blind: it does not read") || x.over {
			c.t.Errorf("%s was told, too (over: %v):\n%s", x.receiver, x.over, x.text)
		}
	}
}
