package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/streammon/streammon/internal/app"
	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/profile"
)

// defaultWindows are those of a config that names none.
const defaultWindows = "5m,1h,24h"

// parseWindows reads lengths between commas.
func parseWindows(s string) (windows []time.Duration, err error) {
	for _, name := range strings.Split(s, ",") {
		d, ok := config.ParseDuration(name)
		if !ok || d <= 0 {
			return nil, usagef("--windows %q is not a list of durations such as %s", s, defaultWindows)
		}
		windows = append(windows, d)
	}
	return windows, nil
}

// printCalibrations tells how many windows of each length a reference knows.
func printCalibrations(w io.Writer, indent string, windows []app.WindowCalibration) {
	if len(windows) == 0 || windows[0].Independent {
		fmt.Fprintf(w, "%scalibration: %s: the profile does not tell how windows vary, so values are taken for independent of each other\n", indent, drift.Independent)
		return
	}
	for _, c := range windows {
		fmt.Fprintf(w, "%swindows of %s: k = %d", indent, c.Window, c.Least)
		if c.Most > c.Least {
			fmt.Fprintf(w, " to %d", c.Most)
		}
		if len(c.Insufficient) > 0 {
			fmt.Fprint(w, shortcoming(c))
		}
		fmt.Fprintln(w)
	}
}

// listedFeatures is how many features are named in a line.
const listedFeatures = 5

func shortcoming(c app.WindowCalibration) string {
	var b strings.Builder
	fmt.Fprintf(&b, ", calibration: %s", drift.Insufficient)
	if names := c.Insufficient; len(names) < c.Features {
		fmt.Fprintf(&b, " for %s", printableList(names[:min(len(names), listedFeatures)]))
		if more := len(names) - listedFeatures; more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
	}
	fmt.Fprintf(&b, ", at most a warning: %d windows are wanted", drift.MinDisjoint)
	if c.More > 0 {
		fmt.Fprintf(&b, ", %s more of data", config.FormatDuration(c.More))
	} else {
		fmt.Fprintf(&b, ", of %d values each and without gaps", drift.MinWindow)
	}
	if c.From != "" {
		fmt.Fprintf(&b, "; until then as windows of %s", c.From)
	}
	return b.String()
}

// printFeatureCalibrations prints how each feature varies between windows.
func printFeatureCalibrations(out io.Writer, r *profile.Reference) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FEATURE\tWINDOW\tK\tLOOKED AT\tVALUES\tBINS\tCORRELATION\tDESIGN EFFECT")
	for i := range r.Features {
		f := &r.Features[i]
		for _, c := range f.Calibrations {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d", printable(f.Name), app.LengthName(time.Duration(c.Length)), c.Disjoint, c.Windows)
			if c.Bins > 1 {
				rho := c.Trace / float64(c.Bins-1)
				fmt.Fprintf(t, "\t%.0f\t%d\t%.4g\t%.4g", c.Size, c.Bins, rho, 1+(c.Size-1)*rho)
			}
			fmt.Fprintln(t)
		}
	}
	return t.Flush()
}
