package eval

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
	"pgregory.net/rapid"
)

var updateTallies = flag.Bool("update-tallies", false, "write the golden files of tallies that are missing")

func binarySpec() *Spec {
	return &Spec{Task: Binary, Threshold: 0.4, Beta: 2, Cost: &[2][2]float64{{0, 5}, {100, -3}}}
}

func multiclassSpec() *Spec {
	return &Spec{Task: Multiclass, Classes: []string{"cat", "dog", "owl"}, K: []int{1, 2}, Threshold: math.NaN()}
}

// row is a pair.
type row struct {
	p Prediction
	l Label
}

// rowsOf returns pairs of a Spec, of all kinds that there are, from a seed.
func rowsOf(s *Spec, n int, seed uint64) []row {
	rows := make([]row, n)
	for i := range rows {
		u, v := uniform(&seed), uniform(&seed)
		r := row{Prediction{Score: u, Class: -1}, Label{}}
		if i%3 > 0 {
			r.p.Class = int(v * float64(len(s.Classes)+2))
		}
		switch i % 41 {
		case 5:
			r.p.Score = math.NaN()
		case 6:
			r.p.Score = 1 + v
		case 7:
			r.p.Score = math.Inf(1)
		}
		if s.Task == Binary {
			r.l.Class = int(u + v)
		} else {
			r.l.Class = int(uniform(&seed) * 4)
			if i%5 > 0 {
				r.p.Probabilities = shares(4, &seed)
			}
			if i%41 == 9 && r.p.Probabilities != nil {
				r.p.Probabilities[1] = -1
			}
		}
		rows[i] = r
	}
	return rows
}

// shares returns n numbers that add up to 1.
func shares(n int, seed *uint64) []float64 {
	p := make([]float64, n)
	sum := 0.0
	for i := range p {
		p[i] = math.Round(1 + 20*uniform(seed))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func tallyOf(s *Spec, rows []row) *Tally {
	t := NewTally(s)
	for i := range rows {
		t.Add(&rows[i].p, &rows[i].l)
	}
	return t
}

func estimateOf(s *Spec, c *Calibrator, rows []row) *Estimate {
	e := NewEstimate(s, c)
	for i := range rows {
		e.Add(&rows[i].p)
	}
	return e
}

// counter is a Tally or an Estimate.
type counter[C any] interface {
	Merge(C)
	Clone() C
	Count() uint64
	Figures([]Figure) []Figure
	AppendBinary([]byte) []byte
	Bytes() int
}

// subject makes counters for tests.
type subject[C counter[C]] struct {
	spec *Spec
	of   func(rows []row) C
	read func(b []byte) (C, error)
}

func tallies(s *Spec) subject[*Tally] {
	return subject[*Tally]{s, func(rows []row) *Tally { return tallyOf(s, rows) }, s.ReadTally}
}

func estimates(s *Spec, c *Calibrator) subject[*Estimate] {
	return subject[*Estimate]{s, func(rows []row) *Estimate { return estimateOf(s, c, rows) },
		func(b []byte) (*Estimate, error) { return s.ReadEstimate(b, c) }}
}

func multiclassCalibrator() *Calibrator {
	return &Calibrator{Classes: []*Calibrator{nil, {Scores: []float64{0.2, 0.8}, Probabilities: []float64{0.25, 0.5}}, {Scores: []float64{0, 1}, Probabilities: []float64{0.1, 0.7}}, nil}}
}

func binaryCalibrator() *Calibrator {
	return &Calibrator{Scores: []float64{0.1, 0.5, 0.5000001, 2}, Probabilities: []float64{0, 0.3, 0.4, 1}}
}

// eachSubject runs a test on all kinds.
func eachSubject(t *testing.T, f func(t *testing.T, name string, s any)) {
	for name, s := range map[string]any{
		"tally-binary": tallies(binarySpec()), "tally-multiclass": tallies(multiclassSpec()),
		"estimate-binary": estimates(binarySpec(), binaryCalibrator()), "estimate-multiclass": estimates(multiclassSpec(), multiclassCalibrator()),
	} {
		t.Run(name, func(t *testing.T) { f(t, name, s) })
	}
}

// alike fails unless figures are the same but for rounding.
func alike(t interface {
	Helper()
	Fatalf(string, ...any)
}, got, want []Figure) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d figures, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
	same := func(a, b float64) bool {
		return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(math.Abs(b), 1)
	}
	for i, g := range got {
		w := want[i]
		// errors come from variances, of which rounding takes the root
		if g.Name != w.Name || g.Label != w.Label || g.At != w.At || !same(g.Value, w.Value) || !same(g.Low, w.Low) || !same(g.High, w.High) ||
			math.IsNaN(g.StdErr) != math.IsNaN(w.StdErr) || math.Abs(g.StdErr-w.StdErr) > 1e-7*max(w.StdErr, 1) {
			t.Fatalf("%+v, want %+v", g, w)
		}
	}
}

func (x subject[C]) laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 2, 5, 50, 400, 1500}).Draw(t, "pairs")
		rows := rowsOf(x.spec, n, rapid.Uint64().Draw(t, "seed"))
		whole := x.of(rows)
		want := whole.Figures(nil)
		x.sound(t, want)
		seed := rapid.Uint64().Draw(t, "order")
		order := slices.Clone(rows)
		for i := len(order) - 1; i > 0; i-- {
			j := int(uniform(&seed) * float64(i+1))
			order[i], order[j] = order[j], order[i]
		}
		merged := x.of(nil)
		for len(order) > 0 {
			n := rapid.IntRange(1, len(order)).Draw(t, "part")
			part := x.of(order[:n])
			form := part.AppendBinary(nil)
			merged.Merge(part)
			if !bytes.Equal(part.AppendBinary(nil), form) {
				t.Fatal("merging changed what was merged")
			}
			order = order[n:]
		}
		alike(t, merged.Figures(nil), want)
		if merged.Count() != whole.Count() {
			t.Fatalf("%d counted, want %d", merged.Count(), whole.Count())
		}
		x.associative(t, rows)
		x.roundTrip(t, whole, rows)
	})
}

