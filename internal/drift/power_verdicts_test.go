package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mathext"
)

// The windows of the tests of power: they slide by a sixtieth of a window, as those of an hour do.
const (
	powerPane   = 20
	powerSlides = 60
	powerWindow = powerPane * powerSlides
	powerK      = 50
	powerAfter  = 2 * powerSlides // looks after a change
	blockPanes  = 5               // of a block of the permutation: a hundred values
)

// latent is a pair of processes that are standard normal, and independent of each other.
type latent struct {
	phi, s, z, lost float64
	rng             *rand.Rand
}

func newLatent(rng *rand.Rand, phi float64) *latent {
	return &latent{phi, math.Sqrt(1 - phi*phi), rng.NormFloat64(), rng.NormFloat64(), rng}
}

func (l *latent) next() {
	l.z = l.phi*l.z + l.s*l.rng.NormFloat64()
	l.lost = l.phi*l.lost + l.s*l.rng.NormFloat64()
}

// change is what happens to a feature. With size 0 nothing does.
type change struct {
	name, unit  string
	categorical bool
	test        batchTest
	independent [3]float64 // sizes
	dependent   [3]float64
	value       func(l *latent, size float64) float64
}

// own is the p-value of what of a verdict looks for the change.
func (c *change) own(a *Assessment) float64 {
	if c.name == "missing values" {
		return a.missing.pvalue
	}
	return a.values()
}

func notLost(l *latent, share, x float64) float64 {
	if l.lost > mathext.NormalQuantile(1-share) {
		return math.NaN()
	}
	return x
}

// categoryShares are those of a reference.
var categoryShares = []float64{0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.03, 0.02, 0.01}

// category is that of a latent value if the share of the fourth is more by size, at the cost of the first.
func category(z, size float64) float64 {
	u := math.Erfc(-z/math.Sqrt2) / 2
	for i, s := range categoryShares {
		switch i {
		case 0:
			s -= size
		case 3:
			s += size
		}
		if u -= s; u <= 0 {
			return float64(i)
		}
	}
	return float64(len(categoryShares) - 1)
}

var changes = []change{
	{"mean shift", "σ", false, mannWhitney, [3]float64{0.1, 0.2, 0.5}, [3]float64{0.25, 0.5, 1},
		func(l *latent, size float64) float64 { return notLost(l, 0.05, l.z+size) }},
	{"scale", "times more", false, kolmogorov, [3]float64{0.1, 0.25, 0.5}, [3]float64{0.25, 0.5, 1},
		func(l *latent, size float64) float64 { return notLost(l, 0.05, l.z*(1+size)) }},
	{"share of a category", "of all, more", true, chiSquareTest, [3]float64{0.02, 0.05, 0.1}, [3]float64{0.05, 0.1, 0.2},
		func(l *latent, size float64) float64 { return notLost(l, 0.05, category(l.z, size)) }},
	{"missing values", "of all, more", false, missingTest, [3]float64{0.015, 0.03, 0.1}, [3]float64{0.03, 0.1, 0.25},
		func(l *latent, size float64) float64 { return notLost(l, 0.05+size, l.z) }},
	{"unseen values", "of all", true, chiSquareTest, [3]float64{0.005, 0.01, 0.03}, [3]float64{0.01, 0.03, 0.1},
		func(l *latent, size float64) float64 {
			x := category(l.z, 0)
			if size > 0 && l.lost < mathext.NormalQuantile(size) {
				x = -1
			}
			return notLost(l, 0.05, x)
		}},
}

// counted is a reference as the batch tests see it.
type counted struct {
	Sample
	layout
	sorted []float64    // its values
	blocks []batchCount // side by side
	whole  batchCount   // their sum
}

// batchCount is what there is in a window for a batch test: fine bins or categories, the last one being what is missing.
type batchCount []float64

func (c batchCount) add(o batchCount, factor float64) {
	for i, x := range o {
		c[i] += factor * x
	}
}

