package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/config"
)

func newReplay() *cobra.Command {
	var configFile, jsonFile string
	var o app.ReplayOptions
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Compute every window of recorded events from files",
		Long: `replay reads JSONL, CSV or Parquet files (also .gz and .zst; - is standard
input) as run reads partitions: each --input stands for one, and may mix predictions
and labels. The windows are those that run would have made final from the same events,
byte for byte.

--json writes one line a window, in order of (end, model, version, segment, window), and
a last line with the account of all messages: consumed = accepted + rejected + late +
duplicate. Without --json a summary is printed.`,
		Example: `  streammon replay --config.file=streammon.yaml --input=events.jsonl.gz --json=windows.jsonl
  kcat -C -e -t fraud.predictions -b localhost:9092 | streammon replay --config.file=streammon.yaml --input=- --json=-`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config.file", "input"); err != nil {
				return err
			}
			if len(o.Labels) > len(o.Inputs) {
				return usagef("%d --labels for %d --input: they pair by position", len(o.Labels), len(o.Inputs))
			}
			if jsonFile != "-" && slices.Contains(slices.Concat(o.Inputs, o.Labels), jsonFile) {
				return usagef("--json=%s would overwrite an input", jsonFile)
			}
			c, err := config.Load(configFile)
			if err != nil {
				return err
			}
			return replay(cmd, c, o, jsonFile)
		},
	}
	f := cmd.Flags()
	f.StringVar(&configFile, "config.file", "", "config `FILE`")
	f.StringArrayVar(&o.Inputs, "input", nil, "a `FILE` of events that stands for one partition; may be repeated")
	f.StringArrayVar(&o.Labels, "labels", nil, "a `FILE` of labels, paired with --input by position; may be repeated")
	addFormatFlag(cmd, &o.Format)
	f.StringVar(&jsonFile, "json", "", "write results and ledger as JSON lines to `FILE` (- is standard output)")
	return cmd
}

func addFormatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "", "`FORMAT` of all files: jsonl, csv, tsv or parquet (default: by the ending; standard input: by its beginning)")
}

func replay(cmd *cobra.Command, c *config.Config, o app.ReplayOptions, jsonFile string) error {
	out, closeOut, err := openOutput(cmd, jsonFile)
	if err != nil {
		return err
	}
	defer closeOut()
	summary := newSummary()
	o.Result = summary.add
	if jsonFile != "" {
		o.Results = out
	}
	bar := newBar(cmd.ErrOrStderr(), "replay")
	o.Progress = bar.bytes
	ledger, err := app.Replay(cmd.Context(), c, o)
	bar.done()
	if err != nil {
		return err
	}
	if jsonFile == "" {
		summary.print(cmd.OutOrStdout(), &ledger)
		return nil
	}
	return closeOut()
}

// openOutput opens the file for buffered writing; close may be called twice.
func openOutput(cmd *cobra.Command, name string) (w io.Writer, closeOut func() error, err error) {
	if name == "" {
		return io.Discard, func() error { return nil }, nil
	}
	var file io.Writer = cmd.OutOrStdout()
	closer := func() error { return nil }
	if name != "-" {
		f, err := os.Create(name)
		if err != nil {
			return nil, nil, fmt.Errorf("open output: %w", err)
		}
		file, closer = f, f.Close
	}
	b := bufio.NewWriterSize(file, 1<<16)
	closed := false
	return b, func() error {
		if closed {
			return nil
		}
		closed = true
		if err := b.Flush(); err != nil {
			closer()
			return fmt.Errorf("write output: %w", err)
		}
		return closer()
	}, nil
}
