package oracle

import "math"

// compare returns the statistics over two rows of counts of the same bins.
func compare(reference, current []uint64) Statistics {
	s := undefined()
	r, c := used(reference, current)
	n, m := total(r), total(c)
	if n == 0 || m == 0 {
		return s
	}
	s.PSI, s.KL, s.JS, s.Hellinger, s.TVD = 0, 0, 0, 0, 0
	bins := float64(len(r))
	for i := range r {
		p, q := r[i]/n, c[i]/m
		smoothP, smoothQ := (r[i]+0.5)/(n+0.5*bins), (c[i]+0.5)/(m+0.5*bins)
		s.PSI += (smoothQ - smoothP) * math.Log(smoothQ/smoothP)
		s.KL += smoothQ * math.Log(smoothQ/smoothP)
		s.JS += (entropyTerm(p, (p+q)/2) + entropyTerm(q, (p+q)/2)) / 2
		s.Hellinger += square(math.Sqrt(p) - math.Sqrt(q))
		s.TVD += math.Abs(p-q) / 2
	}
	// Each of these is a sum whose true value is not negative.
	s.PSI, s.KL = max(0, s.PSI), max(0, s.KL)
	s.JS = math.Sqrt(max(0, s.JS))
	s.Hellinger = math.Sqrt(s.Hellinger / 2)
	s.ChiSquare = chiSquare(r, c)
	return s
}

// used drops the bins that are empty on both sides.
func used(reference, current []uint64) (r, c []float64) {
	for i := range reference {
		if reference[i]+current[i] > 0 {
			r, c = append(r, float64(reference[i])), append(c, float64(current[i]))
		}
	}
	return r, c
}

func total(counts []float64) (n float64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// entropyTerm returns p log2(p/q), which is 0 for p = 0.
func entropyTerm(p, q float64) float64 {
	if p == 0 {
		return 0
	}
	return p * math.Log2(p/q)
}

func square(x float64) float64 { return x * x }

// chiSquare returns Pearson's statistic of the table of both rows, undefined for
// one bin.
func chiSquare(r, c []float64) float64 {
	if len(r) < 2 {
		return math.NaN()
	}
	n, m := total(r), total(c)
	var x float64
	for i := range r {
		expectedR, expectedC := (r[i]+c[i])*n/(n+m), (r[i]+c[i])*m/(n+m)
		x += square(r[i]-expectedR)/expectedR + square(c[i]-expectedC)/expectedC
	}
	return x
}

// kolmogorovSmirnov returns the largest gap of the two distribution functions at
// the edges of the bins.
func kolmogorovSmirnov(reference, current []uint64) float64 {
	var n, m uint64
	for i := range reference {
		n, m = n+reference[i], m+current[i]
	}
	if n == 0 || m == 0 {
		return math.NaN()
	}
	var gap float64
	var below, currentBelow uint64
	for i := range reference {
		below, currentBelow = below+reference[i], currentBelow+current[i]
		gap = max(gap, math.Abs(float64(below)/float64(n)-float64(currentBelow)/float64(m)))
	}
	return gap
}

// wasserstein returns the area between the distribution functions of two rising
// samples.
func wasserstein(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return math.NaN()
	}
	var area float64
	i, k := 0, 0
	for at := min(a[0], b[0]); i < len(a) || k < len(b); {
		for i < len(a) && a[i] == at {
			i++
		}
		for k < len(b) && b[k] == at {
			k++
		}
		next := math.Inf(1)
		if i < len(a) {
			next = a[i]
		}
		if k < len(b) {
			next = min(next, b[k])
		}
		if math.IsInf(next, 1) {
			break
		}
		area += (next - at) * math.Abs(float64(i)/float64(len(a))-float64(k)/float64(len(b)))
		at = next
	}
	return area
}
