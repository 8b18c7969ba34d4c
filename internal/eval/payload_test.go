package eval

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func specs() []*Spec {
	return []*Spec{{Task: Binary}, multiclassSpec(), {Task: Regression}, {Task: Ranking}, {Task: Ranking, K: []int{1, 20}}, {}}
}

// anyFloat has all kinds, NaN too.
func anyFloat() *rapid.Generator[float64] {
	return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Copysign(0, -1)}))
}

func drawPrediction(t *rapid.T) *Prediction {
	f := anyFloat()
	return &Prediction{Score: f.Draw(t, "score"), Class: rapid.IntRange(-1, 3).Draw(t, "class"),
		Probabilities: rapid.SliceOfN(f, 4, 4).Draw(t, "probabilities"),
		Value:         f.Draw(t, "value"), Lower: f.Draw(t, "lower"), Upper: f.Draw(t, "upper"),
		Items: rapid.SliceOfN(rapid.Uint64(), 0, 30).Draw(t, "items")}
}

func drawLabel(t *rapid.T) *Label {
	items := rapid.SliceOfNDistinct(rapid.Uint64(), 0, 20, rapid.ID[uint64]).Draw(t, "items")
	l := &Label{Class: rapid.IntRange(0, 3).Draw(t, "class"), Value: anyFloat().Draw(t, "value"), Items: items}
	if rapid.Bool().Draw(t, "graded") {
		l.Relevance = rapid.SliceOfN(rapid.SampledFrom([]float64{0, 1, 2.5, -1}), len(items), len(items)).Draw(t, "relevance")
	}
	return l
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// TestPayloadsRoundTrip checks that all that a task needs comes back bit by bit, into slices that are used again.
func TestPayloadsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, m := drawPrediction(t), drawLabel(t) // what the room is left from
		p, l := drawPrediction(t), drawLabel(t)
		for _, s := range specs() {
			b := s.AppendPrediction([]byte("x"), p)[1:]
			if !s.ReadPrediction(b, q) {
				t.Fatalf("task %d: refused %x", s.Task, b)
			}
			class := p.Class
			if s.Task == Binary && class > 1 {
				class = -1
			}
			switch s.Task {
			case Binary:
				if !sameBits(q.Score, p.Score) || q.Class != class || len(b) != 9 {
					t.Fatalf("%+v, want %+v", q, p)
				}
			case Multiclass:
				if !sameBits(q.Score, p.Score) || q.Class != class || !slices.EqualFunc(q.Probabilities, p.Probabilities, sameBits) {
					t.Fatalf("%+v, want %+v", q, p)
				}
			case Regression:
				if !sameBits(q.Value, p.Value) || !sameBits(q.Lower, p.Lower) || !sameBits(q.Upper, p.Upper) || len(b) != 24 {
					t.Fatalf("%+v, want %+v", q, p)
				}
			case Ranking:
				items := p.Items
				if len(s.K) > 0 {
					items = items[:min(len(items), 20)]
				}
				if !slices.Equal(q.Items, items) {
					t.Fatalf("%v, want %v", q.Items, items)
				}
			}
			if again := s.AppendPrediction(nil, q); !bytes.Equal(again, b) {
				t.Fatalf("%x, then %x", b, again)
			}
			label := s.AppendLabel([]byte("x"), l)[1:]
			if !s.ReadLabel(label, m) {
				t.Fatalf("task %d: refused label %x", s.Task, label)
			}
			switch s.Task {
			case Binary:
				if m.Class != min(l.Class, 1) || len(label) != 1 {
					t.Fatalf("%+v, want %+v", m, l)
				}
			case Multiclass:
				if m.Class != l.Class {
					t.Fatalf("%+v, want %+v", m, l)
				}
			case Regression:
				if !sameBits(m.Value, l.Value+0) || len(label) != 8 {
					t.Fatalf("%+v, want %+v", m, l)
				}
			case Ranking:
				sameRelevance(t, m, l)
			}
			if again := s.AppendLabel(nil, m); !bytes.Equal(again, label) {
				t.Fatalf("%x, then %x", label, again)
			}
		}
	})
}

