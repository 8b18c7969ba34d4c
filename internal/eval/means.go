package eval

import (
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// sheet takes the figures that are defined.
type sheet struct{ figures []Figure }

// add adds f unless it is undefined; an error that is not a number is unknown.
func (s *sheet) add(f Figure) {
	if !defined(f.Value) || !defined(f.Low) || !defined(f.High) {
		return
	}
	if !defined(f.StdErr) {
		f.StdErr = math.NaN()
	}
	s.figures = append(s.figures, f)
}

// exact adds a figure without error of a sketch.
func (s *sheet) exact(name string, value, stderr float64) { s.add(exactly(name, value, stderr)) }

// labelled adds one of several figures of a name, without error of a sketch.
func (s *sheet) labelled(name, label, at string, value, stderr float64) {
	f := exactly(name, value, stderr)
	f.Label, f.At = label, at
	s.add(f)
}

// observe adds one finite value to m.
func observe(m *sketch.Moments, x float64) {
	x += 0 // −0 becomes 0
	m.Merge(&sketch.Moments{Count: 1, Mean: x, Min: x, Max: x})
}

// meanOf returns the mean with its standard error; NaN if there are too few values for it.
func meanOf(m *sketch.Moments) (mean, stderr float64) {
	if m.Count == 0 {
		return math.NaN(), math.NaN()
	}
	return m.Mean, m.StdDev() / math.Sqrt(float64(m.Count))
}
