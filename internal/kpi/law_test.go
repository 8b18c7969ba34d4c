package kpi

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
)

// written is an expression as text, and as a function of an event. The outcome is Counted, Undefined or Failed.
type written[T any] struct {
	source string
	value  func(*event.Event) (T, Outcome)
}

type (
	numbers    = written[float64]
	conditions = written[bool]
)

// first is what becomes of a sign's two sides: the left one that has no value decides.
func first(a, b Outcome) Outcome {
	if a != Counted {
		return a
	}
	return b
}

// worse is what becomes of && and ||: what is missing comes before what fails.
func worse(a, b Outcome) Outcome {
	switch {
	case a == Undefined || b == Undefined:
		return Undefined
	case a == Failed || b == Failed:
		return Failed
	}
	return Counted
}

func leaf(text string, of func(*event.Event) (float64, bool)) numbers {
	return numbers{source: text, value: func(ev *event.Event) (float64, Outcome) {
		if x, ok := of(ev); ok {
			return x, Counted
		}
		return 0, Undefined
	}}
}

func feature(text string, i int) numbers {
	return leaf(text, func(ev *event.Event) (float64, bool) { v := ev.Features[i]; return v.Number, v.State == event.Valid })
}

func drawNumber(t *rapid.T, depth int) numbers {
	if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
		x := rapid.IntRange(0, 5).Draw(t, "constant")
		return rapid.SampledFrom([]numbers{
			feature("features.amount", 5), feature(`features["odd name"]`, 4), feature("features['tax']", 2), feature("prediction.score", 6), feature("prediction.value", 8),
			leaf("latency_ms", func(ev *event.Event) (float64, bool) { return ev.Latency * 1000, ev.HasLatency }),
			leaf(fmt.Sprint(x), func(*event.Event) (float64, bool) { return float64(x), true }),
			leaf(fmt.Sprint(x, ".5"), func(*event.Event) (float64, bool) { return float64(x) + 0.5, true }),
		}).Draw(t, "number")
	}
	a, b := drawNumber(t, depth-1), drawNumber(t, depth-1)
	both := func(sign string, f func(x, y float64) (float64, Outcome)) numbers {
		return numbers{source: "(" + a.source + sign + b.source + ")", value: func(ev *event.Event) (float64, Outcome) {
			x, p := a.value(ev)
			y, q := b.value(ev)
			if o := first(p, q); o != Counted {
				return 0, o
			}
			return f(x, y)
		}}
	}
	switch rapid.IntRange(0, 4).Draw(t, "sign") {
	case 0:
		return both("+", func(x, y float64) (float64, Outcome) { return x + y, Counted })
	case 1:
		return both(" - ", func(x, y float64) (float64, Outcome) { return x - y, Counted })
	case 2:
		return both(" *", func(x, y float64) (float64, Outcome) { return x * y, Counted })
	case 3:
		if y, o := b.value(empty()); o == Counted && y == 0 {
			b = feature("features.amount", 5) // a divisor that is always zero does not compile
		}
		return both("/ ", func(x, y float64) (float64, Outcome) {
			if y == 0 {
				return 0, Failed
			}
			return x / y, Counted
		})
	}
	c := drawCondition(t, depth-1)
	return numbers{source: "(" + c.source + " ? " + a.source + " : " + b.source + ")", value: func(ev *event.Event) (float64, Outcome) {
		yes, o := c.value(ev)
		switch {
		case o != Counted:
			return 0, o
		case yes:
			return a.value(ev)
		}
		return b.value(ev)
	}}
}

