package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/exporter"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/state"
	"github.com/streammon/streammon/internal/web"
)

// Build says what the program was built from.
type Build struct{ Version, Revision, GoVersion string }

// RunOptions says how to run a config.
type RunOptions struct {
	// ListenAddress is where to serve; Listener, if set, is used instead.
	ListenAddress string
	Listener      net.Listener
	// WebConfigFile has TLS and users, in the format of exporter-toolkit.
	WebConfigFile string
	// CORSOrigins are the origins whose scripts may read the API.
	CORSOrigins []string
	// Results takes final results as JSON lines; nil for none.
	Results io.Writer
	// UntilEnd ends the run at the ends that the partitions have at the start.
	UntilEnd bool
	Logger   *slog.Logger
	Build    Build
	// Load reads the config again; it is called for each value of Reload and, with EnableLifecycle, for each POST to
	// /-/reload. If it is nil, nothing is ever reloaded.
	Load            func() (*config.Config, error)
	Reload          <-chan os.Signal
	EnableLifecycle bool
	// Published, if set, is called with each snapshot after it was published.
	Published func(*monitor.Snapshot)
}

// Run monitors the models of a config until the context ends, or with UntilEnd
// until everything was read.
func Run(ctx context.Context, c *config.Config, o RunOptions) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := web.Check(o.WebConfigFile); err != nil {
		return err
	}
	for _, w := range c.Warnings() {
		o.Logger.Warn(w)
	}
	models, err := buildGroups(c)
	if err != nil {
		return err
	}
	r, err := newRunner(ctx, c, models, o)
	if err != nil {
		return err
	}
	if o.Listener == nil {
		if o.Listener, err = net.Listen("tcp", o.ListenAddress); err != nil {
			return fmt.Errorf("serve: %w", err)
		}
	}
	defer r.memory.close()
	return r.run(ctx, o)
}

func newRunner(ctx context.Context, c *config.Config, models []*modelGroup, o RunOptions) (*runner, error) {
	cc, err := consumerConfig(c, models, time.Now())
	if err != nil {
		return nil, err
	}
	r := &runner{
		config: c, configText: c.Text(), load: o.Load, configStatus: monitor.ConfigStatus{Loaded: time.Now()},
		models: models, memory: newMemoryGuard(o.Logger),
		logger: o.Logger, board: &monitor.Board{}, published: o.Published, live: !o.UntilEnd, replaced: make(chan struct{}, 1),
		topics: map[string]*topic{}, partitions: map[partitionKey]*partition{}, known: map[string]int{},
	}
	if o.Results != nil {
		r.results = &resultWriter{w: o.Results}
		r.newSink(models)
	}
	if o.UntilEnd { // a job that should end says so; a service waits for its brokers
		if err := consumer.Probe(ctx, cc); err != nil {
			return nil, err
		}
	}
	cc.UntilEnd, cc.Logger, cc.OnPartitions, cc.Positions = o.UntilEnd, o.Logger, r.onPartitions, r.position
	cc.Partitions, cc.OnFewer, cc.Wait = r.knownPartitions, r.onFewer, r.memory.wait
	if r.consumer, err = consumer.New(cc, r); err != nil {
		return nil, err
	}
	r.board.MayExport = r.consumer.Owner
	options := letterOptions{Block: c.DeadLetters.WhenDown == "block", Redact: c.DeadLetters.Redact}
	if c.Kafka.DeadLetterTopic != "" {
		may := r.consumer.Owner
		if o.UntilEnd {
			may = nil // a job writes all it rejects
		}
		r.deadLetters = newDeadLetters(consumer.NewWriter(cc, c.Kafka.DeadLetterTopic, may), options, r.consumer, o.UntilEnd, o.Logger)
	}
	if c.DeadLetters.File != "" {
		r.deadLetters = newDeadLetters(newLetterFile(c.DeadLetters.File, int64(c.DeadLetters.MaxFileBytes)), options, r.consumer, o.UntilEnd, o.Logger)
	}
	if c.State.Dir != "" {
		if r.keeper, err = openKeeper(c.State.Dir, c.State.SaveInterval, o.Build.Version, o.Logger); err != nil {
			return nil, err
		}
		r.keeper.memory = r.memory
	}
	if err := r.begin(models); err != nil {
		return nil, errors.Join(err, r.keeper.close())
	}
	r.exporter = exporter.New(r.board, exporter.Options{
		MaxSeries: c.MaxSeries, Version: o.Build.Version, Revision: o.Build.Revision, GoVersion: o.Build.GoVersion,
	})
	return r, nil
}

// begin makes the groups, new or as they were saved, and the results go on.
func (r *runner) begin(models []*modelGroup) error {
	k := r.keeper
	var loaded map[string]*state.Loaded
	if k != nil {
		var err error
		if loaded, err = k.load(models, r.results != nil); err != nil {
			return err
		}
		k.sink, k.results, k.letters = r.sink, r.results, r.deadLetters
	}
	for i, m := range models {
		g := r.newGroup(i, m)
		r.addTopics(m, g)
		if l := loaded[m.predictions]; l != nil {
			parts, ok := k.restore(g, k.configs[i], l)
			if !ok {
				g = r.newGroup(i, m)
				r.addTopics(m, g)
			}
			if err := r.goOn(parts); err != nil {
				return err
			}
		}
		r.groups = append(r.groups, g)
	}
	if k != nil {
		k.groups = r.groups
	}
	if l := loaded[lettersName]; l != nil && r.deadLetters != nil {
		letters, err := readLetterState(l.State)
		if err != nil {
			k.reset(lettersName, resetDamaged, err)
			letters = nil
		}
		r.deadLetters.restore(letters)
	}
	return r.resume(loaded[resultsName])
}

