package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
)

// baseline is what the series of a version in a window are compared with.
type baseline struct {
	reference bool                      // its reference
	series    func(segment int) *series // else this, which may be nil
}

// against returns the baseline of a version of model k in window i over [start, end), which has the content p. There is none of
// the version that the others are compared with.
func (v *View) against(name string, p *Pane, k, i int, start, end int64) baseline {
	verdicts := &v.group.Models[k].Verdicts
	switch {
	case verdicts.Trailing > 0:
		then, m := v.past(i, start, end, verdicts.Trailing), p.group.Models[k]
		return baseline{series: func(segment int) *series { return then.of(v, k, m.segments[segment]) }}
	case verdicts.Against == "":
		return baseline{reference: true}
	}
	at := slices.IndexFunc(p.models[k], func(o version) bool { return o.name == verdicts.Against })
	if at < 0 || name == verdicts.Against {
		return baseline{series: func(int) *series { return nil }}
	}
	return baseline{series: func(segment int) *series { return p.models[k][at].series[segment] }}
}

// side is the baseline of one segment.
type side struct {
	reference bool
	series    *series
}

func (b baseline) of(segment int) side {
	if b.reference {
		return side{reference: true}
	}
	return side{series: b.series(segment)}
}

// sample returns what feature number i is compared with in windows of a length, and whether there is anything: not without
// a reference, nor if the other version was counted by another one. What another version's single window may differ by is
// what two windows do.
func (s side) sample(spec *profile.FeatureSpec, i int, length int64) (out drift.Sample, ok bool) {
	switch {
	case spec.Reference == nil || !s.reference && s.series == nil:
		return out, false
	case s.reference:
		return spec.Reference.Sample(length), true
	}
	features := &s.series.features
	o := &features.Layout().Features[i]
	if o.Reference != spec.Reference || !comparable(o, features) {
		return out, false
	}
	out = currentSample(o, features)
	out.Calibration, out.Windows = spec.Reference.Calibration(length), 1
	return out, true
}

// comparable reports whether a feature was counted by its reference.
func comparable(spec *profile.FeatureSpec, s *profile.Set) bool {
	if spec.Type == event.Categorical {
		return s.Categorical(spec).Comparable()
	}
	return s.Numeric(spec).Comparable()
}
