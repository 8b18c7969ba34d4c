package eval

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
	"pgregory.net/rapid"
)

var updateParts = flag.Bool("update-parts", false, "write the golden files of parts that are missing")

// taskPart is what the part of a task has in common with others.
type taskPart[P any] interface {
	add(p *Prediction, l *Label)
	merge(o P)
	clone() P
	appendBinary(b []byte) []byte
	readBinary(d *sketch.Decoder)
	figures(s *Spec, dst []Figure) []Figure
	bytes() int
	count() uint64
}

// pair is an answer with its truth.
type pair struct {
	p Prediction
	l Label
}

// partTest makes parts of a Spec for tests.
type partTest[P taskPart[P]] struct {
	spec  Spec
	empty func(*Spec) P
	draw  *rapid.Generator[pair]
}

func (x partTest[P]) of(pairs ...pair) P {
	r := x.empty(&x.spec)
	for i := range pairs {
		r.add(&pairs[i].p, &pairs[i].l)
	}
	return r
}

func (x partTest[P]) read(b []byte) (P, []byte, error) {
	r, d := x.empty(&x.spec), sketch.NewDecoder(b)
	r.readBinary(d)
	rest, err := d.End("part")
	return r, rest, err
}

var regressionTest = partTest[*regression]{
	spec:  Spec{Task: Regression, Levels: []float64{0.1, 0.5, 0.9}},
	empty: newRegression,
	draw: rapid.Custom(func(t *rapid.T) pair {
		number := rapid.OneOf(
			rapid.Float64Range(0, 100),
			rapid.Map(rapid.IntRange(-3, 30), func(i int) float64 { return float64(i) }),
			rapid.Just(1e9),
			rapid.Just(math.NaN()),
		)
		p := Prediction{Value: number.Draw(t, "value"), Lower: math.NaN(), Upper: math.NaN()}
		if rapid.Bool().Draw(t, "interval") {
			p.Lower, p.Upper = p.Value-number.Draw(t, "below"), p.Value+number.Draw(t, "above")
		}
		return pair{p, Label{Value: number.Draw(t, "truth")}}
	}),
}

var rankingTest = partTest[*ranking]{
	spec:  Spec{Task: Ranking, K: []int{1, 3, 10}, Catalog: 40},
	empty: newRanking,
	draw: rapid.Custom(func(t *rapid.T) pair {
		item := rapid.Map(rapid.IntRange(0, 39), func(i int) uint64 { return sketch.HashNumber(float64(i)) })
		p := Prediction{Items: rapid.SliceOfN(item, 0, 14).Draw(t, "shown")}
		l := Label{Items: rapid.SliceOfNDistinct(item, 0, 38, rapid.ID[uint64]).Draw(t, "relevant")}
		if rapid.Bool().Draw(t, "graded") {
			grade := rapid.SampledFrom([]float64{0, 0.5, 1, 2, 3, math.NaN(), -1})
			l.Relevance = rapid.SliceOfN(grade, len(l.Items), len(l.Items)).Draw(t, "grades")
		}
		return pair{p, l}
	}),
}

// manyItems returns queries that show more different items than are counted one by one.
func manyItems(n int) []pair {
	pairs := make([]pair, n)
	for i := range pairs {
		for j := range 12 {
			pairs[i].p.Items = append(pairs[i].p.Items, sketch.HashNumber(float64((i*i+7*j)%3001)))
		}
		pairs[i].l.Items = []uint64{pairs[i].p.Items[i%12], sketch.HashNumber(float64(i % 50))}
	}
	return pairs
}

// nearFigures fails unless a figure is the same but for rounding. Errors are compared by their squares, as they come from variances, in which rounding is
// relative to the square of the value.
func nearFigures(t interface {
	Helper()
	Fatalf(string, ...any)
}, got, want []Figure) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d figures, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
	same := func(a, b, scale float64) bool {
		return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(scale, 1e-3)
	}
	sameError := func(a, b, scale float64) bool {
		scale = max(scale, b, 1e-3)
		return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b)/scale*((a+b)/scale) <= 1e-9
	}
	for i, g := range got {
		w := want[i]
		scale := math.Abs(w.Value)
		switch w.Name {
		case "mean_error", "r2", "explained_variance": // differences of larger numbers
			scale = max(scale, want[0].Value, 1)
		}
		if g.Name != w.Name || g.Label != w.Label || g.At != w.At || !same(g.Value, w.Value, scale) || !same(g.Low, w.Low, scale) ||
			!same(g.High, w.High, scale) || !sameError(g.StdErr, w.StdErr, scale) {
			t.Fatalf("%+v, want %+v", g, w)
		}
	}
}

