package eval

// measure is a figure of each class, with its derivatives by the cells of the confusion.
type measure struct {
	name string
	// of returns that of a class from the pairs with both, with the truth and with the answer; 0 where it is 0/0.
	of func(hits, truth, answer float64) float64
	// by returns the derivatives of it by hits, truth and answer; all 0 where it is 0/0.
	by func(hits, truth, answer float64) (hit, truths, answers float64)
}

// over is a/b, or 0 if b is 0.
func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// measures are those that are averaged over classes.
var measures = [...]measure{
	{"precision",
		func(hits, _, answer float64) float64 { return over(hits, answer) },
		func(hits, _, answer float64) (float64, float64, float64) {
			return over(1, answer), 0, -over(hits, answer*answer)
		}},
	{"recall",
		func(hits, truth, _ float64) float64 { return over(hits, truth) },
		func(hits, truth, _ float64) (float64, float64, float64) {
			return over(1, truth), -over(hits, truth*truth), 0
		}},
	{"f1",
		func(hits, truth, answer float64) float64 { return over(2*hits, truth+answer) },
		func(hits, truth, answer float64) (float64, float64, float64) {
			d := -over(2*hits, square(truth+answer))
			return over(2, truth+answer), d, d
		}},
}

// averages appends precision, recall and f1 as averages over classes: "macro" (each class the same), "micro" (each pair the same, which is the accuracy)
// and "weighted" (classes by their truths). A class for which one is 0/0 counts as 0; that of all others, the last after the listed ones,
// counts only if there is a pair of it. Standard errors are by the delta method.
func (c confusion) averages(m margins, listed int, dst []Figure) []Figure {
	if m.n == 0 {
		return dst
	}
	n := listed
	for i := listed; i < c.k; i++ {
		if m.truths[i]+m.answers[i] > 0 {
			n = i + 1
		}
	}
	for _, q := range measures {
		dst = put(dst, c.average(m, q, n).labelled("average", "macro"))
		dst = put(dst, proportion(q.name, m.hits, m.n).labelled("average", "micro"))
		dst = put(dst, c.average(m, q, 0).labelled("average", "weighted"))
	}
	return dst
}

// average returns the mean of a measure over classes, in shares of all pairs: over n classes that weigh the same, or for n = 0
// over all by the share of their truths.
func (c confusion) average(m margins, q measure, n int) Figure {
	total, value := float64(m.n), 0.0
	hit, truths, answers := make([]float64, c.k), make([]float64, c.k), make([]float64, c.k)
	for i := range c.k {
		hits, truth, answer := float64(c.cells[i*c.k+i])/total, float64(m.truths[i])/total, float64(m.answers[i])/total
		of := q.of(hits, truth, answer)
		weight, byTruth := truth, of // the weight's derivative is 1
		if n > 0 {
			weight, byTruth = 1/float64(n), 0
		}
		value += weight * of
		hit[i], truths[i], answers[i] = q.by(hits, truth, answer)
		hit[i], truths[i], answers[i] = weight*hit[i], weight*truths[i]+byTruth, weight*answers[i]
	}
	return exactly(q.name, value, c.delta(m.n, func(i, j int) float64 {
		return same(i, j)*hit[i] + truths[i] + answers[j]
	}))
}
