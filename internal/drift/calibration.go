package drift

import "math"

// MinDisjoint is how many disjoint windows of a length a reference must hold for a verdict that is more than a
// warning: with fewer nobody knows how far quiet windows lie from it.
const MinDisjoint = 20

// LeastVariable is the part of the variation of independent values that windows have at least.
const LeastVariable = 0.5

// LeastExcess is how far windows of so many values may vary less than those of independent values, a dimension: below 0.
func LeastExcess(size float64) float64 { return -(1 - LeastVariable) / size }

// MinWindow is the size of the smallest window that tells something of how windows vary.
const MinWindow = 30

// Calibration says how a feature varies between windows of one length while nothing changes, as the windows of the
// reference show. Textbook p-values take values for independent; those of real services follow the hour and
// each other.
//
// With p the shares of the reference and q those of a window of n values, (q-p)/sqrt(p) has the covariance
// W/n + (1-1/n) D: W, of trace B-1, is that of independent values, and D is how the shares themselves vary between windows,
// which no traffic averages out. (For D = ρW the sum of squares is (B-1)(1 + (n-1)ρ)/n, ρ being the intraclass
// correlation, and 1 + (n-1)ρ the design effect of Kish 1965.)
type Calibration struct {
	// Length of the windows in nanoseconds.
	Length int64
	// Windows is how many were looked at, overlapping ones; Disjoint how many lie side by side.
	Windows, Disjoint int
	// Size is the harmonic mean of their numbers of values.
	Size float64
	// Bins is the number of bins that were tested at this size.
	Bins int
	// Trace and Square are the traces of D and D². Trace, and Excess, are below 0 where windows vary less than
	// independent values do, as days may whose hours differ.
	Trace, Square float64
	// Excess is, by a statistic's Short name, how much its square (for those that are roots of quadratic forms) or
	// its value lies above that of independent values on average, in units of the variance of one value.
	Excess map[string]float64
	// Degrees of freedom of Wasserstein's square at most, by its variation from window to window: tails so heavy that the
	// area under them has no variance are seen by nothing else. 0 if it did not vary.
	Degrees float64
	// Borrowed: it is used for longer windows, of which there are too few.
	Borrowed bool
}

// Sufficient reports whether there were enough windows.
func (c *Calibration) Sufficient() bool { return c.Disjoint >= MinDisjoint && !c.Borrowed }

// What is to be said of a verdict with a calibration that does not suffice.
const (
	Independent  = "independent"  // there is none: values are taken for independent
	Insufficient = "insufficient" // there were too few windows: at most a warning
)

// Caveat returns what is to be said of verdicts with it, nothing if it suffices.
func (c *Calibration) Caveat() string {
	switch {
	case c == nil:
		return Independent
	case !c.Sufficient():
		return Insufficient
	}
	return ""
}

// spread says how much more a statistic varies than with independent values.
type spread struct {
	calibrated bool
	grow       float64 // the mean of the quadratic form, 1 for independent values
	bins, free float64 // degrees of freedom of the bins: with independent values, and effectively
	nu         float64 // degrees of freedom with which the variation of one dimension is known
	most       float64 // degrees of freedom at most
	memo       *Memo
}

var independent = spread{grow: 1, bins: 1, free: 1, nu: math.Inf(1), most: math.Inf(1)}

// dof returns the effective degrees of freedom of a statistic that has so many with independent values.
func (s spread) dof(within float64) float64 {
	if s.bins > 1 && within > 1 {
		within = 1 + (within-1)*(s.free-1)/(s.bins-1)
	}
	return min(within, s.most)
}

// spread returns that of a statistic in c.
func (c *comparison) spread(statistic string) spread {
	k := c.ref.Calibration
	if k == nil || k.Disjoint < 3 {
		s := independent
		s.memo = c.memo
		return s
	}
	// More traffic than the reference had may show what it could not: variation within the windows is not
	// taken for less than it was there.
	within, windows := 1/c.m, float64(k.Disjoint)
	if c.ref.Windows > 0 {
		windows = float64(c.ref.Windows)
		within = max(within, 1/(k.Size*windows))
	}
	within += max(1/c.n, 1/k.Size)
	between := (1 - 1/c.n) * (1 + 1/windows) // of the window, and of the reference
	s := independent
	s.calibrated, s.nu, s.memo = true, k.freedom(), c.memo
	if statistic == "wasserstein" && k.Degrees > 0 {
		s.most = k.Degrees
	}
	// Of more bins each varies as much. Fewer that were put together may vary as much as all of them, if what moves them are neighbours.
	d, more, excess := float64(c.bins-1), 1.0, k.Excess[statistic]
	if k.Bins > 1 && d >= 1 {
		if more = d / float64(k.Bins-1); more < 1 && c.grouped {
			excess, more = max(excess, excess/more), 1
		}
	}
	s.grow = (within + between*excess) / c.scale
	if d > 1 && k.Bins > 1 {
		trace, square := more*k.Trace, more*more*k.Square
		t1 := d*within + between*trace
		t2 := d*within*within + 2*within*between*trace + between*between*square
		s.bins, s.free = d, max(1, min(t1*t1/t2, d))
	}
	return s
}

