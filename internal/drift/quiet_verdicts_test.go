package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mathext"
)

// longVerdicts asks for the figures of docs/verdicts.md.
var longVerdicts = os.Getenv("STREAMMON_VERDICTS") == "long"

const verdictSeed = 1

// printRow prints a row of a table for docs/verdicts.md.
func printRow(cells ...string) {
	if longVerdicts {
		fmt.Println("| " + strings.Join(cells, " | ") + " |")
	}
}

func printHead(title string, cells ...string) {
	if longVerdicts {
		fmt.Printf("\n### %s\n\n", title)
	}
	printRow(cells...)
	printRow(slices.Repeat([]string{"---"}, len(cells))...)
}

// least and most are the Clopper-Pearson bounds, one-sided with the given error, of a rate by hits among n.
func least(hits, n int, err float64) float64 {
	if hits == 0 {
		return 0
	}
	return mathext.InvRegIncBeta(float64(hits), float64(n-hits+1), err)
}

func most(hits, n int, err float64) float64 {
	if hits == n {
		return 1
	}
	return mathext.InvRegIncBeta(float64(hits+1), float64(n-hits), 1-err)
}

var (
	usual     = []float64{0.1, 1, 10}
	unchanged = []float64{1}
)

func heavyTail(rng *rand.Rand) float64 { return rng.NormFloat64() / math.Sqrt(rng.ExpFloat64()) } // Student's t with 2 degrees

func integers(rng *rand.Rand) float64 { return math.Floor(3 * rng.ExpFloat64()) }

func zeroInflated(rng *rand.Rand) float64 {
	if rng.IntN(10) < 8 {
		return 0
	}
	return math.Exp(rng.NormFloat64())
}

// zipf makes the categories i = 1, 2, ... with probabilities in proportion to i^-1.8 up to a million: a reference of
// 50,000 values knows some hundreds of them, and new ones never end.
func zipf() process {
	var z *rand.Zipf
	return func(rng *rand.Rand, _ float64) float64 {
		if z == nil {
			z = rand.NewZipf(rng, 1.8, 1, 1_000_000)
		}
		return float64(z.Uint64())
	}
}

func normal() process { return independentOf((*rand.Rand).NormFloat64) }

func independentStream(next func(*rand.Rand) float64) func() process {
	return func() process { return independentOf(next).missing(normal()) }
}

func arStream(phi float64) func() process {
	return func() process { return autoregressive(phi).missing(autoregressive(phi)) }
}

func cyclicStream(daily, weekly float64) func() process {
	return func() process { return cyclic(cycle{daily, weekly, 1000}) }
}

func byDay(window int) float64 { return 1 + 0.8*math.Sin(2*math.Pi*float64(window)/24) }

// quietScenarios are the streams in which false alarms are counted. A window of the cyclic ones is an hour.
func quietScenarios() []scenario {
	independent := independentStream((*rand.Rand).NormFloat64)
	return []scenario{
		{name: "independent", n: 1000, k: 50, start: independent, scales: usual},
		{name: "independent", n: 1000, k: 20, start: independent, scales: usual},
		{name: "independent", n: 50, k: 50, start: independent, scales: []float64{1, 10}},
		{name: "independent", n: 200, k: 50, start: independent, scales: []float64{1, 10}},
		{name: "independent", n: 10_000, k: 50, start: independent, scales: unchanged},
		{name: "AR(1) 0.5", n: 1000, k: 50, start: arStream(0.5), scales: usual},
		{name: "AR(1) 0.9", n: 1000, k: 50, start: arStream(0.9), scales: usual},
		{name: "AR(1) 0.9", n: 1000, k: 20, start: arStream(0.9), scales: unchanged},
		{name: "AR(1) 0.99", n: 1000, k: 50, start: arStream(0.99), scales: usual, limit: 4},
		{name: "AR(1) 0.99", n: 1000, k: 336, start: arStream(0.99), scales: unchanged, limit: 4},
		{name: "daily and weekly", n: 1000, k: 336, start: cyclicStream(1, 0.5), scales: usual},
		{name: "daily and weekly, weak", n: 1000, k: 336, start: cyclicStream(0.1, 0.1), scales: usual},
		{name: "daily, with the traffic", n: 1000, k: 336, start: cyclicStream(1, 0.5), scales: unchanged, traffic: byDay},
		{name: "heavy tails (t, 2)", n: 1000, k: 50, start: independentStream(heavyTail), scales: usual},
		{name: "integers", n: 1000, k: 50, start: independentStream(integers), scales: usual},
		{name: "zero-inflated", n: 1000, k: 50, start: independentStream(zeroInflated), scales: usual},
		{name: "Zipf categories", n: 1000, k: 50, start: func() process { return zipf().missing(normal()) }, layout: categoriesOf, scales: usual},
		{name: "independent", n: 100_000, k: 20, start: independent, scales: unchanged},
	}
}

