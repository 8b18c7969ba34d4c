package eval

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestIsotonicIsBest compares with the definition by minima and maxima of means over runs of scores.
func TestIsotonicIsBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 25).Draw(t, "n")
		xs, ys := make([]float64, n), make([]float64, n)
		for i := range xs {
			xs[i] = float64(rapid.IntRange(0, 12).Draw(t, "x")) / 8
			ys[i] = float64(rapid.IntRange(0, 1).Draw(t, "y"))
		}
		c := FitIsotonic(xs, ys)
		mean := func(low, high float64) float64 {
			var sum, n float64
			for i, x := range xs {
				if low <= x && x <= high {
					sum, n = sum+ys[i], n+1
				}
			}
			return sum / n
		}
		for _, x := range xs {
			want := math.Inf(-1)
			for _, low := range xs {
				if low > x {
					continue
				}
				least := math.Inf(1)
				for _, high := range xs {
					if high >= x {
						least = min(least, mean(low, high))
					}
				}
				want = max(want, least)
			}
			if got := c.At(x); !nearly(got, want, 1e-9) {
				t.Fatalf("at %v it is %v, want %v: %+v", x, got, want, c)
			}
		}
		if err := c.check(); err != nil {
			t.Fatal(err)
		}
		if c.At(-1e300) != c.Probabilities[0] || c.At(1e300) != c.Probabilities[len(c.Probabilities)-1] {
			t.Fatal("not clipped")
		}
	})
}

func TestCalibratorAt(t *testing.T) {
	var none *Calibrator
	for _, c := range []struct {
		c           *Calibrator
		score, want float64
	}{
		{none, 0.3, 0.3}, {none, 1.5, math.NaN()}, {none, math.NaN(), math.NaN()},
		{binaryCalibrator(), -3, 0}, {binaryCalibrator(), 0.1, 0}, {binaryCalibrator(), 0.3, 0.15}, {binaryCalibrator(), 7, 1},
		{binaryCalibrator(), math.NaN(), math.NaN()}, {binaryCalibrator(), math.Inf(1), math.NaN()},
		{&Calibrator{Scores: []float64{-math.MaxFloat64, math.MaxFloat64}, Probabilities: []float64{0, 1}}, 0, 0.5},
		{&Calibrator{Sigmoid: &[2]float64{2, -1}}, 0.5, 0.5}, {&Calibrator{Sigmoid: &[2]float64{2, -1}}, 1e300, 1},
		{&Calibrator{}, 0.5, math.NaN()},
	} {
		if got := c.c.At(c.score); !nearly(got, c.want, 1e-12) && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%+v at %v is %v, want %v", c.c, c.score, got, c.want)
		}
	}
}

// TestPlatt fits labels that are drawn by a sigmoid, and such as no sigmoid can be sure of.
func TestPlatt(t *testing.T) {
	seed := uint64(3)
	var xs, ys []float64
	for range 20000 {
		x := 6*uniform(&seed) - 3
		y := 0.
		if uniform(&seed) < 1/(1+math.Exp(-(1.5*x-0.7))) {
			y = 1
		}
		xs, ys = append(xs, x), append(ys, y)
	}
	c := FitPlatt(append(xs, math.NaN()), append(ys, 1))
	if a, b := c.Sigmoid[0], c.Sigmoid[1]; math.Abs(a-1.5) > 0.06 || math.Abs(b+0.7) > 0.06 {
		t.Errorf("a %v, b %v", a, b)
	}
	// At the maximum the sums of probabilities and of targets are the same.
	f := platt{points(xs, ys), 0, 1}
	f.low, f.high = targets(ys)
	da, db := f.direction(c.Sigmoid[0], c.Sigmoid[1])
	if math.Abs(da)+math.Abs(db) > 1e-6 {
		t.Errorf("a step of %v, %v is left", da, db)
	}
	for _, labels := range [][]float64{{0, 0, 1, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}} {
		c := FitPlatt([]float64{1, 2, 3, 4}, labels)
		for _, x := range []float64{1, 4, 1e9} {
			if p := c.At(x); !proper(p) {
				t.Errorf("%v at %v: %v", labels, x, p)
			}
		}
		if c.At(1) > c.At(4)+1e-9 {
			t.Errorf("%v: %+v falls", labels, c)
		}
	}
	if FitPlatt(nil, nil) != nil || FitIsotonic([]float64{math.NaN()}, []float64{1}) != nil {
		t.Error("fitted to nothing")
	}
	if c := FitPlatt([]float64{5, 5}, []float64{0, 1}); math.Abs(c.At(5)-0.5) > 1e-6 {
		t.Errorf("one score: %v", c.Sigmoid)
	}
}

