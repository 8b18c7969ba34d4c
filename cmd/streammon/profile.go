package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
)

func newProfile() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Build, show and compare references",
		Long: `A profile is the reference that windows are compared with: counts and sketches of the
data that a model was trained or validated on, without its rows.`,
		Example: `  streammon profile build --config.file=streammon.yaml --input=train.parquet --output=fraud.profile.json
  streammon profile diff march.profile.json april.profile.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q of %s", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newProfileBuild(), newProfileShow(), newProfileDiff())
	return cmd
}

func newProfileBuild() *cobra.Command {
	var o app.ProfileOptions
	var configFile, output, from, to, windows string
	var features []string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build a reference from files or a range of a topic",
		Long: `build reads CSV, JSONL or Parquet files (also .gz, .zst; - is standard input), or with
--from-kafka the model's predictions topic, through the same decoder as run, and writes a
profile. With a config the features are those of its model; without one they are inferred
from the first file, the table is printed, and --feature overrides it.

Of CSV and Parquet, a feature's column is the one named as its path, or as the feature.
Rows need no id, time or model.

With times, the profile also tells how much windows of the reference itself vary, by which
verdicts are calibrated: windows of the config's lengths, at the times of its mapping; without a
config --time names the column or path, and --windows the lengths. build prints k, how many windows of
each length lie side by side; with fewer than 20 a verdict is at most a warning. Rows without a
readable time are part of the reference, but of no window, and are counted.

With a config that says what is right (task, and positive or classes), labels make the profile tell how good the model's
answers were, too, by which their performance is judged, and calibrate scores for estimates without labels. A row may carry
its own label (the mapping's path label), label events may be among the rows, in files of their own (--labels) or, with
--from-kafka, in the model's labels topic. They are paired by id, in any order; the first label of an id counts.`,
		Example: `  streammon profile build --config.file=streammon.yaml --input=train.csv --output=fraud.profile.json
  streammon profile build --config.file=streammon.yaml --input=scored.jsonl --labels=labels.jsonl --output=fraud.profile.json
  streammon profile build --config.file=streammon.yaml --from-kafka --from=2026-11-01T00:00:00Z --to=2026-11-08T00:00:00Z --output=fraud.profile.json
  streammon profile build --input=train.parquet --feature=zip:categorical --feature=row:skip --output=fraud.profile.json
  streammon profile build --input=train.csv --time=created_at --windows=1h,24h --output=fraud.profile.json`,
		Args: exactArgs(0, "no arguments, only flags"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := checkBuildFlags(cmd, o, configFile); err != nil {
				return err
			}
			if err := checkFiles(o.Format, "output", output, append(slices.Concat(o.Inputs, o.Labels), configFile)); err != nil {
				return err
			}
			if o.Overrides, err = parseOverrides(features); err != nil {
				return err
			}
			if o.Windows, err = parseWindows(windows); err != nil {
				return err
			}
			if o.From, err = parseTime("from", from); err != nil {
				return err
			}
			if o.To, err = parseTime("to", to); err != nil {
				return err
			}
			var c *config.Config
			if configFile != "" {
				if c, err = config.LoadForProfile(configFile); err != nil {
					return err
				}
			}
			return buildProfile(cmd, c, o, output)
		},
	}
	f := cmd.Flags()
	f.StringVar(&configFile, "config.file", "", "config `FILE`; without it the features are inferred")
	f.StringArrayVar(&o.Inputs, "input", nil, "`FILE` of rows; may be repeated")
	f.StringArrayVar(&o.Labels, "labels", nil, "with --config.file and --input: a `FILE` of labels; may be repeated")
	addFormatFlag(cmd, &o.Format)
	f.StringVar(&output, "output", "", "write the profile to `FILE` (- is standard output)")
	f.StringVar(&o.Model, "model", "", "`NAME` of the config's model; needed if there are several")
	f.BoolVar(&o.FromKafka, "from-kafka", false, "read the model's predictions topic")
	f.StringVar(&from, "from", "", "with --from-kafka: the first record `TIME`, RFC 3339 (default: the beginning)")
	f.StringVar(&to, "to", "", "with --from-kafka: the record `TIME` to stop before (default: the end)")
	f.StringArrayVar(&features, "feature", nil, "`NAME:TYPE`, numeric, categorical or skip, against the inference; may be repeated")
	f.StringVar(&o.Time, "time", "", "without --config.file: `COLUMN` or path of the rows' times")
	f.StringVar(&windows, "windows", defaultWindows, "with --time: `LENGTHS` of the windows that will be monitored")
	return cmd
}

