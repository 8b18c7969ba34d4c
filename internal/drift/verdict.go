package drift

import (
	"math"
	"slices"
)

// The states of a verdict; the undefined state is empty.
const (
	OK      = "ok"
	Warning = "warning"
	Drift   = "drift"
)

// DefaultAlpha is the default level of significance. One quiet feature in a hundred
// is significant by chance in any one window, and then the effect floor keeps
// it quiet, unless the window is so small that noise alone is that large.
const DefaultAlpha = 0.01

// DefaultDecideBy is the statistic that decides unless another one is named.
const DefaultDecideBy = "psi"

// Options of a comparison. The zero value computes everything and lets psi decide.
type Options struct {
	// Statistics to compute, by Name or Short; all if empty.
	Statistics []string
	// DecideBy is the statistic that gives the state, by Name or Short, computed or
	// not; DefaultDecideBy if empty, and where it does not apply to the feature.
	DecideBy string
	// MinSamples is the size of the smallest window that has a state.
	MinSamples uint64
	// Alpha is the level of significance; DefaultAlpha unless in (0, 0.5].
	Alpha float64
	// Floor replaces the default floor of the deciding statistic, unless 0.
	Floor float64
}

func (o *Options) alpha() float64 {
	if o.Alpha > 0 && o.Alpha <= 0.5 {
		return o.Alpha
	}
	return DefaultAlpha
}

// Outcome is one statistic between two samples. NaN is undefined.
type Outcome struct {
	// Statistic is its Name.
	Statistic string
	// Value is undefined as the package comment says.
	Value float64
	// PValue is the probability of at least this value while nothing changes. It is
	// undefined where the data cannot vary, as with a single bin.
	PValue float64
	// Threshold is the smallest value that is drift: it is significant, and its effect,
	// the value above its mean under "no drift", is at least the floor. Where the
	// p-value is undefined the floor alone counts. In a small sample
	// it may lie above all possible values; below MinSamples it is undefined.
	Threshold float64
}

// Evaluate computes the statistics that apply, in the order of Catalogue, and the
// state by the deciding one: Drift from its threshold on; Warning if significant
// with an effect of at least half the floor; else OK. The state is empty, undefined, if the
// window has less than MinSamples values, the value is undefined, or no
// statistic has the name DecideBy.
//
// A feature is categorical if ref has no Fine and no Exp.
func Evaluate(ref, cur Sample, opt Options) (outcomes []Outcome, state string) {
	return EvaluateInto(make([]Outcome, 0, len(Catalogue)), ref, cur, opt)
}

// EvaluateInto is Evaluate that appends the outcomes to dst.
func EvaluateInto(dst []Outcome, ref, cur Sample, opt Options) (outcomes []Outcome, state string) {
	c := newComparison(ref, cur, opt.alpha())
	decider, enough := decider(opt.DecideBy, ref.numeric()), total(cur.Bins) >= opt.MinSamples
	for i := range Catalogue {
		s := &Catalogue[i]
		shown := s.applies(ref.numeric()) && s.among(opt.Statistics)
		if !shown && i != decider {
			continue
		}
		m, floor := s.measure(c), s.Floor
		if i == decider {
			if opt.Floor > 0 {
				floor = opt.Floor
			}
			state = m.state(floor, enough)
		}
		if !shown {
			continue
		}
		o := Outcome{s.Name, m.value, m.pvalue, math.NaN()}
		if enough {
			o.Threshold = m.threshold(floor)
		}
		dst = append(dst, o)
	}
	return dst, state
}

// decider returns the index in Catalogue of the deciding statistic, -1 if there is none.
func decider(name string, numeric bool) int {
	if name == "" {
		name = DefaultDecideBy
	}
	i := slices.IndexFunc(Catalogue, func(s Statistic) bool { return s.is(name) })
	if i >= 0 && !Catalogue[i].applies(numeric) {
		return decider(DefaultDecideBy, numeric)
	}
	return i
}

func (s *Sample) numeric() bool { return s.Fine != nil || s.Exp != nil }

func (s *Statistic) applies(numeric bool) bool {
	if numeric {
		return s.Numeric
	}
	return s.Categorical
}

// among reports whether names has s or is empty.
func (s *Statistic) among(names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, s.is)
}

// threshold returns the smallest value that is significant with an effect of floor.
func (m measurement) threshold(floor float64) float64 {
	t := m.mean + floor*m.unit
	if m.critical > t {
		return m.critical
	}
	return t
}

func (m measurement) state(floor float64, enough bool) string {
	switch {
	case !enough || math.IsNaN(m.value):
		return ""
	case m.value >= m.threshold(floor):
		return Drift
	case m.value >= m.threshold(floor/2):
		return Warning
	}
	return OK
}