// quietRates is what was seen in quiet windows.
type quietRates struct {
	windows         int
	hits, rare      map[string]int     // at 1 % and 0.1 %, by statistic
	spread          map[string]float64 // sum of the squares of the references' numbers of hits
	drifts, warning int                // with the effect floors
}

const verdictName = "verdict"

// quietWindows looks at windows of many references.
func (s *scenario) quietWindows(refs, per int) []quietRates {
	out := make([]quietRates, len(s.scales))
	for i := range out {
		out[i] = quietRates{hits: map[string]int{}, rare: map[string]int{}, spread: map[string]float64{}}
	}
	for r := range refs {
		ref := s.reference(verdictSeed, uint64(r))
		for i, scale := range s.scales {
			q := &out[i]
			before := map[string]int{}
			for name, n := range q.hits {
				before[name] = n
			}
			for range per {
				q.look(ref.Sample, ref.sample(ref.next(scale)))
			}
			for name, n := range q.hits {
				d := float64(n - before[name])
				q.spread[name] += d * d
			}
		}
	}
	return out
}

func (q *quietRates) look(ref, cur Sample) {
	a := Assess(ref, cur, Options{})
	q.windows++
	note := func(name string, p float64) {
		if p <= 0.01 {
			q.hits[name]++
		}
		if p <= 0.001 {
			q.rare[name]++
		}
	}
	for _, m := range a.shown {
		note(m.statistic.Short, m.pvalue)
	}
	note(verdictName, a.PValue())
	switch _, state := a.Judge(nil, 0.01); state {
	case Drift:
		q.drifts++
	case Warning:
		q.warning++
	}
}

// standardError is that of a rate, by how the references differ.
func (q *quietRates) standardError(name string, refs int) float64 {
	n, mean := float64(refs), float64(q.hits[name])/float64(refs)
	return math.Sqrt(max(0, q.spread[name]/n-mean*mean)/(n-1)) / (float64(q.windows) / n)
}

// TestVerdictsQuiet counts significant windows while nothing changes. The long setting demands that the upper 95 %
// bound of each rate is in the limit, the short one that the rate is not surely (99.99 %) above it.
func TestVerdictsQuiet(t *testing.T) {
	names := []string{verdictName}
	for _, s := range Catalogue {
		names = append(names, s.Short)
	}
	head := append([]string{"stream", "calibrated n", "n", "k"}, names...)
	printHead("Quiet windows that are significant at 1 %, in %", append(head, "highest bound", "drift", "warning")...)
	for _, s := range quietScenarios() {
		t.Run(fmt.Sprintf("%s n=%d k=%d", s.name, s.n, s.k), func(t *testing.T) {
			if s.limit == 0 {
				s.limit = 1.5
			}
			refs, per := 4, 40
			if longVerdicts {
				refs, per = 40, 250
			} else if s.n > 1000 {
				t.Skip("costs too much")
			}
			for i, q := range s.quietWindows(refs, per) {
				n := float64(s.n) * s.scales[i]
				row := []string{s.name, fmt.Sprint(s.n), fmt.Sprint(n), fmt.Sprint(s.k)}
				highest := 0.0
				for _, name := range names {
					hits := q.hits[name]
					up := 100 * most(hits, q.windows, 0.05)
					highest = max(highest, up)
					row = append(row, fmt.Sprintf("%.2f", 100*float64(hits)/float64(q.windows)))
					if longVerdicts && up > s.limit || 100*least(hits, q.windows, 0.0001) > s.limit {
						t.Errorf("n %v: %s: %d of %d quiet windows are significant (standard error by reference %.2f %%)",
							n, name, hits, q.windows, 100*q.standardError(name, refs))
					}
				}
				share := func(n int) string { return fmt.Sprintf("%.2f", 100*float64(n)/float64(q.windows)) }
				printRow(append(row, fmt.Sprintf("%.2f", highest), share(q.drifts), share(q.warning))...)
			}
		})
	}
}
