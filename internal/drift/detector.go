package drift

import "math"

// Change is the state of a Detector at the pane in which it found a change; its other
// states are OK and Warning.
const Change = "change"

// Detector watches one figure of a stream, sealed pane by sealed pane, for a change of
// its mean. See the package comment for what all of them have in common.
type Detector interface {
	// Update takes the next pane: the sum of n values.
	Update(sum float64, n uint64)
	// Skip passes so many panes without values.
	Skip(panes uint64)
	// State tells what the latest pane made of it.
	State() State
	// Reset forgets all panes.
	Reset()
	// Bytes returns the heap memory in use beyond the struct, in bytes.
	Bytes() int
	// AppendBinary appends the binary form.
	AppendBinary(b []byte) []byte
	// ReadBinary replaces the detector by the binary form at the beginning of b, and
	// returns what is behind it. The form of a detector with other options is refused with ErrOptions.
	ReadBinary(b []byte) ([]byte, error)
}

// State is what a Detector says.
type State struct {
	// Level is OK, Warning or Change.
	Level string
	// Began is, with Change, the number of panes before the latest one in which the
	// change is estimated to have begun: 0 is the latest pane itself.
	Began uint64
}

// Figure is what kind of values a detector is for.
type Figure int

// The kinds of figures.
const (
	// Ratio is a figure whose single values lie in [0, 1], such as errors.
	Ratio Figure = iota
	// Real is any other figure.
	Real
)

// DetectorKind is one entry of Detectors.
type DetectorKind struct {
	// Name in configs, metrics and JSON.
	Name string
	// Help describes what it finds.
	Help string
	// Real tells whether it applies to figures other than ratios. All apply to ratios.
	Real bool
	// New returns a detector with the defaults for panes of a kind of figure.
	New func(Figure) Detector
}

// Detectors has all sequential detectors, in the order of outputs. Their defaults are
// for panes of dozens of values and more, as far as each method allows; what they cost in false
// alarms and delay is printed by TestFalseAlarms and TestDelays.
//
// The levels of ADWIN and the Hoeffding tests are below those of the papers, because there is a
// test a pane and the cut is chosen.
var Detectors = []DetectorKind{
	{
		Name: "adwin", Real: true,
		Help: "Adaptive window: two parts of the recent past have different means; either direction.",
		New: func(f Figure) Detector {
			if f == Real {
				return NewADWIN(ADWINOptions{Delta: 2e-4})
			}
			return NewADWIN(ADWINOptions{Delta: 2e-4, Range: 1})
		},
	},
	{
		Name: "page_hinkley", Real: true,
		Help: "Page-Hinkley test: cumulated deviations of the panes from their mean; either direction.",
		New:  func(Figure) Detector { return NewPageHinkley(PageHinkleyOptions{}) },
	},
	{
		Name: "ddm",
		Help: "Drift detection method: the ratio since the last change exceeds its minimum; increases only.",
		New:  func(Figure) Detector { return NewDDM(DDMOptions{MinSum: 30}) },
	},
	{
		Name: "hddm_a",
		Help: "Hoeffding test of averages: the ratio since the last change differs from the one up to a cut; either direction.",
		New: func(Figure) Detector {
			return NewHDDMA(HDDMOptions{Change: 1e-4, Warning: 1e-3, TwoSided: true})
		},
	},
	{
		Name: "hddm_w",
		Help: "Hoeffding test of weighted averages: the recent ratio differs from the one up to a cut; either direction.",
		New: func(Figure) Detector {
			o := HDDMOptions{Change: 1e-7, Warning: 1e-5, TwoSided: true}
			return NewHDDMW(HDDMWOptions{HDDMOptions: o, Lambda: 5e-5})
		},
	},
}

// LookupDetector finds a kind of detector by its Name.
func LookupDetector(name string) (DetectorKind, bool) {
	for _, k := range Detectors {
		if k.Name == name {
			return k, true
		}
	}
	return DetectorKind{}, false
}

// course is what all detectors have: the time in panes, and what was said last.
type course struct {
	now    uint64 // panes since the last change or Reset, empty ones too; the first is number 1
	warned uint64 // the first pane of the warnings that last; 0 is none
	state  State
}

// pass begins a pane. A change is told for one pane.
func (c *course) pass() {
	c.now++
	if c.state.Level != Warning {
		c.state = State{Level: OK}
	}
}

// Skip passes so many panes without values.
func (c *course) Skip(panes uint64) {
	if panes > 0 {
		c.pass()
		c.now += panes - 1
	}
}

// State tells what the latest pane made of it.
func (c *course) State() State {
	if c.state.Level == "" {
		return State{Level: OK}
	}
	return c.state
}

// say sets a level other than Change.
func (c *course) say(warning bool) {
	if !warning {
		c.state, c.warned = State{Level: OK}, 0
		return
	}
	c.state = State{Level: Warning}
	if c.warned == 0 {
		c.warned = c.now
	}
}

// firstWarning returns the pane in which a change was first suspected, at the latest now.
func (c *course) firstWarning() uint64 {
	if c.warned > 0 {
		return c.warned
	}
	return c.now
}

// changed returns the course at a change that began at a pane.
func (c *course) changed(pane uint64) course {
	return course{state: State{Change, c.now - min(pane, c.now)}}
}

// maxSum keeps all squares finite.
const maxSum = 1e100

// isFigure reports whether a pane says anything.
func isFigure(sum float64, n uint64) bool { return n > 0 && math.Abs(sum) <= maxSum }

// isRatio reports whether a pane says anything of values in [0, 1].
func isRatio(sum float64, n uint64) bool { return n > 0 && sum >= 0 && sum <= float64(n) }

// tally is a number of panes, added up.
type tally struct {
	sum, n float64
	panes  uint64
}

func (t *tally) add(sum float64, n uint64) {
	t.sum += sum
	t.n += float64(n)
	t.panes++
}

func (t *tally) mean() float64 { return t.sum / t.n }

// positive returns x, or the default unless x is positive and finite.
func positive(x, fallback float64) float64 {
	if x > 0 && !math.IsInf(x, 1) {
		return x
	}
	return fallback
}

// share returns x, or the default unless x is in (0, 1).
func share(x, fallback float64) float64 {
	if x > 0 && x < 1 {
		return x
	}
	return fallback
}