// associative merges three parts both ways.
func (x subject[C]) associative(t *rapid.T, rows []row) {
	n := len(rows) / 3
	a, b, c := x.of(rows[:n]), x.of(rows[n:2*n]), x.of(rows[2*n:])
	left, right, commuted := a.Clone(), b.Clone(), b.Clone()
	left.Merge(b)
	commuted.Merge(a)
	alike(t, commuted.Figures(nil), left.Figures(nil))
	left.Merge(c)
	right.Merge(c)
	ab := a.Clone()
	ab.Merge(right)
	alike(t, ab.Figures(nil), left.Figures(nil))
}

// sound checks what is true of all figures.
func (x subject[C]) sound(t *rapid.T, figures []Figure) {
	seen := map[[3]string]bool{}
	for _, f := range figures {
		name := [3]string{f.Name, f.Label, f.At}
		if seen[name] || f.Name == "" || (f.Label == "") != (f.At == "") {
			t.Fatalf("%v twice, or without a name", name)
		}
		seen[name] = true
		if !defined(f.Value) || math.IsInf(f.StdErr, 0) || f.StdErr < 0 || !(f.Low <= f.Value+1e-12 && f.Value <= f.High+1e-12) {
			t.Fatalf("%+v", f)
		}
	}
}

func (x subject[C]) roundTrip(t *rapid.T, whole C, rows []row) {
	form := whole.AppendBinary(nil)
	again, err := x.read(form)
	if err != nil || !bytes.Equal(again.AppendBinary(nil), form) {
		t.Fatalf("read again: %v", err)
	}
	if !slices.EqualFunc(again.Figures(nil), whole.Figures(nil), sameFigure) {
		t.Fatal("read again, the figures differ")
	}
	if _, err := x.read(append(slices.Clone(form), 0)); err == nil {
		t.Fatal("read with a byte left over")
	}
	copied := whole.Clone()
	other := x.of(rows[len(rows)/2:])
	copied.Merge(other)
	again.Merge(other)
	if !bytes.Equal(again.AppendBinary(nil), copied.AppendBinary(nil)) {
		t.Fatal("what was read merges to something else")
	}
	if !bytes.Equal(whole.AppendBinary(nil), form) {
		t.Fatal("a clone shares memory")
	}
}

func sameFigure(a, b Figure) bool {
	return a.Name == b.Name && a.Label == b.Label && a.At == b.At && a.Value == b.Value && a.Low == b.Low && a.High == b.High &&
		(a.StdErr == b.StdErr || math.IsNaN(a.StdErr) && math.IsNaN(b.StdErr))
}