func (x partTest[P]) laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pairs := rapid.SliceOfN(x.draw, 0, 40).Draw(t, "pairs")
		whole := x.of(pairs...)
		want := whole.figures(&x.spec, nil)
		order := rapid.Permutation(pairs).Draw(t, "order")
		merged := x.empty(&x.spec)
		for len(order) > 0 {
			n := rapid.IntRange(1, len(order)).Draw(t, "part")
			merged.merge(x.of(order[:n]...))
			order = order[n:]
		}
		nearFigures(t, merged.figures(&x.spec, nil), want)
		if merged.count() != whole.count() {
			t.Fatalf("%d pairs, want %d", merged.count(), whole.count())
		}

		form := whole.appendBinary(nil)
		again, rest, err := x.read(append(slices.Clone(form), "rest"...))
		if err != nil || string(rest) != "rest" || !bytes.Equal(again.appendBinary(nil), form) {
			t.Fatalf("read again: %v, rest %q", err, rest)
		}

		other := x.of(pairs[len(pairs)/2:]...)
		otherForm, copied := other.appendBinary(nil), whole.clone()
		copied.merge(other)
		again.merge(other)
		if !bytes.Equal(again.appendBinary(nil), copied.appendBinary(nil)) {
			t.Fatalf("what was read merges to something else")
		}
		for i := range pairs {
			copied.add(&pairs[i].p, &pairs[i].l)
		}
		if !bytes.Equal(whole.appendBinary(nil), form) || !bytes.Equal(other.appendBinary(nil), otherForm) {
			t.Fatalf("a clone shares memory")
		}
		for _, f := range copied.figures(&x.spec, nil) {
			if !defined(f.Value) || math.IsInf(f.StdErr, 0) || f.StdErr < 0 || !(f.Low <= f.Value && f.Value <= f.High) {
				t.Fatalf("%+v", f)
			}
		}
	})
}

func TestPartLaws(t *testing.T) {
	t.Run("regression", regressionTest.laws)
	t.Run("ranking", rankingTest.laws)
}

func regressionPairs(n int) []pair {
	pairs := make([]pair, n)
	state := uint32(1)
	next := func() float64 {
		state = state*1664525 + 1013904223
		return float64(state>>16) / 1024
	}
	for i := range pairs {
		y := next()
		pairs[i] = pair{Prediction{Value: y + next() - 32, Lower: y - next(), Upper: y + next() - 16}, Label{Value: y}}
	}
	return pairs
}

// TestPartForms compares the binary forms with those that were written when their version was made; they may not change
// unless the version does.
func TestPartForms(t *testing.T) {
	for name, got := range map[string][]byte{
		"regression-empty": regressionTest.of().appendBinary(nil),
		"regression-small": regressionTest.of(regressionPairs(100)...).appendBinary(nil),
		"ranking-empty":    rankingTest.of().appendBinary(nil),
		"ranking-small":    rankingTest.of(manyItems(20)...).appendBinary(nil),
		"ranking-large":    rankingTest.of(manyItems(600)...).appendBinary(nil),
	} {
		path := filepath.Join("testdata", name+".golden")
		want, err := os.ReadFile(path)
		if os.IsNotExist(err) && *updateParts {
			err, want = os.WriteFile(path, got, 0o644), got
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the form is\n%x, want\n%x", path, got, want)
		}
	}
}

func (x partTest[P]) refusals(t *testing.T, pairs []pair) {
	form := x.of(pairs...).appendBinary(nil)
	for n := range form {
		if _, _, err := x.read(form[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were read", n, len(form))
		}
	}
	form[0]++
	if _, _, err := x.read(form); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
		t.Errorf("version 2: %v", err)
	}
}

func TestPartsRefuseCutAndOtherForms(t *testing.T) {
	regressionTest.refusals(t, regressionPairs(50))
	rankingTest.refusals(t, manyItems(10))
	rankingTest.refusals(t, manyItems(600))
	other := rankingTest
	other.spec.K = []int{1, 4, 10}
	if _, _, err := other.read(rankingTest.of(manyItems(10)...).appendBinary(nil)); err == nil {
		t.Error("other cut-offs were read")
	}
}

