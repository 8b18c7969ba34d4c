package eval

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readReference reads a file of reference values.
func readReference(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// figureOf returns the figure of a name, and at if that is not empty; nil if it is left out.
func figureOf(figures []Figure, name, at string) *Figure {
	i := slices.IndexFunc(figures, func(f Figure) bool { return f.Name == name && f.At == at })
	if i < 0 {
		return nil
	}
	return &figures[i]
}

// agree compares a figure with a reference value, of which nil is undefined.
func agree(t *testing.T, what string, got *Figure, want *float64, tolerance float64) {
	t.Helper()
	switch {
	case got == nil && want == nil:
	case got == nil:
		t.Errorf("%s is left out, want %g", what, *want)
	case want == nil:
		t.Errorf("%s is %g, want it left out", what, got.Value)
	case math.Abs(got.Value-*want) > tolerance*math.Abs(*want)+1e-12 || got.Low != got.Value || got.High != got.Value:
		t.Errorf("%s is %+v, want %g", what, *got, *want)
	}
}

func TestRegressionReference(t *testing.T) {
	var file struct {
		Cases []struct {
			Name               string
			Target, Prediction []float64
			Expected           map[string]json.RawMessage
		}
	}
	readReference(t, "regression.json", &file)
	if len(file.Cases) != 10 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			x := regressionTest
			var pairs []pair
			for i, y := range c.Target {
				pairs = append(pairs, pair{Prediction{Value: c.Prediction[i], Lower: math.NaN(), Upper: math.NaN()}, Label{Value: y}})
			}
			r := x.of(pairs...)
			figures := r.figures(&x.spec, nil)
			if r.count() != uint64(len(pairs)) {
				t.Errorf("%d pairs", r.count())
			}
			if len(pairs) == 0 {
				if len(figures) > 0 {
					t.Errorf("figures of nothing: %v", figures)
				}
				return
			}
			tolerance := 1e-9
			if c.Name == "huge_offset" {
				tolerance = 1e-6
			}
			value := func(name string) (v *float64) {
				b, ok := c.Expected[name]
				if !ok {
					t.Fatalf("no %s in the file", name)
				}
				if err := json.Unmarshal(b, &v); err != nil {
					t.Fatal(err)
				}
				return v
			}
			for _, name := range strings.Fields("mae mse rmse mean_error max_error mape smape wape rmsle r2 explained_variance") {
				agree(t, name, figureOf(figures, name, ""), value(name), tolerance)
			}
			agree(t, "excluded", figureOf(figures, "mape_excluded_targets", ""), value("mape_excluded_zero_targets"), 0)
			var pinball map[string]*float64
			if err := json.Unmarshal(c.Expected["pinball"], &pinball); err != nil || len(pinball) != 3 {
				t.Fatal(err)
			}
			for at, want := range pinball {
				agree(t, "pinball "+at, figureOf(figures, "pinball_loss", at), want, tolerance)
			}
			// The square root of what is left of the variance about the mean error.
			population := math.Sqrt((r.over.M2 + r.under.M2 + 2*float64(len(pairs))*r.over.Mean*r.under.Mean) / float64(len(pairs)))
			agree(t, "std", &Figure{Value: population, Low: population, High: population}, value("error_std_population"), tolerance)
			median, want := figureOf(figures, "median_absolute_error", ""), *value("median_absolute_error")
			if !(median.Low <= want && want <= median.High) || math.Abs(median.Value-want) > 0.0111*want {
				t.Errorf("median %+v, want %g", median, want)
			}
		})
	}
}

