package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
)

// baseline is what the series of a version in a window are compared with.
type baseline struct {
	reference bool      // its reference
	series    []*series // else those of another version in the same window, by segment; nil if there are none
}

// against returns the baseline of a version in a window that has these versions. There is none of the version that the
// others are compared with.
func (v *Verdicts) against(name string, versions []version) baseline {
	if v.Against == "" || v.Against == name {
		return baseline{reference: v.Against == ""}
	}
	if i := slices.IndexFunc(versions, func(o version) bool { return o.name == v.Against }); i >= 0 {
		return baseline{series: versions[i].series}
	}
	return baseline{}
}

// side is the baseline of one segment.
type side struct {
	reference bool
	series    *series
}

func (b baseline) of(segment int) side {
	s := side{reference: b.reference}
	if b.series != nil {
		s.series = b.series[segment]
	}
	return s
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
