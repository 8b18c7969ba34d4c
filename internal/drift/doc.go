// Package drift compares a window with a reference: statistics, their
// distributions while nothing changes, and the verdict.
//
// A statistic sees two Samples, never raw values. All but two compare the counts of
// one set of bins; KS compares cumulated counts at the edges of the fine bins;
// Wasserstein the area between two distribution functions. The conventions:
//
//   - p are the shares of the reference, q those of the window; bins empty on both
//     sides are dropped, and B is the number left.
//   - PSI and KL add half a count to each bin of each side (Krichevsky-Trofimov), so
//     that an empty bin is finite; they use the natural logarithm. The others
//     do not smooth.
//   - Undefined is NaN, never 0: a side without values, two sides with different
//     numbers of bins, chi-square of a single bin, Wasserstein of a constant
//     reference. Every other value is finite.
//
// The null hypothesis knows both sample sizes. With a Calibration it knows how the reference's own windows
// vary, too, and how well the reference knows that: statistics that are quadratic forms in the bins' shares, or
// roots of such, are a mean times an F variable. Without one all values are independent, which
// those of a real stream are not: the p-values are then too small.
//
// Bins in which fewer than five values are expected are tested together, at most a hundred of the largest apart, and values
// that the reference does not know are tested apart, as a share; the value of the statistic is over all bins.
//
// How far the p-values of independent values hold, by simulation: with
// at least 20 expected values a bin in the window, 5 % of the p-values of every
// statistic are below 0.05, but for PSI and KL, which half a count a bin makes smaller (4 %
// and 3 % at 20 values a bin). With fewer values PSI and KL become ever more
// cautious, JS and Hellinger ever less so, while
// chi-square, total variation and KS hold. The p-value of Wasserstein is too small for tails
// heavier than those of a log-normal feature with sigma 1.
//
// Bins are right-closed, so a reference that is constant has the bins (-Inf, c] and
// (c, +Inf), and values that move below c are invisible to all statistics over
// bins. They are counted as out of range, which is not this package's business.
//
// The package holds no state: equal samples give equal outcomes, in any order and
// by any goroutine.
package drift