// TestRegressionErrors compares the standard errors with those of the single values.
func TestRegressionErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := regressionTest
	var pairs []pair
	values := map[string][]float64{}
	for range 400 {
		y := 50 + 10*r.NormFloat64()
		p := Prediction{Value: y + 2 + 5*r.NormFloat64()}
		p.Lower, p.Upper = p.Value-5, p.Value+5+r.Float64()
		pairs = append(pairs, pair{p, Label{Value: y}})
		e := p.Value - y
		note := func(name string, v float64) { values[name] = append(values[name], v) }
		note("mae", math.Abs(e))
		note("mse", e*e)
		note("mean_error", e)
		note("mape", math.Abs(e)/y)
		note("smape", 2*math.Abs(e)/(y+p.Value))
		note("pinball_loss", max(0.9*-e, 0.1*e))
		note("interval_width", p.Upper-p.Lower)
		inside := 0.0
		if p.Lower <= y && y <= p.Upper {
			inside = 1
		}
		note("interval_coverage", inside)
	}
	figures := x.of(pairs...).figures(&x.spec, nil)
	n := float64(len(pairs))
	for name, vs := range values {
		at := ""
		if name == "pinball_loss" {
			at = "0.9"
		}
		sum, squares := 0.0, 0.0
		for _, v := range vs {
			sum += v
		}
		for _, v := range vs {
			squares += (v - sum/n) * (v - sum/n)
		}
		want := math.Sqrt(squares / (n - 1) / n)
		if name == "interval_coverage" {
			want *= math.Sqrt((n - 1) / n)
		}
		f := figureOf(figures, name, at)
		if math.Abs(f.Value-sum/n) > 1e-9*f.Value || math.Abs(f.StdErr-want) > 1e-9*want {
			t.Errorf("%s: %+v, want %g ± %g", name, f, sum/n, want)
		}
	}
	mse, rmse := figureOf(figures, "mse", ""), figureOf(figures, "rmse", "")
	if want := mse.StdErr / 2 / rmse.Value; math.Abs(rmse.StdErr-want) > 1e-12 {
		t.Errorf("rmse ± %g, want %g", rmse.StdErr, want)
	}
	abs, squared := x.of(pairs...).Sums()
	if mae := figureOf(figures, "mae", ""); math.Abs(abs-n*mae.Value) > 1e-9*abs || math.Abs(squared-n*mse.Value) > 1e-9*squared {
		t.Errorf("sums %g and %g", abs, squared)
	}
}

// TestAbsoluteErrorQuantiles: quantiles of the values are in the bounds, which are narrow, and the standard error is how much they vary.
func TestAbsoluteErrorQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const runs = 400
	var values, errors [2][]float64
	for range runs {
		part := newRegression(nil)
		abs := make([]float64, 301)
		for i := range abs {
			e := r.ExpFloat64() * 1e3
			if i%2 == 0 {
				e = -e
			}
			abs[i] = math.Abs(e)
			part.add(&Prediction{Value: e}, &Label{})
		}
		slices.Sort(abs)
		figures := part.figures(&regressionTest.spec, nil)
		for i, f := range []*Figure{figureOf(figures, "median_absolute_error", ""), figureOf(figures, "absolute_error_quantile", "0.9")} {
			want := abs[[]int{150, 270}[i]]
			if !(f.Low <= want && want <= f.High) || f.High > 1.0222*f.Low {
				t.Fatalf("%+v, want %g", f, want)
			}
			values[i], errors[i] = append(values[i], f.Value), append(errors[i], f.StdErr)
		}
	}
	for i := range values {
		if ratio := mean(errors[i]) / deviation(values[i]); ratio < 0.88 || ratio > 1.15 {
			t.Errorf("quantile %d: the standard error is %g of the deviation", i, ratio)
		}
	}
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func deviation(xs []float64) float64 {
	m, sum := mean(xs), 0.0
	for _, x := range xs {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(xs)-1))
}

// TestRegressionExtremes: what is not finite never enters, and what overflows is left out.
func TestRegressionExtremes(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	x := regressionTest
	r := x.of(pair{Prediction{Value: nan}, Label{Value: 1}}, pair{Prediction{Value: inf}, Label{Value: 1}},
		pair{Prediction{Value: 1}, Label{Value: -inf}}, pair{Prediction{Value: math.MaxFloat64}, Label{Value: -math.MaxFloat64}})
	if r.count() != 0 || len(r.figures(&x.spec, nil)) > 0 {
		t.Errorf("%d pairs: %v", r.count(), r.figures(&x.spec, nil))
	}
	r = x.of(pair{Prediction{Value: 1e200, Lower: -inf, Upper: 1e200}, Label{Value: 5e-324}},
		pair{Prediction{Value: 3, Lower: 4, Upper: 2}, Label{Value: 3}}, pair{Prediction{Value: 4, Lower: 1, Upper: 6}, Label{Value: 1}})
	figures := r.figures(&x.spec, nil)
	for name, want := range map[string]float64{"mae": 1e200 / 3, "max_error": 1e200, "mape": 1.5, "mape_excluded_targets": 1,
		"interval_coverage": 0.5, "interval_width": 2.5, "mse": nan, "rmse": nan, "r2": nan} {
		f := figureOf(figures, name, "")
		if math.IsNaN(want) != (f == nil) || f != nil && math.Abs(f.Value-want) > 1e-9*want {
			t.Errorf("%s: %+v, want %g", name, f, want)
		}
	}
	again, _, err := x.read(r.appendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	nearFigures(t, again.figures(&x.spec, nil), figures)
}
