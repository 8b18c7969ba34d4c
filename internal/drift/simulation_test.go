package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
)

// process makes the values of a feature, one after the other, in event time.
type process interface {
	// next returns the value of the next event, which comes dt usual distances later.
	next(rng *rand.Rand, dt float64) float64
}

type processFunc func(rng *rand.Rand, dt float64) float64

func (f processFunc) next(rng *rand.Rand, dt float64) float64 { return f(rng, dt) }

// autoregressive is a Gaussian process whose values a usual distance apart have the correlation phi.
func autoregressive(phi float64) process {
	x := 0.0
	return processFunc(func(rng *rand.Rand, dt float64) float64 {
		r := math.Pow(phi, dt)
		x = r*x + math.Sqrt(1-r*r)*rng.NormFloat64()
		return x
	})
}

// cyclic moves with the hour and the day of the week; a window of so many usual distances is an hour.
func cyclic(hour, daily, weekly float64) process {
	t := 0.0
	return processFunc(func(rng *rand.Rand, dt float64) float64 {
		t += dt / hour
		return daily*math.Sin(2*math.Pi*t/24) + weekly*math.Sin(2*math.Pi*t/168) + rng.NormFloat64()
	})
}

func independentOf(next func(rng *rand.Rand) float64) process {
	return processFunc(func(rng *rand.Rand, _ float64) float64 { return next(rng) })
}

// binning cuts values as a profile does: up to 60 fine bins by quantiles, in ten deciles.
type binning struct {
	edges  []float64
	decile []bool
	center float64
	stddev float64
}

func binningOf(xs []float64) binning {
	xs = slices.Clone(xs)
	slices.Sort(xs)
	var b binning
	for i := 1; i < 60; i++ {
		e := xs[(i*len(xs)+59)/60-1]
		if n := len(b.edges); n > 0 && b.edges[n-1] == e {
			b.decile[n-1] = b.decile[n-1] || i%6 == 0
			continue
		}
		b.edges, b.decile = append(b.edges, e), append(b.decile, i%6 == 0)
	}
	b.center = xs[len(xs)/2]
	sum, squares := 0.0, 0.0
	for _, x := range xs {
		sum += x
		squares += x * x
	}
	n := float64(len(xs))
	b.stddev = math.Sqrt((squares - sum*sum/n) / (n - 1))
	return b
}

func (b *binning) sample(xs []float64) Sample {
	e := sketch.NewExpHistogram(b.center)
	e.AddAll(xs)
	s := Sample{Fine: make([]uint64, len(b.edges)+1), Exp: &e, StdDev: b.stddev}
	for _, x := range xs {
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

func (b *binning) add(a, s *Sample) Sample {
	out := Sample{Bins: slices.Clone(a.Bins), Fine: slices.Clone(a.Fine), StdDev: b.stddev}
	for i := range out.Bins {
		out.Bins[i] += s.Bins[i]
	}
	for i := range out.Fine {
		out.Fine[i] += s.Fine[i]
	}
	e := a.Exp.Clone()
	if err := e.Merge(s.Exp); err != nil {
		panic(err)
	}
	out.Exp = &e
	return out
}

func draw(p process, rng *rand.Rand, n int, dt float64) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = p.next(rng, dt)
	}
	return xs
}

// reference draws k windows of n values, and calibrates with windows that overlap by half.
func calibratedReference(p process, rng *rand.Rand, n, k int) (Sample, binning) {
	halves := make([][]float64, 2*k)
	var all []float64
	for i := range halves {
		halves[i] = draw(p, rng, n/2, 1)
		all = append(all, halves[i]...)
	}
	b := binningOf(all)
	ref := b.sample(all)
	c := NewCalibrator(ref, float64(n))
	before := b.sample(halves[0])
	for _, h := range halves[1:] {
		s := b.sample(h)
		c.Add(b.add(&before, &s))
		before = s
	}
	ref.Calibration = c.Calibration(1, k)
	return ref, b
}

func TestSimulation(t *testing.T) {
	if os.Getenv("SIM") == "" {
		t.Skip()
	}
	n, refs, per := 1000, 20, 200
	for _, pr := range []struct {
		name string
		k    int
		f    func() process
	}{
		{"independent", 50, func() process { return independentOf((*rand.Rand).NormFloat64) }},
		{"independent", 20, func() process { return independentOf((*rand.Rand).NormFloat64) }},
		{"heavy", 50, func() process {
			return independentOf(func(r *rand.Rand) float64 { return r.NormFloat64() / math.Sqrt(r.ExpFloat64()) })
		}},
		{"integers", 50, func() process {
			return independentOf(func(r *rand.Rand) float64 { return math.Floor(3 * r.ExpFloat64()) })
		}},
		{"zero inflated", 50, func() process {
			return independentOf(func(r *rand.Rand) float64 {
				if r.IntN(10) < 8 {
					return 0
				}
				return math.Exp(r.NormFloat64())
			})
		}},
		{"ar .5", 50, func() process { return autoregressive(.5) }},
		{"ar .9", 50, func() process { return autoregressive(.9) }},
		{"ar .99", 50, func() process { return autoregressive(.99) }},
		{"ar .99", 200, func() process { return autoregressive(.99) }},
		{"daily", 336, func() process { return cyclic(1000, 1, .5) }},
		{"daily weak", 336, func() process { return cyclic(1000, .1, 0.1) }},
	} {
		for _, scale := range []float64{0.1, 1, 10} {
			rng := rand.New(rand.NewPCG(1, 2))
			hits := map[string]*[2]int{}
			total := 0
			for range refs {
				p := pr.f()
				ref, b := calibratedReference(p, rng, n, pr.k)
				for range per {
					cur := b.sample(draw(p, rng, int(float64(n)*scale), 1/scale))
					total++
					for _, m := range Assess(ref, cur, Options{}).shown {
						h := hits[m.statistic.Short]
						if h == nil {
							h = new([2]int)
							hits[m.statistic.Short] = h
						}
						if m.pvalue < .01 {
							h[0]++
						}
						if m.pvalue < .001 {
							h[1]++
						}
					}
				}
			}
			line := fmt.Sprintf("%-14s k=%3d n=%6.0f", pr.name, pr.k, float64(n)*scale)
			for _, s := range Catalogue {
				if h := hits[s.Short]; h != nil {
					line += fmt.Sprintf("  %s %.2f %.2f", s.Short, 100*float64(h[0])/float64(total), 100*float64(h[1])/float64(total))
				}
			}
			fmt.Println(line)
		}
	}
}
