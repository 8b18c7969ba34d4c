package drift

import "math"

// Statistic is one entry of Catalogue.
type Statistic struct {
	// Name in metrics (after "streammon_drift_") and JSON, such as js_distance.
	Name string
	// Short is the name in configs, such as js.
	Short string
	// Help describes the statistic with its unit and range.
	Help string
	// Numeric and Categorical tell which features it applies to.
	Numeric, Categorical bool
	// Floor is the default effect floor: a value that is less than this above its
	// mean under "no drift" is never called drift.
	Floor float64

	// value computes it; it is called where there is something to compare.
	value func(*comparison) float64
	// null is its distribution while nothing changes, given how much more the feature varies than independent values.
	null func(*comparison, spread) null
	// parts are those that add up to the value, or to its square or a multiple of it: of all bins, or
	// of the fine ones. Edges are those of the fine bins. Nil where there is nothing to tell apart.
	parts func(c *comparison, edges []float64) []Part
	// over tells what it compares.
	over representation
	// roots: it is made of the roots of shares, and wants minRoots values in a bin.
	roots bool
}

// representation is what a statistic compares.
type representation uint8

const (
	bins representation = iota
	fineBins
	distances
	presence
)

func (s *Statistic) defined(c *comparison) bool {
	return [...]bool{c.overBins(), c.overFine(), c.overDistances(), c.bins == 2 && c.overBins()}[s.over]
}

// Missing is the Short name of the statistic that compares how many values there are, and not which. It has its say
// in every verdict.
const Missing = "missing"

// Catalogue has all statistics, in the order of outputs.
//
// Floors: 0.1 is the customary first limit of PSI, above which a population is said
// to have shifted somewhat (Siddiqi 2006, Credit Risk Scorecards). KL is half the
// PSI to first order; chi-square is the PSI once its value is multiplied by
// 1/m + 1/n. The metrics in [0, 1] have 0.1: at a PSI of 0.1 a Hellinger
// distance is about 0.11, a JS distance 0.13, and for a shifted normal feature total
// variation and KS are 0.13. Wasserstein has 0.1 standard deviations, which for a shift is
// a PSI of only 0.01: this is the sensitive one.
var Catalogue = []Statistic{
	{
		Name: "psi", Short: "psi", Numeric: true, Categorical: true, Floor: 0.1, value: populationStability, null: quadratic(1, false, bend{-1. / 2, 1. / 3, true}), parts: psiParts,
		Help: "Population stability index between reference and window in nats, at least 0; half a count is added to every bin.",
	},
	{
		Name: "js_distance", Short: "js", Numeric: true, Categorical: true, Floor: 0.1, value: jensenShannon, null: quadratic(1/(8*math.Ln2), true, bend{-1. / 2, 7. / 24, false}), parts: jsParts, roots: true,
		Help: "Jensen-Shannon distance between reference and window, base 2, from 0 to 1.",
	},
	{
		Name: "kl_divergence", Short: "kl", Numeric: true, Categorical: true, Floor: 0.05, value: kullbackLeibler, null: quadratic(0.5, false, bend{-1. / 3, 1. / 6, true}), parts: klParts,
		Help: "Kullback-Leibler divergence of the window from the reference in nats, at least 0; half a count is added to every bin.",
	},
	{
		Name: "hellinger_distance", Short: "hellinger", Numeric: true, Categorical: true, Floor: 0.1, value: hellinger, null: quadratic(1./8, true, bend{-1. / 2, 5. / 16, false}), parts: hellingerParts, roots: true,
		Help: "Hellinger distance between reference and window, from 0 to 1.",
	},
	{
		Name: "total_variation", Short: "tvd", Numeric: true, Categorical: true, Floor: 0.1, value: totalVariation, null: variationNull, parts: variationParts,
		Help: "Total variation distance between reference and window, from 0 to 1.",
	},
	{
		Name: "chi_square", Short: "chi2", Numeric: true, Categorical: true, Floor: 0.1, value: chiSquare, null: chiSquareNull, parts: chiSquareParts,
		Help: "Pearson's chi-square statistic of reference against window, at least 0; it grows with the number of values.",
	},
	{
		Name: "ks_statistic", Short: "ks", Numeric: true, Floor: 0.1, value: kolmogorovSmirnov, null: kolmogorovNull, parts: ksParts, over: fineBins,
		Help: "Kolmogorov-Smirnov statistic between reference and window at the edges of the reference's bins, from 0 to 1.",
	},
	{
		Name: "wasserstein_normalized", Short: "wasserstein", Numeric: true, Floor: 0.1, value: wasserstein, null: wassersteinNull, parts: wassersteinParts, over: distances,
		Help: "Wasserstein-1 distance between reference and window in standard deviations of the reference, at least 0.",
	},
	{
		Name: "missing_psi", Short: Missing, Numeric: true, Categorical: true, Floor: 0.1, value: populationStability, null: presenceNullOf, over: presence,
		Help: "Population stability index of whether there is a valid value, in nats, at least 0.",
	},
}

// Lookup finds a statistic by its Name or Short.
func Lookup(name string) (Statistic, bool) {
	for _, s := range Catalogue {
		if s.is(name) {
			return s, true
		}
	}
	return Statistic{}, false
}

// expects returns how many values it wants in a bin.
func (s *Statistic) expects() float64 {
	if s.roots {
		return minRoots
	}
	return minExpected
}

// tested returns what the statistic tests with windows of size n: the bins as they are pooled, if it compares these.
func (s *Statistic) tested(c *comparison, n, discount float64) *comparison {
	if s.over != bins || !c.overBins() {
		return c
	}
	return c.pooled(n, discount, s.expects())
}

func (s *Statistic) is(name string) bool { return s.Name == name || s.Short == name }
