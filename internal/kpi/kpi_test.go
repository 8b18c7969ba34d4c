package kpi

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
)

var vars = Vars{
	Features: []event.Feature{{Name: "amount"}, {Name: "odd name"}, {Name: "merchant", Type: event.Categorical}, {Name: "where"}, {Name: "tax"}},
	Segments: []string{"country", "plan"},
}

// schema has the features in another order, and more.
var schema = event.Schema{
	Models: []string{"other", "fraud"},
	Features: []event.Feature{
		{Name: "merchant"}, {Name: "where"}, {Name: "tax"}, {Name: "merchant", Type: event.Categorical}, {Name: "odd name"}, {Name: "amount"},
		{Name: event.PredictionScore}, {Name: event.PredictionLabel, Type: event.Categorical}, {Name: event.PredictionValue},
	},
	Segments: []string{"plan", "country"},
}

func num(x float64) event.Value { return event.Value{State: event.Valid, Number: x} }
func txt(s string) event.Value  { return event.Value{State: event.Valid, Text: []byte(s)} }

// sample is an event without a tax, whose where is invalid, and without a plan.
func sample() *event.Event {
	return &event.Event{
		Model: 1, Version: []byte("7"), HasLatency: true, Latency: 0.25,
		Features: []event.Value{
			{}, {State: event.Invalid}, {}, txt("m1"), num(4), num(12.5), num(0.75), txt("approve"), num(-3),
		},
		Segments: [][]byte{nil, []byte("DE")},
	}
}

