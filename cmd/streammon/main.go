// Command streammon monitors machine-learning services from their events on Kafka.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/config"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var violations config.Violations
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &violations):
		fmt.Fprintf(stderr, "%s\nstreammon: violations in the config: %d\n", printableLines(violations), len(violations))
		return exitFailure
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "streammon: %s\nRun 'streammon --help' for usage.\n", printableLines(err))
		return exitUsage
	default:
		fmt.Fprintf(stderr, "streammon: %s\n", printableLines(err))
		return exitFailure
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "streammon",
		Short: "Monitor machine-learning services from their events on Kafka",
		Long: `streammon reads what machine-learning services were asked and what they answered
from Kafka, keeps event-time sliding windows of mergeable sketches, and shows in
near real time whether the service is healthy, the data sound and the inputs
drifted: as Prometheus gauges, as JSON and as pages.`,
		Example: `  # See it at work, with an embedded broker and a service that drifts
  streammon demo

  # Monitor the models of a config
  streammon run --config.file=streammon.yaml`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(newHelp(root))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newRun(), newCheck(), newReplay(), newReport(), newProfile(), newInit(), newState(), newDashboards(), newRules(), newDemo(), newVersion())
	return root
}

// newHelp is cobra's help command, but one that refuses what is no command.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		Example: `  streammon help run
  streammon help profile build`,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("unknown command %q", strings.Join(args, " "))
			}
			return cmd.Help()
		},
	}
}

// noArgs and the like refuse a command line with exit code 2.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s takes %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// required refuses a command line without the flag.
func required(cmd *cobra.Command, names ...string) error {
	for _, n := range names {
		if !cmd.Flags().Changed(n) {
			return usagef("%s needs --%s", cmd.CommandPath(), n)
		}
	}
	return nil
}
