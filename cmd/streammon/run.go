package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/common/promslog"
	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/web"
)

func newRun() *cobra.Command {
	var o app.RunOptions
	var configFile, results, logLevel, logFormat string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Monitor the models of a config",
		Long: `run reads the config's topics, keeps the windows and serves /metrics, pages and a JSON
API until it is interrupted. SIGTERM and Ctrl-C end it in good order.

--results also writes each window that became final as a JSON line, as replay does. A
window is final when the events of every partition have passed its end; a partition that
stays silent while others go on ends the results, and says so in the log.
With state.dir in the config, a restart goes on where it was, also after a crash: every event
counts exactly once, and --results continues its file. Without, both begin anew.
SIGHUP, and with --web.enable-lifecycle a POST to /-/reload, read the config and the profiles
again: models, windows and references come and go, and the windows of what stays are kept. A
config that is wrong, or takes a restart, changes nothing. With --until-end it reads each partition to the end that it had at the start, makes all
windows final, writes the ledger and exits.`,
		Example: `  streammon run --config.file=streammon.yaml --web.listen-address=:9108
  streammon run --config.file=streammon.yaml --results=windows.jsonl --until-end`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config.file"); err != nil {
				return err
			}
			for _, origin := range o.CORSOrigins {
				if !web.CheckOrigin(origin) {
					return usagef("--web.cors-origin=%s is no origin, as https://grafana.example", origin)
				}
			}
			if err := checkFiles("", "results", results, []string{configFile}); err != nil {
				return err
			}
			logger, err := newLogger(cmd, logLevel, logFormat)
			if err != nil {
				return err
			}
			c, err := config.Load(configFile)
			if err != nil {
				return err
			}
			if err := checkFiles("", "results", results, c.Files()); err != nil {
				return err
			}
			out := newOutput(cmd, results)
			out.prompt = !o.UntilEnd
			if _, err := out.Resume(math.MaxInt64); err != nil { // what is there stays until it is known how much of it is kept
				return err
			}
			if results != "" {
				o.Results = out
			}
			o.Logger, o.Build = logger, build()
			o.Load = func() (*config.Config, error) { return config.Load(configFile) }
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			o.Reload = hangups
			return errors.Join(app.Run(cmd.Context(), c, o), out.Close())
		},
	}
	f := cmd.Flags()
	f.StringVar(&configFile, "config.file", "", "config `FILE`")
	f.StringVar(&o.ListenAddress, "web.listen-address", ":9108", "`ADDRESS` to serve on")
	f.StringVar(&o.WebConfigFile, "web.config.file", "", "`FILE` with TLS and users, in the format of Prometheus' exporter-toolkit")
	f.StringArrayVar(&o.CORSOrigins, "web.cors-origin", nil, "let scripts of the `ORIGIN` read the JSON API; may be repeated (default: of none)")
	f.BoolVar(&o.EnableLifecycle, "web.enable-lifecycle", false, "reload the config at a POST to /-/reload")
	f.StringVar(&results, "results", "", "write final results as JSON lines to `FILE` (- is standard output)")
	f.BoolVar(&o.UntilEnd, "until-end", false, "stop at the ends that the partitions have at the start")
	addLogFlags(cmd, &logLevel, &logFormat)
	return cmd
}

func addLogFlags(cmd *cobra.Command, level, format *string) {
	cmd.Flags().StringVar(level, "log.level", "info", "`LEVEL`: debug, info, warn or error")
	cmd.Flags().StringVar(format, "log.format", "logfmt", "`FORMAT`: logfmt or json")
}

func newLogger(cmd *cobra.Command, level, format string) (*slog.Logger, error) {
	c := &promslog.Config{Level: promslog.NewLevel(), Format: promslog.NewFormat(), Writer: cmd.ErrOrStderr()}
	if err := c.Level.Set(level); err != nil {
		return nil, usageError{fmt.Errorf("--log.level: %w", err)}
	}
	if err := c.Format.Set(format); err != nil {
		return nil, usageError{fmt.Errorf("--log.format: %w", err)}
	}
	return promslog.New(c), nil
}
