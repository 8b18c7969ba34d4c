package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/report"
)

func newReplay() *cobra.Command {
	var configFile, jsonFile string
	var reports []string
	var o app.ReplayOptions
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Compute every window of recorded events from files",
		Long: `replay reads JSONL, CSV or Parquet files (also .gz and .zst; - is standard
input) as run reads partitions: each --input stands for one, and may mix predictions
and labels. Labels of their own files are given as --labels, one for each --input, in the same
order: the partitions of two topics. The windows are those that run would have made final from the same events,
byte for byte.

--json writes one line a window, in order of (end, model, version, segment, window), and
a last line with the account of all messages: consumed = accepted + rejected + late +
duplicate, and of labels. Without --json a summary is printed: what drifted, and how good answers
with labels were in the last window. --report writes what the last windows say, and what had moved before, as
one HTML file, its JSON, or Markdown: see streammon report.`,
		Example: `  streammon replay --config.file=streammon.yaml --input=events.jsonl.gz --json=windows.jsonl
  streammon replay --config.file=streammon.yaml --input=p0.jsonl --labels=l0.jsonl --input=p1.jsonl --labels=l1.jsonl
  streammon replay --config.file=streammon.yaml --input=events.parquet --report=out.html --report=out.json
  kcat -C -e -t fraud.predictions -b localhost:9092 | streammon replay --config.file=streammon.yaml --input=- --json=-`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config.file", "input"); err != nil {
				return err
			}
			if len(o.Labels) > 0 && len(o.Labels) != len(o.Inputs) {
				return usagef("%d --labels for %d --input: they pair by position", len(o.Labels), len(o.Inputs))
			}
			inputs := slices.Concat(o.Inputs, o.Labels)
			if err := checkFiles(o.Format, "json", jsonFile, append(inputs, configFile)); err != nil {
				return err
			}
			if err := checkReports("report", reports, append(inputs, configFile)); err != nil {
				return err
			}
			c, err := config.Load(configFile)
			if err != nil {
				return err
			}
			if err := checkFiles("", "json", jsonFile, c.Files()); err != nil {
				return err
			}
			if err := checkReports("report", reports, c.Files()); err != nil {
				return err
			}
			return replay(cmd, c, o, jsonFile, reports)
		},
	}
	f := cmd.Flags()
	f.StringVar(&configFile, "config.file", "", "config `FILE`")
	f.StringArrayVar(&o.Inputs, "input", nil, "a `FILE` of events that stands for one partition; may be repeated")
	f.StringArrayVar(&o.Labels, "labels", nil, "a `FILE` of labels, paired with --input by position: one for each, or none at all")
	f.StringVar(&o.Topic, "topic", "", "the predictions `TOPIC` that the files are of (default: each event names its model, if the config has several topics)")
	addFormatFlag(cmd, &o.Format)
	f.StringArrayVar(&reports, "report", nil, "write a report to `FILE`: .html (one page that loads nothing else), .json or .md; may be repeated")
	f.StringVar(&jsonFile, "json", "", "write results and ledger as JSON lines to `FILE` (- is standard output)")
	return cmd
}

func addFormatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "", "`FORMAT` of all files: jsonl, csv, tsv or parquet (default: by the ending; standard input: by its beginning)")
}

func replay(cmd *cobra.Command, c *config.Config, o app.ReplayOptions, jsonFile string, reports []string) error {
	out := newOutput(cmd, jsonFile)
	summary := newSummary()
	o.Result = summary.add
	if jsonFile != "" {
		o.Results = out
	}
	var made *report.Report
	if len(reports) > 0 {
		o.Report = func(r *report.Report) { made = r }
	}
	var warnings []string
	o.Warn = func(text string) { warnings = append(warnings, text) }
	bar := newBar(cmd.ErrOrStderr(), "replay")
	o.Progress = bar.bytes
	ledger, err := app.Replay(cmd.Context(), c, o)
	bar.done()
	for _, w := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if made != nil {
		if err := writeReports(cmd, made, reports, ""); err != nil {
			return err
		}
	}
	if jsonFile == "" {
		summary.print(cmd.OutOrStdout(), &ledger)
	}
	return nil
}

// checkFiles refuses a format that is none, standard input named twice, and an output
// that is one of the files that are read.
func checkFiles(format, flag, output string, read []string) error {
	if !slices.Contains([]string{"", "jsonl", "csv", "tsv", "parquet"}, format) {
		return usagef("--format %q is none of jsonl, csv, tsv, parquet", format)
	}
	stdin := 0
	for _, name := range read {
		if name == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return usagef("standard input can be read once only, not for %d files", stdin)
	}
	out, err := os.Stat(output)
	if err != nil {
		return nil // it is new, or not a file
	}
	for _, name := range read {
		if in, err := os.Stat(name); err == nil && out.Mode().IsRegular() && os.SameFile(in, out) {
			return usagef("--%s=%s would overwrite %s, which is read", flag, output, name)
		}
	}
	return nil
}