func TestTallyLaws(t *testing.T) {
	eachSubject(t, func(t *testing.T, _ string, s any) { s.(interface{ laws(*testing.T) }).laws(t) })
}

// forms returns the binary forms of nothing, of few rows and of many.
func (x subject[C]) forms() map[string][]byte {
	return map[string][]byte{
		"empty": x.of(nil).AppendBinary(nil),
		"small": x.of(rowsOf(x.spec, 30, 1)).AppendBinary(nil),
		"large": x.of(rowsOf(x.spec, 5000, 2)).AppendBinary(nil),
	}
}

// reencoded reads a form and appends it again.
func (x subject[C]) reencoded(b []byte) ([]byte, error) {
	c, err := x.read(b)
	if err != nil {
		return nil, err
	}
	for _, f := range c.Figures(nil) {
		if !defined(f.Value) || !defined(f.Low) || !defined(f.High) || math.IsInf(f.StdErr, 0) {
			return nil, fmt.Errorf("figure %+v", f)
		}
	}
	c.Bytes()
	form := c.AppendBinary(nil)
	c.Merge(x.of(rowsOf(x.spec, 3, 3)))
	c.Figures(nil)
	return form, nil
}

// coded is a subject whatever it counts.
type coded interface {
	forms() map[string][]byte
	reencoded(b []byte) ([]byte, error)
}

// TestTallyForms compares the binary forms with those that were written when their version was made; they may not change
// unless the version does.
func TestTallyForms(t *testing.T) {
	eachSubject(t, func(t *testing.T, name string, s any) {
		for size, got := range s.(coded).forms() {
			path := filepath.Join("testdata", name+"-"+size+".golden")
			want, err := os.ReadFile(path)
			if os.IsNotExist(err) && *updateTallies {
				want, err = got, os.WriteFile(path, got, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the form is another", path)
			}
			if again, err := s.(coded).reencoded(want); err != nil || !bytes.Equal(again, want) {
				t.Errorf("%s: read and written again it is another, %v", path, err)
			}
		}
	})
}

func TestReadTallyRefuses(t *testing.T) {
	eachSubject(t, func(t *testing.T, name string, s any) {
		small := s.(coded).forms()["small"]
		for n := range small {
			if _, err := s.(coded).reencoded(small[:n]); err == nil || !strings.HasPrefix(err.Error(), "read ") {
				t.Fatalf("read the first %d of %d bytes: %v", n, len(small), err)
			}
		}
		other := slices.Clone(small)
		other[0]++
		if _, err := s.(coded).reencoded(other); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
			t.Errorf("version 2: %v", err)
		}
		other = slices.Clone(small)
		other[3]++
		if _, err := s.(coded).reencoded(other); err == nil || !strings.Contains(err.Error(), "another specification") {
			t.Errorf("of another: %v", err)
		}
	})
	form := tallyOf(binarySpec(), nil).AppendBinary(nil)
	if _, err := multiclassSpec().ReadTally(form); err == nil {
		t.Error("a tally of one task was read as another")
	}
	if _, err := (&Spec{}).ReadTally(form); err == nil {
		t.Error("a tally was read as of no task")
	}
	estimate := NewEstimate(binarySpec(), nil).AppendBinary(nil)
	if _, err := binarySpec().ReadEstimate(estimate, binaryCalibrator()); err == nil {
		t.Error("an estimate by another calibrator was read")
	}
	if _, err := (&Spec{Task: Regression}).ReadEstimate(estimate, nil); err == nil {
		t.Error("an estimate of regression was read")
	}
}

// TestReadTallyAllocatesLittle reads forms that announce more than they have.
func TestReadTallyAllocatesLittle(t *testing.T) {
	s := &Spec{Task: Binary, Threshold: math.NaN()}
	form := NewTally(s).AppendBinary(nil)
	hostile := slices.Concat(form[:len(form)-2], []byte{0, 0x80, 0x08}, make([]byte, 200)) // 1,024 scores
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := s.ReadTally(hostile)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 16<<10 {
		t.Errorf("%d bytes allocated, %v", n, err)
	}
}

