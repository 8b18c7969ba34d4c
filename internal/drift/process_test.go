package drift

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/streammon/streammon/internal/sketch"
)

// process makes the values of a feature, one after the other, in event time. The next event comes dt usual distances
// later; NaN is a missing value.
type process func(rng *rand.Rand, dt float64) float64

func (p process) draw(rng *rand.Rand, n int, dt float64) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = p(rng, dt)
	}
	return xs
}

// independentOf makes independent values.
func independentOf(next func(rng *rand.Rand) float64) process {
	return func(rng *rand.Rand, _ float64) float64 { return next(rng) }
}

// autoregressive is a Gaussian process in continuous time (Ornstein and Uhlenbeck) whose values a usual distance apart
// have the correlation phi.
func autoregressive(phi float64) process {
	x, last, r, s := math.NaN(), 0.0, 0.0, 0.0
	return func(rng *rand.Rand, dt float64) float64 {
		if dt != last {
			last, r = dt, math.Pow(phi, dt)
			s = math.Sqrt(1 - r*r)
		}
		if x != x {
			x = rng.NormFloat64()
			return x
		}
		x = r*x + s*rng.NormFloat64()
		return x
	}
}

// cycle is the state of the day and of the week, the usual distance being a part of an hour.
type cycle struct{ daily, weekly, perHour float64 }

func (c cycle) at(t float64) float64 {
	t /= c.perHour
	return c.daily*math.Sin(2*math.Pi*t/24) + c.weekly*math.Sin(2*math.Pi*t/168)
}

// cyclic moves with the hour and the day of the week, and so does the share of values that are missing.
func cyclic(c cycle) process {
	t := 0.0
	return func(rng *rand.Rand, dt float64) float64 {
		t += dt
		x := c.at(t)
		if rng.Float64() < 0.05*(1+0.5*x) {
			return math.NaN()
		}
		return x + rng.NormFloat64()
	}
}

// missing loses the values of p at which those of lost, which is standard normal, are high: a share of 0.05.
func (p process) missing(lost process) process {
	return func(rng *rand.Rand, dt float64) float64 {
		x := p(rng, dt)
		if lost(rng, dt) > 1.645 {
			return math.NaN()
		}
		return x
	}
}

// layout counts values as the profile of a reference does.
type layout interface {
	sample(xs []float64) Sample
}

// numericLayout has up to 60 fine bins by quantiles, in ten deciles.
type numericLayout struct {
	edges  []float64
	decile []bool
	center float64
	stddev float64
}

func numericLayoutOf(xs []float64) layout {
	xs = valid(xs)
	slices.Sort(xs)
	var b numericLayout
	for i := 1; i < 60; i++ {
		e := xs[(i*len(xs)+59)/60-1]
		if n := len(b.edges); n > 0 && b.edges[n-1] == e {
			b.decile[n-1] = b.decile[n-1] || i%6 == 0
			continue
		}
		b.edges, b.decile = append(b.edges, e), append(b.decile, i%6 == 0)
	}
	b.center = xs[len(xs)/2]
	_, b.stddev = meanDev(xs)
	return &b
}

// valid returns the values that are not missing.
func valid(xs []float64) []float64 {
	out := make([]float64, 0, len(xs))
	for _, x := range xs {
		if x == x {
			out = append(out, x)
		}
	}
	return out
}

// meanDev returns mean and sample standard deviation.
func meanDev(xs []float64) (mean, dev float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		dev += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(dev / float64(len(xs)-1))
}

func (b *numericLayout) sample(xs []float64) Sample {
	there := valid(xs)
	e := sketch.NewExpHistogram(b.center)
	e.AddAll(there)
	s := Sample{Fine: make([]uint64, len(b.edges)+1), Exp: &e, StdDev: b.stddev, Absent: uint64(len(xs) - len(there))}
	for _, x := range there {
		i, _ := slices.BinarySearch(b.edges, x)
		s.Fine[i]++
	}
	var sum uint64
	for i, n := range s.Fine {
		sum += n
		if i == len(b.decile) || b.decile[i] {
			s.Bins, sum = append(s.Bins, sum), 0
		}
	}
	return s
}

// categories has a bin for each value that the reference has, and one for those it does not know.
type categories map[float64]int

// categoriesOf has them in byte order, as a reference does: not in the order in which they come.
func categoriesOf(xs []float64) layout {
	c := categories{}
	for _, x := range valid(xs) {
		c[x] = 0
	}
	names := slices.SortedFunc(maps.Keys(c), func(a, b float64) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for i, x := range names {
		c[x] = i
	}
	return c
}

func (c categories) sample(xs []float64) Sample {
	s := Sample{Bins: make([]uint64, len(c)+1)}
	for _, x := range xs {
		switch i, ok := c[x]; {
		case ok:
			s.Bins[i]++
		case x != x:
			s.Absent++
		default:
			s.Bins[len(c)]++
		}
	}
	return s
}

// joinedSample returns the two samples of the same layout as one.
func joinedSample(a, b *Sample) Sample {
	out := Sample{Bins: slices.Clone(a.Bins), Fine: slices.Clone(a.Fine), StdDev: a.StdDev, Absent: a.Absent + b.Absent}
	for i := range out.Bins {
		out.Bins[i] += b.Bins[i]
	}
	for i := range out.Fine {
		out.Fine[i] += b.Fine[i]
	}
	if a.Exp != nil {
		e := a.Exp.Clone()
		if err := e.Merge(b.Exp); err != nil {
			panic(err)
		}
		out.Exp = &e
	}
	return out
}

// scenario is a stream while nothing changes.
type scenario struct {
	name    string
	n, k    int // usual values in a window, windows in a reference
	start   func() process
	layout  func([]float64) layout // numericLayoutOf if nil
	traffic func(window int) float64
	limit   float64 // of the rate at 1 %, in %
	scales  []float64
}

// amount returns the number of values of half a window, and their distance.
func (s *scenario) amount(window int, scale float64) (half int, dt float64) {
	if s.traffic != nil {
		scale *= s.traffic(window)
	}
	half = max(1, int(float64(s.n)*scale/2+0.5))
	return half, float64(s.n) / 2 / float64(half)
}

// reference is a reference of a scenario, the layout it gave, its values, and the stream that goes on.
type reference struct {
	*scenario
	Sample
	layout
	stream process
	values []float64
	window int
	rng    *rand.Rand
}

// reference draws k windows, and calibrates with windows that overlap by half.
func (s *scenario) reference(seed, number uint64) *reference {
	r := &reference{scenario: s, rng: rand.New(rand.NewPCG(seed, number)), stream: s.start()}
	halves := make([][]float64, 2*s.k)
	for i := range halves {
		n, dt := s.amount(i/2, 1)
		halves[i] = r.stream.draw(r.rng, n, dt)
		r.values = append(r.values, halves[i]...)
	}
	r.window = s.k
	of := s.layout
	if of == nil {
		of = numericLayoutOf
	}
	r.layout = of(r.values)
	r.Sample = r.sample(r.values)
	c := NewCalibrator(r.Sample, float64(s.n))
	before := r.sample(halves[0])
	for _, h := range halves[1:] {
		half := r.sample(h)
		c.Add(joinedSample(&before, &half))
		before = half
	}
	r.Calibration = c.Calibration(1, s.k)
	return r
}

// next returns the values of the next window.
func (r *reference) next(scale float64) []float64 {
	half, dt := r.amount(r.window, scale)
	r.window++
	return r.stream.draw(r.rng, 2*half, dt)
}