func compile(t rapid.TB, text string) *Expr {
	t.Helper()
	e, err := Compile("kpi", text, vars)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func evaluator(t rapid.TB, exprs ...*Expr) *Evaluator {
	t.Helper()
	e, err := NewSet(exprs...).Bind(&schema)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEval evaluates figures on one event.
func TestEval(t *testing.T) {
	undefined, failed, outside := Result{Outcome: Undefined}, Result{Outcome: Failed}, Result{Outcome: Outside}
	counted := func(numerator, denominator float64) Result { return Result{numerator, denominator, Counted} }
	for text, want := range map[string]Result{
		`sum(features.amount)`:          counted(12.5, 0),
		`sum(features["odd name"])`:     counted(4, 0),
		`sum(features['amount'])`:       counted(12.5, 0),
		`mean(features.amount)`:         counted(12.5, 1),
		`count()`:                       counted(1, 0),
		` count ( ) `:                   counted(1, 0),
		`sum(1)`:                        counted(1, 0),
		`sum(7 / 2)`:                    counted(3.5, 0),
		`sum(features.amount * 2 - 1)`:  counted(24, 0),
		`sum(-features.amount)`:         counted(-12.5, 0),
		`sum(prediction.score)`:         counted(0.75, 0),
		`sum(prediction.value)`:         counted(-3, 0),
		`sum(latency_ms)`:               counted(250, 0),
		`sum(size(features.merchant))`:  counted(2, 0),
		`sum(size("äöü") + "x".size())`: counted(4, 0),
		`sum(double("2.5"))`:            counted(2.5, 0),
		`sum(failed ? 1 : 2)`:           counted(2, 0),
		`sum({"DE": 19, "FR": 20}[segments.country] / 100 * features.amount)`: counted(2.375, 0),

		`sum(features.amount) where prediction.label == "approve"`: counted(12.5, 0),
		`sum(features.amount where prediction.label == 'approve')`: counted(12.5, 0),
		`sum(features.amount) where prediction.label == "deny"`:    outside,
		`mean(features.amount) where failed`:                       outside,
		`count() where segments.country in ["FR", "DE"]`:           counted(1, 0),
		`count(where segments["country"] == "FR")`:                 outside,
		`count(where version == "7" && model == "fraud")`:          counted(1, 0),
		`count(where features.amount > 12 && !failed)`:             counted(1, 0),
		`count(where features.amount == 12.5 || failed)`:           counted(1, 0),
		`count(where features.merchant.startsWith("m"))`:           counted(1, 0),
		`count(where features.merchant.contains("x"))`:             outside,
		`count(where features.merchant.endsWith(r"1"))`:            counted(1, 0),
		`count(where features.merchant == "where / count(\"")`:     outside,
		`count(where features.merchant == r"\")`:                   outside,
		`count(where features.merchant == """a"b""")`:              outside,
		`count(where features.amount in [12.5, 1])`:                counted(1, 0),

		// What is missing or invalid makes undefined what needs it, and nothing else.
		`sum(features.tax)`:                                                            undefined,
		`sum(features.where)`:                                                          undefined,
		`sum(features.where) where true`:                                               undefined,
		`sum(features.amount + features.tax)`:                                          undefined,
		`sum(features.tax) where failed`:                                               outside,
		`count(where segments.plan == "gold")`:                                         undefined,
		`count(where segments.plan != "gold")`:                                         undefined,
		`count(where segments.plan in ["gold"])`:                                       undefined,
		`count(where "gold" in [segments.plan])`:                                       undefined,
		`count(where features.tax > 1)`:                                                undefined,
		`count(where !(features.tax > 1))`:                                             undefined,
		`count(where features.tax > 1 || features.amount > 1)`:                         counted(1, 0),
		`count(where features.tax > 1 && features.amount > 100)`:                       outside,
		`count(where features.amount > 100 && features.tax > 1)`:                       outside,
		`sum(features.tax > 1 ? 1 : 2)`:                                                undefined,
		`sum(failed ? features.tax : 2)`:                                               counted(2, 0),
		`sum(has(features.tax) ? features.tax : 0)`:                                    counted(0, 0),
		`sum(has(features.amount) ? features.amount : 0)`:                              counted(12.5, 0),
		`count(where has(segments.plan) || has(features.where))`:                       outside,
		`count(where has(segments.country))`:                                           counted(1, 0),
		`count(where has(features["odd name"]))`:                                       counted(1, 0),
		`count(where has(segments["plan"]))`:                                           outside,
		`count(where prediction["label"] == "approve")`:                                counted(1, 0),
		`count(where has(prediction.score))`:                                           counted(1, 0),
		`sum({"gold": 1}[segments.plan])`:                                              undefined,
		`count(where features.tax > 1 || 1 / (features.amount - features.amount) > 1)`: undefined,

		// What fails.
		`sum(features.amount / (features.amount - features.amount))`:             failed,
		`sum(features.amount / (features.amount - 12.5))`:                        failed,
		`count(where features.amount / (features.amount - features.amount) > 1)`: failed,
		`sum(features.amount * 1e308 * 1e308)`:                                   failed,
		`sum(1e300)`:                                                             failed,
		`sum(1e308 * 10 - 1e308 * 10)`:                                           failed,
		`sum({"FR": 1}[segments.country])`:                                       failed,
		`sum(double(features.merchant))`:                                         failed,
		`sum(double("NaN"))`:                                                     failed,
		`sum(double("inf"))`:                                                     failed,

		// Ratios: the same events are above and below.
		`sum(features.amount) / count()`:                                           counted(12.5, 1),
		`count(where failed) / count()`:                                            counted(0, 1),
		`count() / count(where failed)`:                                            counted(1, 0),
		`count(where failed) / count(where failed)`:                                outside,
		`count() where features.amount / 2 > 1 / count()`:                          counted(1, 1),
		`(count() where failed) / (count())`:                                       counted(0, 1),
		`(sum(features.amount) where features.amount > 1) / sum(prediction.score)`: counted(12.5, 0.75),
		`sum(features.tax) / count()`:                                              undefined,
		`count() / sum(features.tax)`:                                              undefined,
		`count() / sum(1 / (features.amount - features.amount))`:                   failed,
		`(sum(features.tax) where failed) / count()`:                               counted(0, 1),
	} {
		got := evaluator(t, compile(t, text)).Eval(sample())[0]
		if got != want {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
	}
}

// TestBad compares the messages of texts that are no figure.
func TestBad(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, `column 1: the end, where sum(…), mean(…) or count() is wanted`},
		{`features.amount`, `column 1: "features", where sum(…), mean(…) or count() is wanted`},
		{`max(features.amount)`, `column 1: "max", where sum(…), mean(…) or count() is wanted`},
		{`sum`, `column 1: "sum", where sum(…), mean(…) or count() is wanted`},
		{`sum()`, `column 1: sum needs an expression in its parentheses, such as features.amount`},
		{`mean(where failed)`, `column 1: mean needs an expression in its parentheses, such as features.amount`},
		{`sum(features.amount`, `column 4: a parenthesis that is not closed`},
		{`sum(features.amount]`, `column 20: "]", where ")" is wanted`},
		{`sum([features.amount)`, `column 4: a parenthesis that is not closed`},
		{`sum(features["amount)`, `column 14: a text that does not end: its quote is missing`},
		{`sum(features.amount) // all`, `column 22: comments are not allowed here`},
		{"sum(features.amount)\n", `column 21: has a control character: write it in one line`},
		{"sum(features.amount)\xff", `column 1: the text is not UTF-8`},
		{`sum(features.amount) when failed`, `column 22: "when", where the end, "where" or "/ sum(…), mean(…) or count()" is wanted`},
		{`sum(features.amount) + sum(features.tax)`, `column 22: "+", where the end, "where" or "/ sum(…), mean(…) or count()" is wanted`},
		{`sum(features.amount) / 2`, `column 24: "2", where sum(…), mean(…) or count() is wanted`},
		{`sum(features.amount) / 2 / count()`, `column 24: "2", where sum(…), mean(…) or count() is wanted`},
		{`2 * sum(features.amount)`, `column 1: "2", where sum(…), mean(…) or count() is wanted`},
		{`sum(features.amount) / sum(features.tax) / count()`, `column 42: "/", where the end, "where" or "/ sum(…), mean(…) or count()" is wanted`},
		{`mean(features.amount) / count()`, `column 1: a ratio is of sums and counts: mean(x) is sum(x) / count()`},
		{`count() / mean(features.amount)`, `column 11: a ratio is of sums and counts: mean(x) is sum(x) / count()`},
		{`count(features.amount)`, `column 7: count takes no expression, but a condition: count(where …)`},
		{`count() where`, `column 9: "where" needs a condition behind it`},
		{`count(where)`, `column 7: "where" needs a condition behind it`},
		{`count(where failed) where failed`, `column 21: a second "where": join conditions by &&`},
		{`count() where failed where failed`, `column 22: 'where' is not expected here`},
		{`(count()`, `column 9: the end, where ")" is wanted`},
		{`(count() / count())`, `column 10: "/", where ")" is wanted`},
		{`((sum(features.amount)) where failed) / count()`, `column 25: "where", where ")" is wanted`},
		{`count())`, `column 8: ")", where the end, "where" or "/ sum(…), mean(…) or count()" is wanted`},

		{`sum(features.amuont)`, `column 13: the model has no feature "amuont"; it has amount, odd name, merchant, where, tax`},
		{`sum(features["x"])`, `column 13: the model has no feature "x"; it has amount, odd name, merchant, where, tax`},
		{`count(where segments.city == "x")`, `column 21: the model has no segmentation "city"; it has country, plan`},
		{`sum(prediction.scores)`, `column 15: prediction has no "scores"; it has score, label, value`},
		{`sum(amount)`, `column 5: there is no variable "amount"; there are features.NAME, segments.NAME, prediction.score, prediction.label, prediction.value, latency_ms, failed, version, model (did you mean "features.amount"?)`},
		{`count(where country == "DE")`, `column 13: there is no variable "country"; there are features.NAME, segments.NAME, prediction.score, prediction.label, prediction.value, latency_ms, failed, version, model (did you mean "segments.country"?)`},
		{`sum(score)`, `column 5: there is no variable "score"; there are features.NAME, segments.NAME, prediction.score, prediction.label, prediction.value, latency_ms, failed, version, model (did you mean "prediction.score"?)`},
		{`sum(features)`, `column 5: features has no value of its own: write which one, as in features.amount`},
		{`sum(features[features.merchant])`, `column 22: the name in brackets is a text in quotes, as in features["odd name"]`},
		{`sum(features.amount.x)`, `column 20: there is no field "x" here`},
		{`count(where has(features.amuont))`, `column 25: the model has no feature "amuont"; it has amount, odd name, merchant, where, tax`},
		{`count(where has())`, `column 16: has is for features, segments and prediction, as in has(features.amount)`},
		{`count(where features.amount.has())`, `column 32: has is for features, segments and prediction, as in has(features.amount)`},
		{`sum(latency_ms["a"])`, `column 15: '[ ]' does not apply to '(number, text)'`},
		{`sum(has(latency_ms) ? 1 : 0)`, `column 8: has is for features, segments and prediction, as in has(features.amount)`},
		{`sum(has(latency_ms.x) ? 1 : 0)`, `column 8: has is for features, segments and prediction, as in has(features.amount)`},

		{`sum(features.merchant)`, `column 5: sum takes a number, and this is a text`},
		{`mean(failed)`, `column 6: mean takes a number, and this is a condition`},
		{`sum([1.0])`, `column 5: sum takes a number, and this is a list(number)`},
		{`count(where features.amount)`, `column 13: where takes a condition, and this is a number`},
		{`count() where ä`, `column 15: 'ä' is not expected here`},
		{`count(where features.merchant > 5)`, `column 31: '>' does not apply to '(text, number)'`},
		{`count(where features.merchant == 5)`, `column 31: '==' does not apply to '(text, number)'`},
		{`count(where version >= "7")`, `column 21: '>=' does not apply to '(text, text)'`},
		{`count(where segments.country in "DE")`, `column 30: 'in' does not apply to '(text, text)'`},
		{`sum(features.amount + features.merchant)`, `column 21: '+' does not apply to '(number, text)'`},
		{`sum(features.amount / failed)`, `column 21: '/' does not apply to '(number, condition)'`},
		{`sum(features.amount % 2)`, `column 21: there is no remainder %: all numbers are floating-point`},
		{`sum(1/0)`, `column 6: a division by a constant that is zero`},
		{`sum(features.amount) where features.amount / -(2 * 3 - 12.0/2) > 1`, `column 44: a division by a constant that is zero`},
		{`count(where failed || latency_ms / 0.0 > 1)`, `column 34: a division by a constant that is zero`},
		{`sum([1, "a"])`, `column 9: expected type 'number' but found 'text'`},
		{`sum(1u)`, `column 5: values are numbers, texts in quotes, true and false`},
		{`count(where features.merchant == null)`, `column 34: values are numbers, texts in quotes, true and false`},
		{`count(where b"x" == b"x")`, `column 13: values are numbers, texts in quotes, true and false`},
		{`sum({1: 2.0}["a"])`, `column 6: keys of mappings are texts in quotes`},
		{`sum(Foo{a: 1})`, `column 8: this form of expression is not available here`},
		{`sum(1e999)`, `column 5: invalid double literal`},
		{`sum(features.amount +)`, `column 22: the end of the expression is not expected here`},
		{`count(where features.amount > 1 failed)`, `column 33: 'failed' is not expected here`},

		{`sum(abs(features.amount))`, `column 8: there is no function "abs"; there are has, contains, startsWith, endsWith, size, double`},
		{`count(where features.merchant.matches(".*"))`, `column 38: there is no function "matches"; there are has, contains, startsWith, endsWith, size, double`},
		{`count(where [1, 2].exists(x, x > 1))`, `column 26: there is no function "exists"; there are has, contains, startsWith, endsWith, size, double`},
		{`sum(timestamp("2026-01-01T00:00:00Z"))`, `column 14: there is no function "timestamp"; there are has, contains, startsWith, endsWith, size, double`},
		{`sum(sum(features.amount))`, `column 8: sum stands around a whole expression: a figure is one of sum(…), mean(…) or count(), or one of them divided by another`},

		{`count() where ` + strings.Repeat(`features.merchant.contains("x") || `, 90) + `failed`, `column 15: costs up to 1081 an event, of which 1000 are allowed: make it simpler`},
	} {
		e, err := Compile("kpi", c.text, vars)
		var at *Error
		if e != nil || !errors.As(err, &at) || err.Error() != c.want {
			t.Errorf("%s\n gave %v\n want %s", c.text, err, c.want)
		}
	}
}

// TestHostile compiles texts that are long or deep: none may take long, or panic.
func TestHostile(t *testing.T) {
	for _, part := range []string{"(", "[", "{", "!", "-", "1+", "a.", "f(", "[1,", `{"a":`, "true?", "\"", "'''", "1 in [", "has(", "where ", "sum(", "/", "features.amount.", "1<"} {
		for _, n := range []int{10, 100, MaxText / len(part)} {
			text := strings.Repeat(part, n)
			for _, text := range []string{"sum(" + text, "sum(" + text + ")", "count(where " + text + ")", text} {
				if _, err := Compile("kpi", text, vars); err == nil {
					t.Errorf("%.20s…: no error", text)
				}
			}
		}
	}
	long := `count(where features.merchant.contains("` + strings.Repeat("x", 3000) + `"))`
	if _, err := Compile("kpi", long, vars); err == nil || !strings.Contains(err.Error(), "costs up to") {
		t.Errorf("a long text to look for: %v", err)
	}
	if _, err := Compile("kpi", strings.Repeat(" ", MaxText+1), vars); err == nil || !strings.Contains(err.Error(), "longer than 4096 bytes") {
		t.Errorf("a long text: %v", err)
	}
}

// TestCostIsWatched evaluates an expression on a text that is longer than usual: it fails where it would cost too much.
func TestCostIsWatched(t *testing.T) {
	e := compile(t, `count(where features.merchant.contains("x"))`)
	if !e.top.where.watched {
		t.Error("the cost of looking for a text is not watched")
	}
	if compile(t, `count(where features.merchant == "x" && features.amount > 1)`).top.where.watched {
		t.Error("the cost of what costs the same for all texts is watched")
	}
	for length, want := range map[int]Outcome{usualText: Outside, 100 * usualText: Failed} {
		ev := sample()
		ev.Features[3] = txt(strings.Repeat("y", length))
		if got := evaluator(t, e).Eval(ev)[0].Outcome; got != want {
			t.Errorf("%d characters: outcome %d, want %d", length, got, want)
		}
	}
}

// TestNeeds names what figures read.
func TestNeeds(t *testing.T) {
	a := compile(t, `sum(features.tax * features["odd name"]) where prediction.label == "x" && segments.plan == "a" && !failed / sum(features.tax)`)
	b := compile(t, `sum(prediction.value) where has(features.merchant) && features.merchant != "x" && has(features.tax)`)
	want := []event.Feature{
		{Name: "tax"}, {Name: "odd name"}, {Name: event.PredictionLabel, Type: event.Categorical},
		{Name: event.PredictionValue}, {Name: "merchant", Type: event.Categorical},
	}
	if diff := cmp.Diff(want, NewSet(a, b).Needs()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want[:3], a.Needs()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]event.Feature{want[3], want[4], want[0]}, b.Needs()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	lacking := schema
	lacking.Features = schema.Features[:8]
	if _, err := NewSet(a, b).Bind(&lacking); err == nil || err.Error() != `bind figure "kpi": events have no prediction.value` {
		t.Errorf("bound to a schema without the value: %v", err)
	}
}

// TestEvents evaluates one event after another: no value stays behind.
func TestEvents(t *testing.T) {
	e := evaluator(t, compile(t, `sum(features.amount) where features.merchant == "m1"`), compile(t, `count(where segments.country == "DE")`))
	ev := sample()
	for i, want := range []Result{{12.5, 0, Counted}, {0, 0, Outside}, {0, 0, Undefined}, {2, 0, Counted}, {0, 0, Undefined}, {2, 0, Counted}} {
		switch i {
		case 1:
			ev.Features[3] = txt("m2")
		case 2:
			ev.Features[3] = event.Value{}
		case 3:
			ev.Features[3], ev.Features[5] = txt("m1"), num(2)
		case 4:
			ev.Features[5] = event.Value{State: event.Invalid}
		case 5:
			ev.Features[5] = num(2)
		}
		if got := e.Eval(ev)[0]; got != want {
			t.Errorf("event %d: %+v, want %+v", i, got, want)
		}
	}
	ev.Segments[1][0] = 'F' // the decoder reuses its bytes
	if got := e.Eval(ev)[1].Outcome; got != Outside {
		t.Errorf("another segment: outcome %d", got)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`sum(features.amount) where prediction.label == "approve"`, `count(where failed) / count()`, `(mean(features["odd name"] / 2))`,
		`sum({"DE": 0.19}[segments.country]) / sum(has(features.tax) ? features.tax : 0)`, `count() where features.merchant in ["a", r"\", '''x''']`,
		`sum(`, `count() where "`, "sum(\x00)", `sum(1) / (`, `count(where [1].all(x, x > 0))`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Compile("kpi", text, vars)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.Column < 1 || at.Column > len(text)+1 || at.Message == "" || strings.ContainsRune(at.Message, '\n') || strings.Contains(at.Message, "@") && !strings.Contains(text, "@") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		r := evaluator(t, e).Eval(sample())[0]
		if r.Outcome > Failed || math.IsNaN(r.Numerator+r.Denominator) || r.Outcome != Counted && (r.Numerator != 0 || r.Denominator != 0) {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}

func BenchmarkEval(b *testing.B) {
	for _, text := range []string{
		`count()`, `sum(features.amount)`, `count(where prediction.label == "approve")`, `sum(features.amount) where prediction.label == "approve"`,
		`sum(features.amount) where prediction.score > 0.5`, `sum(features.amount * 0.02 - features["odd name"]) where prediction.label == "approve" && features.amount > 5 && !failed`,
		`sum({"DE": 0.19, "FR": 0.2}[segments.country] * features.amount) / sum(features.amount)`, `count(where features.merchant.startsWith("m"))`, `count(where features.merchant.contains("x"))`,
	} {
		b.Run(text, func(b *testing.B) {
			x := compile(b, text)
			e := evaluator(b, x)
			tally := e.set.NewTally()
			ev := sample()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ev.Features[5].Number = float64(i)
				tally.Add(e.Eval(ev))
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		compile(b, `sum(features.amount) where prediction.label == "approve"`)
	}
}

func ExampleCompile() {
	e, _ := Compile("revenue", `sum(features.amount) where prediction.label == "approve"`, vars)
	set := NewSet(e)
	evaluator, _ := set.Bind(&schema)
	tally := set.NewTally()
	tally.Add(evaluator.Eval(sample()))
	fmt.Println(tally.Figures(nil))
	// Output: [{revenue 12.5}]
}
