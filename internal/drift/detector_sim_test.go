package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// errorPanes draws the errors of panes of n values.
type errorPanes struct {
	n   uint64
	p   float64
	src *rand.PCG
}

func (e errorPanes) pane() float64 {
	return distuv.Binomial{N: float64(e.n), P: e.p, Src: e.src}.Rand()
}

// bursts draws panes whose ratio varies from one to the next: a beta-binomial distribution with
// the correlation rho between two values of a pane.
func (e errorPanes) bursts(rho float64) float64 {
	size := 1/rho - 1
	e.p = distuv.Beta{Alpha: e.p * size, Beta: (1 - e.p) * size, Src: e.src}.Rand()
	return e.pane()
}

// alarms counts the changes in a number of panes.
func alarms(d Detector, panes int, n uint64, draw func() float64) (count int) {
	for range panes {
		d.Update(draw(), n)
		if d.State().Level == Change {
			count++
		}
	}
	return count
}

// TestFalseAlarms prints how often each detector finds a change where there is none. All are
// held to one in 20,000 panes (more than two days of panes of 10 s). Where errors come in bursts only ADWIN and Page-Hinkley are.
func TestFalseAlarms(t *testing.T) {
	panes := 40_000
	if testing.Short() {
		panes = 20_000
	}
	for _, k := range Detectors {
		for _, p := range []float64{0.02, 0.3} {
			for _, n := range []uint64{50, 500, 5000} {
				e := errorPanes{n, p, rand.NewPCG(7, n)}
				count := alarms(k.New(Ratio), panes, n, e.pane)
				what := fmt.Sprintf("%s, ratio %v, panes of %d: %d false alarms in %d panes", k.Name, p, n, count, panes)
				t.Log(what)
				if count > panes/20_000 {
					t.Error(what)
				}
			}
		}
		e := errorPanes{500, 0.02, rand.NewPCG(8, 8)}
		count := alarms(k.New(Ratio), panes, 500, func() float64 { return e.bursts(0.01) })
		t.Logf("%s, in bursts: %d false alarms in %d panes", k.Name, count, panes)
		if k.Real && count > panes/20_000 {
			t.Errorf("%s, in bursts: %d false alarms in %d panes", k.Name, count, panes)
		}
	}
}

// TestFalseAlarmsReal has panes of 50 scores far from [0, 1], normal and log-normal.
func TestFalseAlarmsReal(t *testing.T) {
	panes := 40_000
	for _, k := range Detectors {
		if !k.Real {
			continue
		}
		rng := rand.New(rand.NewPCG(3, 3))
		for name, draw := range map[string]func() float64{
			"normal":     func() float64 { return 50 * (1e6 + 1e3*rng.NormFloat64()/math.Sqrt(50)) },
			"log-normal": func() float64 { return sumOf(50, func() float64 { return math.Exp(rng.NormFloat64()) }) },
		} {
			count := alarms(k.New(Real), panes, 50, draw)
			t.Logf("%s, %s: %d false alarms in %d panes", k.Name, name, count, panes)
			if count > panes/20_000 {
				t.Errorf("%s, %s: %d false alarms in %d panes", k.Name, name, count, panes)
			}
		}
	}
}

func sumOf(n int, draw func() float64) (s float64) {
	for range n {
		s += draw()
	}
	return s
}

// found is what becomes of changes after 1,000 panes: the panes until they are found, and by how many the
// estimate of when they began is off, both ascending; those not found in 2,000 panes have neither.
type found struct {
	delays, off []int
}

func findChanges(k DetectorKind, runs int, n uint64, from, to float64) (f found) {
	for run := range runs {
		d := k.New(Ratio)
		e := errorPanes{n, from, rand.NewPCG(9, uint64(run))}
		for range 1000 {
			d.Update(e.pane(), n)
		}
		e.p = to
		for i := range 2000 {
			d.Update(e.pane(), n)
			if s := d.State(); s.Level == Change {
				f.delays = append(f.delays, i)
				f.off = append(f.off, i-int(s.Began))
				break
			}
		}
	}
	slices.Sort(f.delays)
	slices.Sort(f.off)
	return f
}

// TestDelays prints after how many panes a ratio of 0.02 that doubles is found, and how far off the estimate of
// its begin is; the medians are held to bounds of about twice what was measured.
func TestDelays(t *testing.T) {
	runs := 100
	if testing.Short() {
		runs = 20
	}
	bounds := map[string]map[uint64]struct{ delay, off int }{
		"adwin":        {50: {60, 4}, 500: {12, 1}, 5000: {3, 1}},
		"page_hinkley": {50: {60, 4}, 500: {10, 2}, 5000: {8, 2}},
		"ddm":          {50: {170, 60}, 500: {50, 20}, 5000: {15, 6}},
		"hddm_a":       {50: {700, 12}, 500: {70, 12}, 5000: {8, 12}},
		"hddm_w":       {500: {180, 120}, 5000: {20, 15}}, // blind to such ratios in panes of 50
	}
	for _, k := range Detectors {
		for _, n := range []uint64{50, 500, 5000} {
			f := findChanges(k, runs, n, 0.02, 0.04)
			b, ok := bounds[k.Name][n]
			if !ok {
				t.Logf("%s, panes of %d: %d of %d found", k.Name, n, len(f.delays), runs)
				continue
			}
			if len(f.delays) < runs*95/100 {
				t.Errorf("%s, panes of %d: only %d of %d found", k.Name, n, len(f.delays), runs)
				continue
			}
			middle, late := len(f.delays)/2, len(f.delays)*9/10
			t.Logf("%s, panes of %d: %d of %d found; after %d panes (median), %d (90 %%); begin off by %d (10 %%), %d (median), %d (90 %%)",
				k.Name, n, len(f.delays), runs, f.delays[middle], f.delays[late], f.off[len(f.off)/10], f.off[middle], f.off[late])
			if off := f.off[middle]; f.delays[middle] > b.delay || max(off, -off) > b.off {
				t.Errorf("%s, panes of %d: %d of %d found after %d panes, begin off by %d; want %v", k.Name, n, len(f.delays), runs, f.delays[middle], off, b)
			}
		}
	}
}

// TestDelaysOfFalls has a ratio that falls from 0.3 to 0.15: all but DDM find it, and its begin.
func TestDelaysOfFalls(t *testing.T) {
	for _, k := range Detectors {
		f := findChanges(k, 20, 500, 0.3, 0.15)
		if k.Name == "ddm" {
			if len(f.delays) > 0 {
				t.Errorf("ddm: a fall is found %d times of 20", len(f.delays))
			}
			continue
		}
		if len(f.delays) < 20 || f.delays[10] > 10 || max(f.off[10], -f.off[10]) > 5 {
			t.Errorf("%s: found %d times of 20, after %v panes, begin off by %v", k.Name, len(f.delays), f.delays, f.off)
		}
	}
}
