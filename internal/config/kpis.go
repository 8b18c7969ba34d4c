package config

import (
	"regexp"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
)

// KPI is a business figure of a model.
type KPI struct {
	Name string
	// Expression is what package kpi computes, such as sum(features.amount).
	Expression string
}

// maxKPIs is the most figures of a model: each costs time for every event, and memory in every pane of every series.
const maxKPIs = 20

var kpiName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,63}$`)

// kpis reads a mapping of names to expressions; they are compiled when the features are known.
func (v value) kpis(to *[]KPI) {
	v.entries("a mapping of names to expressions, such as revenue: sum(features.amount),", func(key string, at position, child value) {
		if !kpiName.MatchString(key) {
			v.r.add(at, child.path, "the key %s is not 1 to 64 of a-z, A-Z, 0-9 and underscore, with no digit first", quote(key))
			return
		}
		k := KPI{Name: key}
		child.text(&k.Expression, kpi.MaxText)
		*to = append(*to, k)
	})
	if v.n.kind == mapping && len(v.n.entries) == 0 {
		v.fail("is empty: give at least one name and its expression, or leave the key out")
	}
	if len(*to) > maxKPIs {
		v.fail("%d figures where at most %d are allowed", len(*to), maxKPIs)
	}
}

// checkKPIs compiles the figures, if it is known what they may speak of.
func (m *modelRules) checkKPIs() {
	for _, f := range m.Features {
		if f.Type == "" {
			return // reported
		}
	}
	for _, k := range m.KPIs {
		if k.Expression == "" {
			continue // reported
		}
		if _, err := m.compile(k); err != nil {
			m.fail(join(join(m.path, "kpis"), k.Name), "%v", err)
		}
	}
}

func (m *Model) compile(k KPI) (*kpi.Expr, error) {
	var vars kpi.Vars
	for _, f := range m.Features {
		t := event.Numeric
		if f.Type == event.Categorical.String() {
			t = event.Categorical
		}
		vars.Features = append(vars.Features, event.Feature{Name: f.Name, Type: t})
	}
	for _, s := range m.Segments {
		vars.Segments = append(vars.Segments, s.Name)
	}
	return kpi.Compile(k.Name, k.Expression, vars)
}

// KPISet returns the compiled figures of a model of a valid config.
func (m *Model) KPISet() (*kpi.Set, error) {
	var exprs []*kpi.Expr
	for _, k := range m.KPIs {
		e, err := m.compile(k)
		if err != nil {
			return nil, err
		}
		exprs = append(exprs, e)
	}
	return kpi.NewSet(exprs...), nil
}
