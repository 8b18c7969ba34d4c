package eval

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"github.com/streammon/streammon/internal/sketch"
)

// regressionVersion is the first byte of the binary form.
const regressionVersion = 1

// errParts is a binary form of which each part could be, but not together.
var errParts = errors.New("parts that do not belong together")

// regression is what was counted of numbers that were predicted, with errors e = prediction − truth.
// A pair takes part if both are finite and e is.
//
// Errors above and below the truth are kept apart, which gives all that is linear in them without
// cancellation: |e| = over + under, e = over − under, and the pinball loss a·under + (1−a)·over at any level a. As one of
// them is 0, their covariance is −mean(over)·mean(under), and so all of these have a standard error.
type regression struct {
	over, under sketch.Moments // of max(e, 0) and max(−e, 0)
	squared     sketch.Moments // of e²; one that overflows is missing
	target      sketch.Moments // of the truth
	size        sketch.Moments // of |truth|
	relative    sketch.Moments // of |e|/|truth|; targets that are 0, or so near that this overflows, are missing
	symmetric   sketch.Moments // of 2|e|/(|truth| + |prediction|), 0/0 being 0
	logs        sketch.Moments // of the squared difference of ln(1 + x); empty if negative > 0
	negative    uint64         // pairs with a truth or prediction below 0
	absolute    sketch.ExpHistogram
	width       sketch.Moments // of intervals
	covered     uint64         // intervals that hold the truth
}

func newRegression(*Spec) *regression {
	return &regression{absolute: sketch.NewExpHistogram(0)}
}

func (r *regression) count() uint64 { return r.over.Count }

// Sums returns the sum of absolute errors and that of squared ones.
func (r *regression) Sums() (abs, squared float64) {
	return (r.over.Mean + r.under.Mean) * float64(r.over.Count), r.squared.Mean * float64(r.squared.Count)
}

func (r *regression) add(p *Prediction, l *Label) {
	x, y := p.Value, l.Value
	e := x - y
	if !defined(x) || !defined(y) || !defined(e) {
		return
	}
	abs := math.Abs(e)
	observe(&r.over, max(e, 0))
	observe(&r.under, max(-e, 0))
	if s := e * e; defined(s) {
		observe(&r.squared, s)
	}
	observe(&r.target, y)
	observe(&r.size, math.Abs(y))
	if q := abs / math.Abs(y); defined(q) {
		observe(&r.relative, q)
	}
	observe(&r.symmetric, symmetricError(x, y, abs))
	r.addLogs(x, y, abs)
	r.absolute.Add(abs)
	if w := p.Upper - p.Lower; defined(w) {
		observe(&r.width, max(w, 0))
		if p.Lower <= y && y <= p.Upper {
			r.covered++
		}
	}
}

// symmetricError returns 2·abs/(|x| + |y|).
func symmetricError(x, y, abs float64) float64 {
	if abs == 0 {
		return 0
	}
	sum := math.Abs(x) + math.Abs(y)
	if math.IsInf(sum, 1) {
		return abs / (math.Abs(x)/2 + math.Abs(y)/2)
	}
	return 2 * (abs / sum)
}

// addLogs adds the squared difference of ln(1+x) and ln(1+y), taken as one logarithm of their quotient so that
// nothing cancels.
func (r *regression) addLogs(x, y, abs float64) {
	if x < 0 || y < 0 {
		r.negative++
		r.logs.Reset()
	}
	if r.negative == 0 {
		d := math.Log1p(abs / (1 + min(x, y)))
		observe(&r.logs, d*d)
	}
}

// moments are all Moments, in the order of the binary form.
func (r *regression) moments() [9]*sketch.Moments {
	return [...]*sketch.Moments{&r.over, &r.under, &r.squared, &r.target, &r.size, &r.relative, &r.symmetric, &r.logs, &r.width}
}

func (r *regression) merge(o *regression) {
	from := o.moments()
	for i, m := range r.moments() {
		m.Merge(from[i])
	}
	if r.negative += o.negative; r.negative > 0 {
		r.logs.Reset()
	}
	_ = r.absolute.Merge(&o.absolute) // all have one center
	r.covered += o.covered
}

func (r *regression) clone() *regression {
	c := *r
	c.absolute = r.absolute.Clone()
	return &c
}

// bytes returns about the memory in use.
func (r *regression) bytes() int { return 9*56 + 160 + r.absolute.Bytes() }

func (r *regression) appendBinary(b []byte) []byte {
	b = append(b, regressionVersion)
	for _, m := range r.moments() {
		b = m.AppendBinary(b)
	}
	b = binary.AppendUvarint(b, r.negative)
	b = binary.AppendUvarint(b, r.covered)
	return r.absolute.AppendBinary(b)
}

// readBinary replaces r; where d fails, nothing of r is of use.
func (r *regression) readBinary(d *sketch.Decoder) {
	d.Begin(regressionVersion)
	*r = regression{}
	for _, m := range r.moments() {
		d.Read(m)
	}
	r.negative, r.covered = d.Count(), d.Count()
	d.Read(&r.absolute)
	if d.Err() == nil && !r.valid() {
		d.Fail(errParts)
	}
}