// freedom returns the degrees of freedom with which the windows tell the variance of one dimension: windows that overlap tell a
// little more than those side by side, since j of l steps apart they have the correlation 1-j/l.
func (c *Calibration) freedom() float64 {
	steps := float64(c.Windows) / float64(c.Disjoint)
	return float64(c.Disjoint-1) * 3 * steps * steps / (2*steps*steps + 1)
}

// Calibrator gathers the windows of a reference.
type Calibrator struct {
	ref      Sample
	size     float64 // about that of the windows
	windows  int
	inverses float64   // sum of 1/size
	outer    []float64 // sum of the outer products of (q-p)/sqrt(p), by row
	row      []float64
	sums     map[string]float64
	squares  float64 // of Wasserstein's
}

// NewCalibrator returns an empty one for windows of about the given size.
func NewCalibrator(ref Sample, size float64) *Calibrator {
	ref.Calibration = nil
	return &Calibrator{ref: ref, size: size, sums: map[string]float64{}}
}

// Add takes a window. Those with fewer than 30 values say nothing and are left out.
func (k *Calibrator) Add(window Sample) {
	c := newComparison(k.ref, window)
	if c.n < MinWindow || !c.overBins() {
		return
	}
	k.windows++
	k.inverses += 1 / c.n
	k.addOuter(c.pooled(k.size, 0, minExpected))
	for i := range Catalogue {
		s := &Catalogue[i]
		x := c
		switch s.over {
		case bins:
			x = s.tested(c, k.size, 0)
		case presence:
			continue
		}
		if !s.defined(x) {
			continue
		}
		if excess := s.excess(x); !math.IsNaN(excess) {
			k.sums[s.Short] += excess
			if s.Short == "wasserstein" {
				k.squares += excess * excess
			}
		}
	}
	k.addSquare(Missing, c.presence().missingSquare())
	if c.ref.numeric() {
		k.addSquare(shiftName, c.shiftSquare())
	}
}

// addSquare takes a square that is 1/n on average for n independent values.
func (k *Calibrator) addSquare(name string, square float64) {
	if !math.IsNaN(square) {
		k.sums[name] += square
	}
}

// excess returns the value's form over its mean with independent values, times their variance.
func (s *Statistic) excess(c *comparison) float64 {
	calibrated := independent
	calibrated.calibrated = true
	f, ok := s.null(c, calibrated).(scaledF)
	if !ok {
		return math.NaN()
	}
	v := s.value(c)
	if f.root {
		v *= v
	}
	return v / f.mean * c.scale
}

func (k *Calibrator) addOuter(c *comparison) {
	if k.outer == nil {
		k.row = make([]float64, len(c.ref.Bins))
		k.outer = make([]float64, len(k.row)*len(k.row))
	}
	for i, r := range c.ref.Bins {
		k.row[i] = 0
		if p := float64(r) / c.m; p > 0 {
			k.row[i] = (float64(c.cur.Bins[i])/c.n - p) / math.Sqrt(p)
		}
	}
	for i, x := range k.row {
		to := k.outer[i*len(k.row):][:len(k.row)]
		for j, y := range k.row {
			to[j] += x * y
		}
	}
}

// Calibration returns what the windows say, of which disjoint ones fit side by side; nil if they are
// fewer than three.
func (k *Calibrator) Calibration(length int64, disjoint int) *Calibration {
	disjoint = min(disjoint, k.windows)
	if disjoint < 3 {
		return nil
	}
	n, nu := float64(k.windows), float64(disjoint-1)
	unbiased := float64(disjoint) / nu // p is the mean of the same windows
	within := k.inverses / n
	out := &Calibration{Length: length, Windows: k.windows, Disjoint: disjoint, Size: 1 / within, Excess: map[string]float64{}}
	for _, r := range newComparison(k.ref, k.ref).pooled(k.size, 0, minExpected).ref.Bins {
		if r > 0 {
			out.Bins++
		}
	}
	// A quiet time may have been quieter than others: nothing is taken for less than half as variable as independent values.
	least := LeastExcess(out.Size)
	for s, sum := range k.sums {
		out.Excess[s] = max(least, (sum/n*unbiased-within)/(1-within))
	}
	// The tails of those that are no quadratic forms are known for what they are with independent values, at the most; and half a count makes KL
	// smaller, not its tail.
	for _, s := range [...]string{"kl", "tvd", "ks", "wasserstein"} {
		if x, ok := out.Excess[s]; ok {
			out.Excess[s] = max(0, x)
		}
	}
	if sum := k.sums["wasserstein"]; k.squares*n > sum*sum {
		out.Degrees = 2 / (k.squares*n/(sum*sum) - 1)
	}
	trace, square := 0.0, 0.0
	for i, x := range k.outer {
		x *= unbiased / n
		square += x * x
		if i%(len(k.row)+1) == 0 {
			trace += x
		}
	}
	d := float64(max(out.Bins-1, 1))
	// The square of an estimate of a covariance is too large: E tr S² = tr Σ² (1 + 1/ν) + (tr Σ)²/ν.
	square = max(nu*nu/((nu-1)*(nu+2))*(square-trace*trace/nu), trace*trace/d)
	out.Trace = max(d*least, (trace-d*within)/(1-within))
	out.Square = (square - d*within*within - 2*within*(1-within)*out.Trace) / ((1 - within) * (1 - within))
	out.Square = min(max(out.Square, out.Trace*out.Trace/d), out.Trace*out.Trace)
	return out
}
