package generate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/exporter"
)

// Rules are all recording and alert rules of a config.
type Rules struct {
	Records []Record
	Alerts  []Alert
	config  *config.Config
}

// Record is a recording rule.
type Record struct{ Name, Expr string }

// Alert is an alert rule.
type Alert struct {
	// Name is that in Prometheus; Key is that in a config.
	Name, Key string
	// Level is what the alert is about: monitor, model or feature.
	Level string
	// Severity is page, ticket or info.
	Severity string
	Expr     string
	// For is how long the expression must hold, KeepFiring how long the alert stays when it does no more.
	For, KeepFiring time.Duration
	// Summary and Description are templates, in which $labels and $value are known.
	Summary, Description string
	// Dashboard and Runbook are addresses; that of the dashboard is a template, too.
	Dashboard, Runbook string
}

// Levels of alerts.
const (
	levelMonitor = "monitor"
	levelModel   = "model"
	levelFeature = "feature"
)

// NewRules returns the rules of a config; without models, those that suit all models.
func NewRules(c *config.Config) *Rules {
	r := &Rules{config: c}
	g := newRuleGenerator(c)
	r.Records = g.records()
	for i := range alertDefinitions {
		r.Alerts = append(r.Alerts, g.alerts(&alertDefinitions[i])...)
	}
	return r
}

// DefaultConfig is what rules are made from that suit all configs with a window of five minutes.
func DefaultConfig() *config.Config {
	c := &config.Config{Alerts: config.DefaultAlerts()}
	for _, w := range []string{"5m", "1h", "24h"} {
		length, _ := config.ParseDuration(w)
		c.Windows = append(c.Windows, config.Window{Name: w, Length: length})
	}
	return c
}

// ruleGenerator makes rules of one config.
type ruleGenerator struct {
	config  *config.Config
	windows []config.Window // the shortest first
}

func newRuleGenerator(c *config.Config) *ruleGenerator {
	windows := slices.Clone(c.Windows)
	slices.SortFunc(windows, func(a, b config.Window) int { return cmp.Compare(a.Length, b.Length) })
	return &ruleGenerator{c, windows}
}

// scope is what an expression is made for: some models that have the same thresholds.
type scope struct {
	*ruleGenerator
	config.ModelAlerts
	// models is a matcher of these models, with a comma before it, or empty for all.
	models string
	// features are those that have thresholds of their own.
	features []config.Feature
}

// defaultTimeout is how long labels are waited for unless a model says so.
const defaultTimeout = 24 * time.Hour

// scopeOf returns the thresholds of a model; of nil, those of models that the config does not have.
func (g *ruleGenerator) scopeOf(m *config.Model) *scope {
	s := &scope{ruleGenerator: g, ModelAlerts: config.DefaultModelAlerts()}
	timeout := defaultTimeout
	if m != nil {
		s.ModelAlerts, timeout = m.Alerts, m.Labels.Timeout
		for _, f := range m.AllFeatures() {
			if f.Alerts != (config.FeatureAlerts{}) {
				s.features = append(s.features, f)
			}
		}
	}
	if s.MaxLabelDelay == 0 {
		s.MaxLabelDelay = timeout / 2
	}
	return s
}

// alertGroup are the models for which an alert has one expression and severity.
type alertGroup struct {
	scope    *scope
	severity string
	names    []string
}

// alerts returns the rules of a definition, one a severity.
func (g *ruleGenerator) alerts(d *alertDefinition) (out []Alert) {
	severities := map[string][]string{} // expressions
	groups := []*alertGroup{{scope: g.scopeOf(nil), severity: g.severity(d, nil)}}
	if d.level != levelMonitor {
		groups = g.groups(d)
	}
	for _, group := range groups {
		if expr := d.expr(group.scope); expr != "" && group.severity != config.None {
			severities[group.severity] = append(severities[group.severity], expr)
		}
	}
	for _, severity := range []string{config.Page, config.Ticket, config.Info} {
		if exprs := severities[severity]; len(exprs) > 0 {
			out = append(out, g.alert(d, severity, strings.Join(exprs, "\nor\n")))
		}
	}
	return out
}

// groups parts the models by their thresholds. The first group has all that are not in another.
func (g *ruleGenerator) groups(d *alertDefinition) []*alertGroup {
	others := &alertGroup{scope: g.scopeOf(nil), severity: g.severity(d, nil)}
	byRule := map[[2]string]*alertGroup{{others.severity, d.expr(others.scope)}: others}
	groups := []*alertGroup{others}
	var own []string
	for i := range g.config.Models {
		m := &g.config.Models[i]
		s, severity := g.scopeOf(m), g.severity(d, m)
		key := [2]string{severity, d.expr(s)}
		group := byRule[key]
		if group == nil {
			group = &alertGroup{scope: s, severity: severity}
			byRule[key] = group
			groups = append(groups, group)
		}
		if group != others {
			name := exporter.Label(m.Name)
			group.names = append(group.names, name)
			own = append(own, name)
		}
	}
	others.scope.models = noneOf("model", own)
	for _, group := range groups[1:] {
		group.scope.models = anyOf("model", group.names)
	}
	return groups
}

// severity of an alert, on a model or nil.
func (g *ruleGenerator) severity(d *alertDefinition, m *config.Model) string {
	own := ""
	if m != nil {
		own = m.Alerts.Severity[d.key]
	}
	return cmp.Or(own, g.config.Alerts.Severity[d.key], d.severity)
}

func (g *ruleGenerator) alert(d *alertDefinition, severity, expr string) Alert {
	return Alert{
		Name: d.name(), Key: d.key, Level: d.level, Severity: severity, Expr: expr, For: d.pending, KeepFiring: d.keep,
		Summary: d.summary, Description: d.description, Dashboard: g.config.Alerts.GrafanaURL + d.dashboard,
		Runbook: g.config.Alerts.RunbookURL + "/" + d.name() + ".md",
	}
}

// anyOf is a matcher of some values, with a comma before it.
func anyOf(label string, values []string) string {
	if len(values) == 1 {
		return fmt.Sprintf(",%s=%s", label, strconv.Quote(values[0]))
	}
	return fmt.Sprintf(",%s=~%s", label, strconv.Quote(alternatives(values)))
}

// noneOf is a matcher of all but some values, empty if these are none.
func noneOf(label string, values []string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(",%s!=%s", label, strconv.Quote(values[0]))
	}
	return fmt.Sprintf(",%s!~%s", label, strconv.Quote(alternatives(values)))
}

func alternatives(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return strings.Join(quoted, "|")
}

// promDuration writes a duration as PromQL reads it.
func promDuration(d time.Duration) string { return config.FormatDuration(d) }
