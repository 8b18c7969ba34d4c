// Package eval says how good a model's answers were, and how good they probably were while
// their labels have not come.
//
// A Tally takes pairs of an answer and its true label, and merges with others of the same Spec in
// any grouping: counts are exact, sums to rounding, and what comes from a sketch carries its bound. It does not
// know where pairs come from (package join), nor to which window they belong (package monitor).
//
// A figure that is not defined (0/0, one class only, no pair at all) is left out, never 0.
package eval

import "math"

// Task is what a model does.
type Task uint8

// The tasks.
const (
	None Task = iota
	Binary
	Multiclass
	Regression
	Ranking
)

// Spec says what is counted of a model's pairs. Tallies of one Spec merge.
type Spec struct {
	Task Task
	// Classes are the names of the classes of Multiclass, in order. Whatever is not among them is class
	// len(Classes), which is shown as event.Other.
	Classes []string
	// Positive is the label of the positive class of Binary. Here it only tells what was counted by another one.
	Positive string
	// Threshold of the scores of Binary above or at which the answer is taken for positive, besides the service's own
	// decision; NaN: none.
	Threshold float64
	// Beta weighs recall against precision in the F-measure; 0 means 1.
	Beta float64
	// Cost of an answer by [truth][answer], 0 is negative and 1 positive; nil: none.
	Cost *[2][2]float64
	// K are the cut-offs of rankings, and of top-k accuracy, rising.
	K []int
	// Levels are the quantile levels of the pinball loss of Regression, each between 0 and 1.
	Levels []float64
	// Catalog is the number of items that there are to recommend; 0: unknown.
	Catalog int
}

// Prediction is a model's answer, as far as it matters here.
type Prediction struct {
	// Score is the probability of the positive class (Binary), or of the answered one; NaN: none was given.
	Score float64
	// Class is the service's own decision: 0 negative, 1 positive, or an index in Spec.Classes; -1: none was given.
	Class int
	// Probabilities of Spec.Classes, and of all others together, in this order; nil: none were given.
	Probabilities []float64
	// Value with the bounds of its interval; NaN where there is none.
	Value, Lower, Upper float64
	// Items are hashes of the recommended items, the best first.
	Items []uint64
}

// Label is the truth about an answer.
type Label struct {
	// Class as in Prediction; never -1.
	Class int
	Value float64
	// Items are hashes of the relevant items, each once, with how relevant they are (nil: each 1).
	Items     []uint64
	Relevance []float64
}

// Figure is one performance figure.
type Figure struct {
	// Name is the metric's without "streammon_".
	Name string
	// Label and At name one of several figures of this name, as in ndcg{k="10"}; empty: there is one.
	Label, At string
	// Value is finite.
	Value float64
	// StdErr is the standard error by the sample's size; NaN if it is not known.
	StdErr float64
	// Low and High enclose the value: for figures from a histogram the least and the largest that its bins allow, else
	// both are Value.
	Low, High float64
}

// exactly returns a figure without error of a sketch.
func exactly(name string, value, stderr float64) Figure {
	return Figure{Name: name, Value: value, StdErr: stderr, Low: value, High: value}
}

// defined reports whether x is a number that can be shown.
func defined(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Right reports whether the answer is the truth, and whether that can be said: not where no class was answered.
func (s *Spec) Right(p *Prediction, l *Label) (right, known bool) {
	answer := -1
	switch s.Task {
	case Binary:
		own, byScore := s.decide(p)
		if answer = own; own < 0 {
			answer = byScore
		}
	case Multiclass:
		answer = s.answer(p, s.probabilities(p))
	}
	return answer == l.Class, answer >= 0
}

// Interval returns what encloses the figure with 95 % of probability, by the sample's size and the histogram's bounds; NaN if nobody knows.
func (f *Figure) Interval() (low, high float64) {
	const z = 1.959963984540054
	return f.Low - z*f.StdErr, f.High + z*f.StdErr
}
