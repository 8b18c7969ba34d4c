package monitor

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/sketch"
)

// Quantiles that results show.
var (
	latencyQuantiles = named(0.5, 0.95, 0.99)
	featureQuantiles = named(0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
)

// namedQuantile is a quantile as it is written, and its share.
type namedQuantile struct {
	name string
	p    float64
}

func named(ps ...float64) (out []namedQuantile) {
	for _, p := range ps {
		out = append(out, namedQuantile{strconv.FormatFloat(p, 'g', -1, 64), p})
	}
	return out
}

// CompareResults orders results by end, model, version, segment and window length.
func CompareResults(a, b *Result) int {
	return cmp.Or(a.End.Compare(b.End), CompareSeries(a, b))
}

// CompareSeries orders results by model, version, segment and window length.
func CompareSeries(a, b *Result) int {
	return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Length, b.Length))
}

// look says what a window is looked at for.
type look uint8

const (
	// final: for results, and for what later looks know of it.
	final look = iota
	// passing: for what later looks know of it only.
	passing
	// shown: for results that later ones will replace.
	shown
)

// assess appends the results of the series in p, the content of window i over
// [start, end).
func (v *View) assess(dst []*Result, i int, start, end int64, p *Pane, l look) []*Result {
	if v.group.onLabels {
		return v.assessLabels(dst, i, start, end, p, l)
	}
	w := v.group.Windows[i]
	if l != shown {
		defer v.holds.expire(w.Length, end)
	}
	if p == nil {
		return dst
	}
	whole := start >= max(v.first, v.from[i]) && !p.gap && !v.losses.Overlap(start, end)
	for k, m := range p.group.Models {
		verdicts := &v.group.Models[k].Verdicts
		level := v.level(verdicts, w)
		for _, version := range v.shown(m, p.models[k]) {
			var all family
			first, against := len(dst), v.against(version.name, p, k, i, start, end)
			for j, s := range version.series {
				if s == nil || s.events == 0 {
					continue
				}
				r := &Result{
					Model: m.Name, Version: version.name, Segment: m.segments[j], Window: w.Name, Length: w.Length,
					Start: time.Unix(0, start).UTC(), End: time.Unix(0, end).UTC(),
					Complete: whole && start >= max(v.counted.at(k, m, j), v.group.hasFrom(k, m.segments[j], end)), Events: s.events,
				}
				if l != passing {
					r.Service = assessService(s, end-start)
				}
				if l != passing && j == 0 {
					r.Changes = v.changes.of(k, version.name, start, end)
				}
				if l != passing && s.kpis != nil {
					r.KPIs = s.kpis.Figures(nil)
				}
				if l != passing && s.estimate != nil {
					r.Performance = &PerformanceResult{MatchedRatio: Undefined, Threshold: Undefined, PValue: Undefined, Estimated: s.estimate.Figures(nil)}
				}
				v.assessFeatures(r, verdicts, s, against.of(j), l, &all, k)
				dst = append(dst, r)
			}
			all.judge(level)
			v.hold(all, i, end, l)
			if l != passing {
				m.explain(version, dst[first:], verdicts, against)
			}
		}
	}
	return dst
}

// shown returns the versions with the most events, and the others as one.
func (v *View) shown(m *Model, all []version) []version {
	named := slices.DeleteFunc(slices.Clone(all), func(v version) bool { return v.name == event.Other })
	slices.SortFunc(named, func(a, b version) int {
		return cmp.Or(cmp.Compare(b.series[0].events, a.series[0].events), cmp.Compare(a.name, b.name))
	})
	if len(named) == len(all) && len(named) <= MaxShownVersions {
		return named
	}
	shown := named[:min(len(named), MaxShownVersions)]
	rest := slices.DeleteFunc(slices.Clone(all), func(v version) bool {
		return slices.ContainsFunc(shown, func(s version) bool { return s.name == v.name })
	})
	slices.SortFunc(rest, func(a, b version) int { return cmp.Compare(a.name, b.name) })
	other := version{name: event.Other, series: make([]*series, len(m.segments))}
	for i := range other.series {
		other.series[i] = v.sum(m, i, rest)
	}
	return append(slices.Clone(shown), other)
}

// sum returns series i of several versions as one, nil if none has it. What is compared with a reference of its
// own version's is not comparable with the common one.
func (v *View) sum(m *Model, i int, versions []version) *series {
	layout, some := m.layout(event.Other, i), false
	for k := len(versions) - 1; k >= 0; k-- {
		if s := versions[k].series[i]; s != nil {
			some = true
			if _, own := m.versions[versions[k].name]; !own {
				layout = s.features.Layout()
			}
		}
	}
	if !some {
		return nil
	}
	sum := newSeries(layout)
	for _, r := range versions {
		s := r.series[i]
		if s == nil {
			continue
		}
		if _, own := m.versions[r.name]; own {
			v.merger.mix(sum, s)
		} else {
			v.merger.mergeSeries(sum, s)
		}
	}
	return sum
}