func (c batchCount) sample(l layout) Sample {
	s := Sample{Bins: make([]uint64, 0, 11), Absent: uint64(c[len(c)-1])}
	b, numeric := l.(*numericLayout)
	sum := uint64(0)
	for i, x := range c[:len(c)-1] {
		sum += uint64(x)
		if b == nil || i == len(b.decile) || b.decile[i] {
			s.Bins, sum = append(s.Bins, sum), 0
		}
	}
	if numeric {
		s.Fine = s.Bins
	}
	return s
}

func (r *counted) pane(xs []float64) batchCount {
	var bins int
	at := func(x float64) int { return 0 }
	switch l := r.layout.(type) {
	case *numericLayout:
		bins = len(l.edges) + 1
		at = func(x float64) int { i, _ := slices.BinarySearch(l.edges, x); return i }
	case categories:
		bins = len(l) + 1
		at = func(x float64) int {
			if i, ok := l[x]; ok {
				return i
			}
			return len(l)
		}
	}
	out := make(batchCount, bins+1)
	for _, x := range xs {
		if x != x {
			out[bins]++
		} else {
			out[at(x)]++
		}
	}
	return out
}

func (c *change) draw(l *latent, n int, size float64) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		l.next()
		xs[i] = c.value(l, size)
	}
	return xs
}

// learn draws a reference, and calibrates with windows that overlap by half.
func (c *change) learn(l *latent) *counted {
	xs := c.draw(l, powerK*powerWindow, 0)
	r := &counted{sorted: valid(xs)}
	slices.Sort(r.sorted)
	if c.categorical {
		r.layout = categoriesOf(xs)
	} else {
		r.layout = numericLayoutOf(xs)
	}
	var all batchCount
	for i := 0; i < len(xs); i += powerPane * blockPanes {
		b := r.pane(xs[i:][:powerPane*blockPanes])
		if all == nil {
			all = make(batchCount, len(b))
		}
		all.add(b, 1)
		r.blocks = append(r.blocks, b)
	}
	r.Sample = all.sample(r.layout)
	k := NewCalibrator(r.Sample, powerWindow*0.95)
	const per = powerSlides / blockPanes
	for i := 0; i+per <= len(r.blocks); i += per / 2 {
		w := make(batchCount, len(all))
		for _, b := range r.blocks[i : i+per] {
			w.add(b, 1)
		}
		k.Add(w.sample(r.layout))
	}
	r.Calibration = k.Calibration(1, powerK)
	return r
}

// slidingWindow is a window of panes.
type slidingWindow struct {
	panes  []batchCount
	values [][]float64
	sum    batchCount
}

func (w *slidingWindow) push(r *counted, xs []float64) {
	p := r.pane(xs)
	if w.sum == nil {
		w.sum = make(batchCount, len(p))
	}
	w.panes, w.values = append(w.panes, p), append(w.values, xs)
	w.sum.add(p, 1)
	if len(w.panes) > powerSlides {
		w.sum.add(w.panes[0], -1)
		w.panes, w.values = w.panes[1:], w.values[1:]
	}
}

func (w *slidingWindow) all() []float64 { return valid(slices.Concat(w.values...)) }

// looks tells what is significant of a window.
type looks func(r *counted, w *slidingWindow) bool

func verdictAt(r *counted, w *slidingWindow) *Assessment {
	return Assess(r.Sample, w.sum.sample(r.layout), Options{Statistics: []string{"psi"}})
}

// finds is what was seen of a change.
type finds struct {
	trials, test, ours, drift    int // windows that are nothing but changed
	ownTest, own                 int // by what of the verdict looks for the change, and by the test as often as that is significant
	both, within                 int // trials in which both found it, and ours within two slides of the test
	testAfter, oursAfter, behind []float64
}

