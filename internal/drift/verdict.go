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
	// Memo makes it faster to assess many windows, one after the other; it may be nil.
	Memo *Memo
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
	// PValue is the probability of at least this value while nothing changes, of this statistic alone. It is
	// undefined where the data cannot vary, as with a single bin.
	PValue float64
	// Threshold is the smallest value that is drift: it is significant, and its effect,
	// the value above its mean under "no drift", is at least the floor. Where the
	// p-value is undefined the floor alone counts. In a small sample
	// it may lie above all possible values; below MinSamples it is undefined.
	Threshold float64
}

// measurement is the value of a statistic and what is known of it while nothing
// changes. All of it may be undefined (NaN).
type measurement struct {
	statistic *Statistic
	value     float64
	// mean is the expected value while nothing changes.
	mean float64
	// pvalue is the probability of at least this value while nothing changes.
	pvalue float64
	// unit is the value that one unit of effect is worth: 1, but for chi-square.
	unit float64

	null   null
	above  float64 // the value above that of the tested bins
	unseen float64 // p-value of the unseen values; NaN if there is no bin for them
}

// measure compares.
func (s *Statistic) measure(c, tested *comparison) measurement {
	nan := math.NaN()
	m := measurement{statistic: s, value: nan, mean: nan, pvalue: nan, unit: 1, null: constant{}, unseen: nan}
	if !s.defined(c) {
		return m
	}
	if m.value = s.value(c); math.IsNaN(m.value) {
		return m
	}
	if s.Short == "chi2" {
		m.unit = 1 / c.scale
	}
	m.null = s.null(c, c.spread(s.Short))
	m.mean = m.null.expected()
	if s.over != bins || tested == c {
		m.pvalue = m.null.survival(m.value)
		return m
	}
	m.null = constant{}
	if tested.overBins() {
		v := s.value(tested)
		m.null = s.null(tested, tested.spread(s.Short))
		m.above, m.pvalue = m.value-v, m.null.survival(v)
	}
	if tested.apart {
		m.unseen = c.unseen(c.spread(s.Short).grow)
		m.pvalue = together(m.pvalue, m.unseen)
	}
	if m.value == 0 && !math.IsNaN(m.pvalue) {
		m.pvalue = 1 // whatever of the reference was taken for what will not come again
	}
	return m
}

// critical returns the value from which on it is significant at the level alpha.
func (m *measurement) critical(alpha float64) float64 {
	if math.IsNaN(m.unseen) {
		return m.null.quantile(alpha) + m.above
	}
	if m.unseen <= alpha*unseenShare {
		return 0 // whatever the rest does
	}
	return m.null.quantile(alpha*(1-unseenShare)) + m.above
}

// Assessment is a comparison that waits to be judged with others.
type Assessment struct {
	shown []measurement
	// What decides: the statistic that was asked for, and whether there are values at all.
	decider, missing judged
	// shift is the p-value of a shift of all values, undefined where none is looked for.
	shift  float64
	caveat string // of the calibration
}

// judged is a measurement that decides.
type judged struct {
	measurement
	floor  float64
	enough bool // values for a verdict
	proven bool // it is significant by another test, whatever its value
}

// missingShare of the level goes to the test of missing values, where there are any, the rest to the deciding statistic.
const missingShare = 0.3

// defined reports whether it has a state.
func (j *judged) defined() bool { return j.enough && !math.IsNaN(j.value) }

// levels returns the level of the deciding statistic, that of shifts, and that of missing values.
func (a *Assessment) levels(alpha float64) (decider, shift, missing float64) {
	decider, missing = alpha, alpha
	if a.missing.defined() && a.decider.statistic != a.missing.statistic {
		decider, missing = alpha*(1-missingShare), alpha*missingShare
	}
	if !math.IsNaN(a.shift) {
		decider, shift = decider*(1-shiftShare), decider*shiftShare
	}
	return decider, shift, missing
}

