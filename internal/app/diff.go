package app

import (
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
}

// DiffProfiles compares the features of b with those of a, the reference: all
// statistics, in a's bins.
func DiffProfiles(a, b *profile.Reference) []ProfileDiff {
	var out []ProfileDiff
	for i := range a.Features {
		out = append(out, diffFeature(&a.Features[i], b.Find(a.Features[i].Name)))
	}
	for i := range b.Features {
		if name := b.Features[i].Name; a.Find(name) == nil {
			out = append(out, ProfileDiff{Feature: name, Note: "only in the second profile"})
		}
	}
	return out
}

func diffFeature(ref, cur *profile.Feature) ProfileDiff {
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
	outcomes, state := drift.Evaluate(monitor.ReferenceSample(ref), sample, options)
	d.State = state
	for _, o := range outcomes {
		d.Drift = append(d.Drift, monitor.Drift{Statistic: o.Statistic, Value: monitor.Figure(o.Value), Threshold: monitor.Figure(o.Threshold), PValue: monitor.Figure(o.PValue)})
	}
	return d
}
