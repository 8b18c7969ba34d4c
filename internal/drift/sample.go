package drift

import "github.com/streammon/streammon/internal/sketch"

// Sample is one side of a comparison.
type Sample struct {
	// Bins are what all statistics but KS and Wasserstein compare: the counts of a
	// numeric feature in the deciles of its reference, or of a categorical feature
	// in the reference's categories and one bin of unseen values.
	Bins []uint64
	// Fine are the counts of a numeric feature in the fine bins (up to 60) of its
	// reference, for KS; nil for a categorical feature.
	Fine []uint64
	// Exp is the exponential histogram of a numeric feature, for Wasserstein; nil
	// for a categorical feature.
	Exp *sketch.ExpHistogram
	// StdDev is the sample standard deviation of a numeric feature; the reference's
	// is the unit of Wasserstein.
	StdDev float64
}