func assessService(s *series, length int64) Service {
	out := Service{RequestsPerSecond: Undefined, ErrorRatio: Figure(float64(s.failed) / float64(s.events))}
	if length > 0 {
		out.RequestsPerSecond = Figure(float64(s.events) / (float64(length) / float64(time.Second)))
	}
	if s.latency.Count() > 0 {
		for _, q := range latencyQuantiles {
			out.Latency = append(out.Latency, Quantile{q.name, Figure(s.latency.Quantile(q.p))})
		}
	}
	return out
}

func (v *View) assessFeatures(r *Result, verdicts *Verdicts, s *series, against side, l look, all *family, model int) {
	layout := s.features.Layout()
	r.Features = make([]FeatureResult, 0, len(layout.Features))
	for i := range layout.Features {
		spec := &layout.Features[i]
		f, comparable := FeatureResult{Name: spec.Name}, false
		if spec.Type == event.Numeric {
			n := s.features.Numeric(spec)
			if comparable = n.Comparable(); l != passing {
				f = v.assessNumeric(spec, n, layout.Detailed)
				if layout.Detailed && v.pictures(l) && spec.Reference != nil && f.Count > 0 {
					f.ReferenceQuantiles = v.quantiles(&spec.Reference.Quantiles)
				}
			}
		} else {
			c := s.features.Categorical(spec)
			if comparable = c.Comparable(); l != passing {
				f = assessCategorical(spec, c, layout.Detailed)
			}
		}
		if then, ok := against.sample(spec, i, r.Length); ok && comparable {
			o := verdicts.options(spec.Name, l)
			o.Memo = v.memo
			now := currentSample(spec, &s.features)
			a := drift.Assess(then, now, o)
			f.Calibration = a.Caveat()
			if v.pictures(l) {
				f.Distribution, f.Needs = verdicts.distribution(spec, then, now, layout.Detailed), verdicts.MinSamples
			}
			*all = append(*all, member{r, i, a, model, spec, then})
		}
		r.Features = append(r.Features, f)
	}
}

func (v *View) assessNumeric(spec *profile.FeatureSpec, n *profile.Numeric, detailed bool) FeatureResult {
	f := FeatureResult{
		Name: spec.Name, Type: spec.Type.String(), Count: n.Moments.Count, Missing: n.Missing, Invalid: n.Invalid,
		HasReference: n.Comparable(), OutOfRange: n.OutOfRange,
		Mean: Undefined, StdDev: Undefined, Min: Undefined, Max: Undefined, QValue: Undefined,
		Distinct: n.Distinct.Estimate(), DistinctKnown: detailed,
	}
	if f.Count > 0 {
		f.Mean, f.StdDev = Figure(n.Moments.Mean), Figure(n.Moments.StdDev())
		f.Min, f.Max = Figure(n.Moments.Min), Figure(n.Moments.Max)
		if detailed {
			f.Quantiles = v.quantiles(&n.Quantiles)
		}
	}
	if n.Comparable() {
		f.Unmatched = f.Count - n.Compared()
	}
	return f
}

func (v *View) quantiles(of *sketch.Quantiles) Quantiles {
	out := make(Quantiles, 0, len(featureQuantiles))
	for _, q := range featureQuantiles {
		out = append(out, Quantile{q.name, Figure(of.Quantile(q.p, v.merger.work.Sketch))})
	}
	return out
}

// currentSample returns what is there of a feature that has a reference, as the other side of a comparison.
func currentSample(spec *profile.FeatureSpec, s *profile.Set) drift.Sample {
	if spec.Type == event.Categorical {
		c := s.Categorical(spec)
		return drift.Sample{Bins: c.AppendCounts(nil), Absent: c.Absent()}
	}
	ref, n := spec.Reference, s.Numeric(spec)
	fine := n.Bins.Counts()
	if len(fine) == 0 {
		fine = make([]uint64, ref.Bins.Len())
	}
	return drift.Sample{Bins: ref.AppendDeciles(make([]uint64, 0, len(ref.Deciles())), fine), Fine: fine, Exp: &n.Distances, StdDev: n.Moments.StdDev(), Absent: n.Absent()}
}

func assessCategorical(spec *profile.FeatureSpec, c *profile.Categorical, detailed bool) FeatureResult {
	f := FeatureResult{
		Name: spec.Name, Type: spec.Type.String(), Count: c.Count, Missing: c.Missing, Invalid: c.Invalid,
		HasReference: c.Comparable(), Unseen: c.Unseen,
		Mean: Undefined, StdDev: Undefined, Min: Undefined, Max: Undefined, QValue: Undefined,
		Distinct: c.Distinct.Estimate(), DistinctKnown: detailed,
	}
	if c.Comparable() {
		f.Unmatched = f.Count - c.Compared()
	}
	return f
}