func checkBuildFlags(cmd *cobra.Command, o app.ProfileOptions, configFile string) error {
	switch {
	case o.FromKafka && configFile == "":
		return usagef("--from-kafka needs --config.file")
	case o.FromKafka == (len(o.Inputs) > 0):
		return usagef("%s needs either --input or --from-kafka", cmd.CommandPath())
	case len(o.Labels) > 0 && (configFile == "" || o.FromKafka):
		return usagef("--labels needs --config.file, which says what is right, and --input")
	case configFile == "" && o.Model != "":
		return usagef("--model needs --config.file")
	case configFile != "" && cmd.Flags().Changed("feature"):
		return usagef("--feature is for building without --config.file, which names the features")
	case configFile != "" && (cmd.Flags().Changed("time") || cmd.Flags().Changed("windows")):
		return usagef("--time and --windows are for building without --config.file, which has both (mapping.time, windows)")
	case o.Time == "" && cmd.Flags().Changed("windows"):
		return usagef("--windows needs --time")
	case !o.FromKafka && (cmd.Flags().Changed("from") || cmd.Flags().Changed("to")):
		return usagef("--from and --to need --from-kafka")
	case configFile == "" && o.Inputs[0] == "-":
		return usagef("standard input cannot be read twice: inference needs a file, or give --config.file")
	}
	return required(cmd, "output")
}

func parseOverrides(features []string) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range features {
		i := strings.LastIndex(f, ":")
		if i < 1 || !slices.Contains([]string{"numeric", "categorical", "skip"}, f[i+1:]) {
			return nil, usagef("--feature %q is not NAME:numeric, NAME:categorical or NAME:skip", f)
		}
		out[f[:i]] = f[i+1:]
	}
	return out, nil
}

func parseTime(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usagef("--%s %q is not an RFC 3339 time such as 2026-11-01T00:00:00Z", flag, s)
	}
	return t, nil
}

