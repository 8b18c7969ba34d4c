package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/consumer"
	"github.com/streammon/streammon/internal/exporter"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
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
	// Results takes final results as JSON lines; nil for none.
	Results io.Writer
	// UntilEnd ends the run at the ends that the partitions have at the start.
	UntilEnd bool
	Logger   *slog.Logger
	Build    Build
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
	return r.run(ctx, o)
}

func newRunner(ctx context.Context, c *config.Config, models []*modelGroup, o RunOptions) (*runner, error) {
	cc, err := consumerConfig(c, models, time.Now())
	if err != nil {
		return nil, err
	}
	r := &runner{logger: o.Logger, board: &monitor.Board{}, published: o.Published, topics: map[string]*topic{}, partitions: map[partitionKey]*partition{}}
	if o.Results != nil {
		r.results = &resultWriter{w: o.Results}
		r.sink = pipeline.NewSequencer(len(models), r.results.result)
	}
	for i, m := range models {
		g := pipeline.NewGroup(m.monitor, m.decode, r.sink, i, true)
		if !o.UntilEnd {
			g.GaveUp = r.gaveUp(m.predictions)
		}
		r.groups = append(r.groups, g)
		r.addTopics(m, g)
	}
	if o.UntilEnd { // a job that should end says so; a service waits for its brokers
		if err := consumer.Probe(ctx, cc); err != nil {
			return nil, err
		}
	}
	cc.UntilEnd, cc.Logger, cc.OnPartitions = o.UntilEnd, o.Logger, r.onPartitions
	if r.consumer, err = consumer.New(cc, r); err != nil {
		return nil, err
	}
	if c.Kafka.DeadLetterTopic != "" {
		r.deadLetters = newDeadLetters(consumer.NewWriter(cc, c.Kafka.DeadLetterTopic), r.consumer, o.UntilEnd, o.Logger)
	}
	r.exporter = exporter.New(r.board, exporter.Options{
		MaxSeries: c.MaxSeries, Version: o.Build.Version, Revision: o.Build.Revision, GoVersion: o.Build.GoVersion,
	})
	return r, nil
}

// publishEvery is how often the board gets a new snapshot.
const publishEvery = time.Second

// run starts everything and waits until it has ended. What ends it is the end of the
// context, of the reading, or the first failure.
func (r *runner) run(ctx context.Context, o RunOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		for _, g := range r.groups {
			g.Wake()
		}
	})
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer cancel()
		return r.consumer.Run(gctx)
	})
	g.Go(func() error { return r.publishLoop(gctx) })
	g.Go(func() error {
		handler := web.NewHandler(r.board, r.exporter.Handler())
		err := web.Serve(gctx, o.Listener, handler, web.Config{ConfigFile: o.WebConfigFile, Logger: o.Logger})
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
	if r.deadLetters != nil {
		g.Go(func() error { return r.deadLetters.run(gctx) })
	}
	o.Logger.Info("serving", "address", o.Listener.Addr().String())
	if err := g.Wait(); err != nil {
		return err
	}
	if o.UntilEnd && r.results != nil && r.done() {
		l := r.ledger()
		return r.results.ledger(&l)
	}
	return nil
}

func (r *runner) publishLoop(ctx context.Context) error {
	ticker := time.NewTicker(publishEvery)
	defer ticker.Stop()
	for {
		r.publish(time.Now())
		select {
		case <-ctx.Done():
			r.publish(time.Now())
			return nil
		case <-ticker.C:
		}
	}
}
