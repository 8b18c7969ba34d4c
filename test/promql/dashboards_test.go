package promql

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

// board is as much of a dashboard as has queries.
type board struct {
	Title  string `json:"title"`
	Panels []struct {
		Title, Type, Repeat string
		Targets             []struct{ Expr, RefID, LegendFormat string }
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name, Type string
			Multi      bool
			Query      any
		}
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

func boards(t *testing.T) map[string]*board {
	t.Helper()
	files, err := filepath.Glob(cmp.Or(os.Getenv("STREAMMON_DASHBOARDS"), root+"/dashboards") + "/*.json") // or others, fitted to a config
	if err != nil || len(files) != 5 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	out := map[string]*board{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b := &board{}
		if err := json.Unmarshal(text, b); err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = b
	}
	return out
}

// exposed has the labels of each metric of a real exposition, the exporter's golden one, which has all; and what
// Prometheus itself makes.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(root + "/internal/exporter/testdata/exposition.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{
		"up": nil, "scrape_duration_seconds": nil, "ALERTS": {"alertname", "alertstate", "model", "severity"},
	}
	label := regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)
	for line := range strings.Lines(string(text)) {
		if m := regexp.MustCompile(`^(streammon_\w+)(.*)$`).FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			names := []string{}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				names = append(names, l[1])
			}
			out[m[1]] = names
		}
	}
	for name := range out {
		out[name] = append(out[name], "job", "instance")
	}
	if len(out) < 100 {
		t.Fatalf("only %d metrics are exposed", len(out))
	}
	return out
}

// interpolated is a query as Grafana sends it, but for variables within strings, which stay.
func interpolated(expr string) string {
	return strings.NewReplacer("$__range", "6h", "$__rate_interval", "1m", "$__interval", "15s", "$error_budget", "0.01").Replace(expr)
}

func parse(t *testing.T, where, expr string) parser.Expr {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(interpolated(expr))
	if err != nil {
		t.Errorf("%s: %v\n%s", where, err, expr)
		return nil
	}
	return e
}

// queries calls see with each query of the dashboards, those of variables and annotations among them.
func queries(t *testing.T, see func(where, expr string)) {
	for name, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				see(name+": "+p.Title+" "+q.RefID, q.Expr)
			}
		}
		for _, a := range b.Annotations.List {
			see(name+": annotation "+a.Name, a.Expr)
		}
		for _, v := range b.Templating.List {
			q, ok := v.Query.(map[string]any)
			if !ok {
				continue
			}
			text := q["query"].(string)
			where := name + ": variable " + v.Name
			if inner, ok := strings.CutPrefix(text, "query_result("); ok {
				see(where, strings.TrimSuffix(inner, ")"))
			} else if m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(text); m != nil {
				see(where, "count by ("+m[2]+") ("+m[1]+")")
			} else {
				t.Errorf("%s is %s", where, text)
			}
		}
	}
}

// metricsOf returns the metrics that a selector may mean.
func metricsOf(s *parser.VectorSelector, all map[string][]string) (names []string) {
	for name := range all {
		if !slices.ContainsFunc(s.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == "__name__" && !m.Matches(name) }) {
			names = append(names, name)
		}
	}
	return names
}

// TestQueriesAreOfWhatIsExported: all parse, and their metrics and labels exist.
func TestQueriesAreOfWhatIsExported(t *testing.T) {
	all, n := exposed(t), 0
	queries(t, func(where, expr string) {
		n++
		e := parse(t, where, expr)
		if e == nil {
			return
		}
		known := map[string]bool{} // labels that something in the query has
		parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
			switch x := node.(type) {
			case *parser.VectorSelector:
				names := metricsOf(x, all)
				if len(names) == 0 {
					t.Errorf("%s: nothing is exported for %s", where, x)
				}
				for _, name := range names {
					for _, l := range all[name] {
						known[l] = true
					}
				}
				for _, m := range x.LabelMatchers {
					has := func(name string) bool { return slices.Contains(all[name], m.Name) }
					if m.Name != "__name__" && !slices.ContainsFunc(names, has) {
						t.Errorf("%s: %s has no label %s", where, x, m.Name)
					}
				}
			case *parser.Call:
				if x.Func.Name == "label_replace" {
					known[x.Args[1].(*parser.StringLiteral).Val] = true
				}
			}
			return nil
		})
		parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
			var names []string
			switch x := node.(type) {
			case *parser.AggregateExpr:
				names = x.Grouping
			case *parser.BinaryExpr:
				if x.VectorMatching != nil {
					names = x.VectorMatching.MatchingLabels
				}
			}
			for _, l := range names {
				if !known[l] {
					t.Errorf("%s: nothing has the label %s\n%s", where, l, expr)
				}
			}
			return nil
		})
	})
	if n < 200 {
		t.Errorf("only %d queries were found", n)
	}
}

// TestLegendsAreOfLabels: a legend names labels that its query leaves.
func TestLegendsAreOfLabels(t *testing.T) {
	all, n := exposed(t), 0
	for name, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
					if n++; !slices.Contains(bound(t, parse(t, name, q.Expr), nil, all).names(), m[1]) {
						t.Errorf("%s: %s has no %s for its legend %s", name, p.Title, m[1], q.LegendFormat)
					}
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d labels in legends were found", n)
	}
}

// TestTableColumnsShareLabels: columns are merged into lines by the labels of their queries.
func TestTableColumnsShareLabels(t *testing.T) {
	for name, b := range boards(t) {
		for _, p := range b.Panels {
			if p.Type != "table" {
				continue
			}
			for _, q := range p.Targets[1:] {
				first, other := bound(t, parse(t, name, p.Targets[0].Expr), nil, exposed(t)), bound(t, parse(t, name, q.Expr), nil, exposed(t))
				if !slices.Equal(first.names(), other.names()) {
					t.Errorf("%s: columns of %s are of %v and %v", name, p.Title, first.names(), other.names())
				}
			}
		}
	}
}