func buildProfile(cmd *cobra.Command, c *config.Config, o app.ProfileOptions, output string) error {
	bar := newBar(cmd.ErrOrStderr(), "profile")
	o.Progress, o.Builder, o.Calibrated = bar.bytes, release, bar.features
	report := cmd.ErrOrStderr()
	o.Inferred = func(features []app.Inferred) { printInferred(report, features) }
	r, s, err := app.BuildProfile(cmd.Context(), c, o)
	bar.done()
	if err != nil {
		return err
	}
	data, err := r.Encode()
	if err != nil {
		return err
	}
	if output == "-" {
		_, err = cmd.OutOrStdout().Write(data)
	} else {
		err = os.WriteFile(output, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	if s.Labels+s.Failed > 0 {
		fmt.Fprintf(report, "left out %d labels and %d failed requests\n", s.Labels, s.Failed)
	}
	var rejected uint64
	for reason, n := range s.Rejected {
		if n > 0 {
			fmt.Fprintf(report, "rejected %d rows: %s\n", n, event.Reason(reason))
			rejected += n
		}
	}
	fmt.Fprintf(report, "%d rows, %d rejected, %d features, fingerprint %s\n", s.Rows, rejected, len(r.Features), r.Fingerprint)
	if s.Untimed > 0 && s.Untimed < s.Rows {
		fmt.Fprintf(report, "%d rows have no time that can be read: they are part of the reference, but of no window\n", s.Untimed)
	}
	if s.Labelled > 0 {
		fmt.Fprintf(report, "%d rows have a label\n", s.Labelled)
	}
	printCalibrations(report, "", app.Calibrations(r, nil, nil))
	return nil
}

// printPerformance prints how good a reference's answers were, and how much that varies between windows.
func printPerformance(w io.Writer, p *profile.Performance) error {
	if p == nil {
		return nil
	}
	calibration := "scores are not calibrated"
	switch c := p.Calibrator; {
	case c == nil:
	case c.Sigmoid != nil:
		calibration = "scores are calibrated by a sigmoid"
	case len(c.Classes) > 0:
		calibration = "the scores of classes are calibrated"
	default:
		calibration = fmt.Sprintf("scores are calibrated, isotonic with %d points", len(c.Scores))
	}
	fmt.Fprintf(w, "performance of %d labelled rows (%s); %s\n", p.Labelled, printable(p.Task), calibration)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprint(t, "FIGURE\tVALUE\tSTDERR")
	for _, l := range p.Windows {
		fmt.Fprintf(t, "\tBETWEEN %s (K)", app.LengthName(time.Duration(l.Length)))
	}
	fmt.Fprintln(t)
	for i := range p.Figures {
		f := &p.Figures[i]
		name := f.Name
		if f.Label != "" {
			name += fmt.Sprintf("{%s=%q}", f.Label, f.At)
		}
		fmt.Fprintf(t, "%s\t%s\t%s", printable(name), figure(f.Value), figure(f.StdErr))
		for k := range p.Windows {
			if v := p.Windows[k].Find(f); v != nil {
				fmt.Fprintf(t, "\t%s (%d)", figure(math.Sqrt(v.Between())), v.Windows)
			} else {
				fmt.Fprint(t, "\t-")
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func printInferred(w io.Writer, features []app.Inferred) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "COLUMN\tTYPE\tROWS\tMISSING\tDISTINCT\tEXAMPLE\tWHY")
	for _, f := range features {
		kind := f.Type.String()
		if f.Skip {
			kind = "left out"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%.24s\t%s\n", printable(f.Name), kind, f.Rows, f.Missing, f.Distinct, printable(f.Example), printable(f.Reason))
	}
	t.Flush()
}

func newProfileShow() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Print a reference",
		Long: `show prints what is known of each feature, and k, how many windows of each length lie side by side in
the reference; and, if it was built with labels, each performance figure with its standard error, and how far it goes to and fro
between windows beyond chance (as a standard deviation, with the number of windows). With -v it prints how each feature varies between them: how many were looked at, their
number of values (the harmonic mean), the correlation of values of one window, and by how many times a statistic
is larger than that of independent values (the design effect).`,
		Example: `  streammon profile show fraud.profile.json
  streammon profile show fraud.profile.json | grep numeric`,
		Args: exactArgs(1, "one profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := app.LoadProfile(args[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%d rows, fingerprint %s\n", r.Rows, r.Fingerprint)
			if len(r.Provenance.Inputs) > 0 {
				fmt.Fprintf(out, "from %s\n", printableList(r.Provenance.Inputs))
			}
			if r.Provenance.First != "" {
				fmt.Fprintf(out, "events from %s to %s\n", printable(r.Provenance.First), printable(r.Provenance.Last))
			}
			t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(t, "FEATURE\tTYPE\tCOUNT\tMISSING\tINVALID\tDISTINCT\tMEAN\tSTDDEV\tMIN\tMEDIAN\tMAX\tBINS")
			for i := range r.Features {
				f := &r.Features[i]
				fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d", printable(f.Name), f.Type, f.Count, f.Missing, f.Invalid, f.Distinct.Estimate())
				if f.Type == event.Numeric {
					fmt.Fprintf(t, "\t%.5g\t%.5g\t%.5g\t%.5g\t%.5g\t%d\n", f.Moments.Mean, f.StdDev, f.Min, f.Median, f.Max, f.Bins.Len())
				} else {
					fmt.Fprintf(t, "\t\t\t\t\t\t%d\n", len(f.Categories))
				}
			}
			if err := t.Flush(); err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(r.Segments)) {
				fmt.Fprintf(out, "segment %s: %s\n", printable(name), printableList(r.Segments[name]))
			}
			printCalibrations(out, "", app.Calibrations(r, nil, nil))
			if err := printPerformance(out, r.Performance); err != nil {
				return err
			}
			if verbose {
				return printFeatureCalibrations(out, r)
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "how each feature varies between windows")
	return cmd
}

func newProfileDiff() *cobra.Command {
	var window string
	cmd := &cobra.Command{
		Use:   "diff REFERENCE CURRENT",
		Short: "Print all statistics and verdicts between two references",
		Long: `diff compares the features of two profiles as windows are compared with a reference,
in the bins of the first. The second profile's values are placed into these bins by its
own bins and exponential histogram, which is exact for categories and for equal bins.

The verdicts are those on a window of the length --window (by default the longest of which the first
profile has 20) that has all values of the second profile. What varies between short windows varies less
between long ones: of a second profile that spans more than such a window, the verdict errs on the quiet side.
CALIBRATION is empty, or says why not to trust the verdict: independent (the first profile has no times, so values
are taken for independent), or insufficient (it has fewer than 20 windows, so that the state is at most a warning).`,
		Example: `  streammon profile diff march.profile.json april.profile.json
  streammon profile diff old.profile.json new.profile.json | sort -k3 -n`,
		Args: exactArgs(2, "two profiles"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := app.LoadProfile(args[0])
			if err != nil {
				return err
			}
			b, err := app.LoadProfile(args[1])
			if err != nil {
				return err
			}
			length, err := diffWindow(cmd, a, window)
			if err != nil {
				return err
			}
			rows := app.DiffProfiles(a, b, length)
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(t, "FEATURE\tSTATISTIC\tVALUE\tP-VALUE\tTHRESHOLD\tSTATE\tCALIBRATION")
			for _, r := range rows {
				if r.Note != "" {
					fmt.Fprintf(t, "%s\t%s\n", printable(r.Feature), printable(r.Note))
				}
				for _, d := range r.Drift {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(r.Feature), d.Statistic, figure(float64(d.Value)), figure(float64(d.PValue)), figure(float64(d.Threshold)), r.State, r.Calibration)
				}
			}
			return t.Flush()
		},
	}
	cmd.Flags().StringVar(&window, "window", "", "`LENGTH` of the window that the second profile is taken for")
	return cmd
}

// diffWindow returns the window that the second profile is taken for, and tells it.
func diffWindow(cmd *cobra.Command, a *profile.Reference, flag string) (time.Duration, error) {
	length := app.DiffWindow(a)
	if flag != "" {
		d, ok := config.ParseDuration(flag)
		switch {
		case !ok || d <= 0:
			return 0, usagef("--window %q is not a duration such as 24h", flag)
		case length == 0:
			return 0, errors.New("--window: the first profile does not tell how windows vary (build it with times)")
		}
		length = d
	}
	windows := []config.Window{{Name: app.LengthName(length), Length: length}}
	printCalibrations(cmd.ErrOrStderr(), "", app.Calibrations(a, windows, nil))
	return length, nil
}

// figure formats a number; an undefined one is a dash.
func figure(x float64) string {
	if x != x {
		return "-"
	}
	return fmt.Sprintf("%.5g", x)
}
