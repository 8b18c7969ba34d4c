package drift

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestWindowAgainstWindow: two windows of a stream whose shares vary from window to window differ by more than a window and a
// reference of many do; with that in mind, one in a hundred quiet pairs is significant at most.
func TestWindowAgainstWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	draw := func(n int) Sample {
		shares, sum := make([]float64, 10), 0.0
		for i := range shares {
			shares[i] = math.Exp(0.15 * r.NormFloat64())
			sum += shares[i]
		}
		s := Sample{Bins: make([]uint64, len(shares)), Fine: make([]uint64, len(shares))}
		for range n {
			x := r.Float64() * sum
			i := 0
			for ; i < len(shares)-1 && x >= shares[i]; i++ {
				x -= shares[i]
			}
			s.Bins[i]++
			s.Fine[i]++
		}
		return s
	}
	const size, windows, pairs = 1000, 200, 4000
	reference := Sample{Bins: make([]uint64, 10), Fine: make([]uint64, 10)}
	var all []Sample
	for range windows {
		s := draw(size)
		all = append(all, s)
		for i, n := range s.Bins {
			reference.Bins[i] += n
			reference.Fine[i] += n
		}
	}
	k := NewCalibrator(reference, size)
	for _, s := range all {
		k.Add(s)
	}
	calibration := k.Calibration(1, windows)
	for _, c := range []struct {
		m, n, windows int
		low, high     float64
	}{{size, size, 1, 0.001, 0.015}, {size / 4, 3 * size, 1, 0.001, 0.015}, {size, size, 0, 0.05, 1}} {
		significant := 0
		for range pairs {
			then := draw(c.m)
			then.Calibration, then.Windows = calibration, c.windows
			if Assess(then, draw(c.n), Options{Statistics: []string{"psi"}}).PValue() <= 0.01 {
				significant++
			}
		}
		if rate := float64(significant) / pairs; rate < c.low || rate > c.high {
			t.Errorf("%d against %d values, %d windows: %.4f are significant at 0.01", c.n, c.m, c.windows, rate)
		} else {
			t.Logf("%d against %d values, %d windows: %.4f", c.n, c.m, c.windows, rate)
		}
	}
}

// TestSmallReferenceWindow: there is no verdict where what a window is compared with has too few values, though all
// statistics have their values.
func TestSmallReferenceWindow(t *testing.T) {
	now := Sample{Bins: []uint64{100, 100}}
	for windows, want := range map[int]string{0: Drift, 1: ""} {
		outcomes, state := Evaluate(Sample{Bins: []uint64{40, 1}, Windows: windows}, now, Options{MinSamples: 50})
		for _, o := range outcomes {
			if math.IsNaN(o.Value) != (o.Statistic == "missing_psi") && o.Statistic != "missing_psi" || windows == 1 && !math.IsNaN(o.Threshold) {
				t.Errorf("%d windows: %+v", windows, o)
			}
		}
		if state != want {
			t.Errorf("%d windows: %q, want %q", windows, state, want)
		}
	}
}