// valid reports whether the parts can be of the same pairs.
func (r *regression) valid() bool {
	n := r.count()
	logs := n
	if r.negative > 0 {
		logs = 0
	}
	for _, m := range r.moments() {
		if m.Count > n || m != &r.target && m.Count > 0 && m.Min < 0 {
			return false
		}
	}
	return r.under.Count == n && r.target.Count == n && r.size.Count == n && r.symmetric.Count == n &&
		r.logs.Count == logs && r.negative <= n && r.covered <= r.width.Count &&
		r.absolute.Count() == n && r.absolute.Center() == 0
}

func (r *regression) figures(s *Spec, dst []Figure) []Figure {
	n := float64(r.count())
	if n == 0 {
		return dst
	}
	out := sheet{dst}
	root := math.Sqrt(n)
	up, down := r.over.Variance(), r.under.Variance()
	shared := 2 * r.over.Mean * r.under.Mean * (n / (n - 1)) // twice the covariance, with its sign turned
	mse, mseErr := meanOf(&r.squared)
	if r.squared.Count < r.count() {
		mse = math.NaN()
	}
	out.exact("mae", r.over.Mean+r.under.Mean, math.Sqrt(max(up+down-shared, 0))/root)
	out.exact("mse", mse, mseErr)
	out.exact("rmse", math.Sqrt(mse), mseErr/(2*math.Sqrt(mse))) // delta method
	out.exact("mean_error", r.over.Mean-r.under.Mean, math.Sqrt(up+down+shared)/root)
	out.exact("max_error", r.largest(), math.NaN())
	out.add(r.quantile("median_absolute_error", 0.5))
	p90 := r.quantile("absolute_error_quantile", 0.9)
	p90.Label, p90.At = "q", "0.9"
	out.add(p90)
	mape, mapeErr := meanOf(&r.relative)
	out.exact("mape", mape, mapeErr)
	out.exact("mape_excluded_targets", n-float64(r.relative.Count), math.NaN())
	smape, smapeErr := meanOf(&r.symmetric)
	out.exact("smape", smape, smapeErr)
	out.exact("wape", (r.over.Mean+r.under.Mean)/r.size.Mean, math.NaN())
	msle, msleErr := meanOf(&r.logs)
	out.exact("rmsle", math.Sqrt(msle), msleErr/(2*math.Sqrt(msle)))
	if r.target.Min < r.target.Max {
		out.exact("r2", 1-mse*(n/r.target.M2), math.NaN())
		errors := r.over.M2 + r.under.M2 + 2*n*r.over.Mean*r.under.Mean
		out.exact("explained_variance", 1-errors/r.target.M2, math.NaN())
	}
	for _, a := range s.Levels {
		variance := a*a*down + (1-a)*(1-a)*up - a*(1-a)*shared
		out.labelled("pinball_loss", "level", decimal(a), a*r.under.Mean+(1-a)*r.over.Mean, math.Sqrt(max(variance, 0))/root)
	}
	if k := float64(r.width.Count); k > 0 {
		share := float64(r.covered) / k
		out.exact("interval_coverage", share, math.Sqrt(share*(1-share)/k))
		width, widthErr := meanOf(&r.width)
		out.exact("interval_width", width, widthErr)
	}
	return out.figures
}

// largest returns the largest |e|.
func (r *regression) largest() float64 { return max(r.over.Max, r.under.Max) }

// quantile returns the quantile q of |e|, between the two nearest values in proportion (so that 0.5 is the usual median). Its
// standard error is half the distance of the quantiles a standard error of the rank below and above (Woodruff, "Confidence
// intervals for medians and other position measures", 1952), or what the buckets leave open if that is more.
func (r *regression) quantile(name string, q float64) Figure {
	f := Figure{Name: name, StdErr: math.NaN()}
	f.Low, f.Value, f.High = r.span(q)
	step := math.Sqrt(q * (1 - q) / float64(r.count()))
	if q-step >= 0 && q+step <= 1 {
		_, below, _ := r.span(q - step)
		_, above, _ := r.span(q + step)
		f.StdErr = max((above-below)/2, (f.High-f.Low)/2)
	}
	return f
}

// span returns the quantile q of |e| with the least and the largest that it can be.
func (r *regression) span(q float64) (low, value, high float64) {
	largest := r.largest()
	whole, part := math.Modf(q * float64(r.count()-1))
	first := uint64(whole)
	second := min(first+1, r.count()-1)
	seen := uint64(0)
	r.absolute.Each(func(lower, upper float64, c uint64) {
		if lower == upper { // what is below 511 buckets from the top counts as 0
			upper = largest * math.Exp2(-511./32)
		}
		upper = min(upper, largest)
		middle := lower + (upper-lower)/2
		if lower == 0 {
			middle = 0
		}
		for _, v := range [...]struct {
			rank   uint64
			weight float64
		}{{first, 1 - part}, {second, part}} {
			if seen <= v.rank && v.rank < seen+c {
				low, value, high = low+v.weight*lower, value+v.weight*middle, high+v.weight*upper
			}
		}
		seen += c
	})
	return low, value, high
}

// decimal returns x as it is shown in labels.
func decimal(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
