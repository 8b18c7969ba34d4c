package promql

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// TestRulesOfThree: Prometheus 3 takes the rules, too, of which promtool 2.42 runs the tests; and no alert keeps the name of a target, which changes
// with every pod.
func TestRulesOfThree(t *testing.T) {
	groups, errs := rulefmt.ParseFile("../../deploy/prometheus/rules/streammon.yml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.Default())
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		return
	}
	alerts := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			e := parse(t, r.Record+r.Alert, r.Expr)
			if e == nil {
				continue
			}
			if r.Alert != "" {
				alerts++
			}
			for _, a := range outermost(e) {
				if a.Without || slices.Contains(a.Grouping, "instance") {
					t.Errorf("%s%s keeps the instance: %s", r.Record, r.Alert, a)
				}
			}
		}
	}
	if alerts < 20 {
		t.Errorf("only %d alerts", alerts)
	}
}

// outermost are the aggregations whose labels an expression has in the end.
func outermost(e parser.Expr) (out []*parser.AggregateExpr) {
	switch x := e.(type) {
	case *parser.AggregateExpr:
		return []*parser.AggregateExpr{x}
	case *parser.ParenExpr:
		return outermost(x.Expr)
	case *parser.BinaryExpr:
		if x.Op == parser.LOR {
			return append(outermost(x.LHS), outermost(x.RHS)...)
		}
		return outermost(x.LHS)
	}
	return nil
}
