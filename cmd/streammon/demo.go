package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/demo"
)

func newDemo() *cobra.Command {
	o := app.DemoOptions{}
	var listen, scenario, configDir, stateDir string
	var verbose bool
	var names []string
	for _, s := range demo.Scenarios() {
		names = append(names, s.Name+" ("+s.About+")")
	}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show streammon at work on synthetic services",
		Long: `demo needs nothing but this binary. It starts an embedded Kafka broker on a free port,
writes 70 minutes of history and then a live stream of a synthetic fraud service, its labels, which
come seconds to half an hour later, and a tenth as many recommendations of a shop, through
the real protocol, consumer and exporter, and serves gauges and pages. From minute 1 on
things go wrong in turn; each is announced with the metric to look at, and again when
streammon has noticed.

With --brokers the services write to a Kafka that is there (topics that it lacks are made),
and nothing is monitored: run does, by the config that --write-config writes.`,
		Example: `  streammon demo
  streammon demo --skip=5m30s
  streammon demo --rate=500 --duration=3m --web.listen-address=127.0.0.1:9200
  streammon demo --brokers=localhost:9092 --write-config=demo   # and ends
  streammon demo --brokers=localhost:9092`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var ok bool
			if o.Scenario, ok = demo.Find(scenario); !ok {
				return usagef("--scenario %q is not one of: %s", scenario, strings.Join(names, ", "))
			}
			if o.Duration < 0 {
				return usagef("--duration %s is negative", o.Duration)
			}
			if !(o.Rate > 0 && o.Rate <= 5000) {
				return usagef("--rate %g is not in (0, 5000]", o.Rate)
			}
			if o.Skip < 0 || o.Skip > time.Hour {
				return usagef("--skip %s is not between 0 and 1h", o.Skip)
			}
			if err := checkDemo(&o, configDir, stateDir); err != nil {
				return err
			}
			if configDir != "" {
				return app.WriteDemoConfig(cmd.Context(), configDir, stateDir, o.Brokers, o.Seed)
			}
			o.Logger = slog.New(slog.DiscardHandler)
			if verbose {
				var err error
				if o.Logger, err = newLogger(cmd, "info", "logfmt"); err != nil {
					return err
				}
			}
			if o.Build = build(); len(o.Brokers) == 0 {
				listener, err := net.Listen("tcp", listen)
				if err != nil {
					return fmt.Errorf("serve: %w (another demo? --web.listen-address takes another address)", err)
				}
				o.Listener = listener
			}
			ctx, cancel := withDuration(cmd.Context(), o.Duration)
			defer cancel()
			return runDemo(ctx, cmd.OutOrStdout(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "web.listen-address", ":9108", "`ADDRESS` to serve on")
	f.DurationVar(&o.Duration, "duration", 0, "end by itself after this time (default: at Ctrl-C)")
	f.DurationVar(&o.Skip, "skip", 0, "begin so far into the scenario: what happened before is history")
	f.Float64Var(&o.Rate, "rate", 100, "transactions a second")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the services")
	f.StringVar(&scenario, "scenario", "tour", "what happens: "+strings.Join(names, ", "))
	f.StringSliceVar(&o.Brokers, "brokers", nil, "write to the Kafka at `HOST:PORT,...`, and monitor nothing")
	f.StringVar(&configDir, "write-config", "", "write streammon.yaml and its profile for these brokers to `FOLDER`, and end")
	f.StringVar(&stateDir, "state.dir", "", "the state.dir of the config that is written")
	f.BoolVar(&verbose, "verbose", false, "log what the monitor logs")
	return cmd
}

func checkDemo(o *app.DemoOptions, configDir, stateDir string) error {
	if configDir != "" && len(o.Brokers) == 0 {
		return usagef("--write-config needs --brokers")
	}
	if stateDir != "" && configDir == "" {
		return usagef("--state.dir needs --write-config")
	}
	for _, b := range o.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" || strings.ContainsAny(b, "\"\\\n") {
			return usagef("--brokers: %q is not HOST:PORT", b)
		}
	}
	return nil
}

func withDuration(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// runDemo prints what happens; times are those since the process began.
func runDemo(ctx context.Context, w io.Writer, o app.DemoOptions) error {
	start := time.Now()
	o.Say = func(format string, args ...any) {
		fmt.Fprintf(w, "%6.1fs  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
	if err := app.Demo(ctx, o); err != nil {
		return err
	}
	o.Say("demo ended")
	return nil
}