func drawCondition(t *rapid.T, depth int) conditions {
	if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
		return rapid.SampledFrom([]conditions{
			{source: "failed", value: func(ev *event.Event) (bool, Outcome) { return ev.Failed, Counted }},
			{source: "has(features.tax)", value: func(ev *event.Event) (bool, Outcome) { return ev.Features[2].State == event.Valid, Counted }},
			{source: `segments.country == "DE"`, value: func(ev *event.Event) (bool, Outcome) {
				if ev.Segments[1] == nil {
					return false, Undefined
				}
				return string(ev.Segments[1]) == "DE", Counted
			}},
			{source: `features.merchant in ["a", '/ count(']`, value: func(ev *event.Event) (bool, Outcome) {
				if ev.Features[3].State != event.Valid {
					return false, Undefined
				}
				return string(ev.Features[3].Text) == "a" || string(ev.Features[3].Text) == "/ count(", Counted
			}},
		}).Draw(t, "condition")
	}
	if rapid.Bool().Draw(t, "compare") {
		a, b := drawNumber(t, depth-1), drawNumber(t, depth-1)
		sign := rapid.SampledFrom([]string{"<", "<=", ">", ">=", "==", "!="}).Draw(t, "sign")
		return conditions{source: "(" + a.source + sign + b.source + ")", value: func(ev *event.Event) (bool, Outcome) {
			x, p := a.value(ev)
			y, q := b.value(ev)
			if (sign == "==" || sign == "!=") && (p == Failed || q == Failed) {
				return false, Failed // whatever the other is
			}
			return map[string]bool{"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y, "==": x == y, "!=": x != y}[sign], first(p, q)
		}}
	}
	a, b := drawCondition(t, depth-1), drawCondition(t, depth-1)
	join := func(sign string, decides bool) conditions { // one side may decide without the other
		return conditions{source: "(" + a.source + sign + b.source + ")", value: func(ev *event.Event) (bool, Outcome) {
			x, p := a.value(ev)
			y, q := b.value(ev)
			if p == Counted && x == decides || q == Counted && y == decides {
				return decides, Counted
			}
			return !decides, worse(p, q)
		}}
	}
	switch rapid.IntRange(0, 2).Draw(t, "logic") {
	case 0:
		return join(" && ", false)
	case 1:
		return join(" || ", true)
	}
	return conditions{source: "!" + parens(a.source), value: func(ev *event.Event) (bool, Outcome) {
		x, o := a.value(ev)
		return !x, o
	}}
}

func parens(s string) string { return "(" + s + ")" }

// empty has no value: an expression that has one all the same is of constants alone.
func empty() *event.Event {
	ev := sample()
	ev.Features, ev.Segments, ev.HasLatency = make([]event.Value, len(ev.Features)), make([][]byte, len(ev.Segments)), false
	return ev
}

func drawEvent(t *rapid.T) *event.Event {
	ev := sample()
	for _, i := range []int{2, 4, 5, 6, 8} {
		ev.Features[i] = event.Value{State: rapid.SampledFrom([]event.State{event.Valid, event.Valid, event.Missing, event.Invalid}).Draw(t, "state")}
		if ev.Features[i].State == event.Valid {
			ev.Features[i].Number = rapid.SampledFrom([]float64{0, 1, -1, 2.5, 3, 1e-3, 1e200, -1e300}).Draw(t, "value")
		}
	}
	if rapid.Bool().Draw(t, "merchant") {
		ev.Features[3] = txt(rapid.SampledFrom([]string{"a", "b", "", "/ count("}).Draw(t, "text"))
	} else {
		ev.Features[3] = event.Value{}
	}
	ev.Segments[1] = rapid.SampledFrom([][]byte{nil, {}, []byte("DE"), []byte("FR")}).Draw(t, "country")
	ev.Failed, ev.HasLatency = rapid.Bool().Draw(t, "failed"), rapid.Bool().Draw(t, "has latency")
	return ev
}

// side is an aggregate as text and as a function.
type side struct {
	source string
	of     func(*event.Event) (float64, Outcome)
}

func drawSide(t *rapid.T, kinds ...string) (kind string, s side) {
	kind = rapid.SampledFrom(kinds).Draw(t, "kind")
	value := numbers{value: func(*event.Event) (float64, Outcome) { return 1, Counted }}
	if kind != "count" {
		value = drawNumber(t, 3)
	}
	s = side{kind + "(" + value.source + ")", func(ev *event.Event) (float64, Outcome) {
		x, o := value.value(ev)
		if o == Counted && !(math.Abs(x) <= maxValue) {
			return 0, Failed
		}
		return x, o
	}}
	if rapid.Bool().Draw(t, "where") {
		c := drawCondition(t, 3)
		all := s.of
		s.of = func(ev *event.Event) (float64, Outcome) {
			yes, o := c.value(ev)
			switch {
			case o != Counted:
				return 0, o
			case !yes:
				return 0, Outside
			}
			return all(ev)
		}
		if rapid.Bool().Draw(t, "inside") {
			s.source = strings.TrimSuffix(s.source, ")") + " where " + c.source + ")"
		} else {
			s.source += " where " + c.source
		}
	}
	return kind, s
}

