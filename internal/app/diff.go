package app

import (
	"slices"
	"time"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/profile"
)

// ProfileDiff is one feature of two references.
type ProfileDiff struct {
	Feature string
	// Note says why there are no statistics.
	Note  string
	Drift monitor.Drifts
	State string
	// Calibration is as in results.
	Calibration string
}

// DiffWindow returns the window that a second profile is taken for unless another one is asked for: the longest that
// any feature of the reference has enough of, else the longest; 0 if it tells of none.
func DiffWindow(a *profile.Reference) time.Duration {
	windows := Calibrations(a, nil, nil)
	for _, w := range slices.Backward(windows) {
		if w.Most >= drift.MinDisjoint {
			return w.Length
		}
	}
	if len(windows) == 0 {
		return 0
	}
	return windows[len(windows)-1].Length
}

// DiffProfiles compares the features of b, as if it were a window of that length, with those of a, the reference: all
// statistics, in a's bins.
func DiffProfiles(a, b *profile.Reference, window time.Duration) []ProfileDiff {
	var out []ProfileDiff
	for i := range a.Features {
		out = append(out, diffFeature(&a.Features[i], b.Find(a.Features[i].Name), window))
	}
	for i := range b.Features {
		if name := b.Features[i].Name; a.Find(name) == nil {
			out = append(out, ProfileDiff{Feature: name, Note: "only in the second profile"})
		}
	}
	return out
}

func diffFeature(ref, cur *profile.Feature, window time.Duration) ProfileDiff {
	d := ProfileDiff{Feature: ref.Name}
	switch {
	case cur == nil:
		d.Note = "only in the first profile"
		return d
	case cur.Type != ref.Type:
		d.Note = "is " + ref.Type.String() + " in the first profile and " + cur.Type.String() + " in the second"
		return d
	}
	var sample drift.Sample
	options := drift.Options{DecideBy: "psi"}
	if ref.Type == event.Numeric {
		fine := profile.Rebin(ref, cur)
		sample = drift.Sample{Bins: ref.AppendDeciles(nil, fine), Fine: fine, Exp: &cur.Distances, StdDev: cur.StdDev, Absent: cur.Missing + cur.Invalid}
	} else {
		sample = drift.Sample{Bins: profile.RebinCategories(ref, cur), Absent: cur.Missing + cur.Invalid}
	}
	reference := ref.Sample(int64(window))
	outcomes, state := drift.Evaluate(reference, sample, options)
	d.State, d.Calibration = state, reference.Calibration.Caveat()
	for _, o := range outcomes {
		d.Drift = append(d.Drift, monitor.Drift{Statistic: o.Statistic, Value: monitor.Figure(o.Value), Threshold: monitor.Figure(o.Threshold), PValue: monitor.Figure(o.PValue)})
	}
	return d
}