func sameRelevance(t *rapid.T, got, want *Label) {
	if len(got.Items) != len(want.Items) || len(got.Relevance) != len(got.Items) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	for i, item := range want.Items {
		r := 1.
		if want.Relevance != nil {
			r = want.Relevance[i]
		}
		if at := slices.Index(got.Items, item); at < 0 || got.Relevance[at] != r {
			t.Fatalf("item %d of %+v in %+v", i, want, got)
		}
	}
}

func TestPayloadsWithoutAll(t *testing.T) {
	s := multiclassSpec()
	b := s.AppendPrediction(nil, &Prediction{Score: 0.5, Class: -1, Probabilities: []float64{1}})
	var p Prediction
	if !s.ReadPrediction(b, &p) || p.Class != -1 || p.Score != 0.5 || len(p.Probabilities) > 0 || len(b) != 9 {
		t.Errorf("%+v of %x", p, b)
	}
	for class, want := range map[int]int{-1: 3, 3: 3, 9: 3, 2: 2} { // beyond the listed ones: all others
		var l Label
		if !s.ReadLabel(s.AppendLabel(nil, &Label{Class: class}), &l) || l.Class != want {
			t.Errorf("class %d is %d", class, l.Class)
		}
	}
	s = &Spec{Task: Ranking}
	many := make([]uint64, 1500)
	for i := range many {
		many[i] = uint64(i)
	}
	if !s.ReadPrediction(s.AppendPrediction(nil, &Prediction{Items: many}), &p) || !slices.Equal(p.Items, many[:maxItems]) {
		t.Errorf("%d items", len(p.Items))
	}
	var l Label
	if !s.ReadLabel(s.AppendLabel(nil, &Label{Items: many}), &l) || len(l.Items) != maxItems {
		t.Errorf("%d items of a label", len(l.Items))
	}
}

func TestSameLabel(t *testing.T) {
	for i, c := range []struct {
		task Task
		a, b Label
		same bool
	}{
		{Binary, Label{Class: 1}, Label{Class: 1, Value: 7}, true},
		{Binary, Label{Class: 1}, Label{}, false},
		{Multiclass, Label{Class: 1}, Label{Class: 2}, false},
		{Multiclass, Label{Class: 3}, Label{Class: 100}, true}, // both are others
		{Regression, Label{Value: 0}, Label{Value: math.Copysign(0, -1)}, true},
		{Regression, Label{Value: 1}, Label{Value: 1.5}, false},
		{Ranking, Label{Items: []uint64{300, 2}}, Label{Items: []uint64{2, 300}}, true},
		{Ranking, Label{Items: []uint64{300, 2}}, Label{Items: []uint64{2, 300}, Relevance: []float64{1, 1}}, true},
		{Ranking, Label{Items: []uint64{300, 2}, Relevance: []float64{1, 0.5}}, Label{Items: []uint64{2, 300}, Relevance: []float64{0.5, 1}}, true},
		{Ranking, Label{Items: []uint64{300, 2}, Relevance: []float64{1, 0.5}}, Label{Items: []uint64{2, 300}, Relevance: []float64{1, 0.5}}, false},
		{Ranking, Label{Items: []uint64{300, 2}}, Label{Items: []uint64{2}}, false},
		{Ranking, Label{}, Label{Items: []uint64{}}, true},
	} {
		s := &Spec{Task: c.task, Classes: []string{"a", "b", "c"}}
		if got := s.SameLabel(s.AppendLabel(nil, &c.a), s.AppendLabel(nil, &c.b)); got != c.same {
			t.Errorf("%d: same %v", i, got)
		}
	}
}

