// Package sketch has the mergeable summaries of which panes and windows are made:
//
//   - Moments: count, mean, M2, minimum, maximum; floats to 1e-9 under any merge order
//   - Histogram: exact counts in fixed bins; the same under any partitioning and order
//   - ExpHistogram: counts in exponential buckets of the distance from a center; the
//     same under any partitioning and order, quantiles within 1.1 % of that distance
//   - Quantiles: a t-digest; a rank error of 0.5 % in the middle, less at the tails
//   - Distinct: exact to 64, then HyperLogLog with a standard error of 1.6 %
//   - TopK: frequent keys, each count within total/(k+1)
//
// Each has a versioned binary form that can be stored and is refused when damaged.
// Values are finite: callers keep NaN and infinities out. Nothing here is safe for
// concurrent use; nothing reads a clock, and hashes are unseeded, so that the
// same operations give the same bytes in every run. Methods that take a pointer to
// another sketch leave that one unchanged and share no memory with it.
package sketch
