package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// methods are the ways to raise an alarm that are compared: this package's, and those of textbooks and other tools.
var methods = []string{"streammon, drift", "streammon, floor off", "PSI over 0.2", "Kolmogorov-Smirnov at 5 %", "mean ± 3 σ of chunks"}

// chunked is a reference as the other methods see it.
type chunked struct {
	*reference
	sorted    []float64
	mean, dev float64 // of the means of its windows
}

func newChunked(s *scenario, number uint64) *chunked {
	c := &chunked{reference: s.reference(verdictSeed, number)}
	c.sorted = valid(c.values)
	slices.Sort(c.sorted)
	var means []float64
	for xs := range slices.Chunk(c.values, s.n) {
		m, _ := meanDev(valid(xs))
		means = append(means, m)
	}
	c.mean, c.dev = meanDev(means)
	return c
}

// alarms tells which of the methods raise one over a window.
func (c *chunked) alarms(xs []float64) []bool {
	cur, there := c.sample(xs), valid(xs)
	a := Assess(c.Sample, cur, Options{Statistics: []string{"psi"}})
	_, state := a.Judge(nil, 0.01)
	psi := 0.0
	for i, r := range c.Sample.Bins {
		p, q := (float64(r)+0.5)/float64(len(c.sorted)+5), (float64(cur.Bins[i])+0.5)/float64(len(there)+5)
		psi += (q - p) * math.Log(q/p)
	}
	mean, _ := meanDev(there)
	return []bool{state == Drift, a.PValue() <= 0.01, psi > 0.2, kolmogorovP(c.sorted, there) <= 0.05, math.Abs(mean-c.mean) > 3*c.dev}
}

// shifts are what happens to values, in units of the standard deviation of the reference.
var shifts = []struct {
	name string
	to   func(x, mean, dev float64, rng *rand.Rand) float64
}{
	{"nothing (false alarms)", func(x, _, _ float64, _ *rand.Rand) float64 { return x }},
	{"mean + 0.25 σ", func(x, _, dev float64, _ *rand.Rand) float64 { return x + dev/4 }},
	{"mean + 0.5 σ", func(x, _, dev float64, _ *rand.Rand) float64 { return x + dev/2 }},
	{"mean + 1 σ", func(x, _, dev float64, _ *rand.Rand) float64 { return x + dev }},
	{"scale × 1.5", func(x, mean, _ float64, _ *rand.Rand) float64 { return mean + 1.5*(x-mean) }},
	{"5 to 24 % missing", func(x, _, _ float64, rng *rand.Rand) float64 {
		if rng.Float64() < 0.2 {
			return math.NaN()
		}
		return x
	}},
}

// TestVerdictsCompared sets the verdict beside simpler rules: on the same windows, how often each alarms while nothing changes, and
// how often it finds a change.
func TestVerdictsCompared(t *testing.T) {
	printHead("Windows of 1,000 values with an alarm, in %", append([]string{"stream", "what changes"}, methods...)...)
	refs, per := 2, 20
	if longVerdicts {
		refs, per = 25, 60
	}
	for _, s := range []scenario{
		{name: "independent", n: 1000, k: 50, start: independentStream((*rand.Rand).NormFloat64)},
		{name: "AR(1) 0.9", n: 1000, k: 50, start: arStream(0.9)},
		{name: "daily and weekly", n: 1000, k: 336, start: cyclicStream(1, 0.5)},
	} {
		t.Run(s.name, func(t *testing.T) {
			hits := make([][]int, len(shifts))
			for i := range hits {
				hits[i] = make([]int, len(methods))
			}
			for r := range refs {
				c := newChunked(&s, uint64(500+r))
				mean, dev := meanDev(c.sorted)
				for range per {
					window := c.next(1)
					for i, shift := range shifts {
						xs := slices.Clone(window)
						for j, x := range xs {
							if x == x {
								xs[j] = shift.to(x, mean, dev, c.rng)
							}
						}
						for m, alarm := range c.alarms(xs) {
							if alarm {
								hits[i][m]++
							}
						}
					}
				}
			}
			for i, shift := range shifts {
				row := []string{s.name, shift.name}
				for _, n := range hits[i] {
					row = append(row, fmt.Sprintf("%.1f", 100*float64(n)/float64(refs*per)))
				}
				printRow(row...)
			}
			if rate := least(hits[0][0], refs*per, 0.0001); rate > 0.015 {
				t.Errorf("%d of %d quiet windows have drifted", hits[0][0], refs*per)
			}
		})
	}
}
