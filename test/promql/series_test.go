package promql

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// mostSeries of a panel.
const mostSeries = 200

// plenty is how many values of a label there may well be at once, in a large installation.
var plenty = map[string]int{
	"job": 3, "instance": 10, "model": 500, "version": 8, "segment": 500, "window": 5, "feature": 1000, "q": 7, "statistic": 9, "figure": 100, "detector": 5,
	"topic": 200, "partition": 1000, "reason": 14, "outcome": 7, "kpi": 20, "decision": 2, "average": 4, "k": 10, "top": 4, "level": 10, "by": 5, "group": 50,
	"against": 50, "fingerprint": 50, "alertname": 30, "alertstate": 2, "severity": 3, "revision": 10, "goversion": 5,
}

// series is what a query returns at most: one for all values of some labels, and never more than limit.
type series struct {
	values map[string]int // of each label that is not pinned
	limit  int
}

const unlimited = 1 << 40

func (s series) count() int {
	n := 1
	for _, v := range s.values {
		n = min(n*v, unlimited)
	}
	return min(n, s.limit)
}

func (s series) names() []string { return slices.Sorted(maps.Keys(s.values)) }

// only keeps some labels, or all but these.
func (s series) only(by []string, without bool) series {
	out := series{map[string]int{}, s.limit}
	for l, n := range s.values {
		if slices.Contains(by, l) != without {
			out.values[l] = n
		}
	}
	return out
}

// bound returns what a query returns at most; one has the variables that stand for a single value.
func bound(t *testing.T, e parser.Expr, one map[string]bool, all map[string][]string) series {
	t.Helper()
	switch x := e.(type) {
	case *parser.VectorSelector:
		return selected(x, one, all)
	case *parser.MatrixSelector:
		return bound(t, x.VectorSelector, one, all)
	case *parser.ParenExpr:
		return bound(t, x.Expr, one, all)
	case *parser.StepInvariantExpr:
		return bound(t, x.Expr, one, all)
	case *parser.NumberLiteral:
		return series{limit: 1}
	case *parser.AggregateExpr:
		inner := bound(t, x.Expr, one, all)
		if x.Op == parser.TOPK || x.Op == parser.BOTTOMK {
			groups := inner.only(x.Grouping, x.Without).count()
			inner.limit = min(inner.limit, int(x.Param.(*parser.NumberLiteral).Val)*groups)
			return inner
		}
		return inner.only(x.Grouping, x.Without)
	case *parser.BinaryExpr:
		return boundBoth(t, x, one, all)
	case *parser.Call:
		for i, a := range x.Args {
			if a.Type() != parser.ValueTypeVector && a.Type() != parser.ValueTypeMatrix {
				continue
			}
			inner := bound(t, x.Args[i], one, all)
			if x.Func.Name == "label_replace" {
				inner.values = maps.Clone(inner.values)
				inner.values[x.Args[1].(*parser.StringLiteral).Val] = inner.values["__name__"]
			}
			return inner
		}
		return series{limit: 1}
	}
	t.Fatalf("a query has %T: %s", e, e)
	return series{}
}

func boundBoth(t *testing.T, x *parser.BinaryExpr, one map[string]bool, all map[string][]string) series {
	t.Helper()
	left, right := bound(t, x.LHS, one, all), bound(t, x.RHS, one, all)
	switch {
	case x.Op == parser.LOR:
		values := maps.Clone(left.values)
		for l, n := range right.values {
			values[l] = max(values[l], n)
		}
		return series{values, left.count() + right.count()}
	case x.Op == parser.LAND && x.VectorMatching.On:
		rest := left.only(x.VectorMatching.MatchingLabels, true).count()
		left.limit = min(left.limit, right.count()*rest)
		return left
	case x.LHS.Type() == parser.ValueTypeScalar:
		return right
	}
	return left
}

// selected is what a selector returns at most: labels that a matcher leaves one value, or a few, have no more.
func selected(s *parser.VectorSelector, one map[string]bool, all map[string][]string) series {
	out := series{map[string]int{}, unlimited}
	names := metricsOf(s, all)
	for _, name := range names {
		for _, l := range all[name] {
			out.values[l] = plenty[l]
		}
	}
	if slices.Contains(names, "streammon_performance_threshold") {
		delete(out.values, "figure") // one decides
		out.values["figure"] = 1
	}
	out.values["__name__"] = len(names)
	for _, m := range s.LabelMatchers {
		variable, isVariable := strings.CutPrefix(m.Value, "$")
		switch {
		case m.Name == "__name__":
		case isVariable && one[variable], !isVariable && m.Type == labels.MatchEqual:
			delete(out.values, m.Name)
		case !isVariable && m.Type == labels.MatchRegexp && !strings.ContainsAny(m.Value, ".+*["):
			out.values[m.Name] = strings.Count(m.Value, "|") + 1
		case m.Type == labels.MatchRegexp && m.Name == "q":
			out.values[m.Name] = strings.Count(m.Value, "|") + 1
		case m.Type == labels.MatchRegexp && strings.HasPrefix(m.Value, `prediction\.`):
			out.values[m.Name] = 2
		}
	}
	if out.values["__name__"] == 1 {
		delete(out.values, "__name__")
	}
	return out
}

// TestPanelsHaveFewSeries: whatever there is to show, a panel never has more than 200 series, because its query
// takes the top of them, or a variable stands for one value.
func TestPanelsHaveFewSeries(t *testing.T) {
	all := exposed(t)
	for name, b := range boards(t) {
		one := map[string]bool{}
		for _, v := range b.Templating.List {
			one[v.Name] = !v.Multi
		}
		repeat := ""
		for _, p := range b.Panels {
			if p.Type == "row" {
				repeat = p.Repeat
				continue
			}
			pinned := maps.Clone(one)
			pinned[repeat], pinned[p.Repeat] = true, true
			n := 0
			for _, q := range p.Targets {
				n += bound(t, parse(t, p.Title, q.Expr), pinned, all).count()
			}
			if n > mostSeries {
				t.Errorf("%s: %s may have %d series", name, p.Title, n)
			}
		}
	}
}

// TestBoundsOfQueries holds the reckoning itself to queries of which the answer is clear.
func TestBoundsOfQueries(t *testing.T) {
	all := map[string][]string{"a": {"feature", "q", "instance"}, "b": {"feature", "version"}}
	for expr, want := range map[string]int{
		`a`: 70_000, `a{feature="x"}`: 70, `a{feature=~"$multi"}`: 70_000, `a{feature=~"$single"}`: 70, `a{feature="x", q=~"0.5|0.9"}`: 20,
		`max by (q) (a)`: 7, `sum(a)`: 1, `topk(3, a)`: 3, `topk by (q) (3, a)`: 21, `sum by (q) (topk(3, a))`: 3,
		`max by (feature, q) (a) and on (feature) topk(2, max by (feature) (b))`: 14, `sum(a) or sum(b)`: 1, `time() - max by (q) (rate(a[5m]))`: 7,
		`max by (x) (label_replace({__name__=~"a|b"}, "x", "$1", "__name__", "(.*)"))`: 2, `count(a) or vector(0)`: 1, `a == 1`: 70_000, `topk(2, a) or topk(3, a)`: 5,
	} {
		if got := bound(t, parse(t, expr, expr), map[string]bool{"single": true}, all).count(); got != want {
			t.Errorf("%s returns %d at most, reckoned are %d", expr, want, got)
		}
	}
}