// newSink puts the results of the groups into one order.
func (r *runner) newSink(models []*modelGroup) {
	r.sink = pipeline.NewSequencer(len(models), r.results.result)
	if r.live {
		r.sink.KeepLines(r.passedBy(models))
	} else {
		r.sink.KeepLines(nil)
	}
}

func (r *runner) newGroup(i int, m *modelGroup) *pipeline.Group {
	g := pipeline.NewGroup(m.monitor, m.decode, r.sink, i, true)
	if r.live {
		g.GaveUp = r.gaveUp(m.predictions)
		g.WithoutLabels = r.withoutLabels(m.labels)
	}
	g.Learned = r.learned
	if r.keeper != nil {
		g.Journal()
	}
	return g
}

// resume makes the results go on where they were when the state was saved.
func (r *runner) resume(saved *state.Loaded) error {
	if r.results == nil {
		return nil
	}
	if r.keeper == nil {
		return r.results.resume(0)
	}
	if saved == nil {
		return r.resultsAnew("as windows do")
	}
	p, waiting, err := readResults(saved.State)
	if err == nil { // what is read again gives the same results again
		err = r.sink.RestoreResults(waiting, r.keeper.forgotten(), func(model string) bool { return !r.keeper.begunAnew[model] })
	}
	if err != nil {
		return err
	}
	if r.keeper.forgotten() {
		return r.resultsAnew("as windows do")
	}
	if p.name != r.results.name() {
		return r.resultsAnew("the state is that of the results in " + p.name)
	}
	foreign, err := r.results.foreign(p)
	if err != nil {
		return err
	}
	if foreign {
		return r.resultsAnew("the file was replaced: it is not what was written before")
	}
	if err := r.results.resume(p.length); err != nil {
		return err
	}
	if missing := p.length - r.results.length; missing > 0 {
		r.logger.Warn("the file of results is shorter than it was; what is missing is not written again", "bytes", missing)
	}
	return nil
}

// resultsAnew begins with an empty file of results; what is there gets another name.
func (r *runner) resultsAnew(reason string) error {
	aside, err := r.results.aside()
	if err != nil {
		return err
	}
	if aside != "" {
		r.logger.Error("the results begin anew; those so far were moved aside", "reason", reason, "moved_to", aside)
	}
	return r.results.resume(0)
}

// publishEvery is how often the board gets a new snapshot, lookEvery how often it is looked
// whether the monitor has become ready.
const (
	publishEvery = time.Second
	lookEvery    = 50 * time.Millisecond
	// publishShare is how many times as long as a publication the time between two of them is at
	// least: many windows that were revised take long.
	publishShare = 10
	// publishAtMost is the longest time between two.
	publishAtMost = 10 * time.Second
)

// run starts everything and waits until it has ended. What ends it is the end of the
// context, of the reading, or the first failure.
func (r *runner) run(ctx context.Context, o RunOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, r.wake)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	read := make(chan struct{})
	g.Go(func() error {
		defer cancel()
		defer close(read)
		return r.consumer.Run(gctx)
	})
	if r.keeper != nil {
		g.Go(func() error {
			r.keeper.run(gctx, read)
			return nil
		})
	}
	g.Go(func() error { return r.publishLoop(gctx) })
	g.Go(func() error {
		r.refillLoop(gctx)
		return nil
	})
	g.Go(func() error {
		handler := web.NewHandler(r.board, r.exporter.Handler())
		wc := web.Config{ConfigFile: o.WebConfigFile, Logger: o.Logger, OnRefuse: r.exporter.CountRefused, CORSOrigins: o.CORSOrigins}
		if o.EnableLifecycle && o.Load != nil {
			wc.Reload = r.reload
		}
		err := web.Serve(gctx, o.Listener, handler, wc)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
	g.Go(func() error {
		r.memory.run(gctx)
		return nil
	})
	if r.deadLetters != nil {
		g.Go(func() error { return r.deadLetters.run(gctx) })
	}
	if o.Reload != nil && o.Load != nil {
		g.Go(func() error {
			r.reloadLoop(gctx, o.Reload)
			return nil
		})
	}
	r.shaping.RLock()
	budget := r.budget()
	r.shaping.RUnlock()
	r.memory.setBudget(budget.Budget)
	if w := budget.Warning(); w != "" {
		o.Logger.Warn(w)
	}
	o.Logger.Info("serving", "address", o.Listener.Addr().String(), "memory_budget", inBytes(budget.Budget), "memory_limit", inBytes(r.memory.limit.Load()))
	if err := g.Wait(); err != nil {
		return err
	}
	if o.UntilEnd && r.results != nil && r.done() {
		l := r.ledger()
		return r.results.account(&l, r.groups)
	}
	return nil
}

func (r *runner) publishLoop(ctx context.Context) error {
	ticker := time.NewTicker(publishEvery)
	defer ticker.Stop()
	pace := pace{least: publishEvery, most: publishAtMost, times: publishShare}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		began := time.Now()
		r.publish(began)
		ticker.Reset(pace.after(time.Since(began)))
		for wait := true; wait; {
			select {
			case <-ctx.Done():
				r.placed.looked = time.Time{} // for the last time
				r.publish(time.Now())
				return nil
			case <-ticker.C:
				wait = false
			case <-look.C:
				r.shaping.RLock()
				wait = r.ready || r.notReady() != ""
				r.shaping.RUnlock()
				if r.ready {
					look.Stop()
				}
			}
		}
	}
}