// TestOracle compares random figures on random events with plain functions.
func TestOracle(t *testing.T) {
	outcomes := map[Outcome]int{}
	rapid.Check(t, func(t *rapid.T) {
		kind, top := drawSide(t, "sum", "count", "mean")
		text, want := top.source, func(ev *event.Event) Result {
			x, o := top.of(ev)
			switch {
			case o > Outside:
				return Result{Outcome: o}
			case kind == "mean" && o == Counted:
				return Result{x, 1, o}
			}
			return Result{Numerator: x, Outcome: o}
		}
		if kind != "mean" && rapid.Bool().Draw(t, "ratio") {
			_, bottom := drawSide(t, "sum", "count")
			single := want
			text += " / " + bottom.source
			want = func(ev *event.Event) Result {
				r := single(ev)
				y, o := bottom.of(ev)
				switch {
				case r.Outcome > Outside:
					return r
				case o > Outside:
					return Result{Outcome: o}
				}
				return Result{r.Numerator, y, min(r.Outcome, o)}
			}
		}
		e, err := Compile("kpi", text, vars)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		run := evaluator(t, e)
		for range 5 {
			ev := drawEvent(t)
			got, want := run.Eval(ev)[0], want(ev)
			outcomes[want.Outcome]++
			if got != want {
				t.Fatalf("%s\nis %+v, want %+v\non %+v", text, got, want, ev)
			}
		}
	})
	for o := Counted; o <= Failed; o++ {
		if outcomes[o] == 0 {
			t.Errorf("no event has outcome %d", o)
		}
	}
}

func fixedSet(t testing.TB) *Set {
	var exprs []*Expr
	for name, text := range []string{`sum(features.amount)`, `mean(features.amount) where !failed`, `count(where failed)`, `sum(features.tax) / sum(features.amount)`, `count(where segments.country == "DE") / count()`} {
		e, err := Compile(fmt.Sprint("k", name), text, vars)
		if err != nil {
			t.Fatal(err)
		}
		exprs = append(exprs, e)
	}
	return NewSet(exprs...)
}

// exact has what is the same in whatever order events are added.
func exact(t *Tally) (counts []Counts) {
	for _, p := range t.parts {
		counts = append(counts, p.Counts)
	}
	return counts
}

// TestTallyLaws splits events at random and merges their tallies: the whole comes out, by plain sums and
// to rounding; and the binary form is read as it was written.
func TestTallyLaws(t *testing.T) {
	set := fixedSet(t)
	run, err := set.Bind(&schema)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		whole, parts := set.NewTally(), []*Tally{set.NewTally(), set.NewTally(), set.NewTally()}
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			ev := drawEvent(t)
			whole.Add(run.Eval(ev))
			parts[rapid.IntRange(0, 2).Draw(t, "part")].Add(run.Eval(ev))
		}
		order := rapid.Permutation(parts).Draw(t, "order")
		merged := order[0].Clone()
		before := string(order[0].AppendBinary(nil))
		merged.Merge(order[1])
		merged.Merge(order[2])
		if string(order[0].AppendBinary(nil)) != before {
			t.Fatal("a clone shares with its origin")
		}
		other := order[1].Clone()
		other.Merge(order[2])
		right := order[0].Clone()
		right.Merge(other)
		for _, m := range []*Tally{merged, right} {
			if fmt.Sprint(exact(m)) != fmt.Sprint(exact(whole)) {
				t.Fatalf("counts %v, want %v", exact(m), exact(whole))
			}
			same(t, m.Figures(nil), whole.Figures(nil))
		}
		form := merged.AppendBinary([]byte("x"))
		read, rest, err := set.ReadTally(append(form[1:], "rest"...))
		if err != nil || string(rest) != "rest" || string(read.AppendBinary(nil)) != string(form[1:]) {
			t.Fatalf("read back: %v, rest %q", err, rest)
		}
	})
}

func same(t *rapid.T, got, want []Figure) {
	if len(got) != len(want) {
		t.Fatalf("figures %v, want %v", got, want)
	}
	for i := range got {
		if got[i].Name != want[i].Name || math.Abs(got[i].Value-want[i].Value) > 1e-9*math.Abs(want[i].Value) {
			t.Fatalf("figures %v, want %v", got, want)
		}
	}
}
