package eval

import "math"

// confusion counts pairs by the truth and the answer.
type confusion struct {
	k     int      // classes
	cells []uint64 // [truth*k+answer]
}

// margins are the sums of a confusion.
type margins struct {
	truths, answers []uint64 // pairs by their truth, and by the answer
	hits            uint64   // of which both are the same
	n               uint64
}

func (c confusion) margins() margins {
	m := margins{truths: make([]uint64, c.k), answers: make([]uint64, c.k)}
	for truth := range c.k {
		for answer := range c.k {
			n := c.cells[truth*c.k+answer]
			m.truths[truth] += n
			m.answers[answer] += n
			m.n += n
			if truth == answer {
				m.hits += n
			}
		}
	}
	return m
}

// ratio returns a share with its binomial standard error; both NaN of nothing.
func ratio(part, whole uint64) (share, stderr float64) {
	n := float64(whole)
	share = float64(part) / n
	return share, math.Sqrt(share * (1 - share) / n)
}

// proportion is ratio as a figure.
func proportion(name string, part, whole uint64) Figure {
	value, stderr := ratio(part, whole)
	return exactly(name, value, stderr)
}

// put appends a figure if it is defined.
func put(dst []Figure, f Figure) []Figure {
	if !defined(f.Value) || !defined(f.Low) || !defined(f.High) {
		return dst
	}
	if !defined(f.StdErr) {
		f.StdErr = math.NaN()
	}
	return append(dst, f)
}

// labelled gives a figure its label.
func (f Figure) labelled(label, at string) Figure {
	f.Label, f.At = label, at
	return f
}

// delta returns the standard error, by the delta method, of a function of the shares of a multinomial sample, from
// its derivative by each: the root of (the mean of the squared derivatives - the square of their mean) / n.
func (c confusion) delta(n uint64, derivative func(truth, answer int) float64) float64 {
	var sum, squares float64
	for truth := range c.k {
		for answer := range c.k {
			cell := c.cells[truth*c.k+answer]
			if cell == 0 {
				continue
			}
			share := float64(cell) / float64(n)
			d := derivative(truth, answer)
			sum += share * d
			squares += share * d * d
		}
	}
	return math.Sqrt(max(squares-sum*sum, 0) / float64(n))
}

// same is 1 on the diagonal.
func same(truth, answer int) float64 {
	if truth == answer {
		return 1
	}
	return 0
}

// balanced returns the mean recall of the classes that have a truth, with the error of independent recalls. If truths has one class only
// of at least two that are wanted, it is undefined.
func (c confusion) balanced(m margins, wanted int) Figure {
	var sum, variance float64
	classes := 0
	for i, n := range m.truths {
		if n == 0 {
			continue
		}
		recall, stderr := ratio(c.cells[i*c.k+i], n)
		sum += recall
		variance += stderr * stderr
		classes++
	}
	if classes < wanted {
		return exactly("", math.NaN(), math.NaN())
	}
	n := float64(classes)
	return exactly("balanced_accuracy", sum/n, math.Sqrt(variance)/n)
}

// correlation returns Matthews' correlation coefficient, for more than two classes by Gorodkin, "Comparing two K-category
// assignments by a K-category correlation coefficient" (2004). NaN if all truths or all answers are one class.
func (c confusion) correlation(m margins) Figure {
	n := float64(m.n)
	truths, answers, both := 1.0, 1.0, 0.0
	for i := range c.k {
		if m.truths[i] == m.n || m.answers[i] == m.n {
			return exactly("mcc", math.NaN(), math.NaN())
		}
		t, a := float64(m.truths[i])/n, float64(m.answers[i])/n
		truths -= t * t
		answers -= a * a
		both += t * a
	}
	root := math.Sqrt(truths * answers)
	value := (float64(m.hits)/n - both) / root
	return exactly("mcc", value, c.delta(m.n, func(i, j int) float64 {
		ai, tj := float64(m.answers[i])/n, float64(m.truths[j])/n
		ti, aj := float64(m.truths[i])/n, float64(m.answers[j])/n
		return (same(i, j)-ai-tj)/root + value*(aj/answers+ti/truths)
	}))
}

// kappa returns Cohen's kappa: agreement beyond that by chance. NaN if all truths and all answers are one class.
func (c confusion) kappa(m margins) Figure {
	n := float64(m.n)
	chance := 0.0
	for i := range c.k {
		if m.truths[i] == m.n && m.answers[i] == m.n {
			return exactly("cohen_kappa", math.NaN(), math.NaN())
		}
		chance += float64(m.truths[i]) / n * (float64(m.answers[i]) / n)
	}
	wrong := 1 - float64(m.hits)/n
	value := 1 - wrong/(1-chance)
	return exactly("cohen_kappa", value, c.delta(m.n, func(i, j int) float64 {
		by := (float64(m.answers[i]) + float64(m.truths[j])) / n // of chance
		return same(i, j)/(1-chance) - wrong*by/square(1-chance)
	}))
}

// overall appends the figures of a confusion of which at least wanted classes have a truth that say all with one number.
func (c confusion) overall(m margins, wanted int, dst []Figure) []Figure {
	dst = put(dst, proportion("accuracy", m.hits, m.n))
	dst = put(dst, c.balanced(m, wanted))
	dst = put(dst, c.correlation(m))
	return put(dst, c.kappa(m))
}
