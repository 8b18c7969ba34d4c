package drift

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

	measure func(comparison) measurement
}

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
		Name: "psi", Short: "psi", Numeric: true, Categorical: true, Floor: 0.1, measure: populationStability,
		Help: "Population stability index between reference and window in nats, at least 0; half a count is added to every bin.",
	},
	{
		Name: "js_distance", Short: "js", Numeric: true, Categorical: true, Floor: 0.1, measure: jensenShannon,
		Help: "Jensen-Shannon distance between reference and window, base 2, from 0 to 1.",
	},
	{
		Name: "kl_divergence", Short: "kl", Numeric: true, Categorical: true, Floor: 0.05, measure: kullbackLeibler,
		Help: "Kullback-Leibler divergence of the window from the reference in nats, at least 0; half a count is added to every bin.",
	},
	{
		Name: "hellinger_distance", Short: "hellinger", Numeric: true, Categorical: true, Floor: 0.1, measure: hellinger,
		Help: "Hellinger distance between reference and window, from 0 to 1.",
	},
	{
		Name: "total_variation", Short: "tvd", Numeric: true, Categorical: true, Floor: 0.1, measure: totalVariation,
		Help: "Total variation distance between reference and window, from 0 to 1.",
	},
	{
		Name: "chi_square", Short: "chi2", Numeric: true, Categorical: true, Floor: 0.1, measure: chiSquare,
		Help: "Pearson's chi-square statistic of reference against window, at least 0; it grows with the number of values.",
	},
	{
		Name: "ks_statistic", Short: "ks", Numeric: true, Floor: 0.1, measure: kolmogorovSmirnov,
		Help: "Kolmogorov-Smirnov statistic between reference and window at the edges of the reference's bins, from 0 to 1.",
	},
	{
		Name: "wasserstein_normalized", Short: "wasserstein", Numeric: true, Floor: 0.1, measure: wasserstein,
		Help: "Wasserstein-1 distance between reference and window in standard deviations of the reference, at least 0.",
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

func (s *Statistic) is(name string) bool { return s.Name == name || s.Short == name }
