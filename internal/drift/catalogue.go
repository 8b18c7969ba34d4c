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
	// Floor is the default effect floor: less than this above the mean under no
	// drift is never called drift.
	Floor float64
}

// Catalogue has all statistics, in the order of outputs.
var Catalogue = []Statistic{
	{Name: "psi", Short: "psi", Numeric: true, Categorical: true, Floor: 0.1},
	{Name: "js_distance", Short: "js", Numeric: true, Categorical: true, Floor: 0.1},
	{Name: "kl_divergence", Short: "kl", Numeric: true, Categorical: true, Floor: 0.05},
	{Name: "hellinger_distance", Short: "hellinger", Numeric: true, Categorical: true, Floor: 0.1},
	{Name: "total_variation", Short: "tvd", Numeric: true, Categorical: true, Floor: 0.1},
	{Name: "chi_square", Short: "chi2", Numeric: true, Categorical: true, Floor: 0.1},
	{Name: "ks_statistic", Short: "ks", Numeric: true, Floor: 0.1},
	{Name: "wasserstein_normalized", Short: "wasserstein", Numeric: true, Floor: 0.1},
}

// Lookup finds a statistic by its Name or Short.
func Lookup(name string) (Statistic, bool) {
	for _, s := range Catalogue {
		if s.Name == name || s.Short == name {
			return s, true
		}
	}
	return Statistic{}, false
}
