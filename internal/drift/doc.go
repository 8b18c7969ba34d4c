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
// roots of such, are a mean times an F variable, with the far tail of the slowest part of the variation. Each term of such a form is known with the degrees
// of freedom of the reference's windows, a value with those of the terms that make it up. Without one all values are independent, which
// those of a real stream are not: the p-values are then too small.
//
// A verdict is three tests that share the level: of the deciding statistic; of a shift of a numeric feature's values, by the mean of their ridits, where a statistic
// over bins decides; and of how many values are missing, by the binomial distribution, or the negative binomial one where they go missing together.
// The effect is always that of a statistic: a shift makes PSI significant, and not larger.
//
// Bins in which fewer than five values are expected are tested together with others, in at most a hundred groups, and values
// that the reference does not know are tested apart, as a share; JS and Hellinger want ten. Categories that are put together are expected less often than they
// came in the reference, by what new ones will take of them. The value of the statistic is over all bins.
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
// Sequential detectors (Detectors) need no reference: each watches one figure, pane by pane,
// for a change of its mean, and tells when it began. What they have in common:
//
//   - A pane is a sum and a number of values n, as 37 errors of 512. It is the unit of time (all
//     options that count, count panes), n is its weight: work and memory do not grow with n. Panes
//     of one value make them the methods of the papers.
//   - A pane that says nothing passes, as time, and changes nothing else: without values, with a sum
//     that is NaN, infinite or beyond 1e100, and, for those of ratios only (DDM, HDDMA, HDDMW), with a sum
//     outside [0, n].
//   - A change is told in one pane. Then DDM, HDDMA, HDDMW and PageHinkley begin anew; ADWIN goes
//     on with what followed the change. ADWIN and PageHinkley have no warnings.
//   - Equal panes give equal states and forms. The binary form is refused when damaged, and by a
//     detector with other options: it has to begin anew.
//
// Hoeffding's bounds, DDM and ADWIN's second term take the values of a pane for independent. Only
// the variance of ADWIN and of PageHinkley is the one seen between panes; where errors come in bursts, those
// two keep quiet, DDM does not, and the bounds of the others mean nothing. None of them knows
// of daily cycles: to them, these are changes.
//
// EDDM (Baena-García et al., "Early drift detection method", 2006) is left out. It follows the mean and
// standard deviation of the distances between errors. A pane has lost them; the mean could be
// taken as n/sum, but the standard deviation only by assuming that errors are independent, and then it is a
// function of the mean, and EDDM a test of the ratio, as DDM is.
//
// Statistics and verdicts hold no state: equal samples give equal outcomes, in any order and
// by any goroutine.
package drift