// Assess compares, and computes all but thresholds and state.
//
// A feature is categorical if ref has no Fine and no Exp.
func Assess(ref, cur Sample, opt Options) *Assessment {
	c := newComparison(ref, cur)
	if c.memo = opt.Memo; c.memo == nil {
		c.memo = newMemo(5)
	}
	discount := c.discount()
	fine, coarse := c, c
	if c.overBins() {
		fine, coarse = c.pooled(c.n, discount, minExpected), c.pooled(c.n, discount, minRoots)
	}
	a := &Assessment{caveat: ref.Calibration.Caveat(), shift: math.NaN(), shown: make([]measurement, 0, len(Catalogue))}
	a.decider.value, a.decider.pvalue, a.missing.value, a.missing.pvalue = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	decider := decider(opt.DecideBy, ref.numeric())
	valid := total(cur.Bins)
	all := valid + cur.Absent
	if ref.Windows > 0 {
		valid, all = min(valid, total(ref.Bins)), min(all, total(ref.Bins)+ref.Absent)
	}
	for i := range Catalogue {
		s := &Catalogue[i]
		shown := s.applies(ref.numeric()) && s.among(opt.Statistics)
		if !shown && i != decider && s.Short != Missing {
			continue
		}
		var m measurement
		if s.over == presence {
			p := c.presence()
			m = s.measure(p, p)
			a.missing = judged{measurement: m, floor: s.Floor, enough: all >= opt.MinSamples}
		} else {
			tested := fine
			if s.roots {
				tested = coarse
			}
			m = s.measure(c, tested)
		}
		if i == decider {
			a.decider = judged{measurement: m, floor: s.Floor, enough: valid >= opt.MinSamples}
			if opt.Floor > 0 {
				a.decider.floor = opt.Floor
			}
			if s.over == bins && ref.numeric() {
				a.shift = c.shifted()
			}
		}
		if shown {
			a.shown = append(a.shown, m)
		}
	}
	return a
}

// Caveat returns that of the calibration.
func (a *Assessment) Caveat() string { return a.caveat }

// PValue returns that of the verdict: at a level of at least this something is significant. It is NaN if nothing is
// defined, or there are too few values to judge.
func (a *Assessment) PValue() float64 {
	decider, shift, missing := a.levels(1)
	p := math.NaN()
	if a.decider.defined() {
		p = min(1, a.values()/(decider+shift))
	}
	if m := a.missing.pvalue / missing; a.missing.defined() && !math.IsNaN(m) && !(p < m) {
		p = min(1, m)
	}
	return p
}

// values returns the p-value of which values there are, whether missing or not.
func (a *Assessment) values() float64 {
	if math.IsNaN(a.shift) {
		return a.decider.pvalue
	}
	return min(1, a.decider.pvalue/(1-shiftShare), a.shift/shiftShare)
}

// Judge appends the outcomes to dst, in the order of Catalogue, and returns the state, by the deciding statistic at
// the level alpha: Drift from its threshold on; Warning if significant
// with an effect of at least half the floor, or with the whole one where the calibration does not suffice; else OK; or
// by the missing values, where that is worse. The
// state is empty, undefined, if the window has less than MinSamples values, the value is undefined, or no
// statistic has the name DecideBy.
func (a *Assessment) Judge(dst []Outcome, alpha float64) (outcomes []Outcome, state string) {
	decider, shift, missing := a.levels(alpha)
	a.decider.proven = a.shift <= shift
	for i := range a.shown {
		m := &a.shown[i]
		j, level := judged{measurement: *m, floor: m.statistic.Floor, enough: a.decider.enough}, decider
		if j.proven = m.statistic.over == bins && a.decider.proven; m.statistic.over != bins {
			level = decider + shift
		}
		switch m.statistic {
		case a.decider.statistic:
			j = a.decider
		case a.missing.statistic:
			j, level = a.missing, missing
		}
		o := Outcome{m.statistic.Name, m.value, m.pvalue, math.NaN()}
		if j.enough {
			o.Threshold = j.threshold(j.floor, level)
		}
		dst = append(dst, o)
	}
	weak := a.caveat == Insufficient
	return dst, worse(a.decider.state(decider, weak), a.missing.state(missing, weak))
}

func worse(a, b string) string {
	order := [...]string{"", OK, Warning, Drift}
	return order[max(slices.Index(order[:], a), slices.Index(order[:], b))]
}

// Evaluate is Assess and Judge at the level of the options.
func Evaluate(ref, cur Sample, opt Options) (outcomes []Outcome, state string) {
	return Assess(ref, cur, opt).Judge(make([]Outcome, 0, len(Catalogue)), opt.alpha())
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
func (m *judged) threshold(floor, alpha float64) float64 {
	t := m.mean + floor*m.unit
	if m.proven || m.significant(t, alpha) { // as it nearly always is: a quantile takes ten times as long
		return t
	}
	if c := m.critical(alpha); c > t {
		return c
	}
	return t
}

// significant reports whether a value would be at the level alpha.
func (m *measurement) significant(value, alpha float64) bool {
	if !math.IsNaN(m.unseen) {
		if m.unseen <= alpha*unseenShare {
			return true
		}
		alpha *= 1 - unseenShare
	}
	return m.null.significant(max(0, value-m.above), alpha)
}

func (j *judged) state(alpha float64, weak bool) string {
	switch {
	case !j.defined():
		return ""
	case !weak && j.reaches(j.floor, alpha):
		return Drift
	case j.reaches(j.floor/2, alpha):
		return Warning
	}
	return OK
}

// reaches reports whether the value is at least the threshold, which nearly always takes no look at the threshold's
// significance: nothing moves in most windows.
func (m *judged) reaches(floor, alpha float64) bool {
	return m.value >= m.mean+floor*m.unit && m.value >= m.threshold(floor, alpha)
}