// try watches a change.
func (f *finds) try(c *change, r *counted, l *latent, size float64, test, ownTest looks) {
	var w slidingWindow
	for range powerSlides {
		w.push(r, c.draw(l, powerPane, 0))
	}
	never := powerAfter + 1
	testAfter, oursAfter := never, never
	for i := 1; i <= powerAfter && (i <= powerSlides || testAfter == never || oursAfter == never); i++ {
		w.push(r, c.draw(l, powerPane, size))
		if testAfter == never || i == powerSlides {
			if test(r, &w) {
				testAfter = min(testAfter, i)
				if i == powerSlides {
					f.test++
				}
			}
		}
		if i == powerSlides && ownTest(r, &w) {
			f.ownTest++
		}
		if oursAfter == never || i == powerSlides {
			a := verdictAt(r, &w)
			if a.PValue() <= 0.01 {
				oursAfter = min(oursAfter, i)
				if i == powerSlides {
					f.ours++
				}
			}
			if i == powerSlides && c.own(a) <= 0.01 {
				f.own++
			}
			if _, state := a.Judge(nil, 0.01); i == powerSlides && state == Drift {
				f.drift++
			}
		}
	}
	f.trials++
	if testAfter < never && oursAfter < never {
		f.both++
		if oursAfter <= testAfter+2 {
			f.within++
		}
		f.testAfter, f.oursAfter = append(f.testAfter, float64(testAfter)), append(f.oursAfter, float64(oursAfter))
		f.behind = append(f.behind, float64(oursAfter-testAfter))
	}
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	slices.Sort(xs)
	return xs[len(xs)/2]
}

func (f *finds) share(n int) float64 { return 100 * float64(n) / float64(f.trials) }

// TestVerdictsPower compares how often and when a change is found with a batch test: on independent streams of the raw
// values at the same nominal level of 1 %, on autoregressive ones by permutation of blocks, at the same share of quiet windows.
func TestVerdictsPower(t *testing.T) {
	printHead("Changes that are found at 1 %", "stream", "change", "size", "test", "test finds, %", "streammon, %", "loss, points", "its part, %", "loss, points", "drift (with floor), %",
		"test after slides", "streammon after slides", "later by", "within two slides, %")
	for _, phi := range []float64{0, 0.9} {
		refs, per, quiet := 2, 8, 300
		switch {
		case longVerdicts && phi == 0: // which 25 references were drawn is worth some points
			refs, per = 100, 8
		case longVerdicts:
			refs, per, quiet = 25, 16, 400
		}
		for ci := range changes {
			c := &changes[ci]
			stream, sizes, name := "independent", c.independent, c.test.name
			if phi > 0 {
				stream, sizes, name = fmt.Sprintf("AR(1) %g", phi), c.dependent, "blocks, "+c.test.name
			}
			t.Run(stream+" "+c.name, func(t *testing.T) {
				var of [3]finds
				references, streams := make([]*counted, refs), make([]*latent, refs)
				for i := range refs {
					streams[i] = newLatent(rand.New(rand.NewPCG(verdictSeed, uint64(1000*ci+i))), phi)
					references[i] = c.learn(streams[i])
				}
				tests, ownTests := make([]looks, refs), make([]looks, refs)
				for i := range tests {
					tests[i], ownTests[i] = c.test.raw, c.test.raw
				}
				if phi > 0 {
					c.permuted(tests, ownTests, references, streams, quiet)
				}
				for s, size := range sizes {
					f := &of[s]
					for i, r := range references {
						for range per {
							f.try(c, r, streams[i], size, tests[i], ownTests[i])
						}
					}
					pct := func(x float64) string { return fmt.Sprintf("%.1f", x) }
					loss := f.share(f.test) - f.share(f.ours)
					printRow(stream, c.name, fmt.Sprintf("%g %s", size, c.unit), name, pct(f.share(f.test)), pct(f.share(f.ours)), pct(loss), pct(f.share(f.own)), pct(f.share(f.ownTest)-f.share(f.own)), pct(f.share(f.drift)),
						fmt.Sprint(median(f.testAfter)), fmt.Sprint(median(f.oursAfter)), fmt.Sprint(median(f.behind)), pct(100*float64(f.within)/float64(max(f.both, 1))))
				}
				if large := &of[2]; large.share(large.ours) < 80 {
					t.Errorf("of the largest change %d of %d are found", large.ours, large.trials)
				}
			})
		}
	}
}
