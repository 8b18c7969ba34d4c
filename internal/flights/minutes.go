package flights

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// fitted is the day on which the models were fitted: they know what departed before.
var fitted = time.Date(2013, time.March, 1, 0, 0, 0, 0, time.UTC)

// ridge keeps the weights of rare categories small, and those that are no different from the others defined.
const ridge = 1

// minutes is a linear model of how many minutes a flight arrives late: least squares over the numbers, and over one column for each
// category that it knows. A missing number is the mean.
type minutes struct {
	column  map[string]int // of a number by its name, of a category by name=value
	mean    map[string]float64
	weights []float64
	// lower and upper are what the errors of four flights in five lie between.
	lower, upper float64
}

// term is a column that is not 0.
type term struct {
	column int
	x      float64
}

// fitMinutes fits the model on the rows whose delay is known.
func fitMinutes(rows []row) *minutes {
	m := &minutes{column: map[string]int{"": 0}, mean: map[string]float64{}}
	for _, name := range numeric {
		sum, n := 0.0, 0.0
		for _, r := range rows {
			if x, ok := r.number(name); ok {
				sum, n = sum+x, n+1
			}
		}
		m.mean[name] = sum / n
		m.column[name] = len(m.column)
	}
	for _, r := range rows {
		for _, name := range categorical {
			if key := name + "=" + r.get(name); m.column[key] == 0 {
				m.column[key] = len(m.column)
			}
		}
	}
	n := len(m.column)
	a, b := make([][]float64, n), make([]float64, n)
	for i := range a {
		a[i] = make([]float64, n)
		a[i][i] = ridge
	}
	for _, r := range rows {
		y, ok := r.number("arr_delay")
		if !ok {
			continue
		}
		terms := m.terms(r)
		for _, s := range terms {
			for _, t := range terms {
				a[s.column][t.column] += s.x * t.x
			}
			b[s.column] += s.x * y
		}
	}
	m.weights = solve(a, b)
	var errors []float64
	for _, r := range rows {
		if y, ok := r.number("arr_delay"); ok {
			errors = append(errors, y-m.predict(r))
		}
	}
	slices.Sort(errors)
	m.lower, m.upper = errors[len(errors)/10], errors[len(errors)-len(errors)/10]
	return m
}

func (m *minutes) terms(r row) []term {
	terms := []term{{0, 1}}
	for _, name := range numeric {
		if x, ok := r.number(name); ok {
			terms = append(terms, term{m.column[name], x - m.mean[name]})
		}
	}
	for _, name := range categorical {
		if c, ok := m.column[name+"="+r.get(name)]; ok {
			terms = append(terms, term{c, 1})
		}
	}
	return terms
}

func (m *minutes) predict(r row) float64 {
	y := 0.0
	for _, t := range m.terms(r) {
		y += m.weights[t.column] * t.x
	}
	return y
}

// solve returns x of a x = b, where a is symmetric and positive definite. Both are used up.
func solve(a [][]float64, b []float64) []float64 {
	n := len(b)
	for i := range n {
		for j := i + 1; j < n; j++ {
			f := a[j][i] / a[i][i]
			if f == 0 {
				continue
			}
			for k := i; k < n; k++ {
				a[j][k] -= f * a[i][k]
			}
			b[j] -= f * b[i]
		}
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			b[i] -= a[i][k] * b[k]
		}
		b[i] /= a[i][i]
	}
	return b
}

// number returns a cell's number, and whether there is one.
func (r row) number(name string) (float64, bool) {
	x, err := strconv.ParseFloat(r.get(name), 64)
	return x, err == nil
}

// tenths writes a number of minutes with one digit after the point.
func tenths(x float64) string {
	return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
}
