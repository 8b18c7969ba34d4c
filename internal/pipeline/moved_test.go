package pipeline

import (
	"math"
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
)

// moved compares what is said to have changed in a feature, which PSI decides.
func (c *comparison) moved(got *monitor.FeatureResult, want *oracle.Figures, ref *oracle.Reference) {
	m := got.Moved
	c.check((m != nil) == (got.State == monitor.StateDrift || got.State == monitor.StateWarning), "%s is %q: %+v", got.Name, got.State, m)
	if m == nil {
		return
	}
	c.check(m.Statistic == "psi", "%s is decided by %s", got.Name, m.Statistic)
	c.parts(m, want, ref)
	absent := float64(want.Missing + want.Invalid)
	c.float(want.Name+" absent", monitor.Figure(m.Absent.Current), absent/(absent+float64(want.Count)), 0)
	if want.Categorical {
		c.categories(m.Categories, want, ref)
		return
	}
	shift := want.MedianShift(ref)
	c.check(m.MedianShift.IsZero() == math.IsNaN(shift), "%s: the median moved by %g, want %g", got.Name, float64(m.MedianShift), shift)
	if !math.IsNaN(shift) {
		farthest := max(math.Abs(want.Min-ref.Median), math.Abs(want.Max-ref.Median)) / ref.StdDev
		bound := 0.011*math.Abs(shift) + math.Exp2(-15.9)*farthest
		c.check(math.Abs(float64(m.MedianShift)-shift) <= bound, "%s: the median moved by %g, want %g", got.Name, float64(m.MedianShift), shift)
	}
}

// parts compares the bins' shares and contributions, and that no bin that contributes more is left out.
func (c *comparison) parts(m *monitor.Moved, want *oracle.Figures, ref *oracle.Reference) {
	terms := oracle.PSITerms(want.ReferenceBins, want.Bins)
	if want.Count == 0 {
		c.check(len(m.Parts) == 0, "%s: %d parts of no values", want.Name, len(m.Parts))
		return
	}
	var all, now, then float64
	above := 0
	for i, t := range terms {
		now, then = now+float64(want.Bins[i]), then+float64(want.ReferenceBins[i])
		if t > 0 {
			all += t
			above++
		}
	}
	c.check(len(m.Parts) == min(above, drift.MaxParts), "%s: %d parts of %d bins", want.Name, len(m.Parts), above)
	least := math.Inf(1)
	for _, p := range m.Parts {
		i := binOf(&p, want, ref)
		if i < 0 || math.IsNaN(terms[i]) {
			c.check(false, "%s: no such bin: %+v", want.Name, p)
			return
		}
		c.float(want.Name+" contribution", monitor.Figure(p.Contribution), terms[i]/all, 1e-3)
		c.float(want.Name+" share", monitor.Figure(p.Current), float64(want.Bins[i])/now, 0)
		c.float(want.Name+" reference share", monitor.Figure(p.Reference), float64(want.ReferenceBins[i])/then, 0)
		c.check(p.Contribution <= least, "%s: %g after %g", want.Name, p.Contribution, least)
		least = p.Contribution
		terms[i] = 0
	}
	for i, t := range terms {
		c.check(!(t/all > least+1e-9), "%s: bin %d with %g is left out", want.Name, i, t/all)
	}
}

// binOf finds the bin of a part, -1 if there is none.
func binOf(p *monitor.MovedPart, want *oracle.Figures, ref *oracle.Reference) int {
	switch {
	case p.Unseen:
		return len(ref.Categories)
	case want.Categorical:
		return slices.Index(ref.Categories, p.Category)
	}
	lower, bin := math.NaN(), 0
	for i, e := range ref.Edges {
		if !ref.EdgeIsDecile[i] {
			continue
		}
		if float64(p.Upper) == e {
			break
		}
		lower = e
		bin++
	}
	if p.Upper.IsZero() != (bin == len(want.Bins)-1) || p.Lower.IsZero() != math.IsNaN(lower) || !p.Lower.IsZero() && float64(p.Lower) != lower {
		return -1
	}
	return bin
}

func (c *comparison) categories(got *monitor.MovedCategories, want *oracle.Figures, ref *oracle.Reference) {
	gone := want.Vanished(ref)
	c.count(want.Name+" vanished", got.Vanished, uint64(len(gone)))
	c.check(len(got.Gone) == min(len(gone), drift.MaxParts), "%s: %+v have vanished, want %q", want.Name, got.Gone, gone)
	for i := range min(len(got.Gone), len(gone)) {
		c.check(got.Gone[i].Category == gone[i], "%s: %q has vanished, want %q", want.Name, got.Gone[i].Category, gone[i])
	}
	if !got.NewKnown {
		return
	}
	came := want.New(ref)
	if off := math.Abs(float64(got.New) - float64(len(came))); len(came) > 64 {
		c.check(off <= 0.081*float64(want.Distinct)+1, "%s: %d new, want %d", want.Name, got.New, len(came))
		return
	}
	c.count(want.Name+" new", got.New, uint64(len(came)))
	c.check(len(got.Top) == min(len(came), drift.MaxParts), "%s: %+v are new, want %q", want.Name, got.Top, came)
	for i := range min(len(got.Top), len(came)) {
		c.check(got.Top[i] == monitor.NewCategory{Category: came[i], Count: want.Categories[came[i]]}, "%s: %+v, want %q", want.Name, got.Top[i], came[i])
	}
}