func targets(ys []float64) (low, high float64) {
	positives := 0.
	for _, y := range ys {
		positives += y
	}
	return 1 / (float64(len(ys)) - positives + 2), (positives + 1) / (positives + 2)
}

func TestAtAll(t *testing.T) {
	c := multiclassCalibrator()
	got, ok := c.AtAll(make([]float64, 0, 4), []float64{0.2, 0.3, 0.5, 0})
	sum := 0.
	for _, p := range got {
		sum += p
	}
	if !ok || !nearly(sum, 1, 1e-12) || !nearly(got[0]/got[2], 0.2/0.4, 1e-12) {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := (*Calibrator)(nil).AtAll(nil, []float64{0.5, 1.5}); ok {
		t.Errorf("%v of what are no probabilities", got)
	}
	if _, ok := c.AtAll(nil, []float64{0.5, 0.5}); ok {
		t.Error("of two classes")
	}
	if _, ok := (*Calibrator)(nil).AtAll(nil, []float64{0, 0}); ok {
		t.Error("of nothing")
	}
}

func TestCalibratorJSON(t *testing.T) {
	for _, c := range []*Calibrator{binaryCalibrator(), multiclassCalibrator(), {Sigmoid: &[2]float64{1.0 / 3, -2}}} {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var r *Calibrator
		if err := json.Unmarshal(b, &r); err != nil || r.Fingerprint() != c.Fingerprint() || r.Fingerprint() == 0 {
			t.Errorf("%s: %v", b, err)
		}
		if again, _ := json.Marshal(r); !slices.Equal(again, b) {
			t.Errorf("%s, then %s", b, again)
		}
	}
	for _, b := range []string{`{}`, `[]`, `{"scores":[1],"probabilities":[]}`, `{"scores":[1,1],"probabilities":[0,1]}`, `{"scores":[1,2],"probabilities":[0.5,0.4]}`,
		`{"scores":[1],"probabilities":[1.5]}`, `{"scores":[1],"probabilities":[1],"sigmoid":[1,2]}`, `{"sigmoid":[1,2],"classes":[null]}`,
		`{"classes":[{"classes":[null]}]}`, `{"classes":[{}]}`} {
		var c Calibrator
		if err := json.Unmarshal([]byte(b), &c); err == nil {
			t.Errorf("read %s as %+v", b, c)
		}
	}
	seen := map[uint64]bool{(*Calibrator)(nil).Fingerprint(): true}
	for _, c := range []*Calibrator{binaryCalibrator(), multiclassCalibrator(), {Sigmoid: &[2]float64{1, 2}}, {Sigmoid: &[2]float64{2, 1}},
		{Classes: []*Calibrator{nil}}, {Scores: []float64{0, 1}, Probabilities: []float64{0, 1}}, {Scores: []float64{0}, Probabilities: []float64{0}}} {
		if f := c.Fingerprint(); seen[f] {
			t.Errorf("%+v is as another", c)
		} else {
			seen[f] = true
		}
	}
}

func FuzzCalibrator(f *testing.F) {
	for _, c := range []*Calibrator{binaryCalibrator(), multiclassCalibrator(), {Sigmoid: &[2]float64{1, -2}}} {
		b, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 0.3)
	}
	f.Fuzz(func(t *testing.T, b []byte, score float64) {
		var c Calibrator
		if json.Unmarshal(b, &c) != nil {
			return
		}
		if p := c.At(score); !proper(p) && !math.IsNaN(p) {
			t.Fatalf("%s at %v: %v", b, score, p)
		}
		if again, err := json.Marshal(&c); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		c.AtAll(nil, []float64{score, 0.5, 0, 1})
		c.Fingerprint()
	})
}