// TestPartsRefuseDamage has parts that cannot be of the same pairs.
func TestPartsRefuseDamage(t *testing.T) {
	for name, damage := range map[string]func(*regression){
		"more covered than intervals": func(r *regression) { r.covered = r.width.Count + 1 },
		"more below zero than pairs":  func(r *regression) { r.negative = r.count() + 1 },
		"logarithms of what has none": func(r *regression) { r.logs = r.over },
		"targets of other pairs":      func(r *regression) { observe(&r.target, 1) },
		"an error below zero":         func(r *regression) { r.under.Min = -1 },
		"more squares than pairs":     func(r *regression) { observe(&r.squared, 1); observe(&r.squared, 1) },
		"an error more":               func(r *regression) { r.absolute.Add(1) },
		"another center":              func(r *regression) { r.absolute = sketch.NewExpHistogram(1) },
	} {
		r := regressionTest.of(append(regressionPairs(9), pair{Prediction{Value: -1, Lower: 0, Upper: 1}, Label{Value: -2}})...)
		if damage(r); name == "another center" {
			for range r.count() {
				r.absolute.Add(1)
			}
		}
		if _, _, err := regressionTest.read(r.appendBinary(nil)); err == nil || !strings.Contains(err.Error(), errParts.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, damage := range map[string]func(*ranking){
		"more relevant queries than queries": func(r *ranking) { r.defined = r.queries + 1 },
		"a query more":                       func(r *ranking) { r.defined-- },
		"a gain above one":                   func(r *ranking) { r.cuts[1].ndcg.Max = 1.1 },
		"precision of more than all":         func(r *ranking) { observe(&r.cuts[0].precision, 1) },
		"a place without item":               func(r *ranking) { r.items.shown++ },
		"less pairs of places than places":   func(r *ranking) { r.items.shownPairs = r.items.shown - 1 },
		"more hits than pairs":               func(r *ranking) { r.items.hits = r.items.mixedPairs + 1 },
		"an item without place":              func(r *ranking) { r.items.exact[5] = itemPair{} },
		"bins of more than all": func(r *ranking) {
			r.items.fold()
			r.items.bins[7].relevant = -int64(r.items.relevant) - 1
		},
		"bins of more than all together": func(r *ranking) {
			r.items.fold()
			r.items.bins[7].shown, r.items.bins[8].shown = int64(r.items.shown), -1
		},
		"bins beyond all numbers": func(r *ranking) {
			r.items.fold()
			r.items.bins[7].shown = math.MinInt64
		},
	} {
		r := rankingTest.of(manyItems(20)...)
		damage(r)
		if _, _, err := rankingTest.read(r.appendBinary(nil)); err == nil || !strings.Contains(err.Error(), errParts.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fuzz checks that the reader never panics, and that what it accepts has one form and is good for all operations.
func (x partTest[P]) fuzz(f *testing.F, pairs []pair) {
	for _, n := range []int{0, 1, len(pairs) / 30, len(pairs)} {
		f.Add(x.of(pairs[:n]...).appendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := x.read(b)
		if err != nil {
			return
		}
		form := r.appendBinary(nil)
		again, rest, err := x.read(form)
		if err != nil || len(rest) > 0 || !bytes.Equal(again.appendBinary(nil), form) {
			t.Fatalf("%x was read as %x, which is read otherwise: %v", b, form, err)
		}
		r.merge(again)
		for i := range pairs[:3] {
			r.add(&pairs[i].p, &pairs[i].l)
		}
		for _, g := range r.figures(&x.spec, nil) {
			if !defined(g.Value) || !defined(g.Low) || !defined(g.High) {
				t.Fatalf("%+v", g)
			}
		}
		if r.bytes() > 1<<20 {
			t.Fatalf("%d bytes in memory of %d", r.bytes(), len(b))
		}
	})
}

func FuzzRegression(f *testing.F) { regressionTest.fuzz(f, regressionPairs(60)) }
func FuzzRanking(f *testing.F)    { rankingTest.fuzz(f, manyItems(600)) }

// steady adds the pairs over and over; nothing may be allocated once all has been seen.
func (x partTest[P]) steady(t *testing.T, pairs []pair) {
	r, i := x.of(pairs...), 0
	if n := testing.AllocsPerRun(500, func() {
		i = (i + 1) % len(pairs)
		r.add(&pairs[i].p, &pairs[i].l)
	}); n > 0 {
		t.Errorf("%g allocations a pair", n)
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	t.Run("regression", func(t *testing.T) { regressionTest.steady(t, regressionPairs(500)) })
	t.Run("ranking", func(t *testing.T) { rankingTest.steady(t, manyItems(50)) })
	t.Run("ranking of many items", func(t *testing.T) { rankingTest.steady(t, manyItems(600)) })
}

func (x partTest[P]) bench(b *testing.B, pairs []pair) {
	b.ReportAllocs()
	r, i := x.of(pairs...), 0
	for b.Loop() {
		i = (i + 1) % len(pairs)
		r.add(&pairs[i].p, &pairs[i].l)
	}
	b.ReportMetric(float64(r.bytes()), "B/part")
	b.ReportMetric(float64(len(r.appendBinary(nil))), "B/form")
}

func BenchmarkRegressionAdd(b *testing.B)       { regressionTest.bench(b, regressionPairs(1024)) }
func BenchmarkRankingAdd(b *testing.B)          { rankingTest.bench(b, manyItems(50)) }
func BenchmarkRankingAddManyItems(b *testing.B) { rankingTest.bench(b, manyItems(1000)) }
