package drift

// The states of a verdict; the undefined state is empty.
const (
	OK      = "ok"
	Warning = "warning"
	Drift   = "drift"
)

// Options of a comparison.
type Options struct {
	// Statistics to compute, by Name or Short; all if empty.
	Statistics []string
	// DecideBy is the statistic that gives the state; psi if empty.
	DecideBy string
	// MinSamples is the smallest window that has a state.
	MinSamples uint64
	// Alpha is the level of significance; 0 means DefaultAlpha.
	Alpha float64
	// Floor replaces the default floor of the deciding statistic, unless 0.
	Floor float64
}

// Outcome is one statistic between two samples. NaN is undefined.
type Outcome struct {
	Statistic                string
	Value, PValue, Threshold float64
}

// Evaluate computes the statistics that apply, in the order of Catalogue, and the state.
func Evaluate(ref, cur Sample, opt Options) (outcomes []Outcome, state string) {
	return EvaluateInto(nil, ref, cur, opt)
}

// EvaluateInto is Evaluate that appends to dst.
func EvaluateInto(dst []Outcome, ref, cur Sample, opt Options) (outcomes []Outcome, state string) {
	return dst, ""
}
