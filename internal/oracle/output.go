package oracle

import (
	"math"
	"time"

	"github.com/streammon/streammon/internal/event"
)

// Output is what a log amounts to.
type Output struct {
	// Windows are ordered by end, model, version, segment and length; there is
	// one for each series with at least one event.
	Windows []Window
	// Ledger is the sum over all lanes.
	Ledger event.Ledger
}

// Window is one series in one window, [Start, End) in Unix nanoseconds.
type Window struct {
	Model, Version, Segment string
	// Name and Length are those of the Span.
	Name       string
	Length     time.Duration
	Start, End int64
	// Complete is false if the window begins before the first accepted pane.
	Complete bool
	// Events is the number of accepted predictions, which is also the number of
	// requests; Errors is how many of them failed.
	Events, Errors uint64
	// RequestsPerSecond is Events over the length; ErrorRatio is Errors over Events.
	RequestsPerSecond, ErrorRatio float64
	// Latencies in seconds, rising; failed requests are included.
	Latencies []float64
	// Features are in the order of the model's.
	Features []Figures
}

// Figures is one feature of a window. Requests that failed are left out of it.
type Figures struct {
	Name        string
	Categorical bool
	// Count of valid values, and of requests without one.
	Count, Missing, Invalid uint64
	// OutOfRange is the number of numeric values outside of the reference's range;
	// Unseen is the number of values of categories that the reference lacks. Both
	// are 0 without a reference.
	OutOfRange, Unseen uint64
	// Distinct is the number of different valid values.
	Distinct uint64

	// Values are the valid values of a numeric feature, rising.
	Values []float64
	// M2 is the sum of squared distances from the mean; StdDev is the sample
	// standard deviation, undefined for less than two values.
	Mean, M2, StdDev, Min, Max float64
	// Fine has the counts in the reference's fine bins.
	Fine []uint64

	// Categories has the count of each value of a categorical feature.
	Categories map[string]uint64

	// Bins are the counts that are compared with ReferenceBins: the deciles of a
	// numeric feature; the reference's categories and one bin for all unseen ones
	// of a categorical feature. Both are nil without a reference.
	Bins, ReferenceBins []uint64
	Drift               Statistics
}

// Statistics are the distances between the reference and a window; NaN where
// undefined, all of them if one side has no value.
type Statistics struct {
	PSI, JS, KL, Hellinger, TVD, ChiSquare float64
	// KS is the largest gap of the distribution functions at the edges of the
	// fine bins; numeric features only.
	KS float64
	// Wasserstein is the exact distance of the raw values, in units of the
	// reference's sample standard deviation; undefined if that is 0, or without
	// Reference.Sorted.
	Wasserstein float64
}

// undefined is every statistic undefined.
func undefined() Statistics {
	nan := math.NaN()
	return Statistics{nan, nan, nan, nan, nan, nan, nan, nan}
}

// Quantile returns element number ceil(q*n), counted from 1, of n rising values:
// the smallest one that at least the share q of them does not exceed. It is NaN
// without values.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