func TestFingerprints(t *testing.T) {
	base := func() *Spec {
		return &Spec{Task: Multiclass, Classes: []string{"a", "bc"}, Threshold: 0.5, K: []int{1, 5}, Levels: []float64{0.1}}
	}
	for name, c := range map[string]struct {
		change             func(*Spec)
		encoding, counting bool // whether it changes
	}{
		"nothing":   {func(s *Spec) {}, false, false},
		"task":      {func(s *Spec) { s.Task = Ranking }, true, true},
		"classes":   {func(s *Spec) { s.Classes = []string{"ab", "c"} }, true, true},
		"order":     {func(s *Spec) { s.Classes = []string{"bc", "a"} }, true, true},
		"threshold": {func(s *Spec) { s.Threshold = 0.6 }, false, true},
		"k":         {func(s *Spec) { s.K = []int{1} }, false, true},
		"levels":    {func(s *Spec) { s.Levels = nil }, false, true},
		"figures":   {func(s *Spec) { s.Beta, s.Cost, s.Catalog = 2, &[2][2]float64{}, 5 }, false, false},
	} {
		s := base()
		c.change(s)
		if (s.Encoding() != base().Encoding()) != c.encoding || (s.Fingerprint() != base().Fingerprint()) != c.counting {
			t.Errorf("%s: encoding %x, fingerprint %x", name, s.Encoding(), s.Fingerprint())
		}
	}
	// Of a ranking no more items are kept than are counted.
	for _, k := range [][]int{nil, {1}, {1, 5}, {5}} {
		five := &Spec{Task: Ranking, K: []int{5}}
		if same := k != nil && k[len(k)-1] == 5; ((&Spec{Task: Ranking, K: k}).Encoding() == five.Encoding()) != same {
			t.Errorf("cut-offs %v: other items are taken for the same, or the same for others", k)
		}
	}
	// Who wrote before the positive class was part of it may have had any; only Binary has one.
	before, yes, no := &Spec{Task: Binary}, &Spec{Task: Binary, Positive: "yes"}, &Spec{Task: Binary, Positive: "no"}
	for _, s := range []*Spec{before, yes, no} {
		if same := s != no; yes.Decodes(s.Encoding()) != same || yes.Adds(s.Fingerprint()) != same {
			t.Errorf("what was written of the positive class %q is read as that of yes: %v", s.Positive, !same)
		}
	}
	if s := base(); !s.Decodes((&Spec{Task: Multiclass, Classes: s.Classes, Positive: "x"}).Encoding()) {
		t.Error("a positive class matters to another task")
	}
	a, b := &Spec{Task: Binary, Threshold: math.NaN()}, &Spec{Task: Binary, Threshold: math.Float64frombits(0xfff8000000000123)}
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("one NaN is not as another")
	}
}

// seedPayloads adds what all tasks write.
func seedPayloads(f *testing.F) {
	p := &Prediction{Score: 0.5, Class: 1, Probabilities: []float64{0.1, 0.2, 0.3, 0.4}, Value: 1, Lower: 0, Upper: 2, Items: []uint64{1, 2}}
	l := &Label{Class: 1, Value: 2, Items: []uint64{1, 2}, Relevance: []float64{1, 2}}
	for _, s := range specs() {
		f.Add(s.AppendPrediction(nil, p))
		f.Add(s.AppendLabel(nil, l))
	}
}

func FuzzReadPrediction(f *testing.F) {
	seedPayloads(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range specs() {
			var p, q Prediction
			if !s.ReadPrediction(b, &p) {
				continue
			}
			form := s.AppendPrediction(nil, &p)
			if !s.ReadPrediction(form, &q) || !bytes.Equal(s.AppendPrediction(nil, &q), form) {
				t.Fatalf("task %d: %x was read as %x", s.Task, b, form)
			}
			if s.Task == Binary || s.Task == Multiclass {
				tally := NewTally(s)
				tally.Add(&p, &Label{})
				tally.Figures(nil)
				NewEstimate(s, nil).Add(&p)
			}
		}
	})
}

func FuzzReadLabel(f *testing.F) {
	seedPayloads(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range specs() {
			var l, m Label
			if !s.ReadLabel(b, &l) {
				continue
			}
			form := s.AppendLabel(nil, &l)
			if !s.ReadLabel(form, &m) || !s.SameLabel(s.AppendLabel(nil, &m), form) {
				t.Fatalf("task %d: %x was read as %x", s.Task, b, form)
			}
		}
	})
}