// TestReadScoresRefusesDamage has one form for each rule that the reader checks.
func TestReadScoresRefusesDamage(t *testing.T) {
	read := func(b []byte) error {
		d, h := sketch.NewDecoder(b), scores{}
		h.readBinary(d)
		return all(d, "scores")
	}
	number := func(x float64) []byte { return appendFloat(nil, x) }
	if err := read(slices.Concat([]byte{0, 1}, number(0.5), []byte{1, 0})); err != nil {
		t.Fatal(err)
	}
	if err := read([]byte{1, 1, 5, 1, 0}); err != nil {
		t.Fatal(err)
	}
	for i, b := range [][]byte{
		{2, 0}, // neither scores nor bins
		slices.Concat([]byte{0, 2}, number(0.5), []byte{1, 0}, number(0.5), []byte{1, 0}),  // twice
		slices.Concat([]byte{0, 2}, number(0.5), []byte{1, 0}, number(-0.5), []byte{1, 0}), // falling
		slices.Concat([]byte{0, 1}, number(0.5), []byte{0, 0}),                             // of nothing
		slices.Concat([]byte{0, 1}, number(math.NaN()), []byte{1, 0}),
		slices.Concat([]byte{0, 1}, number(math.Copysign(0, -1)), []byte{1, 0}),
		slices.Concat([]byte{0, 1}, number(0.5), bytes.Repeat([]byte{0xff}, 8), []byte{0x7f, 0}), // more than can be
		{1, 1, 0x80, 8, 1, 1}, // no such bin
		{1, 1, 5, 0, 0},       // empty
		{1, 2, 0, 1, 1},       // cut short
	} {
		if read(b) == nil {
			t.Errorf("%d: read %x", i, b)
		}
	}
	many := []byte{0, 0x81, 8} // 1,025 scores
	for i := range maxScores + 1 {
		many = append(append(many, number(float64(i))...), 1, 0)
	}
	if read(many) == nil {
		t.Error("read more scores than are kept")
	}
}

// TestReadTallyRefusesNumbersThatDisagree changes each number of a form in turn: those are refused that others contradict.
func TestReadTallyRefusesNumbersThatDisagree(t *testing.T) {
	s := &Spec{Task: Binary, Threshold: 0.5}
	rows := []row{{Prediction{Score: 0.7, Class: 1}, Label{Class: 1}}, {Prediction{Score: 0.2, Class: -1}, Label{}}}
	form := tallyOf(s, rows).AppendBinary(nil)
	for at, name := range []string{"pairs", "positives", "decisions", "no scores", "no probabilities"} {
		b := slices.Clone(form)
		b[9+at] += 3
		if _, err := s.ReadTally(b); err == nil {
			t.Errorf("read with 3 more %s", name)
		}
	}
	b := slices.Clone(form)
	b[len(b)-1]++ // of the last score
	if _, err := s.ReadTally(b); err == nil {
		t.Error("read with one more score")
	}
	e := estimateOf(s, nil, rows)
	e.n++
	if _, err := s.ReadEstimate(e.AppendBinary(nil), nil); err == nil {
		t.Error("read an estimate of one prediction more")
	}
	m := tallyOf(multiclassSpec(), rowsOf(multiclassSpec(), 9, 1))
	m.part.(only[multiclassPairs, *multiclassPairs]).of.cells[0] += 10
	if _, err := m.spec.ReadTally(m.AppendBinary(nil)); err == nil {
		t.Error("read more answers than pairs")
	}
}

func fuzzReading(f *testing.F, s coded) {
	for _, form := range s.forms() {
		if len(form) < 1<<13 { // large seeds are slow
			f.Add(form)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := s.reencoded(b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "read ") {
				t.Fatalf("%x: %v", b, err)
			}
			return
		}
		if third, err := s.reencoded(again); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%x was read as %x, and that as %x, %v", b, again, third, err)
		}
	})
}

func FuzzReadTallyBinary(f *testing.F)     { fuzzReading(f, tallies(binarySpec())) }
func FuzzReadTallyMulticlass(f *testing.F) { fuzzReading(f, tallies(multiclassSpec())) }
func FuzzReadEstimateBinary(f *testing.F) {
	fuzzReading(f, estimates(binarySpec(), binaryCalibrator()))
}
func FuzzReadEstimateMulticlass(f *testing.F) {
	fuzzReading(f, estimates(multiclassSpec(), multiclassCalibrator()))
}
